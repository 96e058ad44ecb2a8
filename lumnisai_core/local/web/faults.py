"""Faults on demand: which fault happens to which request. `layers` carries them out."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal, Self

from lumnisai_core.local.web.routes import PARAMETER, Route, Router

#: Faults never happen to the paths by which they are added and removed.
UNTOUCHED = "/v1/_local/"
_ROUTE = re.compile(r"\*|(?P<method>[A-Z]+|\*) (?P<path>/\S*|\*)")
_ACTIONS = ("status", "reset", "stall", "truncate", "garbage", "duplicate")
#: Kind and bounds of the fields that are numbers.
_NUMBERS = {
    "times": ("whole number", 1, math.inf),
    "after": ("whole number", 0, math.inf),
    "seed": ("whole number", -math.inf, math.inf),
    "status": ("whole number", 200, 599),
    "probability": ("number", 0, 1),
    "latency": ("number", 0, math.inf),
    "stall": ("number", 0, math.inf),
    "retry_after": ("number", 0, math.inf),
}
_OPTIONAL = ("times", "status", "stall", "retry_after")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and with which requests.

    It does one of `status`, `reset`, `stall`, `truncate`, `garbage` and `duplicate`, after a pause of `latency`; or it
    has `latency` only, and the request is answered as usual.

    Args:
        route: method and path of a route, such as `"GET /v1/responses/{response_id}"`; either may be `*`, and `"*"` is
            any request but those that handle faults. The names of parameters do not matter.
        times: how often it happens; default: without end.
        after: how many requests of the route are spared first.
        probability: how likely it is for each request, from 0 to 1.
        seed: start of the random numbers behind `probability`; the same seed hits the same requests.
        status: answer with this status instead of processing the request.
        retry_after: `Retry-After` of that answer, in seconds or as a date with its zone.
        body: body of that answer, a text as it is and anything else as JSON; default: an error body as documented.
        latency: seconds to wait before anything else is done.
        reset: reset the connection `"before"` or `"after"` the request is processed.
        stall: process the request, send nothing for so many seconds, then reset the connection.
        truncate: process the request, send half of the answer, then close the connection.
        garbage: process the request and answer 200 with bytes that are not JSON.
        duplicate: process the request twice, as a network does that delivers twice; the first answer is sent.

    Raises:
        ValueError: a value is out of range, or the fault does nothing, or more than one thing.
    """

    route: str = "*"
    _: KW_ONLY
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    status: int | None = None
    retry_after: float | datetime | None = None
    body: Any = None
    latency: float = 0.0
    reset: Literal["before", "after"] | None = None
    stall: float | None = None
    truncate: bool = False
    garbage: bool = False
    duplicate: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.route, str) or not _ROUTE.fullmatch(self.route):
            raise ValueError(
                f"Fault.route must be like 'POST /v1/responses', '* /v1/responses' or '*', got {self.route!r}"
            )
        for name, bounds in _NUMBERS.items():
            self._check_number(name, *bounds)
        if isinstance(self.retry_after, datetime) and self.retry_after.tzinfo is None:
            raise ValueError("Fault.retry_after must have a time zone when it is a date")
        if self.reset not in (None, "before", "after"):
            raise ValueError(f"Fault.reset must be 'before' or 'after', got {self.reset!r}")
        for name in ("truncate", "garbage", "duplicate"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"Fault.{name} must be True or False, got {getattr(self, name)!r}")
        values = {name: getattr(self, name) for name in _ACTIONS}
        chosen = [name for name, value in values.items() if value is not None and value is not False]
        if len(chosen) > 1:
            raise ValueError(f"a Fault does one thing, got {' and '.join(chosen)}; use one Fault for each")
        if not chosen and not self.latency:
            raise ValueError(f"a Fault needs something to do: latency or one of {', '.join(_ACTIONS)}")
        for name in ("retry_after", "body"):
            if getattr(self, name) is not None and self.status is None:
                raise ValueError(f"Fault.{name} needs a status")

    def _check_number(self, name: str, kind: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if (value is None and name in _OPTIONAL) or isinstance(value, datetime):
            return
        fits = isinstance(value, int if kind == "whole number" else int | float) and not isinstance(value, bool)
        if not fits or not low <= value <= high or not math.isfinite(value):
            bounds = (f" from {low:g}" if low > -math.inf else "") + (f" to {high:g}" if high < math.inf else "")
            raise ValueError(f"Fault.{name} must be a {kind}{bounds}, got {value!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read a fault from its plain form, as found in JSON; a date may be ISO 8601 or that of an HTTP header.

        Raises:
            ValueError: a key is unknown, or a value is out of range.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"Fault must be an object, got {type(data).__name__}")
        names = [item.name for item in fields(cls)]
        if unknown := sorted(set(data) - set(names)):
            raise ValueError(f"Fault has no {', '.join(unknown)}; known keys: {', '.join(names)}")
        values = dict(data)
        if isinstance(values.get("retry_after"), str):
            values["retry_after"] = _date(values["retry_after"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain form, without fields at their defaults."""
        values: dict[str, Any] = {"route": self.route}
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                values[item.name] = value
        if isinstance(self.retry_after, datetime):
            values["retry_after"] = http_date(self.retry_after)
        return values


@dataclass(slots=True)
class Armed:
    """A fault of a plan, with how many requests of its route reached it and how often it has happened."""

    fault: Fault
    seen: int = 0
    done: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.fault.seed)  # noqa: S311 - the same seed hits the same requests

    def hits(self) -> bool:
        """Count one request of the route; return whether the fault happens to it."""
        fault = self.fault
        self.seen += 1
        if self.seen <= fault.after or (fault.times is not None and self.done >= fault.times):
            return False
        if self._random.random() >= fault.probability:
            return False
        self.done += 1
        return True


class FaultPlan:
    """Decides which fault happens to which request.

    The first fault in order that applies is the one; those behind it do not see the request, nor count it. A fault
    about a route that is not among `routes` is a ValueError.
    """

    def __init__(self, routes: Iterable[Route] = (), faults: Iterable[Fault] = ()) -> None:
        routes = tuple(routes)
        self._router = Router(routes)
        self._known = {(route.method, _outline(route.path)) for route in routes}
        self._armed: list[Armed] = []
        for fault in faults:
            self.add(fault)

    def __iter__(self) -> Iterator[Armed]:
        return iter(self._armed)

    def add(self, fault: Fault) -> Armed:
        """Add a fault behind the others."""
        if not isinstance(fault, Fault):
            raise ValueError(f"faults must be Fault objects, got {type(fault).__name__}")
        if fault.route != "*" and not any(_matches(fault, *known) for known in self._known):
            raise ValueError(f"there is no route {fault.route!r}; use one like 'GET /v1/responses/{{response_id}}'")
        armed = Armed(fault)
        self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Remove all faults."""
        self._armed.clear()

    def due(self, method: str, path: str) -> Fault | None:
        """Return the fault that happens to this request, if any."""
        if not self._armed or path.startswith(UNTOUCHED):
            return None
        method = "GET" if method == "HEAD" else method
        routes, _ = self._router.find(path.rstrip("/")) or ({}, ())
        outline = _outline(routes[method].path) if method in routes else None
        concerned = (armed for armed in self._armed if _matches(armed.fault, method, outline))
        return next((armed.fault for armed in concerned if armed.hits()), None)


def http_date(moment: datetime) -> str:
    """Write a date as HTTP headers do."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _matches(fault: Fault, method: str, outline: str | None) -> bool:
    """Tell whether a fault is about a method and the outline of a path; a path that is not served has none."""
    wanted_method, _, wanted_path = fault.route.partition(" ")
    return wanted_method in ("*", method) and (wanted_path in ("", "*") or _outline(wanted_path) == outline)


def _outline(path: str) -> str:
    """Return a path without the names of its parameters and without a slash at its end."""
    return PARAMETER.sub("{}", path).rstrip("/")


def _date(text: str) -> datetime:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except ValueError:
            continue
    raise ValueError(f"Fault.retry_after must be seconds or a date, got {text!r}")
