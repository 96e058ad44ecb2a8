"""Client for Liminal, the privacy gateway: analyze, cleanse and hydrate prompts, and submit them to a model.

>>> from lumnisai_core.liminal import Client
>>> client = Client()                            # LIMINAL_API_SERVER_URL and LIMINAL_TOKEN from the environment
>>> instance = client.llm.get_model_instance("House Chat")
>>> client.prompt.submit(instance.id, "Draft a reply to mira.okafor@example.org").answer
"""

from __future__ import annotations

from lumnisai_core.exceptions import (
    AuthenticationError,
    LumnisAIError,
    ModelInstanceUnknownError,
    PolicyBlockedError,
    SessionExpiredError,
    TruncatedStreamError,
)
from lumnisai_core.liminal._async.client import AsyncClient
from lumnisai_core.liminal._sync.client import Client
from lumnisai_core.liminal.config import AuthProvider
from lumnisai_core.liminal.device_code import DeviceCodeFlowProvider
from lumnisai_core.liminal.models import (
    AnalyzeResponse,
    Chat,
    CleanseResponse,
    DeidentifiedToken,
    Finding,
    HydrateResponse,
    ModelConnection,
    ModelInstance,
    Placeholder,
    StreamResponseChunk,
    SubmitResponse,
    Thread,
)

#: Names that the product's own package and examples use.
LiminalError = RequestError = LumnisAIError
AuthError = AuthenticationError
MicrosoftAuthProvider = DeviceCodeFlowProvider

__all__ = [
    "AnalyzeResponse",
    "AsyncClient",
    "AuthError",
    "AuthProvider",
    "Chat",
    "CleanseResponse",
    "Client",
    "DeidentifiedToken",
    "DeviceCodeFlowProvider",
    "Finding",
    "HydrateResponse",
    "LiminalError",
    "MicrosoftAuthProvider",
    "ModelConnection",
    "ModelInstance",
    "ModelInstanceUnknownError",
    "Placeholder",
    "PolicyBlockedError",
    "RequestError",
    "SessionExpiredError",
    "StreamResponseChunk",
    "SubmitResponse",
    "Thread",
    "TruncatedStreamError",
]
