"""The chat model alone and in chains, against the embedded service."""

from __future__ import annotations

import asyncio
import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pydantic
import pytest
from langchain_core._api import LangChainBetaWarning
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps, load
from langchain_core.load.dump import dumpd
from langchain_core.messages import AIMessage, HumanMessage, trim_messages
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from lumnisai_core import AgentConfig, Client, ModelOverrides
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations.langchain import ChatLumnis
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])


class Mirror:
    """Answers with what it was asked, by whom, and how often."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.requests.append(request)
        return RunResult(f"{len(self.requests)}: {request.input_messages[-1].content}")


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def mirrored(serve: Serve, mirror: Mirror) -> LocalLumnis:
    return serve(mirror)


async def test_a_chain_answers_in_every_way(tides: LocalLumnis, connect: Connect) -> None:
    """Prompt | model | parser answers the same by invoke, stream and batch, blocking and with asyncio."""
    chain = PROMPT | connect(tides) | StrOutputParser()
    asked: dict[str, Any] = {"question": "When is high tide?"}
    expected = "High at noon."
    assert chain.invoke(asked) == expected
    assert await chain.ainvoke(asked) == expected
    assert "".join(chain.stream(asked)) == expected
    assert "".join([part async for part in chain.astream(asked)]) == expected
    assert chain.batch([asked, asked]) == [expected] * 2
    assert await chain.abatch([asked, asked]) == [expected] * 2


def test_streaming_models_answer_invoke(tides: LocalLumnis, connect: Connect) -> None:
    """With streaming=True invoke reads the stream and gives the same message."""
    streamed = connect(tides, streaming=True).invoke("When?")
    assert streamed.content == "High at noon."
    assert streamed.response_metadata["response_title"] == "Tides"
    assert streamed.additional_kwargs["reasoning_content"].startswith("Starting.\n")


async def test_streams_show_progress_then_the_answer(tides: LocalLumnis, connect: Connect) -> None:
    """Progress comes as reasoning with empty content, the answer last, all under the id of the run."""
    chunks = [chunk async for chunk in connect(tides).astream("When?")]
    assert [chunk.content for chunk in chunks] == [""] * (len(chunks) - 1) + ["High at noon."]
    assert {chunk.id for chunk in chunks} == {chunks[-1].response_metadata["response_id"]}
    reasoning = "".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks)
    assert reasoning == 'Starting.\nReading the tide tables.\nweb_search(query="tides")\nStarting.\n'


async def test_event_streams_work(tides: LocalLumnis, connect: Connect) -> None:
    """Event streams end with the whole answer."""
    model = connect(tides)
    events = [event async for event in model.astream_events("When?", version="v2")]
    assert events[-1]["data"]["output"].content == "High at noon."


def test_everything_about_a_run_is_sent(mirrored: LocalLumnis, mirror: Mirror, connect: Connect) -> None:
    """Fields of the model and keywords of the call reach the service."""
    model = connect(
        mirrored,
        model="openai:gpt-4o",
        model_overrides=ModelOverrides(fast_model="openai:gpt-4o-mini"),
        agent_config=AgentConfig.fast_execution(),
        files=[{"name": "a.pdf", "uri": "https://example.com/a.pdf"}],
        options={"team": "sea"},
        response_format_instructions="Short.",
    )
    message = model.bind(options={"team": "land"}).invoke("Hi", extra_body={"specialized_agent": "scout"})
    request = mirror.requests[0]
    assert request.model_overrides == {"smart_model": "openai:gpt-4o", "fast_model": "openai:gpt-4o-mini"}
    assert request.agent_config is not None
    assert request.agent_config["use_cognitive_tools"] is False
    assert [file["uri"] for file in request.files] == ["https://example.com/a.pdf"]
    assert (request.options, request.specialized_agent) == ({"team": "land"}, "scout")
    assert message.response_metadata["model_name"] == "openai:gpt-4o"


def test_a_thread_goes_on(mirrored: LocalLumnis, mirror: Mirror, connect: Connect) -> None:
    """The thread of an answer can be given to a call, a model, a binding or a config; the call wins."""
    model = connect(mirrored)
    thread = model.invoke("one").response_metadata["thread_id"]
    config: Any = {"configurable": {"lumnis_thread_id": thread, "thread_id": "not ours"}}
    model.invoke("two", thread_id=thread)
    connect(mirrored, thread_id=thread).invoke("three")
    model.bind(thread_id=thread).invoke("four")
    (PROMPT | model).invoke({"question": "five"}, config)
    model.with_config(config).batch(["six"])
    assert {request.thread_id for request in mirror.requests} == {thread}
    assert connect(mirrored, thread_id=thread).invoke("x", thread_id=None).response_metadata["thread_id"] != thread


async def test_config_names_thread_and_user(mirrored: LocalLumnis, mirror: Mirror, connect: Connect) -> None:
    """lumnis_thread_id and lumnis_user_id of a config reach streams and asyncio calls, too."""
    model = connect(mirrored, user_id=None)
    config: Any = {"configurable": {"lumnis_user_id": "ann"}}
    thread = (await model.ainvoke("one", config)).response_metadata["thread_id"]
    config["configurable"]["lumnis_thread_id"] = thread
    list(model.stream("two", config))
    [chunk async for chunk in model.astream("three", config)]
    assert {request.thread_id for request in mirror.requests} == {thread}
    assert len({request.user_id for request in mirror.requests}) == 1


async def test_stop_cuts_the_answer(tides: LocalLumnis, connect: Connect) -> None:
    """Stop texts of the model or of the call end the answer."""
    assert connect(tides, stop=["noon"]).invoke("When?").content == "High at "
    assert (await connect(tides, stop=["noon"]).ainvoke("When?", stop=["at"])).content == "High "


async def test_unknown_keywords_are_refused(model: ChatLumnis) -> None:
    """A keyword that neither LangChain nor the core knows is an error, not silence."""
    with pytest.raises(TypeError, match="threat_id"):
        await model.ainvoke("Hi", threat_id="x")
    with pytest.raises(TypeError, match="threat_id"):
        ChatLumnis(api_key="k", threat_id="x")


async def test_asyncio_runs_go_on_side_by_side(local: LocalLumnis, connect: Connect) -> None:
    """One model serves many tasks at once."""
    model = connect(local)
    answers = await asyncio.gather(*(model.ainvoke("Tides rise.") for _ in range(20)))
    assert len({answer.id for answer in answers}) == 20


def test_one_model_serves_several_loops(model: ChatLumnis) -> None:
    """A model may be used from one event loop after another."""

    async def ask() -> str:
        return str((await model.ainvoke("Tides rise.")).text)

    assert asyncio.run(ask()) == asyncio.run(ask())


async def test_closed_models_go_on(model: ChatLumnis) -> None:
    """Closing ends connections, not the model."""
    model.invoke("Tides rise.")
    await model.ainvoke("Tides rise.")
    model.close()
    await model.aclose()
    assert model.invoke("Tides rise.").content == (await model.ainvoke("Tides rise.")).content


async def test_models_are_copied_and_pickled(
    model: ChatLumnis, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch, leave_process: Callable[[], None]
) -> None:
    """Copies and pickles work, made before and after first use.

    A pickle takes the key from the process that wrote it, in another one from the environment.
    """
    written = pickle.dumps(model)
    assert local.api_key.encode() not in written
    assert pickle.loads(written).invoke("Tides rise.").content == model.invoke("Tides rise.").content
    leave_process()
    with pytest.raises(ConfigurationError, match="LUMNISAI_API_KEY"):
        pickle.loads(written).invoke("Tides rise.")
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    fresh = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    expected = model.invoke("Tides rise.").content
    await model.ainvoke("Tides rise.")
    used = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), copy.copy(model), model.model_copy()]
    for twin in fresh + used:
        assert twin.invoke("Tides rise.").content == expected
        assert (await twin.ainvoke("Tides rise.")).content == expected
        twin.close()
        await twin.aclose()


def test_a_changed_copy_speaks_to_its_own_service(
    local: LocalLumnis, mirrored: LocalLumnis, mirror: Mirror, connect: Connect
) -> None:
    """A copy with another address or key does not use the connections of the original."""
    model = connect(local)
    model.invoke("Tides rise.")
    other = model.model_copy(
        update={"base_url": mirrored.base_url, "lumnis_api_key": pydantic.SecretStr(mirrored.api_key)}
    )
    assert other.invoke("Hi").content == "1: Hi"


def test_the_key_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key texts are not in repr, str, saved forms, traced parameters, cache keys or errors."""
    model = ChatLumnis(api_key="secret-key-1", user_id=USER, thread_id=uuid4())
    shown = [
        repr(model),
        str(model),
        dumps(model),
        str(model.asdict()),
        model._get_llm_string(),
        str(model.model_dump()),
    ]
    assert not [text for text in shown if "secret-key-1" in text]
    with pytest.raises(pydantic.ValidationError) as caught:
        ChatLumnis(api_key=["secret-key-1"])
    assert "secret-key-1" not in str(caught.value)


