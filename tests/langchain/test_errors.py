"""Errors that both LangChain's family and ours catch."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from lumnisai_core import AsyncClient
from lumnisai_core import exceptions as core
from lumnisai_core.exceptions import LumnisAIError, RunFailedError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.langchain.errors import ServiceError, model_error, model_errors
from tests.conftest import Serve
from tests.langchain.conftest import Connect, Recorder
from tests.servers import RecordingEngine

RUN = {"response_id": "r1", "thread_id": "t1"}


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (core.ValidationError("m"), ModelInvalidRequestError, False),
        (core.MissingUserId("m"), ModelInvalidRequestError, False),
        (core.ConfigurationError("m"), ModelInvalidRequestError, False),
        (core.TenantScopeUserIdConflict("m"), ModelInvalidRequestError, False),
        (core.LocalFileNotSupported("m"), ModelInvalidRequestError, False),
        (core.ConflictError("m", status_code=409), ModelInvalidRequestError, False),
        (core.AuthenticationError("m", status_code=401), ModelAuthenticationError, False),
        (core.AuthenticationError("m", status_code=403), ModelPermissionDeniedError, False),
        (core.NotFoundError("m", status_code=404), ModelNotFoundError, False),
        (core.FileNotFoundError("m", status_code=404), ModelNotFoundError, False),
        (core.FileAccessDeniedError("m", status_code=403), ModelPermissionDeniedError, False),
        (core.FileOperationError("m"), ModelError, False),
        (core.RateLimitError("m", status_code=429, retry_after=3.0), ModelRateLimitError, True),
        (core.TransportError("m", status_code=503), ModelAPIError, True),
        (core.TransportError("m"), ModelConnectionError, True),
        (core.RunFailedError("m", **RUN), ModelError, False),  # type: ignore[arg-type]
        (core.RunCancelledError("m", **RUN), ModelError, False),  # type: ignore[arg-type]
        (core.RunTimeoutError("m", **RUN), ModelTimeoutError, False),  # type: ignore[arg-type]
    ],
)
def test_each_error_belongs_to_both_families(error: LumnisAIError, kind: type[ModelError], retryable: bool) -> None:
    """An error of the core stays what it is, knows what it knew, and is LangChain's kind besides."""
    error.request_id = "q1"
    error.add_note("A note.")
    twin = model_error(error)
    assert isinstance(twin, kind)
    assert isinstance(twin, type(error))
    assert twin.__dict__ == error.__dict__
    assert str(twin) == str(error)
    assert twin.is_retryable is retryable
    assert model_error(twin) is twin
    assert str(pickle.loads(pickle.dumps(twin))) == str(twin)


def test_unknown_errors_stay_themselves() -> None:
    """An error without a namesake passes unchanged, and the cause of each error stays its cause."""
    assert type(model_error(LumnisAIError("m"))) is LumnisAIError
    cause = OSError("c")
    with pytest.raises(ServiceError) as caught, model_errors():
        raise core.TransportError("m", status_code=500) from cause
    assert caught.value.__cause__ is cause


async def test_a_failed_run_raises_with_the_run(serve: Serve, connect: Connect) -> None:
    """A failed run is an error in every way to call; it carries the run, and callbacks hear of it."""
    model = connect(serve(Script(error=("NO_TIDES", "The sea is closed."))))
    recorder = Recorder()
    with pytest.raises(core.RunFailedError, match="The sea is closed") as caught:
        model.invoke("When?", config={"callbacks": [recorder]})
    assert isinstance(caught.value, ModelError)
    assert caught.value.response is not None
    assert caught.value.response.response_id == caught.value.response_id
    assert recorder.errors == [caught.value]
    with pytest.raises(core.RunFailedError):
        await model.ainvoke("When?")
    with pytest.raises(core.RunFailedError):
        list(model.stream("When?"))
    with pytest.raises(core.RunFailedError):
        [chunk async for chunk in model.astream("When?")]


class SelfCancelling:
    """An engine whose runs are cancelled by the client it is given."""

    def __init__(self) -> None:
        self.service: LocalLumnis | None = None

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        assert self.service is not None
        async with AsyncClient(self.service.api_key, base_url=self.service.base_url, scope="tenant") as client:
            await client.responses.cancel(request.response_id)
        return RunResult("never")


def test_a_cancelled_run_raises(serve: Serve, connect: Connect) -> None:
    """A run that somebody else cancelled is an error."""
    engine = SelfCancelling()
    engine.service = serve(engine)
    with pytest.raises(core.RunCancelledError) as caught:
        connect(engine.service).invoke("When?")
    assert isinstance(caught.value, ModelError)


def test_a_slow_run_raises(endless: LocalLumnis, connect: Connect) -> None:
    """run_timeout ends the waiting and says so."""
    with pytest.raises(ModelTimeoutError, match="run_timeout"):
        connect(endless, run_timeout=0.05).invoke("When?")


async def test_a_wrong_key_raises(local: LocalLumnis, connect: Connect) -> None:
    """401 is LangChain's authentication error and ours."""
    model = connect(local, api_key="wrong")
    with pytest.raises(ModelAuthenticationError) as caught:
        model.invoke("Hi")
    assert isinstance(caught.value, core.AuthenticationError)
    assert (caught.value.status_code, bool(caught.value.request_id)) == (401, True)
    with pytest.raises(ModelAuthenticationError):
        [chunk async for chunk in model.astream("Hi")]


def test_no_service_raises(connect: Connect) -> None:
    """An address where nobody answers is LangChain's connection error and ours."""
    model = ChatLumnis(api_key="k", base_url="http://127.0.0.1:9", user_id="u", max_retries=0, timeout=5)
    with pytest.raises(ModelConnectionError) as caught:
        model.invoke("Hi")
    assert isinstance(caught.value, core.TransportError)


def test_no_key_raises_at_once() -> None:
    """A model without a key is not made, and the error says what to do."""
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        ChatLumnis()


def test_no_user_raises_before_sending(local: LocalLumnis, connect: Connect) -> None:
    """User scope without a user is refused; tenant scope needs none."""
    with pytest.raises(core.MissingUserId):
        connect(local, user_id=None).invoke("Hi")
    assert connect(local, user_id=None, scope="tenant").invoke("Tides rise.").content


@pytest.mark.parametrize(("code", "runs"), [("SERVICE_RESTARTED", 2), ("AGENT_ERROR", 1)])
def test_the_retries_of_an_agent_make_a_new_run_only_where_it_doubles_nothing(
    serve: Serve, connect: Connect, code: str, runs: int
) -> None:
    engine = RecordingEngine(Script(error=(code, "down")), Script(output_text="High at noon."))
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    agent: Any = create_agent(connect(serve(engine)), [], middleware=[retry])
    if runs == 1:
        with pytest.raises(RunFailedError, match="down"):
            agent.invoke({"messages": [("user", "When?")]})
    else:
        assert agent.invoke({"messages": [("user", "When?")]})["messages"][-1].text == "High at noon."
    assert len(engine.requests) == runs
