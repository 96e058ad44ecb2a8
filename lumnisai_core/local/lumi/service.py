"""The application backend behind its endpoints: who calls, with which signature, and the envelopes of replies."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from lumnisai_core.local.lumi.accounts import Accounts
from lumnisai_core.local.lumi.documents import Caller, Documents
from lumnisai_core.local.lumi.files import Files
from lumnisai_core.local.lumi.functions import Functions
from lumnisai_core.local.lumi.generation import Generation
from lumnisai_core.local.lumi.mail import Post
from lumnisai_core.local.lumi.settings import LumiSettings
from lumnisai_core.local.lumi.shapes import UserRow
from lumnisai_core.local.lumi.signature import Signatures
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.web import app
from lumnisai_core.local.web.errors import ApiError, InvalidRequest, not_found
from lumnisai_core.local.web.ids import is_past, now
from lumnisai_core.local.web.shapes import Object

_TOKEN_INVALID = 2100
_logger = logging.getLogger("lumnisai_core.local")


@dataclass(slots=True)
class Keys:
    """The keys of the project.

    Args:
        api: for text and images.
        sign: for signatures.
        top: for requests with every right.
        owner: for the page of the service.
        owner_expires_at: when `owner` expires; None for never.
    """

    api: str = field(repr=False)
    sign: str = field(repr=False)
    top: str = field(repr=False)
    owner: str = field(repr=False)
    owner_expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A running application backend; `address` is where clients reach it."""

    settings: LumiSettings
    keys: Keys
    signatures: Signatures
    store: Store
    accounts: Accounts
    documents: Documents
    post: Post
    files: Files
    generation: Generation
    functions: Functions
    max_body: int
    address: str
    warned: set[str] = field(default_factory=set)

    def open_call(self, request: Request, path: Mapping[str, str], key: str | None) -> Call:
        """Return the call of a request; without a token, of nobody.

        Raises:
            ApiError: project, token or top access key is not valid.
        """
        parts = {name: unquote(value) for name, value in path.items()}
        self.check_project(parts.get("projectId", self.settings.project_id))
        top = request.headers.get("x-top-access")
        if top is not None and not _same(top, self.keys.top):
            raise ApiError(403, "FORBIDDEN", "X-Top-Access is not valid.")
        user = self.accounts.of_token(key) if key else None
        return Call(self, request, parts, user, is_top=top is not None)

    def check_project(self, project_id: str) -> None:
        """Refuse another project.

        Raises:
            ApiError: it is one.
        """
        if project_id != self.settings.project_id:
            raise not_found("project", project_id)

    def code_of(self, error: ApiError) -> int:
        """Return the result code of a refusal."""
        if error.code == "TOKEN_INVALID":
            return _TOKEN_INVALID
        return 400 if isinstance(error, InvalidRequest) else error.status

    def status_of(self, error: ApiError) -> int:
        """Return the HTTP status of a refusal."""
        if not self.settings.http_status:
            return 200
        return 400 if isinstance(error, InvalidRequest) else error.status

    def refused(self, error: ApiError) -> Object:
        """Return the body of a refusal."""
        message = error.message
        if isinstance(error, InvalidRequest):
            message = "; ".join(f"{'.'.join(map(str, part['loc'][1:]))}: {part['msg']}" for part in error.errors)
        return {"code": self.code_of(error), "message": message, "data": None}


class Call(app.Call):
    """A request, who makes it, and the backend that answers it."""

    def __init__(
        self, service: Service, request: Request, path: Mapping[str, str], user: UserRow | None, *, is_top: bool
    ) -> None:
        super().__init__(request, path)
        self.service = service
        self.user = user
        is_admin = is_top or (user is not None and service.settings.is_admin(user.email))
        self.caller = Caller(None if user is None else user.id, is_admin)

    def check(self) -> None:
        """Check the signature of a request of the platform, as strictly as the settings say."""
        service, request = self.service, self.request
        if service.settings.signature == "off" or not request.scope["path"].startswith("/lumi/lm/"):
            return
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        fault = service.signatures.fault(request.headers, query, self.raw, time.time())
        if fault is None:
            return
        if service.settings.signature == "strict":
            raise ApiError(403, "SIGNATURE_INVALID", fault)
        if fault not in service.warned:
            service.warned.add(fault)
            _logger.warning("A request to the Lumi backend would be refused in strict mode: %s", fault)

    def check_api_key(self, key: str) -> None:
        """Refuse a key for text and images that is not valid.

        Raises:
            ApiError: it is not.
        """
        if not _same(key, self.service.keys.api):
            raise ApiError(403, "FORBIDDEN", "lumiApiKey is not valid.")

    def check_owner(self) -> None:
        """Refuse everybody without the key of the service.

        Raises:
            ApiError: the request has not got it.
        """
        keys = self.service.keys
        is_owner = _same(self.request.headers.get("x-api-key", ""), keys.owner)
        if not is_owner or is_past(keys.owner_expires_at, now()):
            raise ApiError(403, "FORBIDDEN", "This is for the service's own key.")

    def signed_in(self) -> UserRow:
        """Return the user.

        Raises:
            ApiError: nobody is signed in.
        """
        if self.user is None:
            raise ApiError(401, "TOKEN_INVALID", "This needs a user's token.")
        return self.user


def _same(sent: str, known: str) -> bool:
    return hmac.compare_digest(sent.encode(), known.encode())


def enveloped(data: Any) -> Object:
    """Return a reply with the envelope."""
    return {"code": 200, "message": "success", "data": data}
