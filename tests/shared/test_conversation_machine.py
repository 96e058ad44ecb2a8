"""Conversations under every sequence of turns, side calls, refusals, retries, overlaps and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from lumnisai_core import ResponseObject
from lumnisai_integrations._shared.conversation import Conversation, State, ThreadMessage
from lumnisai_integrations._shared.turns import Answers, Continuation, LateQuestion, Tags, continue_thread

THREAD = "t"
#: Few texts, so that equal ones come often.
TEXTS = st.sampled_from(["Yes", "No", "Yes sir"])

_saved_form = TypeAdapter(Conversation[str])


@dataclass
class Call:
    """A call of the next turn whose run is not over: what it sends, and its question."""

    continuation: Continuation
    sent: list[str]
    question: str
    run: ResponseObject


class Conversing(RuleBasedStateMachine):
    """A memory, calls that read it, and a service that stores the messages of runs that succeed."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: Conversation[str] = Conversation().begin(THREAD)
        self.runs: list[ResponseObject] = []
        self.sent: dict[str, str | None] = {}
        self.open: list[Call] = []
        self.asked: list[str] = []
        self.number = 0

    @initialize()
    def begin(self) -> None:
        """The thread is new."""

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _read(self) -> None:
        self.memory = self.memory.accept(THREAD, self.runs[::-1], questions_first=True, sent=self.sent)
        for message in self.memory.unsent:
            if self.sent.get(message.id or ""):
                del self.sent[message.id or ""]

    def _put(self, role: str, text: str, run_id: str | None = None, state: State = State.WAITING) -> str:
        known = f"m{self._next()}"
        message: ThreadMessage[str] = ThreadMessage(role, text, state, id=known, original=text, run_id=run_id)
        self.memory = self.memory.put([message])
        return known

    def _messages(self, own: str | None) -> Sequence[ThreadMessage[str]]:
        self._read()
        return self.memory.up_to(own).messages

    def _decide(
        self, messages: Sequence[ThreadMessage[str]], extra: Sequence[Tags] = (), late: bool = False
    ) -> Continuation:
        tags = [
            Tags(
                THREAD,
                is_stored=message.state is State.STORED,
                role=message.role,
                message_id=message.id or message.run_id,
                is_in_flight=message.state is State.IN_FLIGHT,
            )
            for message in messages
        ]
        if tags:
            tags[-1] = replace(tags[-1], is_latest=True)
        return continue_thread(
            [*tags, *extra],
            thread_id=None,
            answers=Answers.COUNT,
            late=LateQuestion(THREAD) if late else None,
            taken={THREAD: self.sent},
        )

    def _start(self, messages: Sequence[ThreadMessage[str]], extra: Sequence[str], continued: Continuation) -> Call:
        texts = [*(message.text for message in messages), *extra]
        roles = [*(message.role for message in messages), *("user" for _ in extra)]
        sent = [(roles[at], texts[at]) for at in continued.send]
        run = ResponseObject.model_validate(
            {
                "response_id": f"r{self._next()}",
                "status": "in_progress",
                "input_messages": [{"role": role, "content": text} for role, text in sent],
            }
        )
        call = Call(continued, [text for role, text in sent if role == "user"], texts[-1], run)
        if continued.thread_id is not None:
            self.runs.append(run)
            self.sent |= dict.fromkeys(continued.message_ids)
        return call

    def _end(self, call: Call, *, succeeds: bool) -> ResponseObject:
        status = "succeeded" if succeeds else "failed"
        answer = f"Answer {call.run.response_id}" if succeeds else None
        done = call.run.model_copy(update={"status": status, "output_text": answer})
        self.runs = [done if run.response_id == done.response_id else run for run in self.runs]
        for known in call.continuation.message_ids:
            if succeeds:
                self.sent[known] = done.response_id
            else:
                del self.sent[known]
        return done

    @rule(text=TEXTS, succeeds=st.booleans(), can_be_sent=st.sampled_from([True, True, False]))
    def turn(self, text: str, succeeds: bool, can_be_sent: bool) -> None:
        """A question is put and answered; one that cannot be sent costs its own turn."""
        question = f"{text} {len(self.asked)}" if not can_be_sent else text
        self.asked.append(question)
        own = self._put("user", question, state=State.WAITING if can_be_sent else State.UNSENDABLE)
        if not can_be_sent:
            return
        messages = self._messages(own)
        call = self._start(messages, [], self._decide(messages))
        done = self._end(call, succeeds=succeeds)
        if succeeds:
            self._put("assistant", done.output_text or "", run_id=done.response_id)

    @rule(text=TEXTS)
    @precondition(lambda self: len(self.open) < 3)
    def begin_overlapping_turn(self, text: str) -> None:
        """A question is put and sent while others are not answered yet."""
        self.asked.append(text)
        own = self._put("user", text)
        messages = self._messages(own)
        self.open.append(self._start(messages, [], self._decide(messages)))

    @rule(succeeds=st.booleans(), puts_answer=st.booleans())
    @precondition(lambda self: self.open)
    def end_overlapping_turn(self, succeeds: bool, puts_answer: bool) -> None:
        """The oldest open run ends; an engine that was stopped does not put its answer."""
        done = self._end(self.open.pop(0), succeeds=succeeds)
        if succeeds and puts_answer:
            self._put("assistant", done.output_text or "", run_id=done.response_id)

    @rule(text=TEXTS, prompts=st.integers(1, 3))
    @precondition(lambda self: not self.open)
    def late_turn(self, text: str, prompts: int) -> None:
        """A synthesizer answers before its engine puts question and answer; several prompts run outside."""
        messages = self._messages(None)
        answer = ""
        for _ in range(prompts):
            continued = self._decide(messages, [Tags()], late=prompts == 1)
            assert (continued.thread_id is None) == (prompts > 1)
            answer = self._end(self._start(messages, [text], continued), succeeds=True).output_text or ""
        self.asked.append(text)
        self._put("user", text)
        self._put("assistant", answer)

    @rule(data=st.data())
    def side_call(self, data: st.DataObject) -> None:
        """A call about a part of the messages runs outside."""
        messages = self._messages(None)
        count = data.draw(st.integers(0, len(messages)))
        continued = self._decide(messages[:count], [Tags()])
        assert continued == Continuation(None, tuple(range(count + 1)))

    @rule()
    @precondition(lambda self: not self.open)
    def restart(self) -> None:
        """What is known comes from a saved form; the process knows of no calls."""
        self.memory = _saved_form.validate_json(_saved_form.dump_json(self.memory))
        self.sent = {}

    @invariant()
    def nothing_is_doubled(self) -> None:
        """The thread holds no question more often than it was asked."""
        held = self._held()
        assert all(held.count(text) <= self.asked.count(text) for text in set(held))

    def _held(self) -> list[str]:
        runs = [run for run in self.runs if run.status == "succeeded"]
        return [sent.content for run in runs for sent in run.input_messages if sent.role == "user"]

    def teardown(self) -> None:
        """One more turn sends what is left: no question is lost, and none comes before an older one of its caller."""
        while self.open:
            self.end_overlapping_turn(succeeds=True, puts_answer=True)
        self.turn("Last", succeeds=True, can_be_sent=True)
        self._read()
        assert sorted(self._held()) == sorted(self.asked)
        assert not [message for message in self.memory.unsent if message.role == "user"]


TestConversing = Conversing.TestCase
TestConversing.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
