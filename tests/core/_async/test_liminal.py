"""The client of Liminal against prepared answers: variants of the contract, streams, errors."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pytest

from lumnisai_core.exceptions import (
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.liminal import (
    AsyncClient,
    ModelInstanceUnknownError,
    PolicyBlockedError,
    StreamResponseChunk,
    TruncatedStreamError,
)
from tests.core.gateway import (
    CONNECTION,
    FINDING,
    INSTANCE,
    MOMENT,
    PROMPT,
    SUBMITTED,
    TOKEN,
    TOKEN_LOGIN,
    body,
    data,
    lines,
    login,
    piece,
    refused,
    routes,
)
from tests.servers import Canned, CannedServer, canned_server


def client_to(server: CannedServer, **known: Any) -> AsyncClient:
    return AsyncClient(server.base_url, **{"token": TOKEN, **known})


# Variants of the contract


@pytest.mark.parametrize("extra", [{"customTerm": None}, {"infoTypeName": None}, {"customTerm": "x", "new": [1]}, {}])
async def test_findings_go_back_exactly_as_they_came(extra: dict[str, Any]) -> None:
    """Null stays null, a missing field stays missing, an unknown one is kept; for each route that takes them."""
    finding = {**FINDING, **extra}
    found, clean = {"text": PROMPT, "findings": [finding]}, {"text": "Write to PERSON_0", "items": []}
    answers = [login(), data(found), data(clean), data(SUBMITTED), lines(piece("Hi", "stop")), data(clean)]
    with canned_server(answers) as server:
        async with client_to(server) as client:
            findings = await client.prompt.analyze(12, PROMPT)
            await client.prompt.cleanse(12, PROMPT, thread_id=904, findings=findings)
            await client.prompt.submit(12, PROMPT, findings=findings.findings)
            async with client.prompt.stream(12, PROMPT, thread_id=904, findings=[finding]) as stream:
                assert [chunk.content async for chunk in stream] == ["Hi"]
            changed = findings.findings[0].model_copy(update={"policy_action": "mask"})
            await client.prompt.cleanse(12, PROMPT, findings=[changed])
    common = {"modelInstanceId": 12, "source": "sdk", "text": PROMPT}
    assert body(server.received[1]) == common
    assert body(server.received[2]) == {**common, "threadId": 904, "findings": [finding]}
    assert body(server.received[3]) == {**common, "threadId": None, "findings": [finding]}
    assert body(server.received[4]) == {**common, "threadId": 904, "findings": [finding], "isStreaming": True}
    assert body(server.received[5])["findings"] == [{**finding, "policyAction": "mask"}]


async def test_findings_that_cannot_be_read_are_an_error() -> None:
    """One that is left out would let its value pass."""
    answers: list[Any] = [{"findings": [FINDING, 5]}, {"findings": None, "x": 1}, [], {"findings": {"a": 1}}]
    for found in answers:
        with canned_server([login(), data(found)]) as server:
            async with client_to(server, max_retries=0) as client:
                if found == {"findings": None, "x": 1}:
                    assert (await client.prompt.analyze(12, PROMPT)).findings == []
                else:
                    with pytest.raises(TransportError):
                        await client.prompt.analyze(12, PROMPT)


async def test_empty_findings_are_left_out() -> None:
    """The service then analyzes the prompt itself."""
    with canned_server([login(), data({"text": "x", "items": []})]) as server:
        async with client_to(server) as client:
            await client.prompt.cleanse(12, PROMPT, findings=[])
    assert "findings" not in body(server.received[1])


async def test_older_releases_are_read() -> None:
    """One connection instead of a list, older names of a chat's texts, no envelope, no history of placeholders."""
    instance = {key: value for key, value in INSTANCE.items() if key != "modelConnections"}
    chat = {"id": 1, "threadId": 904, "input": "a", "deidentifiedInput": "b", "llmOutput": "c", "output": "d"}
    thread = {"id": 904, "name": "n", "chats": [{**chat, "status": "active", "deletedAt": None, **MOMENT}], **MOMENT}
    answers = [login(), Canned(200, [{**instance, "modelConnection": CONNECTION}]), data(thread), data(SUBMITTED)]
    with canned_server(answers) as server:
        async with client_to(server) as client:
            assert (await client.llm.get_model_instance("House")).model_connections[0].model == "m-1"
            (stored,) = (await client.thread.get_by_id(904)).chats
            submitted = await client.prompt.submit(12, PROMPT)
    assert (stored.raw_input, stored.cleansed_input, stored.raw_output, stored.hydrated_output) == ("a", "b", "c", "d")
    assert (stored.deleted_at, submitted.deidentified_context_history) == (None, [])


