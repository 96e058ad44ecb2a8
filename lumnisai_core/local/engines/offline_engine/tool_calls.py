"""Tool calls: those of a conversation and their results; which tools a question is about, and their arguments.

Tool turns are written as text; they are taken out of a conversation before anything else is read in it.

Clients with tools of their own ask for `{"tool_calls": [{"name", "args"}]}` or an answer `{"content"}`, as one of two
objects or as one object in which `tool_calls` may be null. Such a format is recognised by its shape alone.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lumnisai_core.local.engines.base import Message
from lumnisai_core.local.engines.offline_engine.question import split_question
from lumnisai_core.local.engines.offline_engine.sentences import Index
from lumnisai_core.local.engines.samples.document import Document, Flat, Schema, Unsatisfiable, same
from lumnisai_core.local.engines.samples.named_values import NamedValues, literal, name_parts
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.json_schema import SchemaError, compile_schema
from lumnisai_core.local.web.text import word_set, words

_LONG = 4_000
_LONGEST_CALL = 4_000
_MOST_CALLS, _MOST_ENDS = 8, 50
_ENOUGH = 2
_NAME_WEIGHT = 3
#: The arguments of a call by place, and by name.
WrittenCall = tuple[list[Any], dict[str, Any]]
#: Words about tools as such, which say nothing about one of them.
_GENERIC = word_set(
    """use using used tool tools function functions method call calls calling run value values result results return
    returns input inputs output outputs argument arguments parameter parameters get set apply"""
)
_RESULT = re.compile(r'^(\{"tool_result": ?\{[^\n]*\}\})[ \t]*\n', re.MULTILINE)
_RESULT_END = re.compile(r"^\[end of tool result\][ \t]*$", re.MULTILINE)
_CALLS = re.compile(r'^\{"tool_calls": ?\[', re.MULTILINE)
#: Calls come last in a turn: of many places that look like them only so many are tried.
_TRIED = 8
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call."""

    name: str
    args: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call."""

    name: str | None
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversation without its tool turns.

    `called` and `results` are those since the user's last message; `waits` is true if nothing followed the results yet.
    """

    messages: tuple[Message, ...]
    called: tuple[Call, ...] = ()
    results: tuple[ToolResult, ...] = ()
    waits: bool = False


def exchange_of(messages: Iterable[Message]) -> Exchange:
    """Separate the tool turns of a conversation. Results from before the user's last message become messages."""
    plain: list[Message] = []
    called: list[Call] = []
    results: list[ToolResult] = []
    waits = False
    for message in messages:
        rest = message.content
        if message.role == "assistant":
            calls, rest = _split_calls(rest)
            called += calls
        elif message.role == "user":
            found, rest = _split_results(rest)
            results += found
            if rest or not found:
                plain += (Message("assistant", result.content) for result in results)
                called, results = [], []
        waits = bool(results) and (waits if message.role == "system" else message.role == "user")
        if rest or not message.content.strip():
            plain.append(Message(message.role, rest))
    return Exchange(tuple(plain), tuple(called), tuple(results), waits)


def decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at a place, and where it ends; None and the next place if there is none."""
    try:
        return _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start + 1


def _split_calls(text: str) -> tuple[list[Call], str]:
    for match in list(_CALLS.finditer(text))[-_TRIED:]:
        value, end = decoded(text, match.start())
        items = [item for item in value["tool_calls"] if isinstance(item, dict)] if value else []
        if calls := [Call(item["name"], item.get("args", {})) for item in items if isinstance(item.get("name"), str)]:
            return calls, (text[: match.start()] + text[end:]).strip()
    return [], text


def _split_results(text: str) -> tuple[list[ToolResult], str]:
    results: list[ToolResult] = []
    rest, start = "", 0
    while (match := _RESULT.search(text, start)) and (end := _RESULT_END.search(text, match.end())):
        head, _ = decoded(match[1])
        about, kept = head and head["tool_result"], end.end()
        if isinstance(about, dict):
            name, content = about.get("name"), text[match.end() : end.start()].removesuffix("\n")
            results.append(ToolResult(name if isinstance(name, str) else None, content, about.get("status") == "error"))
            kept = match.start()
        rest += text[start:kept]
        start = end.end()
    return (results, (rest + text[start:]).strip()) if results else ([], text)


# The tools on offer


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called; `parameters` is the schema of its arguments, with the definitions it refers to."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True, slots=True)
class Envelope:
    """The tools on offer, the most calls at once, and the schema of an answer's content; None if a call is demanded."""

    schema: Mapping[str, Any]
    tools: tuple[Tool, ...]
    most: int | None
    answer: Schema | None

    def calls_value(self, calls: Iterable[Call]) -> dict[str, Any] | None:
        """Return calls in the form of the envelope, or None if it does not take them."""
        listed = [{"name": call.name, "args": call.args} for call in calls]
        with_content = ({"tool_calls": listed, "content": text} for text in (None, ""))
        return self._first_valid({"tool_calls": listed}, *with_content)

    def answer_value(self, content: Any) -> dict[str, Any] | None:
        """Return an answer in the form of the envelope, or None if it does not take it."""
        return self._first_valid({"content": content}, {"tool_calls": None, "content": content})

    def _first_valid(self, *forms: dict[str, Any]) -> dict[str, Any] | None:
        check = compile_schema(dict(self.schema))
        return next((form for form in forms if check.is_valid(form)), None)


