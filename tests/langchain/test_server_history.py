"""Conversations that a thread on the service remembers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

from lumnisai_core import Client
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script
from lumnisai_integrations.langchain import LumnisChatMessageHistory, LumnisRunnable
from lumnisai_integrations.langchain.lumnis.calls import turn_of
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.servers import RecordingEngine

SYSTEM, FIRST, NEXT = SystemMessage("Be brief."), HumanMessage("Who?"), HumanMessage("And when?")


def answer(thread_id: str, *, provider: str = "lumnis") -> AIMessage:
    return AIMessage("Ann.", response_metadata={"model_provider": provider, "thread_id": thread_id})


def kept(text: str, thread_id: str, *, persisted: bool = True, kind: type[BaseMessage] = HumanMessage) -> BaseMessage:
    return kind(text, additional_kwargs={"lumnis_thread_id": thread_id, "lumnis_persisted": persisted})


@pytest.mark.parametrize(
    ("messages", "thread_id", "history", "expected"),
    [
        ([SYSTEM, FIRST], None, "client", (None, [0, 1])),
        ([FIRST, answer("t"), NEXT], None, "client", (None, [0, 1, 2])),
        ([FIRST, answer("t"), NEXT], "u", "client", ("u", [0, 1, 2])),
        ([SYSTEM, FIRST], None, "server", (None, [0, 1])),
        ([SYSTEM, FIRST, answer("t"), NEXT], None, "server", ("t", [0, 3])),  # its instructions are not known
        ([FIRST, answer("t"), NEXT, answer("t2"), NEXT], None, "server", ("t2", [4])),
        ([FIRST, answer("t", provider="openai"), NEXT], None, "server", (None, [0, 1, 2])),
        ([FIRST, answer("t"), NEXT], "t", "server", ("t", [2])),
        ([FIRST, answer("t"), NEXT], "u", "server", ("u", [0, 1, 2])),
        # What a history of a thread returns is known to be there, whoever remembers the conversation.
        ([SYSTEM, kept("Who?", "t"), kept("Ann.", "t", kind=AIMessage), NEXT], None, "client", ("t", [0, 3])),
        ([SYSTEM, kept("Who?", "t"), kept("Ann.", "t", kind=AIMessage), NEXT], None, "server", ("t", [0, 3])),
        ([kept("Who?", "t"), kept("More.", "t", persisted=False), NEXT], None, "client", ("t", [1, 2])),
        ([kept("Who?", "t"), kept("Ann.", "t", kind=AIMessage), NEXT], "u", "client", ("u", [0, 1, 2])),
    ],
)
def test_only_what_the_thread_lacks_is_sent(
    messages: list[BaseMessage], thread_id: str | None, history: Any, expected: tuple[str | None, list[int]]
) -> None:
    going_on = turn_of(messages, thread_id, history).decide()
    assert (going_on.thread_id, list(going_on.send)) == expected


@pytest.mark.parametrize("messages", [[FIRST, answer("t")], [kept("Who?", "t")]])
def test_a_thread_that_has_everything_is_not_run_again(messages: list[BaseMessage]) -> None:
    with pytest.raises(ValidationError, match="nothing to send"):
        turn_of(messages, None, "server").decide()


def test_an_unknown_history_is_refused(local: LocalLumnis, connect: Connect) -> None:
    with pytest.raises(ValidationError, match="'cloud'"):
        connect(local).invoke("Hello.", history="cloud")


async def test_a_conversation_goes_on_in_its_thread(serve: Serve, connect: Connect) -> None:
    """Each turn of user and agent is on the thread exactly once, in every way of asking."""
    engine = RecordingEngine(Script(output_text="Yes."))
    service = serve(engine)
    model = connect(service, history="server")
    messages: list[BaseMessage] = [SYSTEM, HumanMessage("One?")]
    messages += [model.invoke(messages), HumanMessage("Two?")]
    messages += [await model.ainvoke(messages), HumanMessage("Three?")]
    messages += [list(model.stream(messages))[-1], HumanMessage("Four?")]
    messages += [[chunk async for chunk in model.astream(messages)][-1]]
    sent = [[message.content for message in request.input_messages] for request in engine.requests]
    assert sent == [["Be brief.", "One?"], ["Two?"], ["Three?"], ["Four?"]]
    assert len({request.thread_id for request in engine.requests}) == 1
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        runs = list(client.threads.iter_responses(engine.requests[0].thread_id))
    assert len(runs) == 4


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("component", ["model", "runnable"])
async def test_instructions_that_another_process_has_sent_are_not_sent_again(
    serve: Serve, connect: Connect, way: str, component: str
) -> None:
    """As after a restart: they are found among the runs of the thread; others are sent, and none ends them, once."""
    engine = RecordingEngine(Script(output_text="Yes."))
    service = serve(engine)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        first = client.invoke(
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}],
        )
        client.invoke([{"role": "user", "content": "Why?"}], thread_id=first.thread_id)
    model: Any = connect(service, history="server", thread_id=first.thread_id)
    if component == "runnable":
        model = LumnisRunnable(
            api_key=service.api_key, base_url=service.base_url, user_id=USER, thread_id=first.thread_id
        )
    for question, instructions in (("1", "Be brief."), ("2", "Be kind."), ("3", "Be kind."), ("4", "Be brief.")):
        messages = [SystemMessage(instructions), HumanMessage(question)]
        answered = getattr(model, way)(messages)
        if way == "astream":
            assert [part async for part in answered]
        else:
            assert await answered if way == "ainvoke" else list(answered)
    sent = [[message.content for message in request.input_messages] for request in engine.requests[2:]]
    assert sent == [["1"], ["Be kind.", "2"], ["3"], ["Be brief.", "4"]]


def test_an_agent_without_instructions_is_not_run_under_those_of_another_process(
    serve: Serve, connect: Connect
) -> None:
    engine = RecordingEngine(Script(output_text="Yes."))
    service = serve(engine)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        first = client.invoke([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}])
    model = connect(service, history="server")
    past = [FIRST, AIMessage("Yes.", response_metadata={"model_provider": "lumnis", "thread_id": first.thread_id})]
    model.invoke([*past, NEXT])
    sent = [message.content for message in engine.requests[-1].input_messages]
    assert sent == ["Earlier instructions in this conversation no longer apply.", "And when?"]


def test_a_call_with_a_key_is_sent_as_it_was_the_first_time(serve: Serve, connect: Connect) -> None:
    """Its own run, which may have succeeded, has left the instructions on the thread."""
    engine = RecordingEngine(Script(output_text="Yes."))
    service = serve(engine)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        thread = client.invoke("Who?").thread_id
        first = client.invoke(
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "And when?"}],
            thread_id=thread,
            idempotency_key="step-2",
        )
    model = connect(service, history="server", thread_id=thread)
    answer_again = model.invoke([SYSTEM, NEXT], idempotency_key="step-2")
    assert answer_again.response_metadata["response_id"] == first.response_id


def test_one_call_may_say_who_remembers(serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(Script(output_text="Yes."))
    model = connect(serve(engine))
    first = model.invoke("One?")
    model.bind(history="server").invoke([HumanMessage("One?"), first, HumanMessage("Two?")])
    assert [message.content for message in engine.requests[1].input_messages] == ["Two?"]


def test_no_cache_answers_where_a_thread_remembers(serve: Serve, connect: Connect) -> None:
    """Two conversations that begin alike are two threads."""
    engine = RecordingEngine(Script(output_text="Yes."))
    model = connect(serve(engine), cache=InMemoryCache(), history="server")
    threads = {model.invoke("One?").response_metadata["thread_id"] for _ in range(2)}
    assert len(threads) == 2
    assert len(engine.requests) == 2


def test_a_step_that_is_not_for_the_thread_says_so(serve: Serve, connect: Connect) -> None:
    """thread_id=None begins a new thread, whatever field, config and messages say, and sends everything."""
    engine = RecordingEngine(Script(output_text="Yes."))
    model = connect(serve(engine), history="server")
    first = model.invoke("One?")
    thread = first.response_metadata["thread_id"]
    aside = model.bind(thread_id=None)
    config: Any = {"configurable": {"lumnis_thread_id": thread}}
    for messages in ([HumanMessage("One?"), first, NEXT], [kept("One?", thread), NEXT]):
        answer = aside.invoke(messages, config)
        assert answer.response_metadata["thread_id"] != thread
        assert len(engine.requests[-1].input_messages) == len(messages)


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
async def test_a_history_without_thread_goes_on_in_that_of_the_first_answer(serve: Serve, connect: Connect) -> None:
    """Also where the chain hands only the text of the answer to the history."""
    engine = RecordingEngine(Script(output_text="Yes."))
    service = serve(engine)
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("past"), ("human", "{question}")])
    for ask in ("invoke", "ainvoke", "stream", "astream"):
        begin = len(engine.requests)
        history = LumnisChatMessageHistory(user_id=USER, api_key=service.api_key, base_url=service.base_url)
        chain = RunnableWithMessageHistory(
            prompt | connect(service) | StrOutputParser(),
            lambda _, known=history: known,
            input_messages_key="question",
            history_messages_key="past",
        )
        for question in ("One?", "Two?"):
            inputs, config = {"question": question}, {"configurable": {"session_id": "s"}}
            if ask.startswith("a"):
                answer = getattr(chain, ask)(inputs, config)
                assert [part async for part in answer] if ask == "astream" else await answer
            else:
                assert list(getattr(chain, ask)(inputs, config))
        runs = engine.requests[begin:]
        assert [[message.content for message in run.input_messages] for run in runs] == [["One?"], ["Two?"]]
        assert {run.thread_id for run in runs} == {history.thread_id}
        assert [message.text for message in await history.aget_messages()] == ["One?", "Yes.", "Two?", "Yes."]
