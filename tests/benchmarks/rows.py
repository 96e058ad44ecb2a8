"""What is measured, what it should be at most, and how it is shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NOTHING = "-"
HEAD = ("What", "Lumnis", "Beside it", "Ratio", "Target", "Met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        part: Name of the measurement it belongs to, as ``--only`` takes it.
        what: What is measured, unique.
        shown: Writes a measured value with its unit.
        most: The target: the highest value that is good enough, or None without a target.
        beside: What is measured beside it for comparison, or nothing.
        of_ratio: Whether the target is for the ratio to what is beside it.
    """

    part: str
    what: str
    shown: Callable[[float], str]
    most: float | None = None
    beside: str = ""
    of_ratio: bool = False

    @property
    def target(self) -> str:
        """The target as it is shown."""
        if self.most is None:
            return NOTHING
        return f"ratio {_times(self.most)}" if self.of_ratio else self.shown(self.most)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out for one row.

    Attributes:
        own: The value, in the unit of the row.
        beside: The value of what is beside it.
        ratio: The first over the second, where it was taken in each round; default: the quotient of both.
    """

    own: float
    beside: float | None = None
    ratio: float | None = None

    @property
    def compared(self) -> float | None:
        """The ratio to what is beside it, or None if nothing is."""
        return self.ratio if self.ratio is not None or not self.beside else self.own / self.beside


def is_met(row: Row, reading: Reading) -> bool | None:
    """Say whether a target is met; None without a target or without a value that could meet it."""
    value = reading.compared if row.of_ratio else reading.own
    return None if row.most is None or value is None else value <= row.most


def cells(row: Row, reading: Reading) -> tuple[str, ...]:
    """Write one line of the table, a text for each column of :data:`HEAD`."""
    ratio, met = reading.compared, is_met(row, reading)
    return (
        row.what,
        row.shown(reading.own),
        NOTHING if reading.beside is None else f"{row.shown(reading.beside)} {row.beside}",
        NOTHING if ratio is None else _times(ratio),
        row.target,
        NOTHING if met is None else "yes" if met else "no",
    )


def markdown(readings: Mapping[str, Reading]) -> str:
    """Write the table of all rows in Markdown.

    Raises:
        KeyError: A row was not measured.
    """
    lines = [HEAD, ("---",) * len(HEAD), *(cells(row, readings[row.what]) for row in ROWS)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows_of(parts: Sequence[str]) -> list[Row]:
    """Return the rows of these parts in the order of the table."""
    return [row for row in (*ROWS, *APART) if row.part in parts]


def _times(value: float) -> str:
    return f"{value:.2f}x" if value >= 0.1 else f"{value:.1g}x"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _short(value: float) -> str:
    if value < 0.001:
        return f"{1_000_000 * value:.0f} µs"
    return f"{1000 * value:.1f} ms" if value < 0.01 else f"{1000 * value:,.0f} ms"


def _tiny(value: float) -> str:
    return f"{1_000_000 * value:.1f} µs"


def _added(value: float) -> str:
    return f"+{_short(value)}"


def _kilobytes(value: float) -> str:
    return f"{value:.0f} KB"


def _count(value: float) -> str:
    return f"{value:.0f}"


OFFICIAL = "official package"
MAP = "`responses.map`"
AT_END, ON_CHANGE = "server answers at the end", "server answers on change"

ROWS = (
    Row("latency", f"`Client.invoke` of a run of 0.2 s, over the run, {AT_END}", _added, 0.015, OFFICIAL),
    Row("latency", f"`Client.invoke` of a run of 0.2 s, over the run, {ON_CHANGE}", _added, 0.015, OFFICIAL),
    Row("latency", "first request to a fresh `LocalLumnis()`", _short, 0.2),
    Row("progress", f"mean delay of progress, {AT_END}", _seconds, 0.6, OFFICIAL),
    Row("many", "500 runs of 3 s at once", _seconds, 3.5, OFFICIAL),
    Row("many", "memory for each of 500 runs at once", _kilobytes, None, OFFICIAL),
    Row("many", "5,000 runs of 3 s at once", _seconds, 6.0),
    Row("many", "memory for each of 5,000 runs at once", _kilobytes, 60.0),
    Row("guard", "guarded chain over the bare one, 1,000 characters, embedded gateway", _added, 0.015),
    Row("guard", "the same, CPU time of chain and gateway", _added),
    Row("guard", "piece of a guarded stream over one of the bare stream", _added),
    Row("cost", "`Client.invoke` over two raw httpx calls", _times, 1.25, OFFICIAL),
    Row("cost", "`ChatLumnis.invoke` over `Client.invoke`", _times, 1.3, "`ChatOpenAI.invoke` over one raw POST"),
    Row("cost", "`ChatLumnis.invoke` over a bare chat model that calls `Client.invoke`", _times),
    Row("cost", "`ChatLumnis.invoke`, whole", _short, 1.0, "`ChatOpenAI.invoke`, whole", of_ratio=True),
    Row("cost", "`LumnisLLM.chat` over `Client.invoke`", _times, 1.3, "LlamaIndex `OpenAI.chat` over one raw POST"),
    Row("cost", "`LumnisLLM.complete` over `Client.invoke`", _times, 1.3),
    Row("cost", "`LumnisLLM.chat` over a bare LLM that calls `Client.invoke`", _times),
    Row("cost", "`LumnisLLM.chat`, whole", _short, 1.0, "LlamaIndex `OpenAI.chat`, whole", of_ratio=True),
    Row("imports", "`import lumnisai_core` over httpx and pydantic", _added, 0.03, OFFICIAL),
    Row("imports", "import of `ChatLumnis` over langchain-core", _added, 0.05, "`ChatOpenAI`"),
    Row("imports", "import of `LumnisLLM` over llama-index-core", _added, 0.05, "LlamaIndex `OpenAI`"),
    Row("construction", "`Client()`", _short, None, OFFICIAL),
    Row("construction", "`ChatLumnis()`", _short, None, "`ChatOpenAI()`"),
    Row("construction", "`LumnisLLM()`", _short, None, "LlamaIndex `OpenAI()`"),
    Row("tracing", "call of an `@lai.event()` function, caller's thread", _short, 0.000_040, "bare OpenTelemetry"),
    Row("tracing", "chain of four LangChain runs with `LucidicCallbackHandler`, over the bare chain", _added, 0.000_3),
    Row("tracing", "OpenTelemetry span of a run with its progress", _short, 0.000_025, "bare OpenTelemetry"),
    Row("tracing", "the same without a tracer provider", _tiny, 0.000_001),
    Row("tracing", "events missing of 500 after exit", _count, 0.0),
    Row("tracing", "events missing of 500 after an uncaught exception", _count, 0.0),
    Row("tracing", "events missing of 500 after SIGTERM (`flush_on_sigterm`)", _count, 0.0),
    Row("tracing", "events missing of 500 after `kill -9` and a new start (`spool`)", _count, 0.0),
    Row("tracing", "memory after 100,000 events for a dead service", _kilobytes, 16_000.0),
    Row("tracing", "exit after 100,000 events for a dead service", _seconds, 2.0),
)

#: Not on the page: they take long, and Ray needs an environment of its own.
APART = (
    Row("bulk", "10,000 rows of 4 KB and 50 ms, 200 in flight, `LumnisBatch`", _seconds, 1.11, MAP, of_ratio=True),
    Row(
        "bulk",
        "10,000 rows of 4 KB and 50 ms, 200 in flight, Ray with two workers, once both are up",
        _seconds,
        1.11,
        MAP,
        of_ratio=True,
    ),
    Row("bulk", "memory of the program on Ray for each row of 4 KB", _kilobytes, 1.0),
    Row("bulk", "requests within a pause of a storm of 429, 200 rows in flight", _count, 1.0),
    Row("bulk", "5,000 runs of 3 s at once over bare aiohttp", _seconds, 1.35, "bare aiohttp", of_ratio=True),
    Row("experiment", "1,000 rows of 50 ms in an `Experiment` with a ledger", _seconds, 1.1, MAP, of_ratio=True),
)

PARTS = tuple(dict.fromkeys(row.part for row in (*ROWS, *APART)))
OF_PAGE = tuple(dict.fromkeys(row.part for row in ROWS))
