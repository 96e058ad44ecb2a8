"""The guard without a framework: nested data, threads, failures, and what it never shows."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from lumnisai_core.exceptions import (
    ConfigurationError,
    ModelInstanceUnknownError,
    PolicyBlockedError,
    TransportError,
    ValidationError,
)
from lumnisai_core.liminal import AsyncClient, Client
from lumnisai_core.local import Detection, LiminalInstance, LiminalPolicy, LiminalSettings, LocalLumnis
from lumnisai_integrations import langchain, llama_index
from lumnisai_integrations._shared.privacy.guard import WITHHELD, Exchange, Guard

MAIL, PHONE, CARD = "mira@example.org", "+49 30 901820", "4111111111111111"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalLumnis]:
    """A gateway with two model instances."""
    strict = LiminalPolicy(actions={"CREDIT_CARD": "block", "URL": "allow"}, custom_terms=("Northwind",))
    with LocalLumnis(liminal=LiminalSettings(instances=(LiminalInstance(), LiminalInstance("Strict", strict)))) as made:
        yield made


@pytest.fixture
def client(service: LocalLumnis) -> Iterator[Client]:
    """A client of the gateway."""
    with Client(service.liminal.base_url, token=service.liminal.token) as made:
        yield made


@pytest.fixture
def guard(client: Client) -> Guard:
    """A guard with the first policy."""
    return Guard(client, model_instance="House Chat")


def cleansed(guard: Guard, value: Any, exchange: Exchange | None = None) -> Any:
    return guard.run(guard.cleansed(value, Exchange() if exchange is None else exchange))


def restored(guard: Guard, value: Any) -> Any:
    return guard.run(guard.restored(value, Exchange()))


class Person(BaseModel):
    mail: str
    age: int = 40


@dataclass(frozen=True)
class Order:
    buyer: Person
    tags: tuple[str, ...]


class Pair(NamedTuple):
    name: str
    value: str


# What is walked


@pytest.mark.parametrize(
    "value",
    [
        f"Write to {MAIL}.",
        [MAIL, (MAIL, {MAIL}), deque([MAIL])],
        {"to": {"mail": MAIL, MAIL: 1}},
        MappingProxyType({"mail": MAIL}),
        Person(mail=MAIL),
        Order(Person(mail=MAIL), (MAIL,)),
        Pair("mail", MAIL),
        json.dumps({"mail": MAIL, "count": 3}),
        {"arguments": json.dumps([{"mail": f'"{MAIL}"\n'}])},
        {"card": int(CARD)},
        f"\U0001f469\u200d\U0001f467 {MAIL} \U0001f600 {PHONE}",
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_in_any_nesting(guard: Guard, value: Any) -> None:
    """No value is left in what is cleansed, and all come back."""
    hidden = cleansed(guard, value)
    text = repr(hidden)
    assert MAIL not in text
    assert CARD not in text
    assert PHONE not in text
    back = restored(guard, hidden)
    assert repr(back).replace(f"'{CARD}'", CARD) in (repr(value), repr(value).removeprefix("mappingproxy(")[:-1])


def test_json_in_texts_stays_json(guard: Guard) -> None:
    """A document inside a text is walked as values, and untouched documents keep their spaces."""
    document = '{"note":  "caf\\u00e9",   "n": 1}'
    assert cleansed(guard, document) == document
    hidden = cleansed(guard, json.dumps({"mail": MAIL, "quote": 'a "b"'}))
    assert json.loads(hidden) == {"mail": "EMAIL_ADDRESS_0", "quote": 'a "b"'}


def test_what_has_no_value_stays_the_same_object(guard: Guard) -> None:
    """Nothing is copied without a reason; numbers, dates and nothing at all stay."""
    value = {"a": [1, 2.5, None, True, "fine", ""], "b": 1234567, "c": len}
    assert cleansed(guard, value) is value
    assert cleansed(guard, {"born": date(1990, 11, 3)}) == {"born": "DATE_TIME_0"}
    assert cleansed(guard, "") == ""


def test_the_name_of_a_field_helps_to_find_its_value(guard: Guard) -> None:
    """A number that is a tax number only by its label is found under that label, and the label stays."""
    hidden = cleansed(guard, {"ssn": "536-22-8726", "phone": "030 901820"})
    assert hidden["ssn"] != "536-22-8726"
    assert set(hidden) == {"ssn", "phone"}


def test_a_value_found_once_is_hidden_everywhere(guard: Guard) -> None:
    """Where the context of a value is missing, it is hidden as it was found elsewhere in the same call."""
    hidden = cleansed(guard, ["My SSN is 536-22-8726.", "Look up: 536-22-8726"])
    assert "536-22-8726" not in repr(hidden)


def test_what_cannot_be_looked_into_is_refused(guard: Guard) -> None:
    """An object of an unknown class does not pass."""
    with pytest.raises(ValidationError, match="cannot look into a object"):
        cleansed(guard, {"thing": object()})
    with pytest.raises(ValidationError, match="cannot look into a bytes"):
        cleansed(guard, MAIL.encode())
    deep: Any = MAIL
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValidationError, match="100 levels"):
        cleansed(guard, deep)


def test_huge_data(guard: Guard) -> None:
    """More texts than fit into one request go in several."""
    texts = [f"Note {number}: " + "nothing to see here. " * 100 for number in range(120)] + [f"And {MAIL}"]
    hidden = cleansed(guard, texts)
    assert hidden[:-1] == texts[:-1]
    assert hidden[-1] == "And EMAIL_ADDRESS_0"


def test_texts_with_the_separator(guard: Guard) -> None:
    """Texts that hold the line between texts are still told apart."""
    texts = ["a \u2e3b b", f"\n\n\u2e3b\n\n{MAIL}", "\u2e3b\u2e3b", "end\n\n"]
    assert restored(guard, cleansed(guard, texts)) == texts


# Threads


def test_same_value_same_placeholder(guard: Guard, client: Client) -> None:
    """Within a thread, also through another guard, a value keeps its placeholder; another thread begins anew."""
    first = cleansed(guard, f"{PHONE} and {MAIL}")
    again = Guard(client, model_instance=1, thread_id=guard.thread_id)
    assert cleansed(again, f"{MAIL}, {PHONE}") == "EMAIL_ADDRESS_0, PHONE_NUMBER_0"
    assert first == "PHONE_NUMBER_0 and EMAIL_ADDRESS_0"
    other = Guard(client, model_instance=1)
    assert cleansed(other, "bob@example.org") == "EMAIL_ADDRESS_0"
    assert restored(other, "EMAIL_ADDRESS_0") == "bob@example.org"
    assert restored(guard, "EMAIL_ADDRESS_0") == MAIL


def test_placeholders_of_earlier_calls_come_back(guard: Guard) -> None:
    """A later call, which knows no value itself, restores what the thread knows, also altered and in JSON."""
    cleansed(guard, MAIL)
    assert restored(guard, [r"To email\_address\_0", '{"to": "EMAIL_ADDRESS_0"}', "PERSON_9, page_1"]) == [
        f"To {MAIL}",
        json.dumps({"to": MAIL}),
        "PERSON_9, page_1",
    ]


def test_a_cleansed_text_stays(guard: Guard) -> None:
    """Cleansing twice changes nothing more."""
    once = cleansed(guard, f"{MAIL} and {PHONE}")
    assert cleansed(guard, once) == once


def test_detectors_that_take_placeholders_for_values() -> None:
    """A detector of names may find placeholders, too; they stay the same, so that no value is wrapped twice."""

    class Names:
        def detect(self, text: str) -> Iterator[Detection]:
            yield from (Detection("PERSON", *match.span()) for match in re.finditer(r"[A-Z][A-Za-z_0-9]+", text))

    with LocalLumnis(liminal=LiminalSettings(detectors=(Names(),))) as local:
        guard = Guard(Client(local.liminal.base_url, token=local.liminal.token))
        once = cleansed(guard, "Mira, Jon and Zed")
        assert once == "PERSON_0, PERSON_1 and PERSON_2"
        assert cleansed(guard, [once, "Ann"]) == [once, "PERSON_6"]
        assert restored(guard, once) == "Mira, Jon and Zed"


def test_calls_at_once_share_a_thread(client: Client) -> None:
    """Many first calls at once use one thread, so that one value has one placeholder."""
    guard = Guard(client, model_instance=1)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cleansed(guard, MAIL), range(16)))
    assert set(results) == {"EMAIL_ADDRESS_0"}


async def test_either_client_serves_both_kinds_of_calls(service: LocalLumnis, client: Client) -> None:
    """A blocking client works under asyncio, and an asyncio client without it and inside a running loop."""
    guards = [Guard(client, model_instance=1)]
    async with AsyncClient(service.liminal.base_url, token=service.liminal.token) as asynchronous:
        guards.append(Guard(asynchronous, model_instance=1))
        for guard in guards:
            assert await guard.arun(guard.cleansed(MAIL, Exchange())) == "EMAIL_ADDRESS_0"
            assert cleansed(guard, MAIL) == "EMAIL_ADDRESS_0"
            assert await asyncio.to_thread(cleansed, guard, MAIL) == "EMAIL_ADDRESS_0"


def test_settings_of_the_environment(service: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client, the environment says where the gateway is; a pickle takes it from there again."""
    with pytest.raises(ConfigurationError, match="LIMINAL_API_SERVER_URL"):
        Guard()
    for name, value in service.liminal.environment().items():
        monkeypatch.setenv(name, value)
    guard = Guard(model_instance="House Chat")
    hidden = cleansed(guard, MAIL)
    data = pickle.dumps(guard)
    assert MAIL.encode() not in data
    assert service.liminal.token.encode() not in data
    assert restored(pickle.loads(data), hidden) == MAIL
    assert copy.deepcopy(guard) is guard