async def test_chats_and_hydrated_values_are_kept() -> None:
    """A thread has its chats, with a deletion time of null; a restored span has its value."""
    chat = {"id": 1, "threadId": 9, "rawInput": "a", "cleansedInput": "b", "rawOutput": "c", "hydratedOutput": "d"}
    thread = {
        "id": 9,
        "modelInstanceId": 12,
        "chats": [{**chat, "deletedAt": None}],
        "modelInstance": INSTANCE,
        **MOMENT,
    }
    item = {"start": 5, "end": 16, "entityType": "PERSON_0", "text": "Mira Okafor"}
    hydrated = {"text": "Call Mira Okafor.", "items": [item]}
    with canned_server([login(), data(thread), data([thread]), data(thread), data(hydrated)]) as server:
        async with client_to(server) as client:
            created = await client.thread.create(12, "New")
            assert [one.id for one in await client.thread.get_available()] == [9]
            assert (await client.thread.get_by_id(9)).chats[0].hydrated_output == "d"
            restored = await client.prompt.hydrate(12, "Call PERSON_0.", thread_id=9)
    assert (created.model_instance and created.model_instance.name) == "House"
    assert restored.items[0].text == "Mira Okafor"
    assert body(server.received[1]) == {"name": "New", "modelInstanceId": 12, "source": "sdk"}
    assert routes(server)[2:4] == ["GET /threads?source=sdk", "GET /threads/9"]
    assert body(server.received[4]) == {"modelInstanceId": 12, "source": "sdk", "text": "Call PERSON_0.", "threadId": 9}


async def test_unusable_model_instances_are_unknown() -> None:
    """No such name, or no connection to a model; of two with one name, the usable one counts."""
    idle = {**INSTANCE, "id": 11, "modelConnections": []}
    with canned_server([login(), data([idle]), data([idle]), data([idle, INSTANCE])]) as server:
        async with client_to(server) as client:
            with pytest.raises(ModelInstanceUnknownError, match="'House' has no connection"):
                await client.llm.get_model_instance("House")
            with pytest.raises(ModelInstanceUnknownError, match="'Hut' does not exist") as caught:
                await client.llm.get_model_instance("Hut")
            assert (await client.llm.get_model_instance("House")).id == 12
    assert isinstance(caught.value, NotFoundError)


# Errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, PolicyBlockedError),
        (404, NotFoundError),
        (413, ValidationError),
        (429, RateLimitError),
        (500, TransportError),
    ],
)
async def test_errors_are_typed_and_quote_nothing(status: int, kind: type[LumnisAIError]) -> None:
    """The service quotes the prompt; our error has status and advice, and no word of it. Submit is sent once."""
    with canned_server([login(), refused(status)]) as server:
        async with client_to(server) as client:
            with pytest.raises(kind) as caught:
                await client.prompt.submit(12, PROMPT)
            with pytest.raises(kind):
                async with client.prompt.stream(12, PROMPT) as stream:
                    async for _ in stream:
                        raise AssertionError("an error page is not an answer")
    assert caught.value.status_code == status
    assert "Okafor" not in str(caught.value) + repr(vars(caught.value))
    assert routes(server) == [TOKEN_LOGIN, "POST /prompts/submit", "POST /prompts/submit"]


async def test_other_errors_are_quoted() -> None:
    """Those of requests without any prompt."""
    with canned_server([login(), Canned(400, {"statusCode": 400, "message": "Tenant is paused."})]) as server:
        async with client_to(server) as client:
            with pytest.raises(ValidationError, match="Tenant is paused"):
                await client.llm.get_available_model_instances()


async def test_unreadable_answers_are_errors_without_their_text() -> None:
    """Fields of the wrong type, missing ones, and what is not JSON; the errors behind them are gone too."""
    wrong = [data({**SUBMITTED, "threadId": {"x": "Okafor"}}), Canned(200, b'{"data": "Okafor'), data("Okafor")]
    for answer in wrong:
        with canned_server([login(), answer]) as server:
            async with client_to(server, max_retries=0) as client:
                with pytest.raises(TransportError) as caught:
                    await client.prompt.submit(12, PROMPT)
        assert "Okafor" not in str(caught.value) + repr(vars(caught.value))
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_what_can_be_repeated_is_retried() -> None:
    """Analyses, not submissions; a broken connection is our error."""
    with canned_server([login(), refused(503), Canned(reset=True), data({"findings": []})]) as server:
        async with client_to(server) as client:
            assert (await client.prompt.analyze(12, PROMPT)).findings == []
    with canned_server([login(), Canned(reset=True)]) as server:
        async with client_to(server) as client:
            with pytest.raises(TransportError, match="no answer from Liminal at"):
                await client.prompt.submit(12, PROMPT)
    assert len(server.received) == 2


