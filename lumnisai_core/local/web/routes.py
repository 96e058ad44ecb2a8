"""Routes: declared once, at their endpoints, and found by method and path; and the kinds of replies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from lumnisai_core.local.web.errors import Error
from lumnisai_core.local.web.json_text import Json

Endpoint = Callable[..., Awaitable[object]]
_Endpoint = TypeVar("_Endpoint", bound=Endpoint)
T_co = TypeVar("T_co", covariant=True)
#: A parameter in the path of a route.
PARAMETER = re.compile(r"\{([^}/]*)\}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that an endpoint writes itself: a status and a text, a stream of texts, a file, or no body."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    file: Path | None = None
    file_name: str | None = None
    stream: AsyncIterator[str] | None = None


@dataclass(frozen=True, slots=True)
class Once(Generic[T_co]):
    """A reply that repeated requests get again; `is_new` is false for them."""

    text: Json[T_co]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: the shape of its text parts, and the name of its file part, which may be repeated."""

    fields: type[BaseModel]
    file: str
    many: bool = False


@dataclass(frozen=True)
class Route:
    """A method and a path with the endpoint that answers them.

    The parameters `path`, `query` and `body` of the endpoint are annotated with the shapes that these parts of a
    request are checked against; its return annotation is the shape of the reply. `None` is a reply without a body,
    `Once` one that is kept for repeated requests, `Reply` one that the endpoint writes itself, `NoReturn` none at all.

    Args:
        status: status of a reply with a body.
        public: whether requests need no key.
        optional: whether the body may be missing or null.
        form: the multipart body, which the endpoint reads itself.
        refused: statuses of refusals besides those that follow from everything else.
        refusal: shape of the refusals in `refused`.
        media_types: media types of a `Reply`, by status; None for no body.
    """

    method: str
    path: str
    endpoint: Endpoint
    status: int = 200
    public: bool = False
    optional: bool = False
    form: Form | None = None
    refused: tuple[int, ...] = ()
    refusal: Any = Error
    media_types: Mapping[int, str | None] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters in the path."""
        return tuple(PARAMETER.findall(self.path))

    @cached_property
    def parts(self) -> Mapping[str, type[BaseModel]]:
        """The shapes of `path`, `query` and `body`, in that order, as far as the endpoint takes them."""
        return {name: self._hints[name] for name in ("path", "query", "body") if name in self._hints}

    @cached_property
    def replies(self) -> Mapping[int, Any]:
        """The shapes of replies by status of success; None for a reply without a body."""
        returned = self._hints["return"]
        if self.once:
            return dict.fromkeys((201, 200), get_args(returned)[0])
        if returned in (NoReturn, Reply):
            return {}
        return {204: None} if returned is type(None) else {self.status: returned}

    @property
    def once(self) -> bool:
        """Whether an idempotency key makes a repeated request get the first reply."""
        return get_origin(self._hints["return"]) is Once

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.endpoint, include_extras=True)


class RouteTable:
    """The routes of a module, in the order of their declarations.

    Args:
        prefix: beginning of all their paths.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def __call__(self, line: str, **declared: Any) -> Callable[[_Endpoint], _Endpoint]:
        """Declare the decorated function as the endpoint of a line.

        Args:
            line: method and path, such as `"GET /v1/users/{user}"`.
            **declared: further fields of `Route`.
        """
        method, _, path = line.partition(" ")

        def declare(endpoint: _Endpoint) -> _Endpoint:
            self._routes.append(Route(method, self._prefix + path, endpoint, **declared))
            return endpoint

        return declare


class _Node:
    """The routes of one path, and the paths that continue it by one segment."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None

    def grow(self, segment: str) -> _Node:
        """Return the node of a further segment, made when missing."""
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _Node())
        self.parameter = self.parameter or _Node()
        return self.parameter

    def find(self, segments: Sequence[str]) -> tuple[dict[str, Route], tuple[str, ...]] | None:
        """Return the routes of a path and the values of its parameters."""
        if not segments:
            return (self.routes, ()) if self.routes else None
        first, rest = segments[0], segments[1:]
        literal = self.literals.get(first)
        if literal is not None and (found := literal.find(rest)):
            return found
        if self.parameter is not None and first and (found := self.parameter.find(rest)):
            return found[0], (first, *found[1])
        return None


class Router:
    """Finds the routes of a path; a literal segment goes before a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/"):
                node = node.grow(segment)
            node.routes[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]] | None:
        """Return the routes of a path by method, and the values of its parameters in order; None if there are none."""
        return self._root.find(path.split("/"))