def envelope_of(schema: Mapping[str, Any]) -> Envelope | None:
    """Return the tools that a response format offers; None if it offers none."""
    document = Document(dict(schema))
    branches = document.alternatives(document.root)
    for branch in branches:
        ways = document.alternatives(branch.get("properties", {}).get("tool_calls", False))
        calls: Flat = next((flat for flat in ways if "items" in flat), {})
        tools = [_tool(flat, document) for flat in document.alternatives(calls.get("items", False))]
        others = [flat for flat in branches if flat is not branch]
        may_be_null = len(ways) > 1 or "null" in calls.get("type", ())
        if not others and (may_be_null or "tool_calls" not in branch.get("required", ())):
            others = [branch]
        answers = [flat["properties"]["content"] for flat in others if "content" in flat.get("properties", {})]
        offered = tuple(tool for tool in tools if tool is not None)
        if offered and len(offered) == len(tools) and (answers or not others):
            return Envelope(schema, offered, calls.get("maxItems"), document.alone(answers[0]) if answers else None)
    return None


def _tool(flat: Flat, document: Document) -> Tool | None:
    properties = flat.get("properties", {})
    names = [name for named in document.alternatives(properties.get("name", True)) for name in named.get("enum", ())]
    if len(names) != 1 or not isinstance(names[0], str) or "args" not in properties:
        return None
    return Tool(names[0], str(flat.get("description") or ""), document.alone(properties["args"]))


def calls_for(envelope: Envelope, exchange: Exchange) -> list[Call]:
    """Return the calls to make now; none if an answer is due, at the latest after the result of a tool."""
    if envelope.answer is not None and exchange.waits:
        return []
    calls: list[Call] = []
    for tool, part in _wanted(envelope, _question(exchange.messages)):
        for call in _calls_of(tool, part):
            repeated = envelope.answer is not None and _among(call, exchange.called)
            if not repeated and not _among(call, calls):
                calls.append(call)
    calls = calls[: envelope.most]
    if not calls and envelope.answer is None:
        calls = [_any_call(envelope)]
    if not calls or envelope.calls_value(calls) is not None:
        return calls
    return next(([call] for call in calls if envelope.calls_value([call]) is not None), [])


def arguments_from(schema: Schema, question: str, written: WrittenCall | None = None) -> Any:
    """Return arguments that satisfy a schema, with the values of a written call or those that a question names."""
    ways = [flat.get("properties", {}) for flat in Document(schema).alternatives(schema)]
    names = list(dict.fromkeys(name for properties in ways for name in properties))
    known: dict[str, Any] = {}
    if written is not None:
        positional, named = written
        known = named | dict(zip((name for name in names if name not in named), positional, strict=False))
        question = ""
    return sample(schema, NamedValues([question.strip()], answer=question.strip(), known=known, is_request=True))


def written_calls(text: str, name: str) -> Iterator[WrittenCall]:
    """Yield the calls of a function as Python or JavaScript would write them."""
    for match in re.finditer(rf"(?<![\w.]){re.escape(name)}(?=\()", text):
        arguments = text[match.end() : match.end() + _LONGEST_CALL]
        for end in islice(re.finditer(r"\)", arguments), _MOST_ENDS):
            try:
                call = ast.parse(f"f{arguments[: end.end()]}", mode="eval").body
                if isinstance(call, ast.Call):
                    named = {item.arg: literal(ast.unparse(item.value)) for item in call.keywords if item.arg}
                    yield [literal(ast.unparse(item)) for item in call.args], named
                break
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue


