"""From fields and keywords to a run, without a service."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import Script
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.langchain.lumnis.calls import cache_facts, from_config, run_call
from tests.conftest import Serve
from tests.langchain.conftest import Connect

ASKED = [HumanMessage("Hi")]


def fields(**given: Any) -> dict[str, Any]:
    return ChatLumnis(api_key="k", **given).__dict__


@pytest.mark.parametrize(
    ("given", "keywords", "sent"),
    [
        ({}, {}, None),
        ({"model": "openai:a"}, {}, {"smart_model": "openai:a"}),
        ({"model": "openai:a"}, {"model": "openai:b"}, {"smart_model": "openai:b"}),
        ({"model": "openai:a", "model_overrides": {"fast_model": "openai:f"}}, {},
         {"smart_model": "openai:a", "fast_model": "openai:f"}),
        ({"model": "openai:a", "model_overrides": {"smart_model": "openai:s"}}, {}, {"smart_model": "openai:s"}),
        ({"model_overrides": {"smart_model": "openai:s"}}, {"model": "openai:b"}, {"smart_model": "openai:b"}),
    ],
)  # fmt: skip
def test_models_come_from_field_and_call(given: Any, keywords: Any, sent: Any) -> None:
    """``model`` stands for the smart model, ``model_overrides`` is more exact, and the call wins over the field."""
    assert run_call(fields(**given), ASKED, None, keywords).parameters.get("model_overrides") == sent


def test_a_call_wins_over_fields_and_none_takes_away() -> None:
    """Keywords of a call replace the model's fields, also by None."""
    call = run_call(fields(user_id="a", thread_id="t", stop=["x"]), ASKED, ["y"], {"thread_id": None, "user_id": "b"})
    assert (call.parameters["user_id"], call.parameters["thread_id"], call.answer["stop"]) == ("b", None, ["y"])


@pytest.mark.parametrize("stop", ["DONE", ["DONE"]])
def test_one_text_to_stop_at_may_be_bare(stop: Any) -> None:
    """A bare text is one mark, not as many as it has letters."""
    model = fields(user_id="a")
    assert list(run_call(model, ASKED, stop, {}).answer["stop"]) == ["DONE"]
    assert cache_facts(model, stop, {})["stop"] == ["DONE"]
    assert ChatLumnis(api_key="k")._get_ls_params(stop=stop).get("ls_stop") == ["DONE"]


def test_unknown_overrides_of_a_call_are_named() -> None:
    """What no override is called is refused with an error of the package."""
    with pytest.raises(ValidationError, match=r"model_overrides.*\n?.*slow_model"):
        run_call(fields(), ASKED, None, {"model_overrides": {"slow_model": "openai:s"}})


def test_one_call_may_ask_for_the_tenant() -> None:
    """Tenant scope of a call takes the model's user away, but not one that the call names."""
    model = fields(user_id="a")
    assert run_call(model, ASKED, None, {"scope": "tenant"}).parameters["user_id"] is None
    assert run_call(model, ASKED, None, {"scope": "tenant", "user_id": "b"}).parameters["user_id"] == "b"


def test_framework_keywords_are_not_sent() -> None:
    """What LangChain hands down about itself, and empty tool lists, say nothing about the run."""
    keywords = {"stream": True, "strict": True, "ls_structured_output_format": {}, "tools": [], "tool_choice": None}
    assert not keywords.keys() & run_call(fields(), ASKED, None, keywords).parameters.keys()


def test_listeners_are_callbacks() -> None:
    """``on_progress`` is refused with the way to do it."""
    with pytest.raises(TypeError, match="LumnisProgressHandler"):
        run_call(fields(), ASKED, None, {"on_progress": print})


OTHERS: dict[str, Any] = {
    "temperature": 0,
    "max_tokens": 5,
    "extra_headers": {"a": "b"},
    "additional_kwargs": {"a": 1},
    "reasoning": {"effort": "low"},
    "timeout": 3,
}


