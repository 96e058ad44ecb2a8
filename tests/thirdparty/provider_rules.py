"""What the APIs of model providers refuse in tools, schemas and messages, as their documentation and errors say. Pure.

Each function yields one text for each fault, in the words of the provider where they are known. A rule is here only
if it is documented or seen in answers of the real API; where providers are silent, they take what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

Schema = Mapping[str, Any]
Body = Mapping[str, Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ANTHROPIC_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ANTHROPIC_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_GOOGLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_COMBINATORS = ("anyOf", "oneOf", "allOf")

#: Keywords of JSON Schema that hold schemas: in a list, one, or by name.
_LISTS, _SINGLES = ("anyOf", "oneOf", "allOf", "prefixItems"), ("items", "not", "additionalProperties")
_NAMED = ("properties", "$defs", "definitions")


def walk(schema: Any, place: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield a schema and all schemas inside it, each with its place."""
    if not isinstance(schema, Mapping):
        return
    yield place, schema
    for keyword in _LISTS:
        for number, one in enumerate(schema.get(keyword) or ()):
            yield from walk(one, f"{place}/{keyword}/{number}")
    for keyword in _SINGLES:
        yield from walk(schema.get(keyword), f"{place}/{keyword}")
    for keyword in _NAMED:
        for name, one in (schema.get(keyword) or {}).items():
            yield from walk(one, f"{place}/{keyword}/{name}")


