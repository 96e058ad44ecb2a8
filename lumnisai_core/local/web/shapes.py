"""Shapes that requests and replies share, and checking requests against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, WithJsonSchema
from pydantic_core import CoreSchema
from pydantic_core.core_schema import literal_schema
from typing_extensions import TypedDict

from lumnisai_core.local.web.errors import InvalidPart, InvalidRequest

_Model = TypeVar("_Model", bound=BaseModel)
#: Fields that say how many items are wanted; a service may lower them to their maximum instead of refusing.
_AMOUNTS = ("limit", "page_size")

Object = dict[str, Any]
#: A UUID, and a time with its zone, as texts on the wire.
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


UserName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_not_blank)]


class OneOf:
    """Marks a text that must be one of these words, for lists that are too long for a `Literal`."""

    def __init__(self, words: str) -> None:
        self._words = words.split()

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return literal_schema(self._words)


class Shape(BaseModel):
    """A part of a request. Unknown fields are ignored, as the platform does."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Named(Shape):
    """Query of calls that may name a user."""

    user_id: UserName | None = None


class Page(Named):
    """Query of lists of the limit/offset style."""

    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=2**62)


class Numbered(Named):
    """Query of lists of the page/page_size style; pages count from 1."""

    page: int = Field(1, ge=1, le=2**48)
    page_size: int = Field(20, ge=1, le=100)

    @property
    def limit(self) -> int:
        """How many items a page has."""
        return self.page_size

    @property
    def offset(self) -> int:
        """How many items come before this page."""
        return (self.page - 1) * self.page_size


class Listed(TypedDict):
    """Where a page of the limit/offset style stands."""

    total: int
    limit: int
    offset: int


class Counted(TypedDict):
    """Where a page of the page/page_size style stands."""

    total: int
    page: int
    page_size: int


class Text(TypedDict):
    """A message."""

    message: str


def read(model: type[_Model], data: Any, where: Literal["body", "query", "path"], *, clamp: bool = False) -> _Model:
    """Check parsed data against a shape; with `clamp`, lower a `limit` or `page_size` that is above its maximum."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        if clamp and (lowered := {item["loc"][0]: item["ctx"]["le"] for item in details if _is_too_much(item)}):
            return read(model, {**data, **lowered}, where)
        wrong: list[InvalidPart] = [
            {"loc": [where, *item["loc"]], "msg": item["msg"], "type": item["type"]} for item in details
        ]
        raise InvalidRequest(wrong) from error


def _is_too_much(item: Mapping[str, Any]) -> bool:
    """Tell whether an error is about a `limit` or `page_size` above its maximum."""
    return item["type"] == "less_than_equal" and len(item["loc"]) == 1 and item["loc"][0] in _AMOUNTS
