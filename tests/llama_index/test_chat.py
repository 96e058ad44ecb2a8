from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage, ImageBlock

from lumnisai_core import Client
from lumnisai_core.exceptions import MissingUserId, ValidationError
from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ANSWER, HELLO, Stage
from tests.loops import no_blocking

STEPS = Script(steps=[Step("Reading."), Step("Searching.")], output_text=ANSWER)


def test_chat(llm: LumnisLLM, client: Client) -> None:
    """``chat`` returns the answer of a run that the service knows."""
    answer = llm.chat(HELLO)
    assert answer.message.content == ANSWER
    assert client.responses.get(answer.additional_kwargs["response_id"]).output_text == ANSWER


async def test_achat(llm: LumnisLLM) -> None:
    """``achat`` returns the same as ``chat``."""
    answer = await llm.achat(HELLO)
    assert answer.message.content == ANSWER
    assert answer.raw["status"] == "succeeded"  # type: ignore[index]


def test_complete(llm: LumnisLLM, stage: Stage) -> None:
    """``complete`` sends its prompt as one message of the user."""
    answer = llm.complete("When is high tide?", formatted=True)
    assert answer.text == ANSWER
    assert answer.additional_kwargs["thread_id"]
    assert [(item.role, item.content) for item in stage.requests[0].messages] == [("user", "When is high tide?")]


async def test_acomplete(llm: LumnisLLM) -> None:
    """``acomplete`` returns the same as ``complete``."""
    assert (await llm.acomplete("When is high tide?")).text == ANSWER


def test_stream_chat(llm: LumnisLLM, stage: Stage) -> None:
    """A stream shows every step as reasoning and then the answer."""
    stage.play(STEPS)
    chunks = list(llm.stream_chat(HELLO, progress_interval=0.05))
    thinking = "".join(chunk.additional_kwargs.get("thinking_delta", "") for chunk in chunks)
    assert thinking == "Reading.\nSearching.\n"
    assert "".join(chunk.delta or "" for chunk in chunks) == ANSWER
    assert chunks[-1].message.content == ANSWER
    assert chunks[-1].raw["status"] == "succeeded"  # type: ignore[index]


async def test_astream_chat(llm: LumnisLLM, stage: Stage) -> None:
    """The asynchronous stream shows the same."""
    stage.play(STEPS)
    chunks = [chunk async for chunk in await llm.astream_chat(HELLO, progress_interval=0.05)]
    thinking = "".join(chunk.additional_kwargs.get("thinking_delta", "") for chunk in chunks)
    assert thinking == "Reading.\nSearching.\n"
    assert chunks[-1].message.content == ANSWER


