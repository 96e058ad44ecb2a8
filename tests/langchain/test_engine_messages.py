"""What a chat model gets of a run: messages in the order of every provider, tool calls, passages of files."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from lumnisai_core.local import EngineError, Message, Passage, RunRequest
from lumnisai_core.tools import tool_calls_text, tool_result_text
from lumnisai_integrations._shared.conversation import NO_INSTRUCTIONS
from lumnisai_integrations.langchain.lumnis.engine_errors import blotted, code_of
from lumnisai_integrations.langchain.lumnis.engine_messages import conversation, fitting, plan_files, tokens

ADD = {"name": "add", "args": {"a": 1}}
NOW = {"name": "now", "args": {}}


def request(*said: tuple[Any, str], new: int = 1, **fields: Any) -> RunRequest:
    messages = tuple(Message(role, text) for role, text in said)
    return RunRequest("r", "t", "n", None, messages, messages[len(messages) - new :], **fields)


def written(messages: list[BaseMessage]) -> list[tuple[Any, ...]]:
    """Messages as type and text, calls and results with what makes them so."""
    plain: list[tuple[Any, ...]] = []
    for message in messages:
        more: list[Any] = []
        if isinstance(message, AIMessage) and message.tool_calls:
            more = [(call["id"], call["name"], call["args"]) for call in message.tool_calls]
        if isinstance(message, ToolMessage):
            more = [message.tool_call_id, message.status]
        plain.append((message.type, message.content, *more))
    return plain


def result(name: str, call_id: str | None, text: str = "2", status: str | None = None) -> tuple[str, str]:
    return ("user", tool_result_text(text, name=name, call_id=call_id, status=status))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            [("system", "Old."), ("user", "Hi"), ("assistant", "Ho"), ("system", "New."), ("user", "So?")],
            [("system", "New."), ("human", "Hi"), ("ai", "Ho"), ("human", "So?")],
        ),
        ([("system", "A."), ("system", "B."), ("user", "Hi")], [("system", "A.\n\nB."), ("human", "Hi")]),
        ([("user", "Hi"), ("user", "So?")], [("human", "Hi\n\nSo?")]),
        (
            [
                ("system", "Old."),
                ("user", "Hi"),
                ("system", NO_INSTRUCTIONS),
            ],
            [("human", "Hi")],
        ),
    ],
    ids=["the last instructions", "gathered", "joined", "ended"],
)
def test_instructions_come_first_and_sides_take_turns(said: list[tuple[str, str]], expected: list[Any]) -> None:
    assert written(conversation(request(*said), [], None, with_tools=True)) == expected


@pytest.mark.parametrize(
    ("answer", "results", "expected"),
    [
        (
            tool_calls_text("Let me see.", [{"id": "c1", **ADD}]),
            [result("add", "c1")],
            [("ai", "Let me see.", ("c1", "add", {"a": 1})), ("tool", "2", "c1", "success")],
        ),
        (
            '{"tool_calls":[{"name":"add","args":{"a":1}},{"name":"now","args":{}}],"content":null}',
            [result("now", "c2", "noon", "error"), result("add", "c1")],
            [
                ("ai", "", ("c1", "add", {"a": 1}), ("c2", "now", {})),
                ("tool", "2", "c1", "success"),
                ("tool", "noon", "c2", "error"),
            ],
        ),
        (
            tool_calls_text("", [{"id": "c1", **ADD}, {"id": "c2", **NOW}]),
            [result("add", "c1")],
            [
                ("ai", tool_calls_text("", [{"id": "c2", **NOW}]), ("c1", "add", {"a": 1})),
                ("tool", "2", "c1", "success"),
            ],
        ),
        (
            tool_calls_text("", [{"id": "c1", **ADD}]),
            [result("now", "c9")],
            [("ai", tool_calls_text("", [{"id": "c1", **ADD}])), ("human", result("now", "c9")[1])],
        ),
    ],
    ids=["with ids", "of the thread", "one without result", "foreign result"],
)
def test_calls_with_results_are_the_model_s(answer: str, results: list[tuple[str, str]], expected: list[Any]) -> None:
    """Calls in a thread get the ids of their results; what does not fit together stays text."""
    run = request(("user", "Add."), ("assistant", answer), *results, new=len(results))
    assert written(conversation(run, [], None, with_tools=True)) == [("human", "Add."), *expected]


def test_without_tools_calls_stay_text() -> None:
    """Providers refuse calls of tools that they are not shown."""
    said = tool_calls_text("", [{"id": "c1", **ADD}])
    messages = conversation(
        request(("user", "Add."), ("assistant", said), result("add", "c1")), [], None, with_tools=False
    )
    assert written(messages) == [("human", "Add."), ("ai", said), ("human", result("add", "c1")[1])]


def test_files_stand_before_the_question_and_guidance_at_the_end() -> None:
    """Files never stand between a call and its result."""
    shown = Passage("f", "tides.txt", "High at noon.", 3, 4)
    run = request(("user", "Hi"), ("assistant", "Ho"), ("user", "When?"))
    text = "File tides.txt, lines 3 to 4:\n\nHigh at noon.\n\nWhen?\n\nBe exact."
    assert written(conversation(run, [shown], "Be exact.", with_tools=True))[-1] == ("human", text)
    said = tool_calls_text("", [{"id": "c1", **ADD}])
    run = request(("user", "Add."), ("assistant", said), result("add", "c1"))
    first, *rest = written(conversation(run, [shown], None, with_tools=True))
    assert first == ("human", "File tides.txt, lines 3 to 4:\n\nHigh at noon.\n\nAdd.")
    assert [kind for kind, *_ in rest] == ["ai", "tool"]


def test_files_are_shown_within_a_limit() -> None:
    """Named files whole if they fit, else passages of them; without any passage the beginning."""
    files = tuple(
        {"name": name, "uri": f"artifact_{name}", "text": text} for name, text in (("a", "x" * 40), ("b", "y" * 900))
    )
    plan = plan_files(request(("user", "Hi"), files=files), 100)
    assert [file.file_id for file in plan.whole] == ["a"]
    assert [file.file_id for file in plan.large] == ["b"]
    best, other = Passage("b", "b", "y" * 200, 7, 9), Passage("b", "b", "y" * 100, 1, 2)
    assert fitting(plan, [best, other, Passage("b", "b", "y" * 200, 3, 4)]) == [other, best]
    (beginning,) = fitting(plan, [])
    assert beginning.text.startswith("y" * 300)
    assert beginning.text.endswith("[The rest of this file is left out.]")
    assert tokens(beginning.text) <= 100


def test_a_file_without_text_is_an_error() -> None:
    with pytest.raises(EngineError, match="no text of the file 'a'"):
        plan_files(request(("user", "Hi"), files=({"name": "a", "uri": "https://example.org/a"},)), 100)


class Status(Exception):
    def __init__(self, status: int, text: str = "no") -> None:
        super().__init__(text)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Status(401), "MODEL_AUTH_ERROR"),
        (Status(404), "MODEL_NOT_FOUND"),
        (Status(429), "MODEL_RATE_LIMITED"),
        (Status(400), "MODEL_REQUEST_REFUSED"),
        (Status(400, "This model's maximum context length is 8192 tokens."), "CONTEXT_LENGTH_EXCEEDED"),
        (Status(400, "prompt is too long: 210000 tokens > 200000 maximum"), "CONTEXT_LENGTH_EXCEEDED"),
        (Status(400, "The input token count (9) exceeds the maximum number of tokens"), "CONTEXT_LENGTH_EXCEEDED"),
        (Status(503), "MODEL_UNAVAILABLE"),
        (TimeoutError(), "MODEL_TIMEOUT"),
        (ConnectionRefusedError(), "MODEL_UNAVAILABLE"),
        (ValueError("odd"), "MODEL_ERROR"),
    ],
)
def test_errors_have_a_code_by_kind(error: Exception, code: str) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefgh12345678",
        "Incorrect API key provided: sk-abcd****************wxyz.",
        "Authorization: Bearer abc.def.ghi",
        "GET https://example.org/v1/models?key=AIzaSyA1234567890",
    ],
)
def test_what_looks_like_a_key_is_not_shown(text: str) -> None:
    shown = blotted(text, None)
    assert "[redacted]" in shown
    assert not any(part in shown for part in ("abcdefgh", "wxyz", "abc.def", "AIza"))
