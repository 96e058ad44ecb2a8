"""Settings of the embedded application backend: keys, signatures, access rules, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

Access = Literal["anyone", "user", "owner", "admin"]
SignatureMode = Literal["off", "warn", "strict"]
StreamErrors = Literal["reply", "event"]

_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class LumiRule:
    """Who may use a collection: `anyone`, a signed-in `user`, the `owner` who created the document, or an `admin`.

    Administrators and requests with the top access key may do everything.

    Args:
        read: who sees documents; with `owner`, lists have only the caller's own.
        create: who creates documents; `owner` is the same as `user`.
        write: who changes and deletes documents.

    Raises:
        ValueError: a value is not one of the four.
    """

    read: Access = "anyone"
    create: Access = "anyone"
    write: Access = "anyone"

    def __post_init__(self) -> None:
        for name in ("read", "create", "write"):
            _check_choice(name, getattr(self, name), get_args(Access))


@dataclass(frozen=True, slots=True)
class LumiSettings:
    """The embedded application backend, for `LocalLumnis(lumi=...)`.

    Args:
        project_id: the one project that the service has.
        api_key: key for text and images; default: a fresh random one.
        sign_key: key of the signature; default: a fresh random one.
        top_access_key: key that gives a request every right; default: a fresh random one.
        signature: what happens to requests with a missing or wrong signature: `off` nothing, `warn` a line in the log,
            `strict` code 403. The clock may differ by 300 seconds, and a nonce counts once.
        rules: access rules by collection; `*` is the rule of all others. Without one, anyone may do everything.
        admins: e-mail addresses of the accounts whose role is `ADMIN`.
        token_lifetime: seconds until a user token is refused with code 2100.
        code_lifetime: seconds until a one-time code is void.
        max_file: largest file, in bytes.
        filter_seconds: longest time that a filter or sort may take, in seconds.
        sender: address that e-mails come from.
        smtp: server that e-mails are handed to besides the outbox, as `smtp://user:password@host:port`, or `smtps://`
            for TLS; default: none.
        http_status: answer failures with a fitting HTTP status instead of 200.
        stream_done: end streams of text with a `[DONE]` event.
        stream_errors: how a stream whose engine fails says so: `reply`, an envelope instead of a stream, or `event`, an
            event named `error` in the stream.
        image_polls: how many polls of an image find it unfinished.

    Raises:
        ValueError: a value is not usable.
    """

    project_id: str = "p100000000000000001"
    api_key: str | None = field(default=None, repr=False)
    sign_key: str | None = field(default=None, repr=False)
    top_access_key: str | None = field(default=None, repr=False)
    signature: SignatureMode = "warn"
    rules: Mapping[str, LumiRule] = field(default_factory=dict)
    admins: Sequence[str] = ()
    token_lifetime: float = 7 * _DAY
    code_lifetime: float = 600.0
    max_file: int = 50 << 20
    filter_seconds: float = 30.0
    sender: str = "no-reply@localhost"
    smtp: str | None = field(default=None, repr=False)
    http_status: bool = False
    stream_done: bool = False
    stream_errors: StreamErrors = "reply"
    image_polls: int = 0

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project_id):
            raise ValueError(f"project_id must be letters, digits, _ and -, at most 64, got {self.project_id!r}")
        _check_choice("signature", self.signature, get_args(SignatureMode))
        _check_choice("stream_errors", self.stream_errors, get_args(StreamErrors))
        for name in ("api_key", "sign_key", "top_access_key"):
            key = getattr(self, name)
            if key is not None and not (isinstance(key, str) and key.strip() and key.isprintable()):
                raise ValueError(f"{name} must be a non-empty string")
        for name in ("token_lifetime", "code_lifetime", "max_file", "filter_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if isinstance(self.admins, str):
            raise ValueError("admins must be a list of e-mail addresses, got a single string")
        if wrong := [rule for rule in self.rules.values() if not isinstance(rule, LumiRule)]:
            raise ValueError(f"rules must be LumiRule objects by collection, got {type(wrong[0]).__name__}")
        if self.smtp is not None:
            parts = urlsplit(self.smtp)
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
                raise ValueError("smtp must be an address such as smtp://user:password@host:587")

    def rule(self, collection: str) -> LumiRule:
        """Return the rule of a collection."""
        return self.rules.get(collection) or self.rules.get("*") or LumiRule()

    def is_admin(self, email: str) -> bool:
        """Tell whether the account of an address is an administrator's."""
        return email.casefold() in {admin.strip().casefold() for admin in self.admins}


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
