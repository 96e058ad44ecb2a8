"""Sending of turns: kept messages go to a thread once in this process, and those that nobody can send are left out."""

from __future__ import annotations

import threading
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    closing,
    contextmanager,
)
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from lumnisai_core import AsyncClient, Client, ResponseObject, RunUpdate
from lumnisai_core.exceptions import ConflictError, ValidationError
from lumnisai_core.tools import too_long
from lumnisai_integrations._shared.conversation import NO_INSTRUCTIONS, SYSTEM, Conversation, instructions_of
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations._shared.thread_reading import aread_latest_runs, read_latest_runs
from lumnisai_integrations._shared.turns import Answers, Continuation, LateQuestion, Tags, continue_thread

K = TypeVar("K")
V = TypeVar("V")
RunT = TypeVar("RunT", ResponseObject, RunUpdate)
Updates = AbstractContextManager[Iterable[RunUpdate]]
AsyncUpdates = AbstractAsyncContextManager[AsyncIterable[RunUpdate]]

_MOST_KNOWN = 10_000

#: The runs of kept messages that calls send or have sent, by thread and id; None until the run is over. Tags of copies
#: made before do not show this.
_taken: dict[str, dict[str, str | None]] = {}
#: The last instructions of threads.
_instructions: dict[str, tuple[str, ...]] = {}

#: The message that was kept last by the same task or, outside of tasks, by the same thread of the process.
_kept_by_task: ContextVar[str | None] = ContextVar("lumnis_kept_by_task", default=None)
_kept_by_thread = threading.local()


@dataclass(frozen=True)
class Turn:
    """The messages of a call.

    ``write`` returns those at some positions as roles and texts, and adds the lines that stand for what cannot be sent
    to a list.
    """

    tags: Sequence[Tags]
    write: Callable[[Collection[int], list[str]], list[dict[str, str]]]
    thread_id: str | None = None
    answers: Answers = Answers.IGNORE
    late: LateQuestion | None = None

    def decide(self) -> Continuation:
        """Return the thread to continue and the messages to send, as far as other calls do not send them."""
        return continue_thread(
            self.tags,
            thread_id=self.thread_id,
            answers=self.answers,
            late=self.late,
            taken=_taken,
            instructions=_instructions,
        )

    def check(self) -> Continuation:
        """Check that there is something to send and that it can be sent, and return it as it is now."""
        continued = self.decide()
        self.write(continued.send, [])
        return continued

    @contextmanager
    def sending(self) -> Iterator[Sent]:
        """Send the messages inside of this context: no other call sends them, unless the context ends with an error."""
        with changing():
            continued = self.decide()
            thread, lines = continued.thread_id, list[str]()
            sent = Sent(self._written(continued, lines), thread)
            if thread is not None:
                sent.variant = lambda: self._written(self._with_other_instructions(continued), [])
            ids = continued.message_ids
            if thread is not None and ids:
                _note(_taken, thread, _taken.get(thread, {}) | dict.fromkeys(ids))
            if thread is not None and continued.instructions not in (None, _instructions.get(thread)):
                _instructions.pop(thread, None)
        for line in lines:
            _warn_of_left_out(line)
        try:
            yield sent
        except BaseException:  # also where a stream is left early
            with changing():
                for message_id in ids:
                    _taken.get(thread or "", {}).pop(message_id, None)
            raise
        thread = sent.answered_on if thread is None else thread
        with changing():
            _taken.get(thread or "", {}).update(dict.fromkeys(ids, sent.run_id))
            # Other ones mean that calls have overlapped, so that it is not known whose are the last.
            new = continued.instructions if continued.thread_id is not None else continued.instructions or ()
            if thread is not None and new not in (None, _instructions.get(thread, new)):
                _instructions.pop(thread)
            else:
                _note_instructions(thread, new)

    def _unread(self) -> str | None:
        """Return the thread whose last instructions are not known, if what is sent depends on them."""
        continued = self.decide()
        return continued.thread_id if continued.is_unsure else None

    def learn(self, client: Client, parameters: Mapping[str, Any]) -> None:
        """Read the last instructions of the thread if they matter and this process does not know them."""
        if (thread := self._unread()) is not None:
            _note_instructions_read(thread, read_latest_runs(client, thread, parameters.get("user_id")))

    async def alearn(self, client: AsyncClient, parameters: Mapping[str, Any]) -> None:
        """Do the same with asyncio."""
        if (thread := self._unread()) is not None:
            _note_instructions_read(thread, await aread_latest_runs(client, thread, parameters.get("user_id")))

    def _written(self, continued: Continuation, lines: list[str]) -> list[dict[str, str]]:
        ending = [{"role": SYSTEM, "content": NO_INSTRUCTIONS}] if continued.ends_instructions else []
        return [*ending, *self.write(continued.send, lines)]

    def _with_other_instructions(self, continued: Continuation) -> Continuation:
        """Return the same without the instructions that are sent, or with those that are not."""
        own = {at for at, tags in enumerate(self.tags) if tags.is_instruction}
        if own:
            return continued._replace(send=tuple(sorted(own ^ set(continued.send))))
        return continued._replace(instructions=None if continued.ends_instructions else ())

    def answered_by(
        self, run: Callable[[Sent], ResponseObject], client: Client, parameters: Mapping[str, Any]
    ) -> ResponseObject:
        """Return the run that answers the turn; another one follows where an older message was too long."""
        self.learn(client, parameters)
        with self.sending() as sent:
            while True:
                try:
                    return sent.answered(run(sent))
                except ValidationError as error:
                    sent.change(error)

    async def aanswered_by(
        self, run: Callable[[Sent], Awaitable[ResponseObject]], client: AsyncClient, parameters: Mapping[str, Any]
    ) -> ResponseObject:
        """Do the same with asyncio."""
        await self.alearn(client, parameters)
        with self.sending() as sent:
            while True:
                try:
                    return sent.answered(await run(sent))
                except ValidationError as error:
                    sent.change(error)

    @contextmanager
    def updates_by(
        self, run: Callable[[Sent], Updates], client: Client, parameters: Mapping[str, Any]
    ) -> Iterator[Iterator[RunUpdate]]:
        """Return the updates of the run that answers the turn; leaving the context stops it."""

        def updates() -> Generator[RunUpdate, None, None]:
            self.learn(client, parameters)
            with self.sending() as sent:
                while True:
                    try:
                        with run(sent) as followed:
                            for update in followed:
                                yield sent.answered(update)
                    except ValidationError as error:
                        sent.change(error)
                    else:
                        return

        with closing(updates()) as found:
            yield found

    @asynccontextmanager
    async def aupdates_by(
        self, run: Callable[[Sent], AsyncUpdates], client: AsyncClient, parameters: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[RunUpdate]]:
        """Do the same with asyncio."""

        async def updates() -> AsyncGenerator[RunUpdate, None]:
            await self.alearn(client, parameters)
            with self.sending() as sent:
                while True:
                    try:
                        async with run(sent) as followed:
                            async for update in followed:
                                yield sent.answered(update)
                    except ValidationError as error:
                        sent.change(error)
                    else:
                        return

        async with aclosing(updates()) as found:
            yield found


