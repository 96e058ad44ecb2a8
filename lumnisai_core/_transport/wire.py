"""Base classes of wire models: frozen, with unknown fields kept and unreadable ones left out.

Any JSON object that has the ids of a model can be read as that model. A field of the wrong type falls back to its
default, an unreadable element of a list is left out, and both are logged; the rest of the answer stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

logger = logging.getLogger("lumnisai_core")

ItemT = TypeVar("ItemT")

#: Tries the enum first and keeps any other text as it is, so that new values of a service are read without an error.
OPEN_ENUM = Field(union_mode="left_to_right")


def _as_utc(moment: datetime) -> datetime:
    # Services send some times without a zone; they are UTC.
    return moment if moment.utcoffset() else moment.replace(tzinfo=UTC)


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


Timestamp: TypeAlias = Annotated[datetime, AfterValidator(_as_utc)]
Items: TypeAlias = Annotated[list[ItemT], BeforeValidator(_none_as_empty)]


class WireModel(BaseModel):
    """A frozen view of one JSON object of a service, read leniently."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="allow",
        populate_by_name=True,
        protected_namespaces=(),
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        defer_build=True,  # importing the package stays quick; the first use builds what it needs
    )

    #: Fields to show in a table with a row for each object. Default: all.
    _columns: ClassVar[tuple[str, ...]] = ()

    #: Field with the object's id, if it has one.
    _id: ClassVar[str] = "id"

    def json(self) -> dict[str, Any]:  # type: ignore[override]  # replaces a deprecated method of pydantic
        """Return the object as plain JSON data. Code that handles errors calls this on an error's ``response``."""
        return self.model_dump(mode="json")

    def table_row(self) -> dict[str, object]:
        """Return the values to show in a table with a row for each object, by column."""
        return {name: getattr(self, name) for name in self._columns} or self._display_fields()

    def _display_fields(self) -> dict[str, object]:
        declared = {name: getattr(self, name) for name, field in type(self).model_fields.items() if field.repr}
        return {**declared, **(self.model_extra or {})}

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from lumnisai_core.display import record_html  # noqa: PLC0415 - only notebooks need it

        return {"text/html": record_html(type(self).__name__, self._display_fields())}

    @model_validator(mode="wrap")
    @classmethod
    def _read_leniently(cls, data: Any, handler: ModelWrapValidatorHandler[WireModel]) -> WireModel:
        try:
            return handler(data)
        except pydantic.ValidationError as error:
            if not isinstance(data, Mapping):
                raise
            mended, left_out = without_unreadable(data, [item["loc"] for item in error.errors(include_input=False)])
            model = handler(mended)  # a missing id is still an error
            logger.warning("Left out of %s, the type is unexpected: %s", cls.__name__, ", ".join(left_out))
            return model


class Page(WireModel, Generic[ItemT]):
    """One page of a list. The field with the items has another name for each resource."""

    if not TYPE_CHECKING:
        # The items are a field of the subclasses, so that pydantic need not make a model for each kind of them.
        def __class_getitem__(cls, _: object) -> type[Self]:
            return cls

    total: int = 0
    _received: int = PrivateAttr(default=0)

    #: Name of the field with the items.
    _list: ClassVar[str]

    @property
    def items(self) -> list[ItemT]:
        """The items on this page, under a name that all pages share."""
        items: list[ItemT] = getattr(self, self._list)
        return items

    @property
    def received(self) -> int:
        """Number of items the service sent, including those that could not be read."""
        return self._received

    @model_validator(mode="wrap")
    @classmethod
    def _count_received(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        page = handler(data)
        if isinstance(data, Mapping) and isinstance(rows := data.get(cls._list), list):
            page._received = len(rows)
        return page

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from lumnisai_core.display import table_html  # noqa: PLC0415 - only notebooks need it

        count = len(self.items)
        return {"text/html": table_html(self.items, note=f"{count} of {max(self.total, count)}")}

    def more_after(self, seen: int) -> bool:
        """Return whether the list has more than ``seen`` items."""
        return seen < self.total


def id_of(item: object) -> str:
    """Return what tells an object of a list from the others: its id, or all of it if it has none."""
    key = getattr(item, getattr(item, "_id", "id"), None)
    if key is not None:
        return str(key)
    return item.model_dump_json() if isinstance(item, WireModel) else repr(item)


def without_unreadable(
    data: Mapping[str, Any], places: list[tuple[int | str, ...]]
) -> tuple[dict[str, Any], list[str]]:
    """Copy a JSON object without the values at some places.

    Args:
        data: The object as received.
        places: Places of unreadable values, as pydantic reports them. A place inside a list removes only that element
            of the list, any other place removes the whole field.

    Returns:
        The copy and the removed places as text, such as ``progress[3]``.
    """
    mended = dict(data)
    elements: dict[str, set[int]] = {}
    left_out: dict[str, None] = {}
    for place in places:
        field = str(place[0]) if place else ""
        if len(place) > 1 and isinstance(place[1], int) and isinstance(data.get(field), list):
            elements.setdefault(field, set()).add(place[1])
            left_out[f"{field}[{place[1]}]"] = None
        elif field in mended:
            del mended[field]
            left_out[field] = None
    for field, unreadable in elements.items():
        if field in mended:
            mended[field] = [value for index, value in enumerate(data[field]) if index not in unreadable]
    return mended, list(left_out)
