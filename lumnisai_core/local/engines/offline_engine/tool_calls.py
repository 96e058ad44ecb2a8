"""What the offline engine does with tools: call one, or answer. Pure functions over a conversation and an envelope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lumnisai_core.local.engines.base import Message
from lumnisai_core.local.engines.offline_engine import question_pieces as phrases
from lumnisai_core.local.engines.offline_engine.question import split_question
from lumnisai_core.local.engines.offline_engine.schema_fields import leaves
from lumnisai_core.local.engines.offline_engine.sentences import Index, words
from lumnisai_core.local.engines.offline_engine.tool_arguments import arguments_from
from lumnisai_core.local.engines.offline_engine.tool_offer import Envelope, Tool
from lumnisai_core.local.engines.offline_engine.tool_turns import Exchange
from lumnisai_core.local.engines.samples.merging import Unsatisfiable, same
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.json_schema import SchemaError, compile_schema
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.text import word_set

_LONG = 4_000
_ENOUGH = 2
_NAME_WEIGHT = 3
_REPEATED = 8
#: Words about tools as such; that a question has one of them says nothing about which tool is meant.
_GENERIC = word_set(
    """use using used tool tools function functions method call calls calling run value values result results return
    returns input inputs output outputs argument arguments arg args parameter parameters param params get set apply
    string integer number object list int str float bool true false optional required default return"""
)
#: Different words for the same arithmetic.
_SAME_MEANING = tuple(
    map(
        word_set,
        (
            "add adds adder addition plus sum total +",
            "subtract subtracts subtraction minus difference -",
            "multiply multiplies multiplication times product *",
            "divide divides division divided quotient /",
        ),
    )
)
_SIGNS = re.compile(r"(?<=[\d)])\s*([-+*/\u00d7\u00f7])\s*(?=[\d(])")
_DEMANDED = re.compile(
    r"(?<!\w)(?:us(?:e|ing)|call(?:ing)?|with|via|through)\s+(?:\w+\s+){0,2}?(?:tool|function)s?(?!\w)", re.IGNORECASE
)
_FORBIDDEN = re.compile(
    r"(?<!\w)(?:do not|don['\u2019]?t|never|without|no need to)\s+(?:us(?:e|ing)|call(?:ing)?)(?!\w)", re.IGNORECASE
)
_GOES_ON = re.compile(r"\W*(?:and|also|what about|how about)(?!\w)", re.IGNORECASE)
_BREAK = re.compile(r"(?:,\s*(?:and|then)?|\s(?:and|then|also)|[;.?!\n])\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call."""

    name: str
    args: Any


def calls_for(envelope: Envelope, exchange: Exchange) -> list[Call]:
    """Return the calls to make now; none where an answer is due, which is so at the latest after a tool's result.

    Raises:
        Unsatisfiable: a call is demanded, and no arguments satisfy the schema of any tool.
    """
    if envelope.answer is not None and exchange.waits:
        return []
    question, earlier = _asked(exchange.messages)
    made: list[Call] = []
    for tool, part in _wanted(envelope, question, earlier):
        for call in _calls_of(tool, part):
            done = any(name == call.name and same(args, call.args) for name, args in exchange.called)
            if not any(same(call.args, other.args) and call.name == other.name for other in made) and not (
                done and envelope.answer is not None
            ):
                made.append(call)
    if envelope.most is not None:
        made = made[: envelope.most]
    if not made and envelope.answer is None:
        made = _any_call(envelope)
    return made if not made or _is_valid(envelope, calls_value(made)) else [*_one(envelope, made)]


def calls_value(calls: Iterable[Call]) -> dict[str, Any]:
    """Return calls in the form in which the envelope wants them."""
    return {"tool_calls": [{"name": call.name, "args": call.args} for call in calls]}


def calls_text(calls: Iterable[Call]) -> str:
    """Return calls as the text of an assistant's turn."""
    return dumps(calls_value(calls))


def _is_valid(envelope: Envelope, value: Any) -> bool:
    return compile_schema(dict(envelope.schema)).is_valid(value)


def _any_call(envelope: Envelope) -> list[Call]:
    """Return a call of the first tool that can be called at all."""
    for tool in envelope.tools:
        try:
            return [Call(tool.name, sample(tool.parameters))]
        except (Unsatisfiable, SchemaError):
            continue
    raise Unsatisfiable("no arguments satisfy the schema of any tool")


