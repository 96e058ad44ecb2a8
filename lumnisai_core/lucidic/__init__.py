"""Lucidic, observability: sessions, nested events, prompts, experiments, datasets, feature flags, evaluations.

>>> import lumnisai_core.lucidic as lai
>>> lai.init(session_name="Refund desk")         # LUCIDIC_API_KEY and LUCIDIC_AGENT_ID from the environment
>>> @lai.event()
... def answer(question): ...

The module-level calls record in the background and need the extra ``lucidic``; :class:`Client` and
:class:`AsyncClient` make one request for each call and do not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lumnisai_core.lucidic import errors
from lumnisai_core.lucidic._async.client import AsyncClient
from lumnisai_core.lucidic._sync.client import Client
from lumnisai_core.lucidic.api import create_experiment, get_feature_flag, get_prompt
from lumnisai_core.lucidic.context import EnclosingRun, add_run_finder, in_context
from lumnisai_core.lucidic.delivery import Statistics
from lumnisai_core.lucidic.errors import (
    APIKeyVerificationError,
    FeatureFlagError,
    InvalidOperationError,
    LucidicError,
    LucidicNotInitializedError,
    PromptError,
)
from lumnisai_core.lucidic.models import Dataset, DatasetItem, EventRecord, SessionRecord
from lumnisai_core.lucidic.payloads import EventType
from lumnisai_core.lucidic.prompts import Prompt

if TYPE_CHECKING:
    from lumnisai_core.lucidic.decorator import event
    from lumnisai_core.lucidic.events import (
        OpenEvent,
        create_error_event,
        create_event,
        current_event_id,
        is_recorded,
        start_event,
    )
    from lumnisai_core.lucidic.export import LucidicSpanProcessor, span_processor, tracer_provider
    from lumnisai_core.lucidic.instrumentation import instrument
    from lumnisai_core.lucidic.sessions import (
        bind_session,
        bind_session_async,
        clear_active_session,
        end_session,
        flush,
        get_session_id,
        init,
        run_in_session,
        run_session,
        session,
        session_async,
        set_active_session,
        statistics,
        thread_worker_with_session,
        update_session,
    )

#: Names that need the extra, and where they are.
_LATE = {
    "event": "decorator",
    **dict.fromkeys(
        ["OpenEvent", "create_error_event", "create_event", "current_event_id", "is_recorded", "start_event"], "events"
    ),
    **dict.fromkeys(["LucidicSpanProcessor", "span_processor", "tracer_provider"], "export"),
    "instrument": "instrumentation",
    **dict.fromkeys(
        [
            "bind_session",
            "bind_session_async",
            "clear_active_session",
            "end_session",
            "flush",
            "get_session_id",
            "init",
            "run_in_session",
            "run_session",
            "session",
            "session_async",
            "set_active_session",
            "statistics",
            "thread_worker_with_session",
            "update_session",
        ],
        "sessions",
    ),
}

__all__ = [
    "APIKeyVerificationError",
    "AsyncClient",
    "Client",
    "Dataset",
    "DatasetItem",
    "EnclosingRun",
    "EventRecord",
    "EventType",
    "FeatureFlagError",
    "InvalidOperationError",
    "LucidicError",
    "LucidicNotInitializedError",
    "LucidicSpanProcessor",
    "OpenEvent",
    "Prompt",
    "PromptError",
    "SessionRecord",
    "Statistics",
    "add_run_finder",
    "bind_session",
    "bind_session_async",
    "clear_active_session",
    "create_error_event",
    "create_event",
    "create_experiment",
    "current_event_id",
    "end_session",
    "errors",
    "event",
    "flush",
    "get_feature_flag",
    "get_prompt",
    "get_session_id",
    "in_context",
    "init",
    "instrument",
    "is_recorded",
    "run_in_session",
    "run_session",
    "session",
    "session_async",
    "set_active_session",
    "span_processor",
    "start_event",
    "statistics",
    "thread_worker_with_session",
    "tracer_provider",
    "update_session",
]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
