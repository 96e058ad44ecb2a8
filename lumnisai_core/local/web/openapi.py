"""The OpenAPI document, generated from routes: their shapes of requests and replies, and their docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from lumnisai_core.local.web.errors import Error, Invalid
from lumnisai_core.local.web.routes import Route

_Object = dict[str, Any]
_JSON = "application/json"
_REQUEST_ID: _Object = {"description": "Names the request in the log.", "schema": {"type": "string"}}
_ONCE: _Object = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key gets the first reply.",
    "schema": {"type": "string", "maxLength": 255},
}


def openapi(routes: Iterable[Route], title: str, version: str) -> _Object:
    """Return the document of these routes; the first lines of their endpoints' docstrings are the summaries."""
    shapes = _Shapes()
    paths: dict[str, _Object] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = {
            "operationId": f"{route.method.lower()}{re.sub(r'[^a-z0-9]+', '_', route.path.removeprefix('/v1'))}",
            "summary": str(route.endpoint.__doc__ or "").partition("\n")[0],
            "tags": [route.path.split("/")[2]],
            "parameters": list(_parameters(route, shapes)),
            **_body(route, shapes),
            "responses": _responses(route, shapes),
            **({"security": []} if route.public else {}),
        }
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": shapes.definitions, "securitySchemes": schemes},
        "security": [{"bearer": []}, {"key": []}],
    }


class _Generator(GenerateJsonSchema):
    """Schemas without titles of fields; a reply has all of its fields, so their defaults do not matter."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles that repeat the names of fields."""
        del schema
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Return whether a field is required: in a reply, unless it is declared as `NotRequired`."""
        if self.mode == "serialization":
            return bool(field.get("required", total))
        return super().field_is_required(field, total)

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of a field with a default."""
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)


class _Shapes:
    """Turns types into schemas; shared ones are collected under one name each."""

    def __init__(self) -> None:
        self.definitions: dict[str, _Object] = {}

    def fields(self, model: type[BaseModel] | None) -> tuple[dict[str, _Object], set[str]]:
        """Return the schema of every field of a model, and the names of those required."""
        if model is None:
            return {}, set()
        schema = self.schema(model, "validation")
        found = self.definitions.pop(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema
        return found.get("properties", {}), set(found.get("required", ()))

    def schema(self, shape: Any, mode: Literal["validation", "serialization"] = "serialization") -> _Object:
        """Return the schema of a request, or of a reply, which has all of its fields and no others."""
        template = "#/components/schemas/{model}"
        schema = TypeAdapter(shape).json_schema(mode=mode, ref_template=template, schema_generator=_Generator)
        found = schema.pop("$defs", {})
        if "title" in schema and "properties" in schema:
            found[schema["title"]] = schema
            schema = {"$ref": template.format(model=schema["title"])}
        for definition in found.values() if mode == "serialization" else ():
            if "properties" in definition:
                definition["additionalProperties"] = False
        self.definitions.update(found)
        return schema


def _parameters(route: Route, shapes: _Shapes) -> Iterator[_Object]:
    checked, _ = shapes.fields(route.parts.get("path"))
    for name in route.parameters:
        schema = checked.get(name, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    fields, required = shapes.fields(route.parts.get("query"))
    for name, schema in fields.items():
        yield {"name": name, "in": "query", "required": name in required, "schema": _not_null(schema)}
    if route.once:
        yield _ONCE


def _not_null(schema: _Object) -> _Object:
    """Return the schema of a query parameter, which cannot be null but only left out."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    default = {} if schema.get("default") is None else {"default": schema["default"]}
    if len(options) == 1:
        return {**options[0], **rest, **default}
    return {**rest, **({"anyOf": options} if options else {}), **default}


def _body(route: Route, shapes: _Shapes) -> _Object:
    if "body" in route.parts:
        content = {_JSON: {"schema": shapes.schema(route.parts["body"], "validation")}}
        return {"requestBody": {"required": not route.optional, "content": content}}
    if route.form is None:
        return {}
    fields, required = shapes.fields(route.form.fields)
    file: _Object = {"type": "string", "format": "binary"}
    if route.form.many:
        file = {"type": "array", "items": file, "minItems": 1}
    parts = {route.form.file: file, **{name: _not_null(schema) for name, schema in fields.items()}}
    schema = {"type": "object", "properties": parts, "required": [route.form.file, *required]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _responses(route: Route, shapes: _Shapes) -> _Object:
    with_body = "body" in route.parts or route.form is not None
    found: dict[int, _Object] = {}
    for status, shape in route.replies.items():
        found[status] = _content(None if shape is None else shapes.schema(shape))
    for status, media_type in route.media_types.items():
        found[status] = _content({}, media_type) if media_type else _content(None)
    refused = dict.fromkeys(route.refused, route.refusal)
    follows = {401: not route.public, 404: bool(route.parameters), 409: route.once, 413: with_body}
    refused |= {status: Error for status, does in follows.items() if does}
    if with_body or route.parts:
        refused[422] = Invalid
    found |= {status: _content(shapes.schema(shape)) for status, shape in refused.items()}
    return {str(status): {"description": HTTPStatus(status).phrase, **found[status]} for status in sorted(found)}


def _content(schema: Mapping[str, Any] | None, media_type: str = _JSON) -> _Object:
    content = {} if schema is None else {"content": {media_type: {"schema": schema} if schema else {}}}
    return {"headers": {"X-Request-ID": _REQUEST_ID}, **content}
