"""JSON Schemas: of classes, types and the usual dicts; checked, in the newest draft, moved into a common root. Pure.

Runs return objects. So a schema of anything else, such as a list or a union, becomes the property ``value`` of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import BaseModel, TypeAdapter

from lumnisai_core.exceptions import ValidationError

DEFAULT_TITLE = "Answer"

_WRAPPED = "The answer is the value of this object."
_OBJECT = {"title": "Object", "description": "Any object.", "type": "object", "properties": {}}
#: What ``response_format`` of OpenAI says without a schema.
_FORMATS: Mapping[object, dict[str, Any] | None] = {"text": None, "json_object": _OBJECT}

_DEFINITIONS = ("$defs", "definitions")
#: Keywords whose value maps names, which may look like keywords, to schemas.
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", *_DEFINITIONS})
#: Keywords whose value is data, which may look like a schema.
_DATA = frozenset({"const", "enum", "default", "examples"})
_COMBINATORS = frozenset({"anyOf", "oneOf", "allOf"})
_SCHEMA_LISTS = _COMBINATORS | {"prefixItems"}
_ONE_SCHEMA = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"})
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")


# Schemas of classes and types


def answer_schema(response_format: object) -> dict[str, Any] | None:
    """Return the JSON Schema that a ``response_format`` stands for; None for answers in words."""
    if response_format is None:
        return None
    if isinstance(response_format, Mapping) and response_format.get("type") in _FORMATS:
        return _FORMATS[response_format["type"]]
    return schema_of(response_format)


def schema_of(kind: object) -> dict[str, Any]:
    """Return the titled JSON Schema, always of an object, of a class, a type, a schema or a tool dict.

    Raises:
        ValidationError: It has no JSON Schema, or is not a valid one.
    """
    try:
        described = newest(_described(kind))
        schema = as_object({"title": DEFAULT_TITLE, **described})
        name = f"The schema {schema['title']!r}"
    except ValidationError:
        raise
    except (RuntimeError, TypeError, ValueError, NameError, AttributeError) as error:
        raise ValidationError(f"No JSON Schema can be made of {kind!r}: {_reason(error)}") from error
    check_schema(schema, name)
    return schema


def _reason(error: Exception) -> str:
    return "it refers to itself without end" if isinstance(error, RecursionError) else str(error)


def _described(kind: object) -> Mapping[str, Any]:
    if isinstance(kind, Mapping):
        return plain_schema(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_json_schema()
    if _is_older_model(kind):
        schema: dict[str, Any] = kind.schema()  # type: ignore[attr-defined] # pydantic v1
        return schema
    if isinstance(kind, type) or get_origin(kind) is not None or hasattr(kind, "__supertype__"):
        described = TypeAdapter[Any](_readable(kind, {})).json_schema()
        _add_descriptions(kind, described, described.get("$defs", {}), set())
        return described
    raise ValidationError(
        f"schema must be a pydantic class, a dataclass, a TypedDict, a type or a JSON Schema, got {kind!r}."
    )


def builder_of(kind: object) -> Callable[[Any], Any]:
    """Return the function that makes an instance from plain data; for dict schemas and TypedDicts the data stay."""
    if isinstance(kind, Mapping) or typing_extensions.is_typeddict(kind):
        return lambda value: value
    if _is_older_model(kind):
        parse: Callable[[Any], Any] = kind.parse_obj  # type: ignore[attr-defined] # pydantic v1
        return parse
    adapter = TypeAdapter[Any](_readable(kind, {}))
    return lambda value: adapter.validate_json(json.dumps(value))  # as JSON, which strict models read


def _is_older_model(kind: object) -> bool:
    return isinstance(kind, type) and not issubclass(kind, BaseModel) and hasattr(kind, "parse_obj")


def _readable(kind: Any, made: dict[object, Any]) -> Any:
    """Return a type in which TypedDicts are of a class that pydantic reads on every Python."""
    if typing_extensions.is_typeddict(kind):
        if kind not in made:
            twin: Any = typing_extensions.TypedDict(kind.__name__, {})  # type: ignore[misc] # its name is that of the other
            made[kind] = twin
            twin.__doc__, twin.__total__ = kind.__doc__, kind.__total__
            twin.__required_keys__, twin.__optional_keys__ = kind.__required_keys__, kind.__optional_keys__
            twin.__annotations__ = {
                name: _readable(hint, made) for name, hint in get_type_hints(kind, include_extras=True).items()
            }
        return made[kind]
    origin, args = get_origin(kind), get_args(kind)
    if not args or origin is Literal:
        return kind
    if origin is Annotated:
        inner = _readable(args[0], made)
        return kind if inner is args[0] else Annotated[(inner, *args[1:])]
    parts = tuple(_readable(part, made) for part in args)
    if all(new is old for new, old in zip(parts, args, strict=True)):
        return kind
    if origin is UnionType:
        return reduce(or_, parts)
    return kind.copy_with(parts) if hasattr(kind, "copy_with") else origin[parts if len(parts) > 1 else parts[0]]


def _add_descriptions(kind: Any, schema: dict[str, Any], known: dict[str, Any], seen: set[object]) -> None:
    """Add the descriptions of ``Annotated[type, default, "description"]``, LangChain's form for TypedDicts."""
    if not typing_extensions.is_typeddict(kind):
        for part in get_args(kind):
            _add_descriptions(part, {}, known, seen)
        return
    if kind in seen:
        return
    seen.add(kind)
    properties = known.get(kind.__name__, schema).get("properties", {})
    for name, hint in get_type_hints(kind, include_extras=True).items():
        while get_origin(hint) in (typing_extensions.Required, typing_extensions.NotRequired):
            (hint,) = get_args(hint)  # noqa: PLW2901 - the qualifier says nothing about the value
        *_, last = get_args(hint) or (None,)
        if get_origin(hint) is Annotated and isinstance(last, str) and name in properties:
            properties[name].setdefault("description", last)
        _add_descriptions(hint, {}, known, seen)


