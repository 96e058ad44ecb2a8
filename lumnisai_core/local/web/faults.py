"""Faults on demand: what is to go wrong, and with which requests. Decided here, done in `_faulty`."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal, Self

#: Paths that no fault happens to: those by which faults are added and removed.
UNTOUCHED = "/v1/_local/"
_ROUTE = re.compile(r"\*|(?P<method>[A-Z]+|\*) (?P<path>/\S*|\*)")
_PARAMETER = re.compile(r"\{[^}/]*\}")
_ACTIONS = ("status", "reset", "stall", "truncate", "garbage", "duplicate")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and with which requests.

    It does one of `status`, `reset`, `stall`, `truncate`, `garbage` and `duplicate`, after `latency` if that is given
    too; or it has `latency` only, and the request is answered as usual.

    Args:
        route: method and path as in the table of routes, such as `"GET /v1/responses/{response_id}"`; either may be
            `*`, and `"*"` is any request but those that handle faults. The names of parameters do not matter.
        times: how often it happens; default: without end.
        after: how many requests of the route are passed over first.
        probability: how likely it is for each request.
        seed: start of the random numbers behind `probability`; the same seed hits the same requests.
        status: answer with this status instead of processing the request.
        retry_after: `Retry-After` of that answer, in seconds or as a date with its zone.
        body: body of that answer, a text as it is and anything else as JSON; default: an error body as documented.
        latency: seconds to wait before anything else is done.
        reset: reset the connection `"before"` or `"after"` the request is processed.
        stall: process the request, send nothing for so many seconds, then reset the connection.
        truncate: process the request, send half of the answer, then close the connection.
        garbage: process the request and answer 200 with bytes that are no JSON.
        duplicate: process the request twice, as a network does that delivers twice; the first answer is sent.

    Raises:
        ValueError: a value that cannot work, nothing to do, or too much at once.
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
            raise ValueError(f"Fault.route must be like 'POST /v1/responses', '* /v1/responses' or '*': {self.route!r}")
        _check_whole("times", self.times, 1)
        _check_whole("after", self.after, 0)
        _check_whole("seed", self.seed, None)
        _check_whole("status", self.status, 200, 599)
        _check_number("probability", self.probability, 1.0)
        _check_number("latency", self.latency)
        _check_number("stall", self.stall)
        if isinstance(self.retry_after, datetime):
            if self.retry_after.tzinfo is None:
                raise ValueError("Fault.retry_after needs a time zone when it is a date")
        else:
            _check_number("retry_after", self.retry_after)
        if self.reset not in (None, "before", "after"):
            raise ValueError(f"Fault.reset must be 'before' or 'after', not {self.reset!r}")
        for name in ("truncate", "garbage", "duplicate"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"Fault.{name} must be true or false, not {getattr(self, name)!r}")
        self._check_actions()

    def _check_actions(self) -> None:
        values = {name: getattr(self, name) for name in _ACTIONS}
        chosen = [name for name, value in values.items() if value is not None and value is not False]
        if len(chosen) > 1:
            raise ValueError(f"A Fault does one thing, not {' and '.join(chosen)}; use one Fault for each")
        if not chosen and not self.latency:
            raise ValueError(f"A Fault needs something to do: latency or one of {', '.join(_ACTIONS)}")
        for name in ("retry_after", "body"):
            if getattr(self, name) is not None and self.status is None:
                raise ValueError(f"Fault.{name} belongs to a status; give one")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read a fault from its plain form, as found in JSON; a date may be ISO 8601 or that of an HTTP header.

        Raises:
            ValueError: a key is not known, or a value cannot work.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"Fault must be an object, not {type(data).__name__}")
        names = [item.name for item in fields(cls)]
        if unknown := sorted(set(data) - set(names)):
            raise ValueError(f"Fault has no {', '.join(unknown)}; known keys: {', '.join(names)}")
        values = dict(data)
        if isinstance(values.get("retry_after"), str):
            values["retry_after"] = _date(values["retry_after"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain form, without what is left at its default."""
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
    """A fault with what became of it.

    Attributes:
        seen: Requests of its route that came to it.
        done: How often it happened.
    """

    fault: Fault
    seen: int = 0
    done: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.fault.seed)  # noqa: S311 - it is to be the same each time

    def hits(self) -> bool:
        """Count one request of the route; say whether the fault happens to it."""
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

    The first fault in order that applies is the one; those behind it do not see the request, nor count it.

    Args:
        routes: methods and paths that requests may have, in the order in which they are looked up.
        faults: what goes wrong from the start.

    Raises:
        ValueError: a fault is about a route that does not exist.
    """

    def __init__(self, routes: Iterable[tuple[str, str]], faults: Iterable[Fault] = ()) -> None:
        self._routes = [(method, _outline(path), _pattern(path)) for method, path in routes]
        self._armed: list[Armed] = []
        for fault in faults:
            self.add(fault)

    def __iter__(self) -> Iterator[Armed]:
        return iter(self._armed)

    def add(self, fault: Fault) -> Armed:
        """Let a further fault happen, after those there are."""
        if not isinstance(fault, Fault):
            raise ValueError(f"faults must be Fault objects, not {type(fault).__name__}")
        method, path = _parts(fault.route)
        known = any(method in ("*", line[0]) and path in ("*", line[1]) for line in self._routes)
        if not known and fault.route != "*":
            raise ValueError(f"there is no route {fault.route!r}; take one as in 'GET /v1/responses/{{response_id}}'")
        armed = Armed(fault)
        self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._armed.clear()

    def due(self, method: str, path: str) -> Fault | None:
        """Return the fault that happens to this request, if any."""
        if path.startswith(UNTOUCHED):
            return None
        method = "GET" if method == "HEAD" else method
        bare = path.rstrip("/")
        found = (line[1] for line in self._routes if line[0] == method and line[2].fullmatch(bare))
        outline = next(found, None)
        for armed in self._armed:
            wanted_method, wanted_path = _parts(armed.fault.route)
            if wanted_method in ("*", method) and wanted_path in ("*", outline) and armed.hits():
                return armed.fault
        return None


def http_date(moment: datetime) -> str:
    """Write a date as HTTP headers do."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _parts(route: str) -> tuple[str, str]:
    method, _, path = route.partition(" ")
    return (method, _outline(path)) if path not in ("", "*") else (method, "*")


def _outline(path: str) -> str:
    return _PARAMETER.sub("{}", path).rstrip("/")


def _pattern(path: str) -> re.Pattern[str]:
    pieces = _outline(path).split("{}")
    return re.compile("[^/]+".join(map(re.escape, pieces)))


def _check_whole(name: str, value: Any, low: int | None, high: int | None = None) -> None:
    if value is None and name in ("times", "status"):
        return
    bounds = "" if low is None else f" from {low}" + ("" if high is None else f" to {high}")
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(f"Fault.{name} must be a whole number{bounds}, not {value!r}")


def _check_number(name: str, value: Any, high: float = math.inf) -> None:
    if value is None and name in ("stall", "retry_after"):
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    bounds = "0 or more" if high == math.inf else f"from 0 to {high:g}"
    if not number or not 0 <= value <= high or not math.isfinite(value):
        raise ValueError(f"Fault.{name} must be a number, {bounds}, not {value!r}")


def _date(text: str) -> datetime:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except ValueError:
            continue
    raise ValueError(f"Fault.retry_after must be seconds or a date, not {text!r}")
