"""Conversations for chat models: the messages of a run as a provider takes them, and passages of its files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from lumnisai_core.local import EngineError, Message, Passage, RunRequest
from lumnisai_core.tools import read_tool_calls, read_tool_result, tool_calls_text
from lumnisai_integrations._shared.conversation import NO_INSTRUCTIONS

#: Characters of a token in a language with letters; others have about one token a character.
_CHARACTERS = 4
_CUT = "\n[The rest of this file is left out.]"


def conversation(
    request: RunRequest, material: Sequence[Passage], guidance: str | None, *, with_tools: bool
) -> list[BaseMessage]:
    """Return the messages of a run as every provider takes them.

    One system message with the instructions that hold comes first. Then the conversation, in which no two turns of the
    same side follow one another; the material stands before the new question, the guidance for the form of the answer
    at the end. With tools, calls and their results are those of the model; without, they stay text, because providers
    refuse calls of tools that they are not shown.
    """
    instructions = "\n\n".join(_instructions(request))
    spoken = _spoken(request.messages)
    turns = _with_calls(spoken) if with_tools else list(map(_said, spoken))
    if files := "\n\n".join(map(_shown, material)):
        first = len(turns) - len(_spoken(request.input_messages))
        places = (at for at in range(first, len(turns)) if isinstance(turns[at], HumanMessage))
        turns.insert(next(places, 0), HumanMessage(files))
    if guidance:
        turns.append(HumanMessage(guidance))
    return [*([SystemMessage(instructions)] if instructions else []), *_joined(turns)]


def _spoken(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.role != "system"]


def _instructions(request: RunRequest) -> list[str]:
    """Return the instructions of the run, or else the last ones of its thread: new ones replace those before."""
    own = [message.content for message in request.input_messages if message.role == "system"]
    if not own:
        for message in reversed(request.messages):
            if message.role == "system":
                own.insert(0, message.content)
            elif own:
                break
    return [text for text in dict.fromkeys(own) if text and text != NO_INSTRUCTIONS]


def _said(message: Message) -> BaseMessage:
    return (AIMessage if message.role == "assistant" else HumanMessage)(message.content)


def _with_calls(messages: Sequence[Message]) -> list[BaseMessage]:
    """Return turns in which the tool calls that have results, and these, are those of the model."""
    turns: list[BaseMessage] = []
    at = 0
    while at < len(messages):
        message, at = messages[at], at + 1
        text, calls = read_tool_calls(message.content) if message.role == "assistant" else (message.content, [])
        results: list[tuple[Mapping[str, Any], str]] = []
        while calls and at + len(results) < len(messages):
            result = read_tool_result(messages[at + len(results)].content)
            if result is None or messages[at + len(results)].role != "user":
                break
            results.append(result)
        pairs, open_calls = _pairs(calls, results)
        if not pairs:
            turns.append(_said(message))
            continue
        words = tool_calls_text(text, open_calls) if open_calls else text
        made = [tool_call(name=call["name"], args=call["args"], id=call_id) for call, call_id, _ in pairs]
        turns.append(AIMessage(words, tool_calls=made))
        for call, call_id, (about, content) in pairs:
            status = "error" if about.get("status") == "error" else "success"
            turns.append(ToolMessage(content, tool_call_id=call_id, name=call["name"], status=status))
        answered = [result for _, _, result in pairs]
        turns += [_said(messages[at + place]) for place, one in enumerate(results) if one not in answered]
        at += len(results)
    return turns


_Result = tuple[Mapping[str, Any], str]


def _pairs(
    calls: Sequence[Mapping[str, Any]], results: Sequence[_Result]
) -> tuple[list[tuple[Mapping[str, Any], str, _Result]], list[Mapping[str, Any]]]:
    """Return calls with their ids and results, and the calls without one; ids of callers are not in the thread."""
    waiting, pairs, rest = list(results), [], []
    for at, call in enumerate(calls):
        fitting = (
            result
            for result in waiting
            if (result[0].get("id") == call["id"] if call.get("id") else result[0].get("name") == call["name"])
        )
        result = next(fitting, None)
        if result is None:
            rest.append(call)
        else:
            waiting.remove(result)
            pairs.append((call, str(result[0].get("id") or call.get("id") or f"call_{at}"), result))
    return pairs, rest


def _joined(turns: Sequence[BaseMessage]) -> Iterator[BaseMessage]:
    """Yield turns; those of one side that follow one another as one, because some models refuse them."""
    last: BaseMessage | None = None
    for turn in turns:
        is_same = isinstance(turn, HumanMessage) and isinstance(last, HumanMessage)
        is_same |= isinstance(turn, AIMessage) and isinstance(last, AIMessage) and not last.tool_calls
        if is_same and last is not None:
            last = turn.model_copy(update={"content": "\n\n".join(filter(None, (str(last.text), str(turn.text))))})
            continue
        if last is not None:
            yield last
        last = turn
    if last is not None:
        yield last


# Files


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What a run shows of its files: whole ones, and those of which it shows passages.

    Attributes:
        whole: Files that are shown as they are.
        large: Named files that do not fit, with their texts.
        searched: Texts of the files that a search goes through, newest first.
        room: Tokens that are left for passages.
    """

    whole: tuple[Passage, ...]
    large: tuple[Passage, ...]
    searched: tuple[Passage, ...]
    room: int


