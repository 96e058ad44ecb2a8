"""Streams of OpenAI's protocol, made from the states of a run: chunks of a completion, events of a response. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from lumnisai_core.local.openai import replies
from lumnisai_core.local.openai.backend import Run
from lumnisai_core.local.openai.replies import Answer, FunctionCall
from lumnisai_core.local.openai.requests import Form
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import written
from lumnisai_core.local.web.shapes import Object
from lumnisai_core.tools import cut_while_growing, rest_of


class Progress:
    """What is new in the progress of a run: lines about its steps, then pieces of its answer while it is written.

    Attributes:
        reasoning: All lines so far.
        text: The answer so far.
    """

    def __init__(self, stops: Sequence[str] = (), *, is_text: bool = True) -> None:
        self._stops = stops
        self._is_text = is_text
        self._known: list[tuple[str, int]] = []
        self.reasoning = ""
        self.text = ""

    def feed(self, run: Run) -> tuple[str, str]:
        """Return new lines and new text."""
        lines: list[str] = []
        del self._known[len(run.progress) :]
        for at, entry in enumerate(run.progress):
            if entry.get("output_text") is not None:
                return self._line(lines), self._piece(str(entry["output_text"]))
            message, calls = str(entry.get("message") or ""), entry.get("tool_calls") or []
            before = self._known[at] if at < len(self._known) else ("", 0)
            if message and message != before[0]:
                lines.append(message)
            lines += map(_call_line, calls[before[1] :])
            self._known[at : at + 1] = [(message, len(calls))]
        return self._line(lines), ""

    def _line(self, lines: Sequence[str]) -> str:
        new = "".join(f"{line}\n" for line in lines)
        self.reasoning += new
        return new

    def _piece(self, text: str) -> str:
        """Return the new end of the answer so far, if it is the same answer and one in words."""
        now = cut_while_growing(text, self._stops)
        if not self._is_text or not now.startswith(self.text):
            return ""
        new, self.text = now[len(self.text) :], now
        return new


def _call_line(call: Mapping[str, Any]) -> str:
    args = call.get("args") if isinstance(call.get("args"), Mapping) else {}
    written_args = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in (args or {}).items())
    return f"{call.get('name') or 'tool'}({', '.join(written_args)})"


def progress_of(form: Form, stops: Sequence[str] = ()) -> Progress:
    """Return the progress of a run whose answer has this form; an object does not show before it is whole."""
    return Progress(stops, is_text=form.offer.answer_schema is None and not form.offer.is_forced)


def reasoning_of(run: Run) -> str:
    """Return the lines about all steps of a run."""
    progress = Progress()
    progress.feed(run)
    return progress.reasoning


class Writer(Protocol):
    """Writes a run as a stream of server-sent events."""

    def begin(self, run: Run) -> Iterator[str]:
        """Yield the beginning."""

    def advance(self, run: Run) -> Iterator[str]:
        """Yield what is new in a run that works."""

    def end(self, run: Run) -> Iterator[str]:
        """Yield the answer, or why there is none, and the end."""


class ChatWriter:
    """Writes the chunks of a chat completion."""

    def __init__(self, form: Form, model: str, stops: Sequence[str], *, with_usage: bool) -> None:
        self._form = form
        self._model = model
        self._stops = stops
        self._with_usage = with_usage
        self._progress = progress_of(form, stops)

    def begin(self, run: Run) -> Iterator[str]:
        """Yield the first chunk."""
        yield self._chunk(run, {"role": "assistant", "content": ""})

    def advance(self, run: Run) -> Iterator[str]:
        """Yield new lines as reasoning, and new text."""
        for name, text in zip(("reasoning_content", "content"), self._progress.feed(run), strict=True):
            if text:
                yield self._chunk(run, {name: text})

    def end(self, run: Run) -> Iterator[str]:
        """Yield the rest of the text, calls of tools, the reason of the end and usage; or an error."""
        try:
            if (failure := run.failure()) is not None:
                raise failure
            answer = Answer.of(run, self._form, self._stops)
        except ApiError as error:
            yield _data(replies.error_body(error))
            return
        if rest := rest_of(answer.text, self._progress.text):
            yield self._chunk(run, {"content": rest})
        calls = [{"index": at, **call} for at, call in enumerate(replies.chat_calls(answer))]
        if calls:
            yield self._chunk(run, {"tool_calls": calls})
        yield self._chunk(run, {}, replies.finish_reason(answer))
        usage = replies.chat_usage(run)
        if self._with_usage and usage:
            yield _data({**self._about(run), "choices": [], **usage})
        yield "data: [DONE]\n\n"

    def _about(self, run: Run) -> Object:
        return {**replies.about_chat(run, self._model), "object": "chat.completion.chunk"}

    def _chunk(self, run: Run, delta: Object, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data({**self._about(run), "choices": [choice]})


class ResponseWriter:
    """Writes the events of a response."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._progress = progress_of(form)
        self._number = 0
        self._index = 0
        self._item: Object | None = None

    def begin(self, run: Run) -> Iterator[str]:
        """Yield that the response exists."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response(run))

    def advance(self, run: Run) -> Iterator[str]:
        """Yield new lines as a summary of the reasoning, and new text."""
        lines, text = self._progress.feed(run)
        if lines and (self._item is None or self._item["type"] == "reasoning"):
            if self._item is None:
                yield self._open(replies.reasoning_item(run, None))
                part = {"type": "summary_text", "text": ""}
                yield self._event("response.reasoning_summary_part.added", **self._place("summary_index"), part=part)
            yield self._event("response.reasoning_summary_text.delta", **self._place("summary_index"), delta=lines)
        if text:
            yield from self._text(run, text)

    def end(self, run: Run) -> Iterator[str]:
        """Yield the rest of the text, calls of tools, and the whole response; or why there is no answer."""
        if not run.is_over:
            failure = run.failure()
            about = {} if failure is None else {"code": failure.code.lower(), "message": failure.message}
            yield self._event("error", **about, param=None)
            return
        whole = self._response(run)
        if whole["status"] == "completed":
            answer = Answer.of(run, self._form)
            rest = rest_of(answer.text, self._progress.text)
            if rest or (not answer.calls and (self._item is None or self._item["type"] != "message")):
                yield from self._text(run, rest)
            yield from self._close(run)
            for at, call in enumerate(answer.calls):
                yield from self._call(run, at, call)
        else:
            yield from self._close(run)
        yield self._event(f"response.{'completed' if whole['status'] == 'completed' else 'failed'}", response=whole)

    def _response(self, run: Run) -> Object:
        return replies.response(run, self._form, self._progress.reasoning)

    def _text(self, run: Run, text: str) -> Iterator[str]:
        if self._item is not None and self._item["type"] != "message":
            yield from self._close(run)
        if self._item is None:
            yield self._open(replies.message_item(run, None))
            part = replies.text_part("")
            yield self._event("response.content_part.added", **self._place("content_index"), part=part)
        if text:
            place = self._place("content_index")
            yield self._event("response.output_text.delta", **place, delta=text, logprobs=[])
            self._item = {**(self._item or {}), "text": (self._item or {}).get("text", "") + text}

    def _call(self, run: Run, at: int, call: FunctionCall) -> Iterator[str]:
        yield self._open(replies.call_item(run, at, call, is_begun=True))
        place = self._place()
        yield self._event("response.function_call_arguments.delta", **place, delta=call.arguments)
        about = {"name": call.name, "arguments": call.arguments}
        yield self._event("response.function_call_arguments.done", **place, **about)
        yield self._done(replies.call_item(run, at, call))

    def _open(self, item: Object) -> str:
        self._item = item
        return self._event("response.output_item.added", output_index=self._index, item=item)

    def _close(self, run: Run) -> Iterator[str]:
        """Yield the end of the item that is open."""
        item = self._item
        if item is None:
            return
        if item["type"] == "reasoning":
            text = self._progress.reasoning
            part, place = {"type": "summary_text", "text": text}, self._place("summary_index")
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            yield self._event("response.reasoning_summary_part.done", **place, part=part)
            yield self._done(replies.reasoning_item(run, text))
        else:
            text, place = item.get("text", ""), self._place("content_index")
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
            yield self._event("response.content_part.done", **place, part=replies.text_part(text))
            yield self._done(replies.message_item(run, text))

    def _done(self, item: Object) -> str:
        event = self._event("response.output_item.done", output_index=self._index, item=item)
        self._item, self._index = None, self._index + 1
        return event

    def _place(self, *indices: str) -> Object:
        item_id = None if self._item is None else self._item["id"]
        return {"item_id": item_id, "output_index": self._index, **dict.fromkeys(indices, 0)}

    def _event(self, kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\n{_data(data)}"


def _data(value: object) -> str:
    return f"data: {written(value)}\n\n"
