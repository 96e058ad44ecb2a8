"""The calls that runs are made of (``/v1/responses``). Pure: from parameters to requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from uuid import uuid4

from lumnisai_core._answer import model, nothing
from lumnisai_core._call import Call, path
from lumnisai_core._config import Settings, user_of_call
from lumnisai_core._create import MessagesInput, create_body
from lumnisai_core._parameters import InvokeParameters, RunParameters, WatchParameters
from lumnisai_core._progress import ProgressPrinter
from lumnisai_core._waiting import ProgressCallback
from lumnisai_core._watch import WatchOptions
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.models import ResponseObject

_ROUTE = "/v1/responses"
_LONGEST_KEY = 255


class RunStart(NamedTuple):
    """How to begin following a run: by creating it, or by looking at one whose id is known."""

    call: Call[ResponseObject]
    response_id: str | None = None


def create_call(settings: Settings, messages: MessagesInput, parameters: RunParameters) -> Call[ResponseObject]:
    """``POST /v1/responses``, with an idempotency key that all tries of this call share.

    Raises:
        ValidationError: Something about the run is not acceptable.
    """
    given: dict[str, Any] = dict(parameters)
    refuse_unknown(given, RunParameters)
    user = user_of_call(settings, user_id=given.pop("user_id", None), scope=given.pop("scope", None))
    key = _usable_key(given.pop("idempotency_key", None))
    body = create_body(messages, user_id=user, **given)
    hint = f"The run may have been made. To send it again without making two, pass idempotency_key={key!r}."
    return Call("POST", _ROUTE, model(ResponseObject), body=body, idempotency_key=key, hint=hint)


def _usable_key(key: object) -> str:
    if key is None:
        return str(uuid4())
    if (
        not isinstance(key, str)
        or not key.strip()
        or len(key) > _LONGEST_KEY
        or not (key.isascii() and key.isprintable())
    ):
        raise ValidationError(f"idempotency_key must be 1 to {_LONGEST_KEY} printable ASCII characters, not {key!r}.")
    return key


def get_call(response_id: str, *, wait: float | None = None) -> Call[ResponseObject]:
    """``GET /v1/responses/{id}``, held up to ``wait`` seconds by the service."""
    if wait is not None and not 0 <= wait < float("inf"):
        raise ValidationError(f"wait must be a number of seconds from 0, not {wait!r}.")
    return Call(
        "GET",
        path(_ROUTE + "/{}", response_id),
        model(ResponseObject),
        query={"wait": float(wait)} if wait else {},
        held=float(wait or 0.0),
    )


def cancel_call(response_id: str) -> Call[None]:
    """``POST /v1/responses/{id}/cancel``. Keyed, so that it may be tried again."""
    return Call("POST", path(_ROUTE + "/{}/cancel", response_id), nothing, idempotency_key=str(uuid4()))


def watch_options(parameters: WatchParameters, *, listening: bool) -> tuple[WatchOptions, tuple[ProgressCallback, ...]]:
    """Settle how to watch a run and who is told.

    Args:
        parameters: The caller's wishes.
        listening: Whether the caller reads the stream.
    """
    given: dict[str, Any] = dict(parameters)
    refuse_unknown(given, WatchParameters)
    listeners: list[ProgressCallback] = [ProgressPrinter()] if given.pop("show_progress", False) else []
    callback = given.pop("on_progress", None)
    if callback is not None:
        listeners.append(callback)
    return WatchOptions(listening=listening or bool(listeners), **given), tuple(listeners)


def split_parameters(parameters: InvokeParameters) -> tuple[RunParameters, WatchParameters]:
    """Part what is to be run from how it is to be watched."""
    given: Mapping[str, Any] = parameters
    refuse_unknown(given, InvokeParameters)
    watch = {name: given[name] for name in WatchParameters.__annotations__ if name in given}
    run = {name: value for name, value in given.items() if name not in watch}
    return cast("RunParameters", run), cast("WatchParameters", watch)


def refuse_unknown(given: Mapping[str, Any], known: type[RunParameters | WatchParameters]) -> None:
    """Refuse keywords that a call does not take, as Python does.

    Raises:
        TypeError: There is such a keyword; the message lists those that exist.
    """
    unknown = sorted(set(given) - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(unknown)}; known: {', '.join(known.__annotations__)}")