def _malformed(schema: Any, place: str) -> Iterator[str]:
    try:
        jsonschema_rs.meta.validate(schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        yield f"{place}: JSON schema is invalid: {error}"


def _dangling(schema: Schema, place: str) -> Iterator[str]:
    for where, one in walk(schema):
        target: Any = schema
        for part in str(one.get("$ref", "#")).removeprefix("#").split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if target is None:
            yield f"{place}{where}: reference can not be resolved: {one['$ref']}"


def is_recursive(schema: Schema) -> bool:
    """Return whether a schema refers to itself, directly or through its definitions."""

    def reaches(one: Any, seen: frozenset[str]) -> bool:
        for _, part in walk({key: value for key, value in one.items() if key not in ("$defs", "definitions")}):
            reference = part.get("$ref")
            if reference in seen or reference == "#":
                return True
            if isinstance(reference, str):
                found = schema
                for name in reference.split("/")[1:]:
                    found = found.get(name, {})
                if reaches(found, seen | {reference}):
                    return True
        return False

    return reaches(schema, frozenset())


# OpenAI, and what the others that speak its protocol have in common with it

_STRICT_KEYWORDS = _words(
    "type properties required additionalProperties items enum const anyOf $ref $defs definitions title description "
    "pattern format multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems"
)


def object_root(schema: Any, place: str) -> Iterator[str]:
    """What all of them demand of the schema of a function: type object at the root."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        found = schema.get("type") if isinstance(schema, Mapping) else schema
        yield f"Invalid schema for {place}: schema must be a JSON Schema of 'type: \"object\"', got 'type: {found!r}'"
        return
    yield from _malformed(schema, place)
    yield from _dangling(schema, place)


def openai_schema(schema: Any, place: str, *, strict: bool) -> Iterator[str]:
    """A schema of a function or of an answer, as OpenAI takes it."""
    yield from object_root(schema, place)
    if not isinstance(schema, Mapping):
        return
    if found := [word for word in (*_COMBINATORS, "enum", "not") if word in schema]:
        yield (
            f"Invalid schema for {place}: schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/"
            f"'not' at the top level: {found}"
        )
    for where, one in walk(schema):
        if one.get("type") == "array" and "items" not in one:
            yield f"Invalid schema for {place}: In context={where}, array schema missing items"
        if strict:
            yield from _openai_strict(one, f"Invalid schema for {place}: In context={where}")


def _openai_strict(one: Schema, place: str) -> Iterator[str]:
    if "$ref" in one and len(one) > 1:
        yield f"{place}, $ref cannot have keywords {sorted(one.keys() - {'$ref'})}"
    if not one.keys() & {"type", "anyOf", "$ref"}:
        yield f"{place}, schema must have a 'type' key"
    if unknown := one.keys() - _STRICT_KEYWORDS:
        yield f"{place}, {sorted(unknown)} is not permitted"
    if one.get("type") == "object":
        if one.get("additionalProperties") is not False:
            yield f"{place}, 'additionalProperties' is required to be supplied and to be false"
        if set(one.get("required", ())) != one.get("properties", {}).keys():
            yield f"{place}, 'required' must include every key in properties"


def openai(body: Body) -> Iterator[str]:
    """Refusals of OpenAI's chat completions."""
    yield from _functions(body, openai_schema)
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        about = form["json_schema"]
        yield from _name(about.get("name"), _PLAIN_NAME, "response_format.json_schema.name")
        yield from openai_schema(about.get("schema"), f"response_format {about.get('name')!r}", strict=_strict(about))
    yield from _mentions_json(body)
    yield from _answered_calls(body)


def groq(body: Body) -> Iterator[str]:
    """Refusals of Groq, whose strict mode demands closed objects and whose other modes take any schema of an object."""
    yield from _functions(body, _closed_if_strict)
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        yield from _closed_if_strict(form["json_schema"].get("schema"), "response_format", strict=_strict(form))
    yield from _mentions_json(body)
    yield from _answered_calls(body)


def deepseek(body: Body) -> Iterator[str]:
    """Refusals of DeepSeek, which has no schemas for answers."""
    yield from _functions(body, _closed_if_strict)
    if (body.get("response_format") or {}).get("type") not in (None, "text", "json_object"):
        yield "This response_format type is unavailable now"
    yield from _mentions_json(body)
    yield from _answered_calls(body)


_MISTRAL_FIELDS = _words(
    "model temperature top_p max_tokens stream stop random_seed metadata messages response_format tools tool_choice "
    "presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode safe_prompt reasoning_effort"
)


def mistral(body: Body) -> Iterator[str]:
    """Refusals of Mistral, which knows all fields by name and ids of calls by their form."""
    for name in sorted(body.keys() - _MISTRAL_FIELDS):
        yield f"extra_forbidden: body.{name}: Extra inputs are not permitted"
    yield from _functions(body, lambda schema, place, strict: object_root(schema, place))  # noqa: ARG005
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        yield from object_root(form["json_schema"].get("schema"), "response_format")
    last = body["messages"][-1]
    if last["role"] not in ("user", "tool") and not last.get("prefix"):
        yield f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last['role']}"
    for call_id in _call_ids(body):
        if not _MISTRAL_ID.fullmatch(str(call_id)):
            yield f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9."
    yield from _answered_calls(body)


def _closed_if_strict(schema: Any, place: str, *, strict: bool) -> Iterator[str]:
    yield from object_root(schema, place)
    for where, one in walk(schema):
        if strict and one.get("type") == "object" and one.get("additionalProperties") is not False:
            yield f"invalid JSON schema for {place}: {where}: additionalProperties:false must be set on every object"


def _functions(body: Body, rule: Any) -> Iterator[str]:
    if body.get("tools") == []:
        yield "Invalid 'tools': empty array. Expected an array with minimum length 1"
    for number, tool in enumerate(body.get("tools") or ()):
        about = tool["function"]
        yield from _name(about.get("name"), _PLAIN_NAME, f"tools[{number}].function.name")
        if "parameters" in about:  # a function without parameters takes none
            yield from rule(about["parameters"], f"function {about.get('name')!r}", strict=_strict(about))
    choice = body.get("tool_choice")
    if choice is not None and not body.get("tools"):
        yield "'tool_choice' is only allowed when 'tools' are specified."
    if isinstance(choice, Mapping):
        named = choice["function"]["name"]
        if named not in [tool["function"]["name"] for tool in body.get("tools") or ()]:
            yield f"Tool choice {named!r} not found in 'tools' parameter."


