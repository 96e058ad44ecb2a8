"""The privacy guard without a framework: what is cleansed and restored, and the calls to the gateway for it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Self, TypeAlias, TypeVar, get_args

from lumnisai_core.exceptions import ConfigurationError, RateLimitError, TransportError
from lumnisai_core.liminal import AsyncClient, CleanseResponse, Client, ModelInstance, ModelInstanceUnknownError
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations._shared.privacy.nested import Special, Walk, nothing_special, texts_in
from lumnisai_integrations._shared.privacy.placeholders import TOKEN, candidates, learned, restored, type_of
from lumnisai_integrations._shared.privacy.streams import Pieces

T = TypeVar("T")

#: What happens to a text when the gateway cannot be reached: the call is refused, or continues without the text.
OnUnavailable = Literal["refuse", "withhold"]

#: Keywords of models that describe the application, not a person.
DESCRIPTIONS = frozenset({"tools", "functions", "tool_choice", "response_format"})

#: Stands in the place of a text that could not be cleansed.
WITHHELD = "[withheld: the privacy gateway is unavailable]"

#: Characters in one request; more texts go in several.
_MOST_CHARACTERS = 100_000
#: Longer texts have enough context of their own, and the names of their fields do not help.
_LABELLED = 200
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
#: Shorter values are not looked for in other texts: they may be ordinary words there.
_SHORTEST_VALUE = 5
#: Placeholders that are looked up in one request.
_MOST_LOOKED_UP = 500


class GatewayCall(NamedTuple):
    """A call of the client that a flow needs, by the name of the method."""

    method: str
    arguments: Sequence[Any]
    keywords: Mapping[str, Any] = {}


#: Work that calls the gateway and returns a result; it runs with either client.
Flow: TypeAlias = Generator[GatewayCall, Any, T]


@dataclass(slots=True)
class Exchange:
    """What one guarded call knows. It lives as long as the call, and shows no value.

    Attributes:
        values: The values by their placeholders.
        findings: How many values of each type were replaced.
        looked_up: Placeholders that were looked up already.
    """

    values: dict[str, str] = field(default_factory=dict, repr=False)
    findings: Counter[str] = field(default_factory=Counter)
    looked_up: set[str] = field(default_factory=set, repr=False)

    def pieces(self) -> Pieces:
        """Return a stream of texts whose placeholders are those of this call."""
        return Pieces(self.values)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("What a guarded call knows cannot be pickled: it holds personal data.")


class _Piece(NamedTuple):
    label: str
    text: str

    @property
    def prefix(self) -> str:
        """The name of the field in front of the text: "phone: 555 0100" is found, "555 0100" may not be."""
        return f"{self.label}: " if self.label else ""

    @property
    def document(self) -> str:
        return self.prefix + self.text


class Guard:
    """Cleanses what goes to something and restores what comes back, with a gateway and one of its threads.

    A guard opens nothing when it is made. It may be shared by threads, tasks and forked processes.
    """

    def __init__(
        self,
        client: Client | AsyncClient | None = None,
        *,
        model_instance: str | int | ModelInstance | None = None,
        thread_id: int | None = None,
        on_unavailable: OnUnavailable = "refuse",
    ) -> None:
        if client is not None and not isinstance(client, Client | AsyncClient):
            raise ConfigurationError(
                f"client must be a Client or AsyncClient of lumnisai_core.liminal, got {type(client).__name__}"
            )
        if isinstance(model_instance, bool) or not isinstance(model_instance, str | int | ModelInstance | None):
            raise ConfigurationError(
                f"model_instance must be the name or the id of a model instance, got {type(model_instance).__name__}"
            )
        if isinstance(thread_id, bool) or not isinstance(thread_id, int | None):
            raise ConfigurationError(
                f"thread_id must be the id of a Liminal thread, a whole number, got {type(thread_id).__name__}"
            )
        if on_unavailable not in get_args(OnUnavailable):
            names = " or ".join(map(repr, get_args(OnUnavailable)))
            raise ConfigurationError(f"on_unavailable must be {names}, got {on_unavailable!r}")
        self._client = client
        self._on_unavailable = on_unavailable
        self._model_instance = model_instance.id if isinstance(model_instance, ModelInstance) else model_instance
        self._instance_id = self._model_instance if isinstance(self._model_instance, int) else None
        self._thread_id = thread_id
        self._connect()

    def _connect(self) -> None:
        client = self._client
        self._blocking = client if isinstance(client, Client) else None if client else Client()
        self._asyncio = client if isinstance(client, AsyncClient) else None if client else AsyncClient()

    @property
    def thread_id(self) -> int | None:
        """The thread of the gateway that keeps the values; None before the first call."""
        return self._thread_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model_instance={self._model_instance!r}, thread_id={self._thread_id!r})"

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self  # copies of what it guards continue its thread

    def __getstate__(self) -> dict[str, Any]:
        clients = dict.fromkeys(("_blocking", "_asyncio"))
        return self.__dict__ | clients if self._client is None else self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    # Running flows

    def run(self, flow: Flow[T]) -> T:
        """Run a flow and return its result."""
        try:
            call = next(flow)
        except StopIteration as end:
            result: T = end.value
            return result
        if self._blocking is not None:
            return _driven(flow, call, self._blocking)
        return _in_own_loop(_adriven(flow, call, self._asyncio))

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in an event loop and return its result."""
        try:
            call = next(flow)
        except StopIteration as end:
            result: T = end.value
            return result
        if self._asyncio is not None:
            return await _adriven(flow, call, self._asyncio)
        return await asyncio.to_thread(_driven, flow, call, self._blocking)

    # Cleansing

    def cleansed(
        self, value: Any, exchange: Exchange, special: Special = nothing_special, *, strict: bool = True
    ) -> Flow[Any]:
        """Return a value with placeholders in the place of what the policy hides.

        Args:
            value: Texts in any nesting.
            exchange: Learns the values.
            special: Handles objects of a framework.
            strict: Whether an object that cannot be looked into is refused, rather than kept.

        Raises:
            ValidationError: Something in it cannot be looked into.
            PolicyBlockedError: The policy refuses it.
        """
        wanted: dict[_Piece, str] = {}

        def note(text: str, label: str) -> str:
            if any(map(str.isalnum, text)):
                wanted[_piece(text, label)] = text
            return text

        Walk(note, special, strict=strict)(value)
        yield from self._cleanse_all(wanted, exchange)
        hide = _hiding(exchange.values)
        return Walk(lambda text, label: hide(wanted.get(_piece(text, label), text)), special, strict=strict)(value)

    def _cleanse_all(self, wanted: dict[_Piece, str], exchange: Exchange) -> Flow[None]:
        """Replace the texts of some pieces by cleansed ones, with as few requests as possible."""
        waiting = [[*batch] for batch in _batches(wanted)]
        while waiting:
            batch = waiting.pop()
            separator = _separator(batch)
            cleansed = yield from self._cleanse(separator.join(piece.document for piece in batch), exchange)
            if cleansed is None:
                wanted.update(dict.fromkeys(batch, WITHHELD))
                continue
            parts = cleansed.split(separator)
            if len(parts) != len(batch):  # something was found across texts
                waiting += [[piece] for piece in batch]
                continue
            for piece, part in zip(batch, parts, strict=True):
                if part.startswith(piece.prefix):
                    wanted[piece] = part.removeprefix(piece.prefix)
                else:  # the name of the field is sensitive itself
                    alone = {_Piece("", piece.text): piece.text}
                    yield from self._cleanse_all(alone, exchange)
                    (wanted[piece],) = alone.values()

    def _cleanse(self, text: str, exchange: Exchange) -> Flow[str | None]:
        """Return a cleansed text, or None to withhold it."""
        try:
            instance = yield from self._instance()
            thread = yield from self._thread(instance)
            answer = yield GatewayCall("prompt.cleanse", (instance, text), {"thread_id": thread})
            spans = _spans(answer)
            exchange.values.update(learned(text, answer.text, spans))
            yield from self.look_up([answer.text[start:end] for start, end in spans], exchange)
        except (TransportError, RateLimitError):
            if self._on_unavailable == "refuse":
                raise
            return None
        exchange.findings.update(type_of(item.entity_type) for item in answer.items)
        return _unnested(answer.text, exchange.values)

    def _instance(self) -> Flow[int]:
        if self._instance_id is None:
            if isinstance(self._model_instance, str):
                instance = yield GatewayCall("llm.get_model_instance", (self._model_instance,))
            else:
                instances = yield GatewayCall("llm.get_available_model_instances", ())
                usable = [instance for instance in instances if instance.model_connections]
                if len(usable) != 1:
                    names = ", ".join(repr(instance.name) for instance in usable) or "none"
                    raise ModelInstanceUnknownError(
                        f"The policy to apply is that of a model instance: pass model_instance=. Usable are: {names}."
                    )
                (instance,) = usable
            self._instance_id = instance.id
        return self._instance_id

    def _thread(self, instance: int) -> Flow[int]:
        if self._thread_id is None:
            thread = yield GatewayCall("thread.create", (instance, "LiminalGuard"))
            with changing():  # of two calls that come first, both use the thread of one
                if self._thread_id is None:
                    self._thread_id = thread.id
        return self._thread_id

    # Restoring

    def look_up(self, names: Iterable[str], exchange: Exchange) -> Flow[None]:
        """Learn the values of placeholders that the thread knows from earlier calls."""
        known = exchange.values.keys() | exchange.looked_up
        unknown = [name for name in dict.fromkeys(names) if name not in known][:_MOST_LOOKED_UP]
        if not unknown or self._thread_id is None:
            return
        try:
            instance = yield from self._instance()
            answer = yield GatewayCall("prompt.hydrate", (instance, "\n".join(unknown)), {"thread_id": self._thread_id})
        except (TransportError, RateLimitError):
            if self._on_unavailable == "refuse":
                raise
            return
        exchange.looked_up.update(unknown)
        found = {item.entity_type: item.text for item in answer.items if item.text is not None}
        exchange.values.update({name: found[name] for name in unknown if name in found})

    def restored(self, value: Any, exchange: Exchange, special: Special = nothing_special) -> Flow[Any]:
        """Return a value with the true values in the place of their placeholders.

        Args:
            value: Anything; objects that cannot be looked into stay as they are.
            exchange: Knows the values.
            special: Handles objects of a framework.
        """
        yield from self.look_up((name for text in texts_in(value, special) for name in candidates(text)), exchange)
        return Walk(lambda text, _label: restored(text, exchange.values), special)(value)

    def piece(self, pieces: Pieces, key: Any, piece: str, exchange: Exchange, *, is_json: bool = False) -> Flow[str]:
        """Add a piece to a streamed text and return what of it is ready, with the true values."""
        ready = pieces.push(key, piece, is_json=is_json)
        yield from self.look_up(candidates(ready, in_capitals=True), exchange)
        return pieces.restored(key, ready)

    def rest(self, pieces: Pieces, key: Any, exchange: Exchange) -> Flow[str]:
        """Return what was held back of a streamed text, with the true values."""
        ready = pieces.flush(key)
        yield from self.look_up(candidates(ready, in_capitals=True), exchange)
        return pieces.restored(key, ready) if ready else ""

    def report(self, exchange: Exchange) -> dict[str, Any]:
        """Return what metadata says about a call: the thread, and how many values of each type were replaced."""
        return {"thread_id": self._thread_id, "findings": dict(sorted(exchange.findings.items()))}