def test_stream_complete(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """A completion stream accumulates its text and carries the reasoning."""
    stage.play(STEPS)
    chunks = list(make(stream_chunk_size=9).stream_complete("When?", progress_interval=0.05))
    assert [chunk.delta for chunk in chunks if chunk.delta] == ["High tide", " is at no", "on."]
    assert chunks[-1].text == ANSWER
    assert any("thinking_delta" in chunk.additional_kwargs for chunk in chunks)


async def test_astream_complete(llm: LumnisLLM) -> None:
    """A call may choose its own chunk size."""
    chunks = [chunk async for chunk in await llm.astream_complete("When?", stream_chunk_size=1)]
    assert [chunk.delta for chunk in chunks] == list(ANSWER)


def test_nothing_is_sent_before_the_stream_is_read(llm: LumnisLLM, stage: Stage) -> None:
    """A stream that is never read starts no run."""
    llm.stream_chat(HELLO)
    stream = llm.stream_complete("Hello")
    stream.close()
    assert stage.requests == []


async def test_nothing_is_sent_before_the_async_stream_is_read(llm: LumnisLLM, stage: Stage) -> None:
    """An asynchronous stream that is never read starts no run."""
    await llm.astream_chat(HELLO)
    stream = await llm.astream_complete("Hello")
    await stream.aclose()
    assert stage.requests == []


async def test_the_loop_is_never_blocked(llm: LumnisLLM) -> None:
    """No asynchronous method makes a blocking call."""
    with no_blocking():
        await llm.achat(HELLO)
        await llm.acomplete("Hello")
        assert [chunk async for chunk in await llm.astream_chat(HELLO)]
        assert [chunk async for chunk in await llm.astream_complete("Hello")]


async def test_many_at_once(llm: LumnisLLM, stage: Stage) -> None:
    """Concurrent calls on one LLM each get their own answer."""
    stage.answer(lambda request: Script(output_text=request.input_messages[-1].content.upper()))
    answers = await asyncio.gather(*(llm.acomplete(f"q{number}") for number in range(20)))
    assert [answer.text for answer in answers] == [f"Q{number}" for number in range(20)]


def test_two_event_loops(llm: LumnisLLM) -> None:
    """One LLM serves several event loops, one after the other, and blocking calls in between."""

    async def ask() -> str | None:
        return (await llm.achat(HELLO)).message.content

    assert [asyncio.run(ask()), llm.chat(HELLO).message.content, asyncio.run(ask())] == [ANSWER] * 3


def test_follow_up(llm: LumnisLLM, stage: Stage) -> None:
    """A call with the thread of an earlier one continues its conversation."""
    thread = llm.complete("My name is Ada.").additional_kwargs["thread_id"]
    answer = llm.complete("What is my name?", thread_id=thread)
    assert answer.additional_kwargs["thread_id"] == thread
    said = [item.content for item in stage.requests[-1].messages]
    assert said == ["My name is Ada.", ANSWER, "What is my name?"]


def test_calls_do_not_share_a_thread(llm: LumnisLLM) -> None:
    """Without a thread each call starts a conversation: nothing is remembered on the LLM."""
    first, second = llm.chat(HELLO), llm.chat(HELLO)
    assert first.additional_kwargs["thread_id"] != second.additional_kwargs["thread_id"]


def test_fields_reach_the_run(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """What the LLM is made with goes into every run, and a keyword of the call replaces it."""
    llm = make(
        model="openai:gpt-4o",
        agent_config={"agent_mode": "single_agent"},
        files=[{"name": "tides.pdf", "uri": "artifact_1"}],
        options={"team": "ocean"},
    )
    llm.chat(HELLO)
    llm.chat(HELLO, model="openai:o3", options={"team": "sky"}, files=None)
    first, second = stage.requests
    assert first.model_overrides == {"smart_model": "openai:gpt-4o"}
    assert first.agent_config == {"agent_mode": "single_agent"}
    assert [file["uri"] for file in first.files] == ["artifact_1"]
    assert first.options == {"team": "ocean"}
    assert (second.model_overrides, second.options) == ({"smart_model": "openai:o3"}, {"team": "sky"})
    assert second.files == ()


def test_one_idempotency_key_makes_one_run(llm: LumnisLLM, stage: Stage) -> None:
    """The core's parameters that are no fields pass through."""
    ids = {llm.chat(HELLO, idempotency_key="once").additional_kwargs["response_id"] for _ in range(2)}
    assert len(ids) == len(stage.requests) == 1


def test_scopes(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """User scope needs a user; a call may ask for the tenant's view."""
    with pytest.raises(MissingUserId):
        make(user_id=None).chat(HELLO)
    make().chat(HELLO, scope="tenant")
    make(user_id=None, scope="tenant").chat(HELLO)
    assert [request.user_id for request in stage.requests] == [None, None]


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_media_is_refused(llm: LumnisLLM, stage: Stage, call: str) -> None:
    """A message with an image raises before anything is sent."""
    image = ChatMessage(role="user", blocks=[ImageBlock(url="https://example.com/a.png")])
    with pytest.raises(ValidationError, match=r"messages\[0\].*'image'"):
        getattr(llm, call)([image])
    assert stage.requests == []


def test_unknown_keywords_are_refused(llm: LumnisLLM) -> None:
    """A keyword that means nothing here is never dropped silently."""
    with pytest.raises(TypeError, match="temprature"):
        llm.chat(HELLO, temprature=0.5)


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_stream_is_not_a_keyword(llm: LumnisLLM, stage: Stage, call: str) -> None:
    """Streams have methods of their own; the keyword is refused, with their names, before anything is sent."""
    with pytest.raises(TypeError, match="stream_chat"):
        list(getattr(llm, call)(HELLO, stream=True))
    assert stage.requests == []


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_other_messages_are_refused(llm: LumnisLLM, stage: Stage, call: str) -> None:
    """What is no message of LlamaIndex is named with its place before anything is sent."""
    with pytest.raises(ValidationError, match=r"messages\[1\] must be a ChatMessage.*got a dict"):
        list(getattr(llm, call)([*HELLO, {"role": "user", "content": "Hello"}]))
    assert stage.requests == []


def test_sampling_parameters_are_ignored_with_one_warning(llm: LumnisLLM) -> None:
    """Parameters of other LLMs that the platform decides itself are accepted; each is told once."""
    with pytest.warns(UserWarning, match="LumnisLLM ignores max_tokens, temperature") as told:
        assert llm.chat(HELLO, temperature=0.5, max_tokens=100, top_p=None).message.content == ANSWER
    assert len(told) == 1
    llm.complete("Hello", temperature=0.7)
    assert list(llm.stream_chat(HELLO, max_tokens=5))


def test_callers_objects_stay_as_they_are(llm: LumnisLLM) -> None:
    """Neither messages nor keywords of the caller are changed."""
    history = [ChatMessage(role="system", content="Be brief."), *HELLO]
    before = [message.model_copy(deep=True) for message in history]
    options = {"team": "ocean"}
    llm.chat(history, options=options)
    list(llm.stream_chat(history, options=options))
    assert history == before
    assert options == {"team": "ocean"}


def test_token_counting(make: Callable[..., LumnisLLM]) -> None:
    """LlamaIndex' token counter works with every kind of call."""
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = make(callback_manager=CallbackManager([counter]))
    llm.chat(HELLO)
    llm.complete("Hello")
    list(llm.stream_chat(HELLO))
    list(llm.stream_complete("Hello"))
    assert len(counter.llm_token_counts) == 4
    assert counter.completion_llm_token_count > 0


class _Limiter:
    taken = 0

    def acquire(self) -> None:
        self.taken += 1


def test_rate_limiter(make: Callable[..., LumnisLLM]) -> None:
    """Every run takes one permit, a completion no second one."""
    limiter = _Limiter()
    llm = make(rate_limiter=limiter)
    llm.chat(HELLO)
    llm.complete("Hello")
    list(llm.stream_complete("Hello"))
    assert limiter.taken == 3


def test_none_never_fails(make: Callable[..., LumnisLLM]) -> None:
    """Frameworks hand None for whatever is not set: to the constructor and in calls."""
    names = ("stop", "stop_sequences", "temperature", "progress_interval", "scope", "additional_kwargs", "anything")
    unset: Any = dict.fromkeys(names)
    llm = make(**unset)
    assert llm.chat(HELLO, **unset).message.content == ANSWER
    assert llm.complete("Hello", **unset).text == ANSWER


@pytest.mark.parametrize("name", ["extra_headers", "additional_kwargs", "max_output_tokens", "reasoning"])
def test_parameters_of_other_models_have_no_effect(llm: LumnisLLM, name: str) -> None:
    """They are named in one warning, whatever method they are handed to."""
    other: Any = {name: {"a": 1}}
    with pytest.warns(UserWarning, match=f"LumnisLLM ignores {name}"):
        llm.complete("Hello", **other)
    assert llm.chat(HELLO, **other).message.content == ANSWER
    assert [chunk.delta for chunk in llm.stream_chat(HELLO, **other)][-1] == ANSWER


@pytest.mark.parametrize("name", ["stop", "stop_sequences"])
@pytest.mark.parametrize("value", ["is", ["x", "is"]])
async def test_stops_cut_answers(make: Callable[..., LumnisLLM], name: str, value: Any) -> None:
    """In every method, of the call or of the LLM; ``raw`` keeps the whole run."""
    stopped = {name: value}
    llm = make(**stopped)
    texts = [llm.chat(HELLO).message.content, make().chat(HELLO, **stopped).message.content]
    texts += [llm.complete("Hello").text, (await llm.achat(HELLO)).message.content]
    texts += ["".join(chunk.delta or "" for chunk in llm.stream_chat(HELLO))]
    texts += ["".join([chunk.delta or "" async for chunk in await llm.astream_complete("Hello")])]
    assert set(texts) == {"High tide "}
    await llm.aclose()


def test_stops_do_not_cut_objects(llm: LumnisLLM, stage: Stage) -> None:
    stage.play(Script(output_text='{"a": 1}'))
    assert llm.chat(HELLO, stop=["1"], response_format={"type": "json_object"}).message.content == '{"a": 1}'


def test_the_name_of_a_model_has_its_provider(llm: LumnisLLM) -> None:
    with pytest.raises(ValidationError, match="provider:model, such as openai:gpt-4o"):
        llm.chat(HELLO, model="gpt-4o")
    with pytest.raises(ValidationError, match="provider:model, such as openai:gpt-4o"):
        LumnisLLM(api_key="k", model="gpt-4o")