def test_parameters_of_other_models_are_ignored_with_one_warning(serve: Serve, connect: Connect) -> None:
    """Parameters that the platform decides are accepted, named in a warning once, and not sent."""
    model = connect(serve(Script(output_text="ok")))
    for name, value in OTHERS.items():
        with pytest.warns(UserWarning, match=f"ChatLumnis ignores {name}"):
            model.invoke("Go.", **{name: value})
    model.invoke("Go.", **OTHERS)
    list(model.stream("Go.", **OTHERS))
    with pytest.warns(UserWarning, match="ignores temperature"):
        ChatLumnis(api_key="k", temperature=0.5)


def test_none_never_fails(serve: Serve, connect: Connect) -> None:
    """Frameworks hand None for whatever is not set: to the constructor, in calls, and in bindings."""
    known = (*OTHERS, "stop", "stop_sequences", "history", "progress_interval", "scope", "stream_progress", "anything")
    model = connect(serve(Script(output_text="ok")), **dict.fromkeys(known))
    assert model.invoke("Go.", **dict.fromkeys(known)).text == "ok"
    assert model.bind(**dict.fromkeys(known)).invoke("Go.").text == "ok"


@pytest.mark.parametrize("name", ["stop", "stop_sequences"])
@pytest.mark.parametrize("value", ["noon", ["x", "noon"]])
def test_stops_have_two_names(serve: Serve, connect: Connect, name: str, value: Any) -> None:
    """And may be bare; of the model, of a binding and of a call."""
    service = serve(Script(output_text="High at noon."))
    model = connect(service)
    texts = [model.invoke("Go.", **{name: value}).text, model.bind(**{name: value}).invoke("Go.").text]
    texts.append(connect(service, **{name: value}).invoke("Go.").text)
    texts += [chunk.text for chunk in model.stream("Go.", **{name: value})]
    assert {text for text in texts if text} == {"High at "}


@pytest.mark.parametrize("name", ["gpt-4o", "openai:", ":gpt-4o", 3])
def test_the_name_of_a_model_has_its_provider(name: Any) -> None:
    """Of a field and of a call."""
    if isinstance(name, str):
        with pytest.raises(ValidationError, match="provider:model, such as openai:gpt-4o"):
            ChatLumnis(api_key="k", model=name)
    with pytest.raises(ValidationError, match="provider:model, such as openai:gpt-4o"):
        run_call(fields(), ASKED, None, {"model": name})


def test_the_name_of_a_model_is_always_a_text() -> None:
    """Frameworks read it as one; without a choice it is the platform's name, which is not sent."""
    model = ChatLumnis(api_key="k", model=None)
    assert model.model_name == "lumnis"
    assert run_call(model.__dict__, ASKED, None, {}).parameters["model_overrides"] is None


@pytest.mark.parametrize("form", [{"type": "text"}, {"type": "json_object"}])
def test_formats_without_a_schema_mean_what_they_mean_elsewhere(form: dict[str, str]) -> None:
    sent = run_call(fields(), ASKED, None, {"response_format": form}).parameters["response_format"]
    assert sent is None if form["type"] == "text" else sent["type"] == "object"


def test_config_names_thread_and_user() -> None:
    """Only our own keys are read from a config, never another framework's thread id."""
    configurable = {"lumnis_thread_id": "t", "lumnis_user_id": "u", "thread_id": "graph"}
    assert from_config(configurable) == {"thread_id": "t", "user_id": "u"}
    assert from_config({"lumnis_thread_id": None}) == {}


@pytest.mark.parametrize(
    ("keywords", "same"),
    [
        ({"run_timeout": 5}, True),
        ({"user_id": "b"}, False),
        ({"scope": "tenant"}, False),
        ({"options": {"a": 1}}, False),
    ],
)
def test_cache_facts_are_what_the_answer_depends_on(keywords: Any, same: bool) -> None:
    """How a run is watched does not change its answer; whose it is and what it is told do."""
    model = fields(user_id="a")
    assert (cache_facts(model, None, {}) == cache_facts(model, None, keywords)) is same