def _one(envelope: Envelope, calls: Sequence[Call]) -> Iterator[Call]:
    """Yield the first call that the envelope takes by itself."""
    for call in calls:
        if _is_valid(envelope, calls_value([call])):
            yield call
            return


def _asked(messages: Sequence[Message]) -> tuple[str, str]:
    """Return what the user said last, and the question before it if this one only goes on from there."""
    said = [message.content for message in messages if message.role == "user"]
    if not said:
        return messages[-1].content if messages else "", ""
    last = said[-1] if len(said[-1]) <= _LONG else split_question(said[-1])[0][:_LONG]
    return last, said[-2][-_LONG:] if len(said) > 1 and _GOES_ON.match(last) else ""


def _wanted(envelope: Envelope, question: str, earlier: str) -> list[tuple[Tool, str]]:
    """Return the tools to call, each with the part of the question that is about it."""
    if envelope.answer is not None and _FORBIDDEN.search(question):
        return []
    named = _named(envelope.tools, question)
    if named:
        return _parts(named, question)
    scores = _scores(envelope.tools, question)
    best = max(range(len(scores)), key=lambda index: (scores[index], -index))
    enough = scores[best] >= _ENOUGH or scores[best] * 2 >= len(_content(question)) > 0
    if not (enough and scores[best]) and earlier:
        before = _wanted(envelope, earlier, "")
        if before:
            return [(before[0][0], question)]
    if (enough and scores[best]) or envelope.answer is None or _DEMANDED.search(question):
        return [(envelope.tools[best], question)]
    return []


def _named(tools: Sequence[Tool], question: str) -> list[tuple[int, Tool]]:
    """Return the tools that are named, with the place of the name: written out, or by all words of the name.

    What is only named by words counts beside another tool if a break such as `and` stands between them.
    """
    spelled = _spelled_out(tools, question)
    blank = question
    for start, end, _ in spelled:
        blank = blank[:start] + " " * (end - start) + blank[end:]
    known = {tool.name for _, _, tool in spelled}
    worded = [(start, tool, False) for start, tool in _named_by_words(tools, blank) if tool.name not in known]
    kept: list[tuple[int, Tool, bool]] = []
    for one in sorted([*((start, tool, True) for start, _, tool in spelled), *worded], key=lambda item: item[0]):
        alone = not kept or _BREAK.search(question, kept[-1][0], one[0]) is not None
        if alone or (one[2] and kept[-1][2]):
            kept.append(one)
        elif one[2]:
            kept[-1] = one
    return [(start, tool) for start, tool, _ in kept]


def _spelled_out(tools: Sequence[Tool], question: str) -> list[tuple[int, int, Tool]]:
    """Return where tools are written out, each once; of two in one place the longer."""
    spans = [(*match.span(), tool) for tool in tools for match in _spelled(tool.name, question)]
    spans.sort(key=lambda span: span[0] - span[1])
    kept: list[tuple[int, int, Tool]] = []
    for start, end, tool in spans:
        if not any((start < other[1] and other[0] < end) for other in kept):
            kept.append((start, end, tool))
    first: dict[str, tuple[int, int, Tool]] = {}
    for span in sorted(kept, key=lambda span: span[0]):
        first.setdefault(span[2].name, span)
    return list(first.values())


def _spelled(name: str, question: str) -> Iterator[re.Match[str]]:
    """Find a name as it is, or with spaces; one that is an ordinary word only where it is written as a call."""
    parts = _name_parts(name)
    text = re.escape(name)
    if len(parts) > 1:
        spoken = r"[\s_-]+".join(map(re.escape, parts))
        text = f"(?:{text}|{spoken})"
    elif name.lower() in _GENERIC or not words(name):
        text = f"(?:{text}(?=\\()|(?<=[`\"']){text}(?=[`\"']))"
    return re.finditer(rf"(?<!\w){text}(?!\w)", question, re.IGNORECASE)


def _named_by_words(tools: Sequence[Tool], question: str) -> list[tuple[int, Tool]]:
    """Return the tools all of whose name's words occur; of those named by the same words the one that fits best."""
    asked = list(phrases.tokens(question))
    scores = _scores(tools, question)
    found: list[tuple[int, int, Tool, frozenset[str]]] = []
    with closing(Index([piece.value for piece in asked])) as spoken:
        for index, tool in enumerate(tools):
            meant = [part for part in _name_parts(tool.name) if part.lower() not in _GENERIC and words(part)]
            hits = [{hit.index for hit in spoken.search([part], len(asked) + 1)} for part in meant]
            if meant and all(hits):
                found.append((min(map(min, hits)), index, tool, frozenset(map(str.lower, meant))))
    kept = [
        one
        for one in found
        if not any(one[3] < other[3] or (one[3] == other[3] and _beats(other, one, scores)) for other in found)
    ]
    return [(asked[place].start, tool) for place, _, tool, _ in sorted(kept, key=lambda item: item[:2])]


