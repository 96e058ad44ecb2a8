"""The OpenAPI document: generated from the table of routes and the shapes of requests and replies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from lumnisai_core.local.lumnis.routes.operations import OPERATIONS, Operation
from lumnisai_core.local.lumnis.shapes import replies

_Object = dict[str, Any]
_Key = tuple[str, Literal["validation", "serialization"]]
_PARAMETER = re.compile(r"\{(\w+)\}")
_JSON = "application/json"
_REQUEST_ID: _Object = {"description": "Names the request in the log.", "schema": {"type": "string"}}
_ONCE: _Object = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key gets the first reply.",
    "schema": {"type": "string", "maxLength": 255},
}


def openapi(routes: Iterable[tuple[str, str, Any]], public: frozenset[str], version: str) -> _Object:
    """Return the document.

    Args:
        routes: lines of method, path and endpoint; the endpoint's docstring describes the operation.
        public: paths that need no key.
        version: version of the service.
    """
    shapes = _Shapes()
    paths: dict[str, _Object] = {}
    for method, path, endpoint in routes:
        operation = OPERATIONS[method, path]
        described = {
            "operationId": f"{method.lower()}{re.sub(r'[^a-z0-9]+', '_', path.removeprefix('/v1'))}",
            "summary": str(endpoint.__doc__ or "").partition("\n")[0],
            "tags": [path.split("/")[2]],
            "parameters": list(_parameters(path, operation, shapes)),
            **_body(operation, shapes),
            "responses": _responses(path, operation, shapes, public=path in public),
        }
        paths.setdefault(path, {})[method.lower()] = described | ({"security": []} if path in public else {})
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lumnis, embedded", "version": version},
        "paths": paths,
        "components": {"schemas": shapes.definitions, "securitySchemes": schemes},
        "security": [{"bearer": []}, {"key": []}],
    }


class _Shapes:
    """Turns types into schemas; what they share is collected under one name each."""

    def __init__(self) -> None:
        self.definitions: dict[str, _Object] = {}

    def reply(self, shape: Any) -> _Object:
        """Return the schema of a reply; it has no other fields than those told."""
        return self._schema(shape, "serialization", closed=True)

    def request(self, shape: Any) -> _Object:
        """Return the schema of a request."""
        return self._schema(shape, "validation", closed=False)

    def fields(self, model: type[BaseModel]) -> tuple[dict[str, _Object], set[str]]:
        """Return the schema of every field of a model, and the names of those required."""
        schema = self.request(model)
        found = self.definitions.pop(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema
        return found.get("properties", {}), set(found.get("required", ()))

    def _schema(self, shape: Any, mode: Literal["validation", "serialization"], *, closed: bool) -> _Object:
        schema = TypeAdapter(shape).json_schema(mode=mode, ref_template="#/components/schemas/{model}")
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[name] = _tidy(definition, closed=closed)
        schema = _tidy(schema, closed=closed)
        if "title" not in schema or "properties" not in schema:
            return schema
        self.definitions[schema["title"]] = schema
        return {"$ref": f"#/components/schemas/{schema['title']}"}


def _tidy(schema: _Object, *, closed: bool) -> _Object:
    """Return a schema without titles of fields and, for requests, without defaults that may not be sent."""
    tidy: _Object = dict(schema)
    if "properties" in tidy:
        parts = {name: {k: v for k, v in part.items() if k != "title"} for name, part in tidy["properties"].items()}
        tidy["properties"] = parts
        if closed:
            tidy["additionalProperties"] = False
    return tidy


def _parameters(path: str, operation: Operation, shapes: _Shapes) -> Iterator[_Object]:
    checked, _ = shapes.fields(operation.path) if operation.path else ({}, set())
    for name in _PARAMETER.findall(path):
        schema = checked.get(name, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query is not None:
        fields, required = shapes.fields(operation.query)
        for name, schema in fields.items():
            yield {"name": name, "in": "query", "required": name in required, "schema": _not_null(schema)}
    if operation.once:
        yield _ONCE


def _not_null(schema: _Object) -> _Object:
    """Return the schema of a query parameter, which cannot be null but only left out."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    default = {} if schema.get("default") is None else {"default": schema["default"]}
    if len(options) == 1:
        return {**options[0], **rest, **default}
    return {**rest, **({"anyOf": options} if options else {}), **default}


def _body(operation: Operation, shapes: _Shapes) -> _Object:
    if operation.body is not None:
        content = {_JSON: {"schema": shapes.request(operation.body)}}
        return {"requestBody": {"required": not operation.optional, "content": content}}
    if operation.form is None:
        return {}
    fields, required = shapes.fields(operation.form)
    file: _Object = {"type": "string", "format": "binary"}
    parts = {name: _not_null(schema) for name, schema in fields.items()}
    if operation.many:
        parts.pop("duplicate_handling", None)
        file = {"type": "array", "items": file, "minItems": 1}
    schema = {"type": "object", "properties": {operation.file: file, **parts}, "required": [operation.file, *required]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _responses(path: str, operation: Operation, shapes: _Shapes, *, public: bool) -> _Object:
    found: dict[int, _Object] = {}
    if operation.reply is not None:
        for status in (operation.success, 200) if operation.once else (operation.success,):
            found[status] = _content({_JSON: {"schema": shapes.reply(operation.reply)}})
    elif operation.success and not operation.also:
        found[operation.success] = _content(None)
    for status, media_type in operation.also:
        found[status] = _content({media_type: {}} if media_type else None)
    refused = set(operation.refused)
    refused |= set() if public else {401}
    refused |= {409} if operation.once else set()
    refused |= {404} if "{" in path else set()
    refused |= {413} if operation.body or operation.form else set()
    for status in sorted(refused):
        shape = replies.WrappedError if operation.wrapped and status == 400 else replies.Error
        found[status] = _content({_JSON: {"schema": shapes.reply(shape)}})
    if any((operation.body, operation.form, operation.query, operation.path)):
        found[422] = _content({_JSON: {"schema": shapes.reply(replies.Invalid)}})
    return {str(status): {"description": HTTPStatus(status).phrase, **found[status]} for status in sorted(found)}


def _content(content: Mapping[str, Any] | None) -> _Object:
    return {"headers": {"X-Request-ID": _REQUEST_ID}, **({"content": content} if content else {})}
