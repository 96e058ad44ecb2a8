"""Tools for agents on a Lumi.new application: names, descriptions and schemas, and the calls behind them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

import pydantic
from pydantic import BaseModel, ConfigDict, Field, create_model

from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    LumnisAIError,
    NotFoundError,
    SessionExpiredError,
    ValidationError,
)
from lumnisai_core.lumi import GeneratedImage, UploadedFile

Access: TypeAlias = Literal["read", "write"]

#: Collections that tools may use: names with what they may do there, names for all, or None for every collection.
Collections: TypeAlias = Mapping[str, Access] | Sequence[str] | None

_MOST_ROWS = 50


class LumiFunction(BaseModel):
    """A function of the application as a tool.

    Attributes:
        name: Name of the function.
        description: When models should call it, and what it returns.
        method: HTTP method. With GET the arguments are the query, otherwise the body.
        arguments: Pydantic model of its arguments. Default: an object of any form, ``body``.
        tool_name: Name of the tool, if the function's own has characters that tools cannot have.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    method: str = "POST"
    arguments: type[BaseModel] | None = None
    tool_name: str | None = None


class Selection(NamedTuple):
    """Which tools there are.

    Attributes:
        entities: Collections that tools may use; empty for none.
        read_only: Whether only tools that change nothing are left.
        email: Whether e-mails may be sent.
        files: Whether files may be uploaded and deleted.
        images: Whether images may be generated.
        functions: Functions that may be called.
    """

    entities: Collections = None
    read_only: bool = False
    email: bool = True
    files: bool = True
    images: bool = True
    functions: Sequence[LumiFunction] = ()

    def tools(self) -> list[LumiAction]:
        """Return the tools.

        Raises:
            ConfigurationError: A choice cannot be used, or two tools have the same name.
        """
        found = [
            *_entity_tools(self.entities, read_only=self.read_only),
            *([] if self.read_only or not self.email else [_SEND_EMAIL]),
            *([] if self.read_only or not self.files else [_UPLOAD_FILE, _DELETE_FILES]),
            *([] if self.read_only or not self.images else [_GENERATE_IMAGE]),
            *(_function_tool(function) for function in self.functions if _may_call(function, read_only=self.read_only)),
        ]
        names = [action.name for action in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigurationError(f"Two tools are called {', '.join(sorted(twice))}: give one another tool_name.")
        return found


class LumiAction(NamedTuple):
    """A tool, free of frameworks.

    Attributes:
        name: Name by which models call it.
        description: When models should call it.
        arguments: Pydantic model of its arguments.
        start: Makes the call: takes a client, blocking or asyncio, and the arguments.
        finish: Turns the result into plain data.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    start: Callable[[Any, Any], Any]
    finish: Callable[[Any], Any] = lambda result: result

    def read(self, arguments: Mapping[str, Any]) -> BaseModel:
        """Check arguments that a model wrote.

        Raises:
            ValidationError: They do not fit, with the places.
        """
        try:
            return self.arguments.model_validate(dict(arguments))
        except pydantic.ValidationError as error:
            places = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors())
            raise ValidationError(f"{self.name}: {places}") from None

    def text(self, result: Any) -> str:
        """Return a result as the text that a model reads."""
        return json.dumps(self.finish(result), ensure_ascii=False, default=str)


def refusal_text(error: LumnisAIError) -> str | None:
    """Return what a model should read of an error that it can react to; None for all others."""
    if isinstance(error, ConfigurationError | SessionExpiredError):
        return None
    is_refusal = isinstance(error, ValidationError | NotFoundError) or (
        isinstance(error, AuthenticationError) and error.status_code == 403
    )
    return f"Error: {error.message}" if is_refusal else None


# Entities


class _Arguments(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


_Filter = Annotated[
    dict[str, Any] | None,
    Field(description='Conditions by field, such as {"status": "open"} or {"age": {"$gte": 18}}; null for all.'),
]
_Sort = Annotated[
    dict[str, Literal[1, -1]] | None, Field(description='1 (ascending) or -1 by field, such as {"createdAt": -1}.')
]
_Limit = Annotated[int, Field(ge=0, le=_MOST_ROWS, description="Most documents to return; 0 only counts them.")]
_Skip = Annotated[int, Field(ge=0, description="Documents to leave out at the beginning.")]
_Id = Annotated[str, Field(min_length=1, description="Id of the document, its _id.")]
_Data = Annotated[dict[str, Any], Field(description="Fields of the document.")]
_Changes = Annotated[dict[str, Any], Field(min_length=1, description="The fields to change; others stay.")]


def _entity_tools(entities: Collections, *, read_only: bool) -> list[LumiAction]:
    access = _access(entities)
    if access is not None and not access:
        return []
    readable = None if access is None else list(access)
    writable = None if access is None else [name for name, may in access.items() if may == "write"]
    tools = [
        LumiAction(
            "lumi_list_documents",
            "List documents of a collection, filtered and sorted. Returns them and how many match in all.",
            _model(
                "ListDocuments",
                readable,
                filter=(_Filter, None),
                sort=(_Sort, None),
                limit=(_Limit, 20),
                skip=(_Skip, 0),
            ),
            lambda client, one: client.entities[one.collection].list(one.filter, one.sort, one.limit, one.skip),
            lambda result: {"total": result.total, "documents": result.list},
        ),
        LumiAction(
            "lumi_get_document",
            "Read one document of a collection by its id. Returns null if there is none.",
            _model("GetDocument", readable, id=(_Id, ...)),
            lambda client, one: client.entities[one.collection].get(one.id),
        ),
    ]
    if read_only or writable == []:
        return tools
    return [
        *tools,
        LumiAction(
            "lumi_create_document",
            "Create a document in a collection. Returns it with its id.",
            _model("CreateDocument", writable, data=(_Data, ...)),
            lambda client, one: client.entities[one.collection].create(one.data),
        ),
        LumiAction(
            "lumi_update_document",
            "Change fields of a document. Returns the whole document.",
            _model("UpdateDocument", writable, id=(_Id, ...), data=(_Changes, ...)),
            lambda client, one: client.entities[one.collection].update(one.id, one.data),
        ),
        LumiAction(
            "lumi_delete_document",
            "Delete a document of a collection by its id.",
            _model("DeleteDocument", writable, id=(_Id, ...)),
            lambda client, one: client.entities[one.collection].delete(one.id),
            lambda _: {"deleted": True},
        ),
    ]


def _access(entities: Collections) -> dict[str, Access] | None:
    if entities is None:
        return None
    if isinstance(entities, str):
        raise ConfigurationError(f"entities must be a list of collections, not the string {entities!r}.")
    access: dict[str, Access] = dict(entities) if isinstance(entities, Mapping) else dict.fromkeys(entities, "write")
    for name, may in access.items():
        if not isinstance(name, str) or not name.strip() or may not in ("read", "write"):
            raise ConfigurationError(f"entities must map collections to 'read' or 'write', not {name!r} to {may!r}.")
    return access


def _model(name: str, collections: Iterable[str] | None, **fields: Any) -> type[BaseModel]:
    about = Field(min_length=1, description="Name of the collection.")
    kind: Any = Annotated[str, about]
    if collections is not None:
        # One of these names; Literal tells models and checks what they write.
        kind = Annotated[Literal[tuple(collections)], Field(description="Name of the collection.")]
    return create_model(name, __base__=_Arguments, collection=(kind, ...), **fields)


# E-mail, files, images


class _SendEmail(_Arguments):
    to: list[str] = Field(min_length=1, description="Addresses.")
    subject: str = Field(min_length=1, description="Subject.")
    text: str = Field(min_length=1, description="Plain text of the e-mail.")
    html: str | None = Field(default=None, description="The same as HTML, if it needs a layout.")


class _UploadFile(_Arguments):
    name: str = Field(min_length=1, description="Name of the file, such as notes.md.")
    content: str = Field(description="Text of the file.")


class _DeleteFiles(_Arguments):
    urls: list[str] = Field(min_length=1, description="Addresses of uploaded files.")


class _GenerateImage(_Arguments):
    description: str = Field(min_length=1, description="What the image shows, and its style.")


def _uploaded(files: Sequence[UploadedFile]) -> Any:
    return files[0].model_dump(mode="json", exclude_none=True)


def _image(image: GeneratedImage) -> Any:
    return image.model_dump(mode="json", exclude_none=True)


_SEND_EMAIL = LumiAction(
    "lumi_send_email",
    "Send an e-mail from the application. It is delivered later.",
    _SendEmail,
    lambda client, one: client.tools.email.send(one.to, one.subject, html=one.html, text=one.text),
    lambda _: {"accepted": True},
)
_UPLOAD_FILE = LumiAction(
    "lumi_upload_file",
    "Store a text file. Returns its address, or why it was refused.",
    _UploadFile,
    lambda client, one: client.tools.file.upload([(one.name, one.content.encode())]),
    _uploaded,
)
_DELETE_FILES = LumiAction(
    "lumi_delete_files",
    "Delete uploaded files by their addresses.",
    _DeleteFiles,
    lambda client, one: client.tools.file.delete(one.urls),
    lambda _: {"deleted": True},
)
_GENERATE_IMAGE = LumiAction(
    "lumi_generate_image",
    "Draw an image. Returns its address.",
    _GenerateImage,
    lambda client, one: client.tools.ai.generate_image(one.description),
    _image,
)


# Functions


class _AnyBody(_Arguments):
    body: dict[str, Any] = Field(default_factory=dict, description="Arguments of the function.")


def _may_call(function: LumiFunction, *, read_only: bool) -> bool:
    return not read_only or function.method.upper() in ("GET", "HEAD")


def _function_tool(function: LumiFunction) -> LumiAction:
    name = function.tool_name or function.name
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ConfigurationError(
            f"The function {function.name!r} needs a tool_name of 1 to 64 letters, digits, '_' or '-'."
        )
    is_query = function.method.upper() in ("GET", "HEAD", "DELETE")

    def start(client: Any, arguments: BaseModel) -> Any:
        values = arguments.model_dump(mode="json", exclude_none=is_query)
        values = values["body"] if function.arguments is None else values
        content = {"query": values} if is_query else {"body": values}
        return client.functions.invoke(function.name, method=function.method, **content)

    return LumiAction(name, function.description, function.arguments or _AnyBody, start)
