from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import httpx
import pydantic
import pytest
from llama_index.core import Settings
from llama_index.core.llms import LLM

from lumnisai_core import AgentConfig
from lumnisai_core.exceptions import ConfigurationError, ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ANSWER, HELLO, Stage

KEY = "lmn_very_secret"


def test_no_key() -> None:
    """Without a key the constructor says which variable to set."""
    with pytest.raises(ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisLLM()


def test_environment(local: LocalLumnis, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address come from the environment."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    llm = LumnisLLM(user_id="ada")
    assert llm.chat(HELLO).message.content == ANSWER
    llm.close()


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"max_retries": -1}, {"base_url": "nonsense"}])
def test_impossible_settings(wrong: dict[str, object]) -> None:
    """Settings that cannot work are refused by the constructor, without showing the key."""
    with pytest.raises(ValidationError, match=next(iter(wrong))) as caught:
        LumnisLLM(api_key=KEY, **wrong)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"temprature": 0.5}, {"scope": "world"}, {"context_window": 0}])
def test_impossible_fields(wrong: dict[str, object]) -> None:
    """Fields that do not exist or do not fit are refused, without showing the key."""
    with pytest.raises(pydantic.ValidationError) as caught:
        LumnisLLM(api_key=KEY, **wrong)
    assert next(iter(wrong)) in str(caught.value)
    assert KEY not in str(caught.value)


def test_construction_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither constructing nor describing an LLM makes an HTTP client."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an HTTP client was made")

    monkeypatch.setattr(httpx.Client, "__init__", refuse)
    monkeypatch.setattr(httpx.AsyncClient, "__init__", refuse)
    llm = LumnisLLM(api_key=KEY)
    assert llm.metadata.context_window == 200_000
    assert llm.to_payload()["class_name"] == "lumnis_llm"


def test_metadata() -> None:
    """Metadata promises what works: chat, tools, a large window."""
    metadata = LumnisLLM(api_key=KEY, model="openai:gpt-4o", context_window=50_000).metadata
    assert (metadata.model_name, metadata.context_window, metadata.num_output) == ("openai:gpt-4o", 50_000, -1)
    assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, True)
    assert LumnisLLM(api_key=KEY).metadata.model_name == "lumnis"


def test_is_an_llm(llm: LumnisLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be the default LLM of LlamaIndex."""
    monkeypatch.setattr(Settings, "_llm", None)
    Settings.llm = llm
    assert isinstance(Settings.llm, LLM)


def _texts(llm: LumnisLLM) -> str:
    return "\n".join([repr(llm), str(llm), repr(llm.to_dict()), llm.to_json(), llm.model_dump_json()])


def test_key_is_hidden(local: LocalLumnis, llm: LumnisLLM) -> None:
    """The key is in no text, dict or pickle, before and after use, nor in those of copies."""
    for _ in range(2):
        assert local.api_key not in _texts(llm)
        assert "api_key" not in llm.to_dict()
        assert local.api_key.encode() not in pickle.dumps(llm)
        assert local.api_key not in _texts(copy.deepcopy(llm))
        llm.chat(HELLO)


@pytest.mark.parametrize(
    "restore",
    [
        lambda llm: pickle.loads(pickle.dumps(llm)),
        lambda llm: LumnisLLM.from_dict(llm.to_dict()),
        lambda llm: LumnisLLM.from_json(llm.to_json()),
        lambda llm: LumnisLLM.model_validate(llm.model_dump()),
    ],
)
def test_an_llm_that_is_restored_in_the_same_process_works(
    restore: Callable[[LumnisLLM], LumnisLLM], llm: LumnisLLM
) -> None:
    """It has the key and the connections of the first one, although no saved form holds them."""
    restored = restore(llm)
    assert restored.chat(HELLO).message.content == ANSWER
    assert restored.client() is llm.client()


async def test_pickle(
    local: LocalLumnis, llm: LumnisLLM, monkeypatch: pytest.MonkeyPatch, leave_process: Callable[[], None]
) -> None:
    """In another process a restored LLM takes the key from the environment, and says so when there is none."""
    llm.chat(HELLO)
    await llm.achat(HELLO)
    written = pickle.dumps(llm)
    assert pickle.loads(written).to_dict() == llm.to_dict()
    leave_process()
    restored = pickle.loads(written)
    with pytest.raises(ConfigurationError, match="LUMNISAI_API_KEY"):
        restored.chat(HELLO)
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    for again in (restored, pickle.loads(written)):
        assert again.chat(HELLO).message.content == ANSWER
        assert (await again.achat(HELLO)).message.content == ANSWER
        again.close()
        await again.aclose()
    await llm.aclose()


async def test_copies(llm: LumnisLLM) -> None:
    """Deep copies work on connections of their own, shallow ones share them."""
    llm.chat(HELLO)
    await llm.achat(HELLO)
    deep, shallow = copy.deepcopy(llm), llm.model_copy(update={"user_id": "bob"})
    assert deep._clients is not llm._clients
    assert deep._clients == llm._clients
    assert shallow._clients is llm._clients
    assert [deep.chat(HELLO).message.content, shallow.chat(HELLO).message.content] == [ANSWER, ANSWER]
    assert (await deep.achat(HELLO)).message.content == ANSWER
    deep.close()
    await deep.aclose()
    await llm.aclose()


def test_dict_and_back(local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_dict`` and ``from_json`` rebuild the LLM; the key comes from the environment."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    llm = LumnisLLM(
        base_url=local.base_url,
        user_id="ada",
        model_overrides={"fast_model": "openai:gpt-4o-mini"},
        agent_config=AgentConfig(use_cognitive_tools=False),
        files=[{"name": "a.pdf", "uri": "artifact_1"}],
    )
    assert LumnisLLM.from_dict(llm.to_dict()).to_dict() == llm.to_dict()
    assert LumnisLLM.from_json(llm.to_json()).to_dict() == llm.to_dict()
    assert json.loads(llm.to_json())["agent_config"]["use_cognitive_tools"] is False


def test_changed_settings(make: Callable[..., LumnisLLM], local: LocalLumnis) -> None:
    """A connection setting that is changed later takes effect with the next call."""
    llm = make(api_key=KEY)
    llm.api_key = pydantic.SecretStr(local.api_key)
    assert llm.chat(HELLO).message.content == ANSWER


async def test_use_after_close(llm: LumnisLLM) -> None:
    """Closing frees connections; a later call opens new ones."""
    llm.close()
    await llm.aclose()
    for _ in range(2):
        assert llm.chat(HELLO).message.content == ANSWER
        assert (await llm.achat(HELLO)).message.content == ANSWER
        llm.close()
        await llm.aclose()


def test_sampling_parameters_of_a_constructor_are_ignored_with_a_warning(local: LocalLumnis) -> None:
    """As those of a call; what nobody knows is refused."""
    with pytest.warns(UserWarning, match="ignores max_tokens, temperature"):
        llm = LumnisLLM(api_key="k", temperature=0.1, max_tokens=5, top_p=None)
    assert "temperature" not in llm.to_dict()
    with pytest.raises(ValueError, match="temprature"):
        LumnisLLM(api_key="k", temprature=0.1)