def _beats(one: tuple[int, int, Tool, frozenset[str]], two: tuple[int, int, Tool, frozenset[str]], scores: Any) -> bool:
    return (scores[one[1]], -one[1]) > (scores[two[1]], -two[1])


def _parts(named: Sequence[tuple[int, Tool]], question: str) -> list[tuple[Tool, str]]:
    """Cut the question into the parts that are about each of the named tools."""
    cuts = [0]
    for (before, _), (start, _) in pairwise(named):
        breaks = [match.end() for match in _BREAK.finditer(question, before, start)]
        cuts.append(breaks[-1] if breaks else start)
    cuts.append(len(question))
    return [(tool, question[cuts[index] : cuts[index + 1]]) for index, (_, tool) in enumerate(named)]


def _scores(tools: Sequence[Tool], question: str) -> list[int]:
    """Count the words that a question shares with each tool, stemmed; words of the name count most."""
    texts = [text for tool in tools for text in (_spaced_name(tool.name), _described(tool))]
    scores = [0] * len(tools)
    with closing(Index(texts)) as index:
        for word in _content(question):
            for hit in {hit.index for hit in index.search([word], len(texts))}:
                wide = not word.isascii()
                scores[hit // 2] += _NAME_WEIGHT if hit % 2 == 0 else _ENOUGH if wide else 1
    meant = {*_SIGNS.findall(question), *question.lower().split()}
    for group in _SAME_MEANING:
        if group & {"*" if sign == "\u00d7" else "/" if sign == "\u00f7" else sign for sign in meant}:
            for number, tool in enumerate(tools):
                own = f"{_spaced_name(tool.name)} {tool.description}".lower()
                scores[number] += _NAME_WEIGHT * bool(group & set(re.findall(r"\w+", own)))
    return scores


def _content(question: str) -> list[str]:
    return [word for word in dict.fromkeys(words(question)) if word not in _GENERIC and not word.isdigit()][:64]


def _name_parts(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+", name)


def _spaced_name(name: str) -> str:
    return " ".join(part for part in _name_parts(name) if part.lower() not in _GENERIC)


def _described(tool: Tool) -> str:
    """Return the words about a tool: its description, its parameters, their choices."""
    said = [tool.description]
    for leaf in leaves(tool.parameters):
        said += [*(word for word in leaf.words if len(word) > 2), leaf.about]
        said += [str(option) for option in (*leaf.options, *leaf.item_options)[:50]]
    return " ".join(said)


def _calls_of(tool: Tool, question: str) -> Iterator[Call]:
    """Yield the calls of one tool: each written one; else one for each of the things asked alike; else one."""
    written = phrases.written_calls(question, tool.name)[:_REPEATED]
    try:
        for call in written:
            yield Call(tool.name, arguments_from(tool.parameters, question, call))
        if not written:
            for part in _alike(tool, question):
                yield Call(tool.name, arguments_from(tool.parameters, part))
    except (Unsatisfiable, SchemaError):
        return


def _alike(tool: Tool, question: str) -> list[str]:
    """Split a question such as "weather in Paris and in London" for a tool that takes one text.

    The things must be names, joined by `and` or a comma, each with the same preposition before it.
    """
    needed = [leaf for leaf in leaves(tool.parameters) if leaf.required]
    if len(needed) != 1 or "string" not in needed[0].kinds or needed[0].options:
        return [question]
    named = [piece for piece in phrases.after_prepositions(question) if piece.value[:1].isupper()]
    joined: list[phrases.Piece] = []
    for piece in named:
        if joined:
            gap = question[joined[-1].end : piece.start].lower()
            if piece.kind != joined[-1].kind or not re.fullmatch(rf",?\s*(?:and\s+)?{piece.kind}\s+(?:the\s+)?", gap):
                break
        joined.append(piece)
    if not 1 < len(joined) <= _REPEATED:
        return [question]
    start, end = joined[0].start, joined[-1].end
    return [question[:start] + piece.value + question[end:] for piece in joined]