async def test_arguments_are_checked_and_not_quoted() -> None:
    """Nothing is sent; a prompt of the wrong type stays out of the message."""
    async with AsyncClient("http://127.0.0.1:9", token=TOKEN) as made:
        client: Any = made
        calls: list[tuple[Any, str]] = [
            (lambda: client.prompt.analyze(12, " "), "prompt must be"),
            (lambda: client.prompt.analyze(12, [{"role": "Okafor"}]), "prompt must be a non-empty string, not list"),
            (lambda: client.prompt.analyze("12", "x"), "model_instance_id must be a whole number, not str"),
            (lambda: client.prompt.submit(12, "x", thread_id="9"), "thread_id must be"),
            (lambda: client.prompt.submit(12, "x", findings=["Okafor"]), "findings must be"),
            (lambda: client.thread.create(12, ""), "name must be"),
        ]
        for call, message in calls:
            with pytest.raises(ValidationError, match=message) as caught:
                await call()
            assert "Okafor" not in str(caught.value)


async def test_nothing_sensitive_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """No text, finding, token or cookie in logs, also not in those of the HTTP library, nor in any repr or pickle."""
    caplog.set_level(logging.DEBUG)
    found = {"text": PROMPT, "findings": [{**FINDING, "customTerm": "Mira"}]}
    clean = {"text": "Write to PERSON_0", "textHashed": PROMPT, "items": [{**FINDING, "entityType": "PERSON_0"}]}
    hooks: list[object] = []
    answers = [login(), data(found), data(clean), data(SUBMITTED), lines(piece("Mira Okafor", "stop")), refused(403)]
    with canned_server(answers) as server:
        async with client_to(server, on_request=hooks.append, on_response=hooks.append) as client:
            findings = await client.prompt.analyze(12, PROMPT)
            shown: list[object] = [client, findings, findings.findings, vars(client), hooks]
            shown.append(await client.prompt.cleanse(12, PROMPT))
            shown.append(await client.prompt.submit(12, PROMPT))
            shown += [chunk async for chunk in client.prompt.stream(12, PROMPT)]
            with pytest.raises(PolicyBlockedError) as caught:
                await client.prompt.cleanse(12, PROMPT)
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(client)
    texts = [*map(repr, shown), *map(str, shown), repr(caught.value), caplog.text]
    for secret in ("Okafor", "mira", "Mira", TOKEN, "session-1"):
        assert [text for text in texts if secret in text] == []
    assert findings._repr_mimebundle_()["text/html"].count("Okafor") == 0


# Streams


async def collected(client: AsyncClient, chunks: list[StreamResponseChunk]) -> str:
    async for chunk in client.prompt.stream(12, PROMPT):
        chunks.append(chunk)
    return "".join(chunk.content for chunk in chunks)


async def test_streams_skip_blank_lines_and_join_broken_ones() -> None:
    """Pieces are joined as they are; a line that was torn apart is read as one."""
    rows = ["", piece("Dear Mira "), "  ", '{"content": "Okafor,",', '"finishReason": null}', piece(" bye.", "stop")]
    chunks: list[StreamResponseChunk] = []
    with canned_server([login(), lines(*rows)]) as server:
        async with client_to(server) as client:
            assert await collected(client, chunks) == "Dear Mira Okafor, bye."
    assert [chunk.finish_reason for chunk in chunks] == [None, None, "stop"]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([piece("Dear "), piece("Mira")], TruncatedStreamError),
        ([piece("Dear "), "<html>Okafor</html>", "<p>"], TruncatedStreamError),
        ([piece("Dear "), {"statusCode": 500, "message": "Okafor"}], TransportError),
        ([piece("Dear "), {"statusCode": 403, "message": "Okafor"}], PolicyBlockedError),
        ([piece("Dear "), {"error": "Okafor"}], TransportError),
        ([piece("Dear "), '"Okafor"'], TransportError),
    ],
)
async def test_a_stream_without_its_end_is_an_error(rows: list[Any], kind: type[LumnisAIError]) -> None:
    """So are a line that is not JSON and one that reports an error; what came before has been returned."""
    chunks: list[StreamResponseChunk] = []
    with canned_server([login(), lines(*rows)]) as server:
        async with client_to(server) as client:
            with pytest.raises(kind) as caught:
                await collected(client, chunks)
    assert chunks[0].content == "Dear "
    assert "Okafor" not in str(caught.value) + repr(vars(caught.value))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_stream_that_is_cut_is_an_error() -> None:
    """Also in the middle of a line; after the last piece, nothing is missing any more."""
    whole = b'{"content": "Dear", "finishReason": null}\n'
    end = b'{"content": "!", "finishReason": "stop"}\n'
    for content, is_whole in ((whole + whole, False), (end + b" " * len(end), True)):
        chunks: list[StreamResponseChunk] = []
        with canned_server([login(), Canned(200, content, reset_in_body=True)]) as server:
            async with client_to(server) as client:
                if is_whole:
                    assert await collected(client, chunks) == "!"
                else:
                    with pytest.raises(TruncatedStreamError):
                        await collected(client, chunks)
        assert len(chunks) == 1