def _driven(flow: Flow[T], call: GatewayCall, client: Any) -> T:
    try:
        while True:
            try:
                answer = attrgetter(call.method)(client)(*call.arguments, **call.keywords)
            except Exception as error:  # noqa: BLE001 - the flow decides
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def _adriven(flow: Flow[T], call: GatewayCall, client: Any) -> T:
    try:
        while True:
            try:
                answer = await attrgetter(call.method)(client)(*call.arguments, **call.keywords)
            except Exception as error:  # noqa: BLE001 - the flow decides
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _in_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, also where one runs already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(coroutine)).result()


def _piece(text: str, label: str) -> _Piece:
    useful = label and len(text) <= _LABELLED and _LABEL.fullmatch(label)
    return _Piece(label if useful else "", text)


def _batches(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    size = 0
    for piece in pieces:
        length = len(piece.document)
        if batch and size + length > _MOST_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += length
    if batch:
        yield batch


def _separator(batch: Sequence[_Piece]) -> str:
    """Return a line that stands in none of some texts."""
    line = "\u2e3b"
    while any(line in piece.text for piece in batch):
        line += "\u2e3b"
    return f"\n\n{line}\n\n"


def _spans(answer: CleanseResponse) -> list[tuple[int, int]]:
    """Return where the placeholders of a cleansed text are, in code points; services may count UTF-16 units."""
    spans = sorted((item.start, item.end) for item in answer.items)
    if all(TOKEN.fullmatch(answer.text[start:end]) for start, end in spans):
        return spans
    units = answer.text.encode("utf-16-le", "surrogatepass")

    def place(unit: int) -> int:
        return len(units[: 2 * unit].decode("utf-16-le", "replace"))

    return [(place(start), place(end)) for start, end in spans]


def _unnested(text: str, values: dict[str, str]) -> str:
    """Return a cleansed text in which earlier placeholders, which a detector took for values, stand as they were."""
    for token in [token for token, value in values.items() if TOKEN.fullmatch(value)]:
        text = re.sub(rf"(?<![A-Za-z0-9_]){token}(?![A-Za-z0-9_])", values.pop(token), text)
    return text


def _hiding(values: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces known values wherever they stand, found there or not."""
    tokens = {value: token for token, value in values.items() if len(value) >= _SHORTEST_VALUE}
    if not tokens:
        return lambda text: text
    ordered = sorted(tokens, key=len, reverse=True)
    form = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)")
    return lambda text: form.sub(lambda match: tokens[match[0]], text)
