"""Client for the Lumnis agent platform: run agents, follow their progress, keep conversations in threads.

>>> from lumnisai_core import Client
>>> client = Client(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> client.invoke("What is a neap tide?").output_text
"""

# ruff: noqa: F403 - the models list their public names in __all__

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lumnisai_core._transport.hooks import RequestHook as RequestHook
from lumnisai_core._transport.hooks import RequestInfo as RequestInfo
from lumnisai_core._transport.hooks import ResponseHook as ResponseHook
from lumnisai_core._transport.hooks import ResponseInfo as ResponseInfo
from lumnisai_core._transport.retry import CoolDown as CoolDown
from lumnisai_core._version import VERSION
from lumnisai_core.lumnis import models
from lumnisai_core.lumnis._async.client import AsyncClient as AsyncClient
from lumnisai_core.lumnis._async.following import AsyncRunStream as AsyncRunStream
from lumnisai_core.lumnis._sync.client import Client as Client
from lumnisai_core.lumnis._sync.following import RunStream as RunStream
from lumnisai_core.lumnis.calls.keys import KeyedRequest as KeyedRequest
from lumnisai_core.lumnis.calls.keys import KeyFunction as KeyFunction
from lumnisai_core.lumnis.calls.runs import InvokeParameters as InvokeParameters
from lumnisai_core.lumnis.calls.runs import RunParameters as RunParameters
from lumnisai_core.lumnis.calls.runs import WatchParameters as WatchParameters
from lumnisai_core.lumnis.config import check_settings as check_settings
from lumnisai_core.lumnis.models.responses import ProgressCallback as ProgressCallback

__version__ = VERSION

_MODELS: list[str] = vars(models)["__all__"]

#: Modules for jobs of many runs, which load on first use, and the names in them.
_LATE = {
    "_async.batch": "AsyncRunJob AsyncRunOutcomes",
    "_sync.batch": "RunJob RunOutcomes",
    "runs.batch": "RunInput RunOutcome",
    "runs.ledger": "RunLedger RunRecord",
    "runs.progress": "JobProgress JobProgressCallback ProgressLine",
}
_HOMES = {name: module for module, names in _LATE.items() for name in names.split()}

if TYPE_CHECKING:
    from lumnisai_core.lumnis._async.batch import AsyncRunJob as AsyncRunJob
    from lumnisai_core.lumnis._async.batch import AsyncRunOutcomes as AsyncRunOutcomes
    from lumnisai_core.lumnis._sync.batch import RunJob as RunJob
    from lumnisai_core.lumnis._sync.batch import RunOutcomes as RunOutcomes
    from lumnisai_core.lumnis.models import *
    from lumnisai_core.lumnis.runs.batch import RunInput as RunInput
    from lumnisai_core.lumnis.runs.batch import RunOutcome as RunOutcome
    from lumnisai_core.lumnis.runs.ledger import RunLedger as RunLedger
    from lumnisai_core.lumnis.runs.ledger import RunRecord as RunRecord
    from lumnisai_core.lumnis.runs.progress import JobProgress as JobProgress
    from lumnisai_core.lumnis.runs.progress import JobProgressCallback as JobProgressCallback
    from lumnisai_core.lumnis.runs.progress import ProgressLine as ProgressLine
else:
    # Hidden from type checkers, which take every name of a star import as public if there is no list.
    __all__ = [
        "AsyncClient",
        "AsyncRunStream",
        "Client",
        "CoolDown",
        "InvokeParameters",
        "KeyFunction",
        "KeyedRequest",
        "ProgressCallback",
        "RequestHook",
        "RequestInfo",
        "ResponseHook",
        "ResponseInfo",
        "RunParameters",
        "RunStream",
        "WatchParameters",
        "__version__",
        "check_settings",
    ]
    __all__ += list(_HOMES) + list(_MODELS)


def _load(name: str) -> object:
    # Models are found on first use, too, because those of less used resources load only then.
    if name in _MODELS:
        return getattr(models, name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.lumnis.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


# Not a `def __getattr__`: type checkers would then accept any name.
globals()["__getattr__"] = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODELS})