def test_saved_models_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain's loader makes an equal model from a saved one, with the key from the environment."""
    monkeypatch.setenv("LUMNISAI_API_KEY", "secret-key-1")
    model = ChatLumnis(
        user_id=USER, model="openai:gpt-4o", agent_config=AgentConfig.fast_execution(), response_format={"title": "T"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)  # said once in a process
        loaded = load(
            dumpd(model),
            allowed_objects=[ChatLumnis],
            valid_namespaces=["lumnisai_integrations"],
            secrets_from_env=True,
        )
    assert loaded == model


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, address and tenant are read from the environment; arguments win."""
    monkeypatch.setenv("LUMNISAI_API_KEY", "env-key")
    monkeypatch.setenv("LUMNISAI_BASE_URL", "https://env.example")
    monkeypatch.setenv("LUMNISAI_TENANT_ID", "env-tenant")
    model = ChatLumnis(base_url="https://argument.example")
    assert model.lumnis_api_key == pydantic.SecretStr("env-key")
    assert (model.base_url, model.tenant_id) == ("https://argument.example", "env-tenant")


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": "other"},
        {"base_url": "https://other.example"},
        {"tenant_id": "other"},
        {"user_id": "other"},
        {"scope": "tenant", "user_id": None},
        {"model": "openai:gpt-4o"},
        {"agent_config": {"use_cognitive_tools": False}},
        {"response_format": {"title": "Other"}},
        {"stop": ["x"]},
    ],
)
def test_cache_keys_tell_models_apart(change: dict[str, Any]) -> None:
    """Two models that could answer differently never share a cache entry; equal ones do, also as changed copies."""
    known: dict[str, Any] = {"api_key": "k", "base_url": "https://x.example", "user_id": "u"}
    model = ChatLumnis(**known)
    assert model._get_llm_string() == ChatLumnis(**known)._get_llm_string()
    assert model._get_llm_string() != ChatLumnis(**known | change)._get_llm_string()
    assert model._get_llm_string() != model.model_copy(update={"user_id": "v"})._get_llm_string()


async def test_caches_answer_except_in_threads(mirrored: LocalLumnis, mirror: Mirror, connect: Connect) -> None:
    """A cache spares equal runs of equal users; in a thread every turn is a run of its own."""
    model = connect(mirrored, cache=InMemoryCache())
    first = model.invoke("Hi")
    assert model.invoke("Hi").content == first.content
    assert (await model.ainvoke("Hi")).content == first.content
    assert model.invoke("Hi", user_id="ann").content == "2: Hi"
    thread = first.response_metadata["thread_id"]
    assert model.invoke("Hi", thread_id=thread).content == "3: Hi"
    assert (await model.ainvoke("Hi", config={"configurable": {"lumnis_thread_id": thread}})).content == "4: Hi"
    assert connect(mirrored, cache=InMemoryCache(), thread_id=thread).batch(["Hi", "Hi"])[0].content != first.content
    assert len(mirror.requests) == 6


def test_tracing_knows_provider_and_model() -> None:
    """Traces name provider, model and stop texts; a call's model wins."""
    model = ChatLumnis(api_key="k", model="openai:gpt-4o", stop=["x"], user_id=uuid4())
    assert model._get_ls_params() == {
        "ls_provider": "lumnis",
        "ls_model_type": "chat",
        "ls_model_name": "openai:gpt-4o",
        "ls_stop": ["x"],
    }
    assert model._get_ls_params(model="openai:o3")["ls_model_name"] == "openai:o3"
    assert ChatLumnis(api_key="k")._get_ls_params()["ls_model_name"] == "lumnis"
    assert isinstance(model.asdict()["user_id"], str)


def test_messages_are_trimmed_without_a_tokenizer() -> None:
    """A model can be the token counter of trim_messages."""
    messages = [HumanMessage("word " * 100), AIMessage("ok"), HumanMessage("now")]
    model = ChatLumnis(api_key="k")
    trimmed = trim_messages(messages, max_tokens=30, token_counter=model, strategy="last")
    assert trimmed == messages[1:]


def test_a_repeated_idempotency_key_makes_one_run(local: LocalLumnis, model: ChatLumnis) -> None:
    """Further keywords of the core's invoke go through."""
    key = str(uuid4())
    ids = {model.invoke("Tides rise.", idempotency_key=key).id for _ in range(2)}
    assert len(ids) == 1
    with Client(local.api_key, base_url=local.base_url, user_id=USER) as client:
        assert client.responses.get(ids.pop() or "").output_text
