"""Client for the Lumnis agent platform: run agents, follow their progress, keep conversations in threads.

>>> from lumnisai_core import Client
>>> client = Client(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> client.invoke("What is a neap tide?").output_text
"""

# ruff: noqa: F403 - the models list their public names in __all__

from __future__ import annotations

from typing import TYPE_CHECKING

from lumnisai_core._transport.hooks import RequestHook as RequestHook
from lumnisai_core._transport.hooks import RequestInfo as RequestInfo
from lumnisai_core._transport.hooks import ResponseHook as ResponseHook
from lumnisai_core._transport.hooks import ResponseInfo as ResponseInfo
from lumnisai_core._transport.retry import CoolDown as CoolDown
from lumnisai_core._version import VERSION
from lumnisai_core.lumnis import models
from lumnisai_core.lumnis._async.batch import AsyncRunJob as AsyncRunJob
from lumnisai_core.lumnis._async.batch import AsyncRunOutcomes as AsyncRunOutcomes
from lumnisai_core.lumnis._async.client import AsyncClient as AsyncClient
from lumnisai_core.lumnis._async.following import AsyncRunStream as AsyncRunStream
from lumnisai_core.lumnis._sync.batch import RunJob as RunJob
from lumnisai_core.lumnis._sync.batch import RunOutcomes as RunOutcomes
from lumnisai_core.lumnis._sync.client import Client as Client
from lumnisai_core.lumnis._sync.following import RunStream as RunStream
from lumnisai_core.lumnis.calls.keys import KeyedRequest as KeyedRequest
from lumnisai_core.lumnis.calls.keys import KeyFunction as KeyFunction
from lumnisai_core.lumnis.calls.runs import InvokeParameters as InvokeParameters
from lumnisai_core.lumnis.calls.runs import RunParameters as RunParameters
from lumnisai_core.lumnis.calls.runs import WatchParameters as WatchParameters
from lumnisai_core.lumnis.config import check_settings as check_settings
from lumnisai_core.lumnis.models.responses import ProgressCallback as ProgressCallback
from lumnisai_core.lumnis.runs.batch import RunInput as RunInput
from lumnisai_core.lumnis.runs.batch import RunOutcome as RunOutcome
from lumnisai_core.lumnis.runs.ledger import RunLedger as RunLedger
from lumnisai_core.lumnis.runs.ledger import RunRecord as RunRecord
from lumnisai_core.lumnis.runs.progress import JobProgress as JobProgress
from lumnisai_core.lumnis.runs.progress import JobProgressCallback as JobProgressCallback
from lumnisai_core.lumnis.runs.progress import ProgressLine as ProgressLine

__version__ = VERSION

_MODELS: list[str] = vars(models)["__all__"]

if TYPE_CHECKING:
    from lumnisai_core.lumnis.models import *
else:
    # Hidden from type checkers, which take every name of a star import as public if there is no list.
    __all__ = [
        "AsyncClient",
        "AsyncRunJob",
        "AsyncRunOutcomes",
        "AsyncRunStream",
        "Client",
        "CoolDown",
        "InvokeParameters",
        "JobProgress",
        "JobProgressCallback",
        "KeyFunction",
        "KeyedRequest",
        "ProgressCallback",
        "ProgressLine",
        "RequestHook",
        "RequestInfo",
        "ResponseHook",
        "ResponseInfo",
        "RunInput",
        "RunJob",
        "RunLedger",
        "RunOutcome",
        "RunOutcomes",
        "RunParameters",
        "RunRecord",
        "RunStream",
        "WatchParameters",
        "__version__",
        "check_settings",
    ]
    __all__ += list(_MODELS)


def _model(name: str) -> object:
    # Models are found on first use, because those of less used resources load only then.
    if name not in _MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(models, name)


# Not a `def __getattr__`: type checkers would then accept any name.
globals()["__getattr__"] = _model


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODELS})