def plan_files(request: RunRequest, limit: int) -> FilePlan:
    """Decide what a run shows of its files with a limit in tokens.

    Raises:
        EngineError: A file that the run names has no text; carries its name and what to do.
    """
    named = [file for file in request.files if not file.get("searchable")]
    unread = next((file for file in named if not isinstance(file.get("text"), str)), None)
    if unread is not None:
        kind = f" ({unread['mime_type']})" if unread.get("mime_type") else ""
        raise EngineError(
            "FILE_NOT_READABLE",
            f"The model reads text, and this service has no text of the file {unread.get('name')!r}{kind} at "
            f"{unread.get('uri')!r}: upload it with client.files.upload if it holds text, or leave it out.",
        )
    whole, large, room = [], [], limit
    for file in map(_whole, named):
        cost = tokens(file.text)
        if cost <= room:
            room -= cost
            whole.append(file)
        elif file.text:
            large.append(file)
    searched = tuple(_whole(file) for file in request.files if file.get("searchable") and file.get("text"))
    return FilePlan(tuple(whole), tuple(large), searched, room)


def _whole(file: Mapping[str, Any]) -> Passage:
    file_id = str(file.get("uri")).removeprefix("artifact_").removeprefix("file_")
    return Passage(file_id, str(file.get("name")), str(file["text"]))


def fitting(plan: FilePlan, found: Sequence[Passage]) -> list[Passage]:
    """Return the passages that fit, in the order of their files; without any, the beginnings of the files."""
    room, taken = plan.room, []
    for passage in found:
        cost = tokens(passage.text)
        if cost <= room:
            room -= cost
            taken.append(passage)
    names = {passage.file_id for passage in taken}
    for file in (*plan.large, *(plan.searched if not found else ())):
        if file.file_id in names or room <= 0:
            continue
        text = file.text if tokens(file.text) <= room else f"{_beginning(file.text, room)}{_CUT}"
        room -= tokens(text)
        taken.append(Passage(file.file_id, file.file_name, text))
    order = {passage.file_id: at for at, passage in reversed(list(enumerate(taken)))}
    return sorted(taken, key=lambda passage: (order[passage.file_id], passage.start_line or 0))


def tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    letters = sum(map(str.isascii, text)) if not text.isascii() else len(text)
    return letters // _CHARACTERS + len(text) - letters + 1


def _beginning(text: str, room: int) -> str:
    while tokens(text) > room and text:
        text = text[: min(len(text) - 1, len(text) * room // tokens(text))]
    return text


def _shown(passage: Passage) -> str:
    lines = "" if passage.start_line is None else f", lines {passage.start_line} to {passage.end_line}"
    return f"File {passage.file_name}{lines}:\n\n{passage.text}"


def sources(passages: Sequence[Passage]) -> tuple[Mapping[str, Any], ...]:
    """Return an artifact for each file of which an answer could use passages, with these as its parts."""
    by_file: dict[str, list[Passage]] = {}
    for passage in passages:
        by_file.setdefault(passage.file_id, []).append(passage)
    return tuple(
        {
            "artifactId": file_id,
            "name": found[0].file_name,
            "description": "Passages that the answer could use.",
            "parts": [
                {
                    "kind": "text",
                    "text": passage.text,
                    "metadata": {
                        "start_line": passage.start_line,
                        "end_line": passage.end_line,
                        "score": round(passage.score, 4),
                    },
                }
                for passage in found
            ],
            "metadata": {"type": "source", "uri": file_id},
            "extensions": [],
        }
        for file_id, found in by_file.items()
    )