def _among(call: Call, calls: Iterable[Call]) -> bool:
    return any(call.name == other.name and same(call.args, other.args) for other in calls)


def _any_call(envelope: Envelope) -> Call:
    """Return a call of the first tool that can be called at all."""
    for tool in envelope.tools:
        try:
            return Call(tool.name, sample(tool.parameters))
        except (Unsatisfiable, SchemaError):
            continue
    raise Unsatisfiable("no arguments satisfy the schema of any tool")


def _question(messages: Sequence[Message]) -> str:
    """Return the last message of the user, or the question in it if it is long."""
    texts = [message.content for message in messages if message.role == "user"] or [m.content for m in messages] or [""]
    return texts[-1] if len(texts[-1]) <= _LONG else split_question(texts[-1])[0][:_LONG]


def _wanted(envelope: Envelope, question: str) -> list[tuple[Tool, str]]:
    """Return the tools to call, all that are named or the best one, each with its part of the question."""
    named = _named(envelope.tools, question)
    if named:
        starts = [0, *(start for start, _ in named[1:]), len(question)]
        return [(tool, question[starts[index] : starts[index + 1]]) for index, (_, tool) in enumerate(named)]
    scores = _scores(envelope.tools, question)
    best = max(range(len(scores)), key=lambda index: (scores[index], -index))
    enough = scores[best] >= _ENOUGH or scores[best] * 2 >= len(_content(question)) > 0
    return [(envelope.tools[best], question)] if envelope.answer is None or (enough and scores[best]) else []


def _named(tools: Sequence[Tool], question: str) -> list[tuple[int, Tool]]:
    """Return where tools are named, each once and in order; of two in one place the longer name counts."""
    spans = [(*match.span(), tool) for tool in tools for match in _spelled(tool.name, question)]
    kept: list[tuple[int, int, Tool]] = []
    for start, end, tool in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if not any(tool is other or (start < last and first < end) for first, last, other in kept):
            kept.append((start, end, tool))
    return sorted(((start, tool) for start, _, tool in kept), key=lambda item: item[0])


def _spelled(name: str, question: str) -> Iterator[re.Match[str]]:
    """Find a name as it is, or with spaces; one that is an ordinary word only if it is quoted or written as a call."""
    parts = name_parts(name)
    text = re.escape(name)
    if len(parts) > 1:
        text = f"(?:{text}|{r'[ _-]+'.join(map(re.escape, parts))})"
    elif name.lower() in _GENERIC or not words(name):
        text = f"(?:{text}(?=\\()|(?<=[`\"']){text}(?=[`\"']))"
    return re.finditer(rf"(?<!\w){text}(?!\w)", question, re.IGNORECASE)


def _scores(tools: Sequence[Tool], question: str) -> list[int]:
    """Count the words that a question shares with each tool, stemmed; words of the name count most."""
    texts = [text for tool in tools for text in (" ".join(name_parts(tool.name)), _described(tool))]
    scores = [0] * len(tools)
    with closing(Index(texts)) as index:
        for word in _content(question):
            for hit in {position for position, _ in index.search([word], len(texts))}:
                scores[hit // 2] += _NAME_WEIGHT if hit % 2 == 0 else 1 if word.isascii() else _ENOUGH
    return scores


def _content(question: str) -> list[str]:
    return [word for word in dict.fromkeys(words(question)) if word not in _GENERIC and not word.isdigit()][:64]


def _described(tool: Tool) -> str:
    """Return the description of a tool with the names of its parameters."""
    names = tool.parameters.get("properties", {}) if isinstance(tool.parameters, dict) else {}
    return " ".join([tool.description, *(part for name in names for part in name_parts(name) if len(part) > 2)])


def _calls_of(tool: Tool, question: str) -> Iterator[Call]:
    """Yield each call of a tool that is written out, or else one."""
    written: list[WrittenCall | None] = [*islice(written_calls(question, tool.name), _MOST_CALLS)]
    try:
        for call in written or [None]:
            yield Call(tool.name, arguments_from(tool.parameters, question, call))
    except (Unsatisfiable, SchemaError):
        return
