"""Requests to the application backend, and the rows of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import formataddr
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from lumnisai_core.local.web.shapes import Object, Shape

CodeKind = Literal["register", "resetPassword"]

_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f<>,;\"]+@[^@\s\x00-\x1f\x7f<>,;\"]+")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
#: Last segments of routes, which would hide documents of such ids.
_RESERVED = ("list", "listByPage", "batch", "batch-by-ids")
_LONGEST_ID = 200


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text.strip()):
        raise ValueError("must be an e-mail address")
    return text.strip()


def _one_line(text: str) -> str:
    if not _ONE_LINE.fullmatch(text):
        raise ValueError("must be one line")
    return text


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Address = Annotated[str, Field(max_length=320), AfterValidator(_address)]
Hashed = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
Line = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]


class CamelShape(Shape):
    """A request whose fields are in camel case."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel)


# Accounts


class Nothing(RootModel[Any]):
    """A body that is not read."""


class ForProject(CamelShape):
    """A request for a project that the body names."""

    project_id: str


class Login(ForProject):
    """Body of `POST /lm/user/password/login`."""

    email: Address
    password: Hashed


class SendCode(ForProject):
    """Body of `POST /lm/user/email/code/send`."""

    email: Address
    email_type: CodeKind


class Register(Login):
    """Body of `POST /lm/user/password/register`."""

    code: str = Field(max_length=100, repr=False)
    user_name: Line | None = None


class Reset(ForProject):
    """Body of `POST /lm/user/password/reset`."""

    email: Address
    new_password: Hashed
    code: str = Field(max_length=100, repr=False)


# Documents


def check_names(value: Any) -> Any:
    """Refuse names of fields that a filter could not name."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not name or name.startswith("$") or "." in name or "\x00" in name:
                raise ValueError(
                    f"the name of a field must not be empty, begin with $ or hold a dot, got {name[:50]!r}"
                )
            check_names(inner)
    elif isinstance(value, list):
        for inner in value:
            check_names(inner)
    return value


def _with_usable_id(document: Object) -> Object:
    chosen = document.get("_id", "x")
    if not isinstance(chosen, str) or not 0 < len(chosen) <= _LONGEST_ID or chosen in _RESERVED:
        raise ValueError(f"_id must be a string of 1 to {_LONGEST_ID} characters, and not the name of a route")
    return document


Fields = Annotated[Object, AfterValidator(check_names)]
Document = Annotated[Fields, AfterValidator(_with_usable_id)]
Order = dict[str, Literal[1, -1]]


class NewDocument(RootModel[Document]):
    """Body of `POST /lm/{projectId}/{entity}/documents`."""


class NewDocuments(RootModel[list[Document]]):
    """Body of `POST /lm/{projectId}/{entity}/documents/batch`."""


class ListAll(Shape):
    """Body of `POST /lm/{projectId}/{entity}/documents/list`."""

    filter: Object | None = None
    sort: Order | None = None


class ListPage(ListAll):
    """Body of `POST /lm/{projectId}/{entity}/documents/listByPage`."""

    limit: int = Field(ge=1, le=1000)
    skip: int = Field(0, ge=0, le=2**62)


class Update(Shape):
    """Body of `PUT /lm/{projectId}/{entity}/documents`."""

    filter: Object = Field(min_length=1)
    update: Fields


# Tools


class Media(CamelShape):
    """A picture or another file beside a message."""

    mime_type: str
    url: str


class ChatMessage(Shape):
    """A message."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(repr=False)
    medias: list[Media] | None = None


class WithKey(CamelShape):
    """A request with the key for text and images."""

    lumi_api_key: str = Field(repr=False)


class Generate(WithKey):
    """Body of `POST /lm/{projectId}/ai/chat/completions`, `ai/chat/stream` and `ai/image/task`."""

    model_name: str
    chat_messages: list[ChatMessage] = Field(min_length=1)


class PollImage(WithKey):
    """Body of `POST /lm/{projectId}/ai/image/get`."""

    message_id: str


class SendMail(CamelShape):
    """Body of `POST /lm/{projectId}/email/send`."""

    to: list[Address] = Field(min_length=1, max_length=100)
    subject: Line = Field(min_length=1)
    from_name: Line | None = None
    html: str | None = Field(None, repr=False)
    text: str | None = Field(None, repr=False)
    reply_to: list[Address] | None = None
    scheduled_at: Annotated[str, Field(max_length=100), AfterValidator(_moment)] | None = None


class DeleteFiles(CamelShape):
    """Body of `DELETE /lm/{projectId}/file/batch`."""

    file_urls: list[str] = Field(max_length=10_000)


# Rows


@dataclass(frozen=True, slots=True)
class UserRow:
    """An account; `password` is a salted hash of the hash that clients send."""

    id: str
    email: str
    user_name: str
    password: str = field(repr=False)
    created_at: str


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document; `data` is its JSON text with all fields."""

    seq: int
    id: str
    owner: str | None
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A stored file; its bytes are on disk under its id."""

    id: str
    name: str
    mime_type: str
    size: int
    owner: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image that was asked for; `file_id` is None if the engine failed."""

    id: str
    chat_id: str
    content: str
    file_id: str | None
    polls: int
    created_at: str


@dataclass(frozen=True, slots=True)
class LumiMail:
    """An e-mail in the outbox.

    Attributes:
        id: Number of the e-mail, from 1.
        created_at: When it was accepted.
        sender: Address that it comes from.
        to: Addresses that it goes to.
        subject: Its subject.
        text: Plain text; empty if it has none.
        html: HTML; None if it has none.
        from_name: Name of the sender, or None.
        reply_to: Addresses for replies.
        scheduled_at: When it is to be sent, as the caller wrote it; None for at once.
        code: The one-time code in it, or None.
    """

    id: int
    created_at: str
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str = field(default="", repr=False)
    html: str | None = field(default=None, repr=False)
    from_name: str | None = None
    reply_to: tuple[str, ...] = ()
    scheduled_at: str | None = None
    code: str | None = field(default=None, repr=False)

    @property
    def message(self) -> EmailMessage:
        """The e-mail as a message of the standard library, ready to be sent."""
        message = EmailMessage()
        message["From"] = formataddr((self.from_name or "", self.sender))
        message["To"] = ", ".join(self.to)
        message["Subject"] = self.subject
        if self.reply_to:
            message["Reply-To"] = ", ".join(self.reply_to)
        message.set_content(self.text)
        if self.html is not None:
            message.add_alternative(self.html, subtype="html")
        return message
