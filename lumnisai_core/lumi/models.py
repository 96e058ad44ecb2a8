"""Models of Lumi.new: users, documents, files, generated texts and images."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from lumnisai_core._transport.wire import WireModel


class LumiModel(WireModel):
    """A model whose fields have camel-case names on the wire."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel)


class OtpType(StrEnum):
    """What a one-time code is for."""

    REGISTER = "register"
    RESET_PASSWORD = "resetPassword"  # noqa: S105 - the kind of a code


class User(LumiModel):
    """A user of an application.

    Attributes:
        user_id: The user's id; ``creator`` of the documents that the user has made.
        email: E-mail address.
        user_name: Display name.
        user_role: ``ADMIN`` or ``USER``.
        created_time: When the account was made, as the service writes it.
    """

    _id = "user_id"

    user_id: str
    email: str = ""
    user_name: str = ""
    user_role: str = ""
    created_time: str = ""


class SignIn(LumiModel):
    """A signed-in user.

    Attributes:
        project_id: The application.
        access_token: The user's token. Whoever knows it can act as the user, so it does not show in the object's text.
        user: The user.
    """

    project_id: str
    access_token: str = Field(repr=False, min_length=1)
    user: User


class AuthChange(NamedTuple):
    """A change of who is signed in.

    Attributes:
        is_authenticated: Whether the client holds a token that has not been refused.
        user: The user, as far as it is known.
    """

    is_authenticated: bool
    user: User | None


class Document(dict[str, Any]):
    """A document of a collection: a dict as the service sends it, whose id is also ``document["id"]``."""

    @property
    def id(self) -> str | None:
        """The document's id, ``_id`` on the wire; None if it has none."""
        found = self.get("_id", self.get("id"))
        return None if found is None else str(found)

    def __missing__(self, key: str) -> Any:
        if key == "id":
            return self["_id"]
        raise KeyError(key)


Documents: TypeAlias = list[Document]


class DocumentList(NamedTuple):
    """Documents that match a filter.

    Attributes:
        list: The documents.
        total: How many match in all.
    """

    list: Documents
    total: int


class UploadedFile(LumiModel):
    """The outcome of one file of an upload.

    Attributes:
        file_name: Name of the file.
        file_url: Where it can be read, or None if it was refused.
        upload_error: Why it was refused, or None.
    """

    _columns = ("file_name", "file_url", "upload_error")

    file_name: str = ""
    file_url: str | None = None
    upload_error: str | None = None


class GeneratedText(LumiModel):
    """A text from a model, or one piece of a streamed text.

    Attributes:
        chat_id: The service's id of the answer. It cannot be sent back: each call carries the whole conversation.
        content: The text; in a stream, the text that is new in this piece.
    """

    _id = "chat_id"

    chat_id: str = ""
    content: str = ""


class TextEvent(NamedTuple):
    """One event of a streamed text.

    Attributes:
        event: Name of the event, or None.
        data: The piece of text.
    """

    event: str | None
    data: GeneratedText


class GenerationStatus(StrEnum):
    """How far an image is. Values that the service adds later stay plain strings."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class GeneratedImage(LumiModel):
    """An image from a model.

    Attributes:
        chat_id: The service's id of the answer.
        message_id: Id of the image, for ``tools.ai.get_image``.
        generation_status: ``PROCESSING``, ``SUCCESS`` or ``FAILED``.
        content: Text beside the image, or None.
        image_url: Where the image can be read, or None.
    """

    _id = "message_id"

    chat_id: str = ""
    message_id: str
    generation_status: str = GenerationStatus.PROCESSING
    content: str | None = None
    image_url: str | None = Field(None, alias="imageURL")
