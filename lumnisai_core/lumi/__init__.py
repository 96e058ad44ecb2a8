"""Client for Lumi.new, the backend of generated applications: accounts, documents, e-mail, files, texts, images.

>>> from lumnisai_core.lumi import Client
>>> client = Client(authorization="Bearer ...")       # LUMI_PROJECT_ID and LUMI_API_BASE_URL from the environment
>>> client.entities.Posts.list(filter={"published": True}, sort={"createdAt": -1}, limit=10).list
"""

from __future__ import annotations

from lumnisai_core.exceptions import LumnisAIError, SessionExpiredError, TruncatedStreamError, WaitTimeoutError
from lumnisai_core.lumi._async.client import AsyncClient
from lumnisai_core.lumi._sync.client import Client
from lumnisai_core.lumi.models import (
    AuthChange,
    Document,
    DocumentList,
    GeneratedImage,
    GeneratedText,
    GenerationStatus,
    OtpType,
    SignIn,
    TextEvent,
    UploadedFile,
    User,
)

#: Names that the product's own package uses.
LumiError = LumnisAIError
LumiClient = Client
create_client = Client

__all__ = [
    "AsyncClient",
    "AuthChange",
    "Client",
    "Document",
    "DocumentList",
    "GeneratedImage",
    "GeneratedText",
    "GenerationStatus",
    "LumiClient",
    "LumiError",
    "OtpType",
    "SessionExpiredError",
    "SignIn",
    "TextEvent",
    "TruncatedStreamError",
    "UploadedFile",
    "User",
    "WaitTimeoutError",
    "create_client",
]