def _name(name: Any, pattern: re.Pattern[str], place: str) -> Iterator[str]:
    if not pattern.fullmatch(str(name)):
        yield f"Invalid '{place}': string {name!r} does not match pattern '^{pattern.pattern}$'"


def _strict(about: Mapping[str, Any]) -> bool:
    return about.get("strict") is True or (about.get("json_schema") or {}).get("strict") is True


def _mentions_json(body: Body) -> Iterator[str]:
    if (body.get("response_format") or {}).get("type") == "json_object" and "json" not in str(body["messages"]).lower():
        yield "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."


def _call_ids(body: Body) -> Iterator[Any]:
    for message in body["messages"]:
        yield from (call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool":
            yield message.get("tool_call_id")


def _answered_calls(body: Body) -> Iterator[str]:
    waiting: list[Any] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                yield "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"An assistant message with 'tool_calls' must be followed by tool messages. Missing: {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls") or ()]


# Anthropic

#: Keywords that a grammar for an answer, or for a strict tool, cannot hold.
_NOT_IN_GRAMMARS = _words(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems "
    "minProperties maxProperties patternProperties"
)


def anthropic(body: Body) -> Iterator[str]:
    """Refusals of Anthropic's messages."""
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    if body["messages"][0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    for number, message in enumerate(body["messages"]):
        if not message["content"] and number < len(body["messages"]) - 1:
            yield f"messages.{number}: all messages must have non-empty content"
    names = [tool.get("name") for tool in body.get("tools") or ()]
    for number, tool in enumerate(body.get("tools") or ()):
        yield from _anthropic_tool(tool, f"tools.{number}.custom")
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    choice = body.get("tool_choice") or {}
    if choice.get("type", "auto") not in ("auto", "any", "tool", "none"):
        yield f"tool_choice: Input tag {choice.get('type')!r} does not match any of the expected tags"
    if choice.get("type") == "tool" and choice.get("name") not in names:
        yield f"Tool {choice.get('name')!r} not found in provided tools"
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form:
        yield from _anthropic_grammar(form.get("schema"), "output_config.format.schema")


def _anthropic_tool(tool: Mapping[str, Any], place: str) -> Iterator[str]:
    yield from _name(tool.get("name"), _ANTHROPIC_NAME, f"{place}.name")
    schema = tool.get("input_schema")
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        yield f"{place}.input_schema.type: Input should be 'object'"
        return
    if any(word in schema for word in _COMBINATORS):
        yield f"{place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
    for where, one in walk(schema):
        for name in one.get("properties", {}):
            if not _ANTHROPIC_PROPERTY.fullmatch(name):
                yield f"{place}.input_schema{where}: Property keys should match pattern '{_ANTHROPIC_PROPERTY.pattern}'"
    yield from _malformed(schema, f"{place}.input_schema")
    yield from _dangling(schema, f"{place}.input_schema")
    if tool.get("strict"):
        yield from _anthropic_grammar(schema, f"{place}.input_schema")


def _anthropic_grammar(schema: Any, place: str) -> Iterator[str]:
    yield from _malformed(schema, place)
    yield from _dangling(schema, place)
    if is_recursive(schema):
        yield f"{place}: recursive schemas are not supported"
    for where, one in walk(schema):
        if one.get("type") == "object" and one.get("additionalProperties") is not False:
            yield f"{place}{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        if found := sorted(one.keys() & _NOT_IN_GRAMMARS):
            yield f"{place}{where}: properties {found} are not supported"
        if one.get("minItems", 0) > 1:
            yield f"{place}{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"


# Google

_GOOGLE_FIELDS = _words(
    "type format title description nullable enum items minItems maxItems properties required minProperties "
    "maxProperties minLength maxLength pattern example anyOf propertyOrdering default minimum maximum"
)
_GOOGLE_TYPES = _words("STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL TYPE_UNSPECIFIED")
#: What its JSON Schemas may hold; all other keywords are ignored.
GOOGLE_KEYWORDS = _words(
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum "
    "anyOf oneOf properties additionalProperties required propertyOrdering"
)


def google(body: Body) -> Iterator[str]:
    """Refusals of Gemini's generateContent."""
    names = []
    for tool in body.get("tools") or ():
        for about in tool.get("functionDeclarations", ()):
            names.append(about.get("name"))
            yield from _name(about.get("name"), _GOOGLE_NAME, "function_declarations.name")
            if "parameters" in about:
                yield from _google_schema(about["parameters"], f"function_declarations[{about['name']}].parameters")
            if "parametersJsonSchema" in about:
                yield from _google_json(about["parametersJsonSchema"], f"function_declarations[{about['name']}]")
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if unknown := set(calling.get("allowedFunctionNames") or ()) - set(names):
        yield f"allowed_function_names: {sorted(unknown)} are not function declarations"
    settings = body.get("generationConfig") or {}
    if "responseSchema" in settings:
        yield from _google_schema(settings["responseSchema"], "generation_config.response_schema")
    if "responseJsonSchema" in settings:
        yield from _google_json(settings["responseJsonSchema"], "generation_config.response_json_schema")
    if settings.keys() & {"responseSchema", "responseJsonSchema"} and "responseMimeType" not in settings:
        yield "generation_config: response_mime_type is required with a response schema"
    if not body.get("contents"):
        yield "contents are required"


def _google_schema(schema: Schema, place: str) -> Iterator[str]:
    for where, one in walk(schema):
        if unknown := sorted(one.keys() - _GOOGLE_FIELDS):
            yield f"Invalid JSON payload received. Unknown name {unknown} at '{place}{where}': Cannot find field."
        if "type" in one and str(one["type"]).upper() not in _GOOGLE_TYPES:
            yield f"Invalid value at '{place}{where}.type': {one['type']!r}"
        if "enum" in one and str(one.get("type", "STRING")).upper() != "STRING":
            yield f"{place}{where}.enum: only allowed for STRING type"
        if str(one.get("type")).upper() == "ARRAY" and "items" not in one:
            yield f"{place}{where}.items: missing field."
        if unknown := sorted(set(one.get("required") or ()) - (one.get("properties") or {}).keys()):
            yield f"{place}{where}.required{unknown}: property is not defined"
    for where, one in walk({"properties": schema.get("properties") or {}}):
        if str(one.get("type")).upper() == "OBJECT" and one.get("properties") == {}:
            yield f"{place}{where}.properties: should be non-empty for OBJECT type"


def _google_json(schema: Schema, place: str) -> Iterator[str]:
    yield from _malformed(schema, place)
    yield from _dangling(schema, place)
    for where, one in walk(schema):
        if "$ref" in one and (others := sorted(key for key in one if not key.startswith("$"))):
            yield f"{place}{where}: $ref can only be set with properties that begin with $, not {others}"


# Ollama


def ollama(body: Body) -> Iterator[str]:
    """Refusals of Ollama, which reads tools into typed fields and a format as ``json`` or a schema."""
    for number, tool in enumerate(body.get("tools") or ()):
        parameters = tool["function"].get("parameters") or {}
        place = f"json: cannot unmarshal tools[{number}].function.parameters"
        if not isinstance(parameters.get("type"), str):
            yield f"{place}.type: {parameters.get('type')!r} is not a string"
        if not isinstance(parameters.get("required", []), list):
            yield f"{place}.required: {parameters['required']!r} is not an array"
        for name, one in (parameters.get("properties") or {}).items():
            if not isinstance(one, Mapping) or not isinstance(one.get("type", ""), str | list):
                yield f"{place}.properties.{name}: {one!r} is not a property"
    form = body.get("format")
    if form not in (None, "", "json"):
        yield from _malformed(form, "format")
        yield from _dangling(form, "format") if isinstance(form, Mapping) else ()
