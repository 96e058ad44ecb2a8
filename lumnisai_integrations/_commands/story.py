"""Story of ``lumnis demo``: a letter, an agent with a tool, a question about files, a stored booking, and the trace."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from lumnisai_core import RunUpdate, liminal, lucidic, lumi
from lumnisai_core.exceptions import AuthenticationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._commands.connection import Connection
from lumnisai_integrations._commands.page import Page
from lumnisai_integrations._shared.display import ProgressDisplay
from lumnisai_integrations.langchain import ChatLumnis, LiminalGuard, LucidicCallbackHandler

NAME, EMAIL, PHONE = "Mira Okafor", "mira@example.org", "+49 30 901820"

LETTER = f"""\
Dear harbour office, can you hold a berth for us?
Boat: Alcyone, draught: 2.8 m.
Name: {NAME}, email: {EMAIL},
phone: {PHONE}."""

#: Depth of the free berths, in metres.
BERTHS = {"A2": 2.4, "B5": 2.9, "C4": 3.6}

#: Turns after which an agent that still calls tools is stopped.
_MOST_TURNS = 5


class Booking(BaseModel):
    """A berth that is held for a boat."""

    boat: str = Field(description="Name of the boat")
    draught: float = Field(description="Draught of the boat in metres")
    berth: str = Field(description="Name of the berth")
    email: str = Field(description="E-mail address of the customer")


def tell(page: Page, service: Connection, local: LocalLumnis) -> str:
    """Tell the story; return the id of the session that recorded it."""
    account = _account(local)
    name = f"berth-{secrets.token_hex(2)}"
    callbacks: list[BaseCallbackHandler] = [LucidicCallbackHandler()]
    with _gateway(local) as gateway:
        guard = LiminalGuard(gateway)
        model = ChatLumnis(**service.settings)
        try:
            with lucidic.session("A berth for Alcyone", session_id=name, **account) as session_id:
                answer = _agent_with_a_tool(page, guard, model, callbacks)
                page.part("2. A question about your files, with sources", "LlamaIndex, Lumnis")
                page.note("Loading LlamaIndex ...")
                import_module("lumnisai_integrations._commands.file_question").ask(page, service)
                _typed_record(page, guard, model, callbacks, answer, local)
        finally:
            model.close()
            lucidic.flush(timeout_seconds=10)  # also after Ctrl-C: the service is about to end
    _trace(page, session_id, account)
    return session_id


# 1. An agent


class _Watch(BaseCallbackHandler):
    """Shows what a model reads first, and the progress of its runs."""

    run_inline = True  # in the order of the updates
    raise_error = True

    def __init__(self, page: Page, progress: ProgressDisplay) -> None:
        self._page = page
        self._progress = progress
        self._has_read = False

    def on_chat_model_start(self, *started: Any, **_known: Any) -> None:
        """Show the messages of the first call."""
        _, (messages,) = started
        if not self._has_read:
            self._has_read = True
            self._page.note("The model reads:")
            self._page.text(messages[0].text, "yellow")

    def on_custom_event(self, name: str, data: Any, **_known: Any) -> None:
        """Show an update."""
        if name == "lumnis_progress":
            self._progress(RunUpdate.from_data(data))


def _agent_with_a_tool(page: Page, guard: LiminalGuard, model: ChatLumnis, callbacks: list[BaseCallbackHandler]) -> str:
    page.part("1. An agent that calls your tool, behind a guard", "LangChain, Lumnis, Liminal")

    def hold_berth(boat: str, draught: float, email: str) -> str:
        """Hold a free berth for a boat; the draught is in metres."""
        page.note("Your tool gets:")
        page.text(f"hold_berth({boat!r}, {draught!r}, {email!r})")
        berth = next((name for name, depth in BERTHS.items() if depth >= draught + 0.5), None)
        if berth is None:
            return f"There is no berth deep enough for {boat}."
        return f"We hold the berth {berth} for {email}."

    page.note("A customer writes:")
    page.text(LETTER)
    with page.progress() as progress:
        agent = guard.chain(_agent(model, guard.tools([hold_berth])))
        answer = agent.invoke([HumanMessage(LETTER)], {"callbacks": [*callbacks, _Watch(page, progress)]}).text
    page.note("The customer gets:")
    page.text(answer)
    return answer


def _agent(model: ChatLumnis, tools: Sequence[BaseTool]) -> Runnable[list[BaseMessage], AIMessage]:
    """Return an agent: a model that is called with the results of its tools until it calls none."""
    able = model.bind_tools(tools)
    by_name = {tool.name: tool for tool in tools}

    def work(messages: list[BaseMessage]) -> AIMessage:
        answer = able.invoke(messages)
        for _ in range(_MOST_TURNS):
            if not answer.tool_calls:
                break
            results = [by_name[call["name"]].invoke(call) for call in answer.tool_calls]
            messages = [*messages, answer, *results]
            answer = able.invoke(messages)
        return answer

    return RunnableLambda(work, name="agent")


# 3. A record


def _typed_record(
    page: Page,
    guard: LiminalGuard,
    model: ChatLumnis,
    callbacks: list[BaseCallbackHandler],
    answer: str,
    local: LocalLumnis,
) -> None:
    page.part("3. A typed record in your application's data", "LangChain, Lumi.new")
    writer = guard.model(model).with_structured_output(Booking)
    prompt = f"{LETTER}\n\n{answer}\n\nWhich berth is held for which boat?"
    booking = cast("Booking", writer.invoke(prompt, {"callbacks": callbacks, "run_name": "write_booking"}))
    page.note("Your class, filled in from the letter and the answer:")
    page.text(repr(booking))
    password = secrets.token_urlsafe(12)
    _store_booking(local, booking, password)
    with _backend(local) as mira:
        mira.auth.sign_in_with_password(EMAIL, password)
        found, _ = mira.entities.Bookings.list()
        page.note("Stored. Mira signs in and reads it back:")
        page.text("\n".join(f"{one.id}: berth {one['berth']} for {one['boat']}" for one in found))
    with _backend(local) as stranger:
        try:
            stranger.entities.Bookings.list()
        except AuthenticationError as error:
            page.note(f"Without her account, the answer is {error.status_code}.")


@lucidic.event(name="store_booking", capture_arguments=False, capture_result=False)
def _store_booking(local: LocalLumnis, booking: Booking, password: str) -> None:
    """Store a booking under an account of the customer, who proves the address with a code from an e-mail."""
    with _backend(local) as client:
        client.auth.send_otp(EMAIL, "register")
        client.auth.sign_up_with_password(EMAIL, password, local.lumi.outbox[-1].code or "", user_name=NAME)
        client.entities.Bookings.create(booking.model_dump())


def _backend(local: LocalLumnis) -> lumi.Client:
    return lumi.Client(local.lumi.project_id, local.lumi.base_url, sign_key=local.lumi.sign_key)


# 4. The trace


def _trace(page: Page, session_id: str, account: dict[str, Any]) -> None:
    page.part("4. The trace of all of it", "Lucidic")
    with lucidic.Client(**account) as client:
        events = list(client.events.iter(session_id=session_id))
    page.lines(trace_lines(events, page.columns))
    written = [str(event.payload) for event in events]
    seen = sum(any(value in text for value in (NAME, EMAIL, PHONE)) for text in written)
    page.note(f"Mira's name, address or number: in {seen} of {len(events)} events.")


def trace_lines(events: Sequence[lucidic.EventRecord], columns: int) -> list[str]:
    """Write events as a tree: a line each with its time and, where known, its tokens.

    Progress of runs is counted. Functions that only call others are left out below the first level.
    """
    known = {event.client_event_id for event in events}
    below: defaultdict[str | None, list[lucidic.EventRecord]] = defaultdict(list)
    for event in sorted(events, key=lambda event: str(event.occurred_at)):
        parent = event.client_parent_event_id
        below[parent if parent in known else None].append(event)

    def parts_of(parent: str | None) -> Iterator[lucidic.EventRecord]:
        """Yield the events shown below one; those below an event that is left out stand in its place."""
        for event in below[parent]:
            inner = below[event.client_event_id]
            is_between = event.type == lucidic.EventType.FUNCTION_CALL and bool(inner) and parent is not None
            if is_between or event.type == lucidic.EventType.GENERIC:
                yield from parts_of(event.client_event_id)
            else:
                yield event

    def lines_below(parent: str | None, indent: str) -> Iterator[str]:
        parts = list(parts_of(parent))
        for event in parts:
            is_last = event is parts[-1]
            details = [one.payload.get("details") for one in below[event.client_event_id]]
            steps = len({one.get("entry_index") for one in details if isinstance(one, dict)} - {None})
            took = "" if event.duration is None else f"{event.duration:.2f} s"
            line, room = f"{indent}{'└─' if is_last else '├─'} {_about(event, steps)}", columns - len(took) - 1
            yield f"{line if len(line) <= room else line[: room - 1] + '…':<{room}} {took}".rstrip()
            yield from lines_below(event.client_event_id, indent + ("   " if is_last else "│  "))

    return list(lines_below(None, ""))


def _about(event: lucidic.EventRecord, steps: int) -> str:
    payload = event.payload
    if event.type != lucidic.EventType.LLM_GENERATION:
        return str(payload.get("function_name") or event.type)
    usage = payload.get("usage") or {}
    tokens = [str(usage[name]) for name in ("input_tokens", "output_tokens") if usage.get(name) is not None]
    model = f"model {(payload.get('request') or {}).get('model', '')}".strip()
    counted = [f"{steps} step{'s' * (steps != 1)}"] if steps else []
    return ", ".join([model, *counted, *([f"{'+'.join(tokens)} tokens"] if tokens else [])])


# Services of the environment, else the embedded ones


@contextmanager
def _gateway(local: LocalLumnis) -> Iterator[liminal.Client]:
    found, is_elsewhere = local.liminal, bool(os.environ.get("LIMINAL_API_SERVER_URL", "").strip())
    with liminal.Client() if is_elsewhere else liminal.Client(found.base_url, token=found.token) as client:
        yield client


def _account(local: LocalLumnis) -> dict[str, Any]:
    found = local.lucidic
    if os.environ.get("LUCIDIC_API_KEY", "").strip():
        return {}
    return {"api_key": found.api_key, "agent_id": found.agent_id, "base_url": found.base_url}