# Schemas as dicts


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema that a dict describes, with a ``title``: its own, the name in the envelope, or ``Answer``.

    The dict is a JSON Schema; an OpenAI function (``name`` and ``parameters``), tool or response format around one; or
    an Anthropic tool (``name`` and ``input_schema``).
    """
    for envelope in ("function", "json_schema"):
        if schema.get("type") == envelope and isinstance(schema.get(envelope), Mapping):
            return plain_schema(schema[envelope])
    for place in ("parameters", "input_schema", "schema"):
        if "name" in schema and isinstance(schema.get(place), Mapping):
            about = {"description": schema["description"]} if schema.get("description") else {}
            return {"title": schema["name"], **about, **schema[place]}
    return {"title": DEFAULT_TITLE, **schema}


def newest(schema: Any) -> Any:
    """Return a JSON Schema of any draft with the keywords of the newest one."""
    return changed(schema, _newest_keywords)


def changed(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a copy of a schema in which it and all schemas inside it are changed, the inner ones first."""
    if isinstance(schema, list | tuple):
        return [changed(part, change) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    new: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            new[keyword] = {name: changed(part, change) for name, part in value.items()}
        else:
            new[keyword] = value if keyword in _DATA else changed(value, change)
    return change(new)


def _newest_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    new = {key: value for key, value in schema.items() if key not in ("$schema", "$recursiveAnchor")}
    if "$recursiveRef" in new:
        new["$ref"] = new.pop("$recursiveRef")
    rest = new.pop("additionalItems", None)
    if isinstance(new.get("items"), list):
        new["prefixItems"] = new.pop("items")
        new |= {} if rest is None else {"items": rest}
    for name, part in (new.pop("dependencies", None) or {}).items():
        new.setdefault("dependentRequired" if isinstance(part, list) else "dependentSchemas", {})[name] = part
    for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(new.get(strict), bool) and new.pop(strict) and bound in new:
            new[strict] = new.pop(bound)
    return new


def as_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of an object, without a reference at its root: the schema itself, or one around it."""
    plain, seen = dict(schema), set()
    while isinstance(reference := plain.get("$ref"), str) and reference not in seen:
        target = _target(schema, reference)
        if not isinstance(target, Mapping):
            break
        seen.add(reference)
        del plain["$ref"]
        about = plain if plain.get("title") != DEFAULT_TITLE else {**plain, "title": target.get("title", DEFAULT_TITLE)}
        plain = {**target, **about}
    kind = plain.get("type", "object" if "properties" in plain or not plain.keys() & _NOT_OBJECTS else None)
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        return plain | {"type": "object"}
    title, shared = str(plain["title"]), SharedDefinitions()
    inner = shared.take({name: value for name, value in plain.items() if name != "title"}, prefix=title)
    about = {"title": title, "description": _WRAPPED}
    return about | closed({"value": inner}) | ({"$defs": shared.schemas} if shared.schemas else {})


_NOT_OBJECTS = _COMBINATORS | {"enum", "const", "$ref", "items", "prefixItems", "not"}


def unwrapped(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the value that an object of :func:`as_object` holds; any other object as it is."""
    is_wrapped = schema.get("description") == _WRAPPED and isinstance(value, Mapping) and value.keys() == {"value"}
    return value["value"] if is_wrapped else value


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these properties."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def check_schema(schema: Any, name: str) -> None:
    """Check that a schema is plain data, and what can be checked of it without a validator.

    Raises:
        ValidationError: It is not valid; the error begins with its name and has the place.
    """
    try:
        json.dumps(schema)
        problem = next(_problems(schema, schema, ""), None)
    except (TypeError, ValueError, RecursionError) as error:
        problem = _reason(error)
    if problem is not None:
        raise ValidationError(f"{name} is not a valid JSON Schema: {problem}.")


def _problems(schema: Any, root: Any, place: str) -> Iterator[str]:
    where = f" at {place}" if place else ""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"there must be an object or a bool{where}, got {schema!r}"
        return
    for keyword, value in schema.items():
        here = f"{place}/{keyword}"
        if keyword in _NAMED_SCHEMAS:
            if not isinstance(value, Mapping):
                yield f"{keyword!r}{where} must be an object, got {value!r}"
                continue
            for name, part in value.items():
                yield from _problems(part, root, f"{here}/{name}")
        elif keyword in _SCHEMA_LISTS:
            if not isinstance(value, list) or not value:
                yield f"{keyword!r}{where} must be a list with at least one schema, got {value!r}"
                continue
            for index, part in enumerate(value):
                yield from _problems(part, root, f"{here}/{index}")
        elif keyword in _ONE_SCHEMA:
            yield from _problems(value, root, here)
        elif keyword == "type":
            kinds = value if isinstance(value, list) else [value]
            if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
                yield f"'type'{where} must be one or several of {', '.join(sorted(_TYPES))}, got {value!r}"
        elif keyword == "required" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            yield f"'required'{where} must be a list of strings, got {value!r}"
        elif keyword == "enum" and not isinstance(value, list):
            yield f"'enum'{where} must be a list, got {value!r}"
        elif keyword == "$ref" and (not isinstance(value, str) or _target(root, value) is None):
            yield f"'$ref'{where} leads nowhere: {value!r}"


def _target(root: Any, reference: str) -> Any:
    """Return the part of a schema that a reference leads to; None if there is none, True if it is unknown."""
    base, _, pointer = reference.partition("#")
    if base and base != (root.get("$id") if isinstance(root, Mapping) else None):
        return None
    if pointer and not pointer.startswith("/"):
        return True  # an anchor
    part = root
    for name in pointer.split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isdigit() and int(key) < len(part):
            part = part[int(key)]
        elif isinstance(part, Mapping) and key in part:
            part = part[key]
        else:
            return None
    return part


class SharedDefinitions:
    """The ``$defs`` at the root of a schema that other schemas are moved into.

    A ``$ref`` is relative to the root. So the definitions of a moved schema become definitions of the root, under
    names of their own, and references are rewritten; a schema that refers to itself becomes a definition, too.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def take(self, schema: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
        """Return a copy of a schema that is valid inside the root."""
        kept = {name: value for name, value in schema.items() if name != "$id"}
        definitions = {
            f"#/{place}/{_pointer_part(name)}": self._free_name(f"{prefix}.{name}")
            for place in _DEFINITIONS
            for name in kept.get(place, ())
        }
        mover = _Mover(definitions, self._free_name(prefix), str(schema.get("$id") or ""))
        inside = mover.schema({name: value for name, value in kept.items() if name not in _DEFINITIONS})
        for place in _DEFINITIONS:
            for name, definition in kept.get(place, {}).items():
                self.schemas[definitions[f"#/{place}/{_pointer_part(name)}"]] = mover.schema(definition)
        if not mover.refers_to_whole:
            del self.schemas[mover.whole]
            return dict(inside)
        self.schemas[mover.whole] = inside
        return {"$ref": f"#/$defs/{mover.whole}"}

    def _free_name(self, wanted: str) -> str:
        plain = _NOT_PLAIN.sub("_", wanted)
        name, number = plain, 2
        while name in self.schemas:
            name, number = f"{plain}.{number}", number + 1
        self.schemas[name] = {}
        return name


class _Mover:
    """Rewrites the references of one schema to the names that its definitions have at the root."""

    def __init__(self, definitions: Mapping[str, str], whole: str, own_id: str) -> None:
        self._definitions = definitions
        self._id = own_id
        self.whole = whole
        self.refers_to_whole = False

    def schema(self, schema: Any) -> Any:
        if isinstance(schema, Mapping):
            return {keyword: self._value(keyword, value) for keyword, value in schema.items()}
        if isinstance(schema, list | tuple):
            return [self.schema(part) for part in schema]
        return schema

    def _value(self, keyword: str, value: Any) -> Any:
        if keyword in _DATA:
            return value
        if keyword == "$ref" and isinstance(value, str):
            return self._reference(value.removeprefix(self._id) or "#")
        if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            return {name: self.schema(part) for name, part in value.items()}
        return self.schema(value)

    def _reference(self, reference: str) -> str:
        if not reference.startswith("#"):
            return reference
        place = "/".join(reference.split("/")[:3])
        if place in self._definitions:
            return f"#/$defs/{self._definitions[place]}{reference[len(place) :]}"
        self.refers_to_whole = True
        return f"#/$defs/{self.whole}{reference[1:]}"


def _pointer_part(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
