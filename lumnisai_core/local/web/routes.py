"""Routes: declared once, at their endpoints, and found by method and path; and replies for repeated requests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import Parameter, signature
from typing import Any, Generic, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, create_model
from starlette.responses import Response

from lumnisai_core.local.web.errors import Error
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Shape

Endpoint = Callable[..., Awaitable[object]]
_Endpoint = TypeVar("_Endpoint", bound=Endpoint)
T_co = TypeVar("T_co", covariant=True)
#: A parameter in the path of a route.
PARAMETER = re.compile(r"\{([^}/]*)\}")
#: Name of the shapes that are made from the parameters of an endpoint.
_SINGLE = "Single"


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
    request are checked against; its keyword-only parameters are single parameters of the path or the query. Its return
    annotation is the shape of the reply. `None` is a reply without a body, `Once` one that is kept for repeated
    requests, `Response` one that the endpoint writes itself, `NoReturn` none at all.

    Args:
        status: status of a reply with a body.
        public: whether requests need no key.
        optional: whether the body may be missing or null.
        form: the multipart body, which the endpoint reads itself.
        refused: statuses of refusals besides those that follow from everything else.
        refusal: shape of the refusals in `refused`.
        media_types: media types of a `Response`, by status; None for no body.
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
        fields: dict[str, dict[str, Any]] = {}
        for name, parameter in signature(self.endpoint).parameters.items():
            if parameter.kind is Parameter.KEYWORD_ONLY:
                default = ... if parameter.default is Parameter.empty else parameter.default
                part = fields.setdefault("path" if name in self.parameters else "query", {})
                part[name] = (self._hints[name], default)
        single = {part: create_model(_SINGLE, __base__=Shape, **fields[part]) for part in sorted(fields)}
        return single | {name: self._hints[name] for name in ("path", "query", "body") if name in self._hints}

    def arguments(self, part: str, read: BaseModel) -> dict[str, Any]:
        """Return a part of a request that was read as arguments of the endpoint."""
        return dict(read) if type(read).__name__ == _SINGLE else {part: read}

    @cached_property
    def replies(self) -> Mapping[int, Any]:
        """The shapes of replies by status of success; None for a reply without a body."""
        returned = self._hints["return"]
        if self.once:
            return dict.fromkeys((201, 200), get_args(returned)[0])
        if returned is NoReturn or (isinstance(returned, type) and issubclass(returned, Response)):
            return {}
        return {204: None} if returned is type(None) else {self.status: returned}

    @property
    def once(self) -> bool:
        """Whether an idempotency key makes a repeated request get the first reply."""
        return get_origin(self._hints["return"]) is Once

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.endpoint, include_extras=True)


class RouteTable(list[Route]):
    """The routes of a module, in the order of their declarations. `prefix` begins all their paths."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self._prefix = prefix

    def __call__(self, line: str, **declared: Any) -> Callable[[_Endpoint], _Endpoint]:
        """Declare the decorated function as the endpoint of a line such as `GET /v1/users`, with fields of `Route`."""
        method, _, path = line.partition(" ")

        def declare(endpoint: _Endpoint) -> _Endpoint:
            self.append(Route(method, self._prefix + path, endpoint, **declared))
            return endpoint

        return declare


class Router:
    """Finds the routes of a path; a literal segment goes before a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Branch()
        for route in routes:
            branch = self._root
            for segment in PARAMETER.sub("{", route.path).split("/"):
                branch = branch.next.setdefault(segment, _Branch())
            branch.routes[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]] | None:
        """Return the routes of a path by method, and the values of its parameters in order; None if there are none."""
        return _found(self._root, path.split("/"), ())


class _Branch:
    """Where paths part: what follows by its segment, a brace for a parameter, and the routes that end here."""

    __slots__ = ("next", "routes")

    def __init__(self) -> None:
        self.next: dict[str, _Branch] = {}
        self.routes: dict[str, Route] = {}


def _found(
    branch: _Branch, sent: Sequence[str], values: tuple[str, ...]
) -> tuple[Mapping[str, Route], tuple[str, ...]] | None:
    if not sent:
        return (branch.routes, values) if branch.routes else None
    first, rest = sent[0], sent[1:]
    found = None
    if first != "{" and first in branch.next:
        found = _found(branch.next[first], rest, values)
    if found is None and first and "{" in branch.next:
        found = _found(branch.next["{"], rest, (*values, first))
    return found