# Policies and failures


def test_the_policy_of_the_model_instance(client: Client) -> None:
    """What a policy allows stays, its terms are hidden, and what it blocks is refused without a quote."""
    guard = Guard(client, model_instance="Strict")
    assert cleansed(guard, "Northwind: https://example.org") == "CUSTOM_TERM_0: https://example.org"
    with pytest.raises(PolicyBlockedError) as caught:
        cleansed(guard, f"Pay with {CARD}")
    assert CARD not in str(caught.value)


def test_a_model_instance_must_be_named_where_there_are_several(client: Client) -> None:
    """Nobody's policy is chosen by chance."""
    with pytest.raises(ModelInstanceUnknownError, match=r"House Chat.*Strict"):
        cleansed(Guard(client), MAIL)
    with pytest.raises(ModelInstanceUnknownError, match="Unheard"):
        cleansed(Guard(client, model_instance="Unheard"), MAIL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": object()},
        {"model_instance": 1.5},
        {"thread_id": "7"},
        {"thread_id": True},
        {"on_unavailable": "pass"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_arguments(client: Client, wrong: dict[str, Any]) -> None:
    """A wrong argument is named when the guard is made."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Guard(**{"client": client, **wrong})


def test_an_unavailable_gateway_refuses() -> None:
    """Without the gateway, nothing passes: the call raises, or goes on without the text."""
    with LocalLumnis() as gone:
        address, token = gone.liminal.base_url, gone.liminal.token
    with Client(address, token=token, max_retries=0) as client:
        with pytest.raises(TransportError) as caught:
            cleansed(Guard(client, model_instance=1), f"Write to {MAIL}")
        assert MAIL not in repr(caught.value)
        withholding = Guard(client, model_instance=1, thread_id=1, on_unavailable="withhold")
        assert cleansed(withholding, {"to": MAIL, "texts": ["Hi", 3]}) == {"to": WITHHELD, "texts": [WITHHELD, 3]}
        assert restored(withholding, "To EMAIL_ADDRESS_0") == "To EMAIL_ADDRESS_0"
        with pytest.raises(TransportError):
            restored(Guard(client, model_instance=1, thread_id=1), "To EMAIL_ADDRESS_0")


def test_nothing_shows_a_value(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the guard nor what a call knows shows or saves a value; the report has counts and types."""
    caplog.set_level("DEBUG")
    exchange = Exchange()
    cleansed(guard, [f"{MAIL} {PHONE}", MAIL], exchange)
    assert guard.report(exchange) == {
        "thread_id": guard.thread_id,
        "findings": {"EMAIL_ADDRESS": 2, "PHONE_NUMBER": 1},
    }
    shown = repr([exchange, guard, guard.__dict__, guard.report(exchange)]) + caplog.text
    assert MAIL not in shown
    assert PHONE not in shown
    with pytest.raises(TypeError, match="personal data"):
        pickle.dumps(exchange)


def test_the_guards_of_both_frameworks_are_described_alike() -> None:
    """Their arguments are those of one class, so their descriptions are the same."""
    assert inspect.getdoc(langchain.LiminalGuard) == inspect.getdoc(llama_index.LiminalGuard)