@dataclass
class Sent:
    """The messages of one run and its thread.

    Attributes:
        messages: The messages.
        thread_id: The thread they are sent to; None for a new one.
        run_id: The run that answers.
        answered_on: The thread of its answer.
        variant: Makes the messages that a process with other knowledge of the thread's instructions has sent.
    """

    messages: list[dict[str, str]]
    thread_id: str | None
    run_id: str | None = None
    answered_on: str | None = None
    variant: Callable[[], list[dict[str, str]]] | None = None

    def answered(self, update: RunT) -> RunT:
        """Note run and thread of an update or of the finished run, and return it."""
        self.run_id = update.response_id
        self.answered_on = update.thread_id or self.answered_on
        return update

    def change(self, error: ValidationError) -> None:
        """Change the messages that the service refused.

        If its key belongs to other messages, an earlier start of this call has sent them with, or without, the
        instructions that the thread holds by now. If they are too long, the longest of the older ones is left out.

        Raises:
            ValidationError: The error, if it is another one or the newest message is the longest.
        """
        if isinstance(error, ConflictError) and self.variant is not None:
            self.messages, self.variant = self.variant(), None
            return
        older = [at for at, message in enumerate(self.messages[:-1]) if message["role"] != SYSTEM]
        longest = max(older, key=lambda at: len(self.messages[at]["content"]), default=None)
        text = "" if longest is None else self.messages[longest]["content"]
        if error.status_code != 413 or longest is None or len(text) < len(self.messages[-1]["content"]):
            raise error
        left_out = too_long(text)
        if len(left_out) >= len(text):
            raise error
        _warn_of_left_out(left_out)
        self.messages = list(self.messages)
        self.messages[longest] = {**self.messages[longest], "content": left_out}


def _warn_of_left_out(line: str) -> None:
    warnings.warn(f"A message of the conversation cannot be sent. The agent reads instead: {line}", stacklevel=2)


def _note_instructions(thread_id: str | None, texts: tuple[str, ...] | None) -> None:
    """Note the last instructions of a thread; with None, the earlier ones stay."""
    if texts is not None and thread_id is not None:
        with changing():
            _note(_instructions, thread_id, texts)


def _note_instructions_read(thread_id: str, runs: Sequence[ResponseObject]) -> None:
    with changing():
        if thread_id not in _instructions:  # no call of this process has sent any meanwhile
            _note_instructions(thread_id, instructions_of(runs) or ())


def note_read(conversation: Conversation[Any], runs: Sequence[ResponseObject]) -> None:
    """Note what the reading of a thread says of its instructions, and of messages that calls have sent.

    A message that still waits after its run was read is sent again: another one has taken its place there.
    """
    thread_id = conversation.thread_id
    read = {*(run.response_id for run in runs), *(message.run_id for message in conversation.stored)} - {None}
    with changing():
        sent = _taken.get(thread_id or "", {})
        for message in conversation.unsent:
            if sent.get(message.id or "") in read:
                del sent[message.id or ""]
        found = instructions_of(runs)
        if found is None and conversation.is_read and thread_id not in _instructions:
            found = ()
        _note_instructions(thread_id, found)


def runs_of_sent(thread_id: str | None) -> Mapping[str, str | None]:
    """Return the run of each message that calls send or have sent to a thread, by id; None while it is not over."""
    return dict(_taken.get(thread_id or "", {}))


def note_kept(message_id: str) -> None:
    """Note that the running task, or else this thread of the process, keeps a message now."""
    _kept_by_task.set(message_id)
    _kept_by_thread.message_id = message_id


def last_kept() -> tuple[str | None, str | None]:
    """Return the messages that the running task and this thread of the process have kept last."""
    return _kept_by_task.get(), getattr(_kept_by_thread, "message_id", None)


def _note(known: dict[K, V], key: K, value: V) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
