"""The picture of `lumnis demo --serve` in the README: an animated SVG of what the command writes to a terminal.

`python -m tests.recording` runs the command and writes it; `tests/cli/test_demo.py` compares its text with a new run.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from lumnisai_integrations._commands.keys import SERVED_KEY
from tests.cli.terminal import CTRL_C, in_terminal
from tests.house import ROOT

PICTURE = ROOT / "docs" / "demo.svg"

#: Size of the terminal, and rows of it that the picture shows at a time.
COLUMNS, ROWS = 60, 26

#: Seconds: the longest pause that is kept, what each new line adds for readers, and how long the end stays.
_PAUSE, _READING, _END = 0.5, 0.3, 8.0

#: Pixels.
_WIDE, _HIGH, _SIZE, _MARGIN, _BAR = 8.4, 19, 14, 16, 34

_STYLES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
_TOKEN = re.compile(r"\x1b\[([0-?]*)[ -/]*([@-~])|([\r\n])|([^\x1b\r\n]+)|\x1b.?", re.DOTALL)

#: What differs between two runs.
_CHANGING = {
    r"\d+(\.\d+)? s\b": "TIME",
    r"127\.0\.0\.1:\d+": "HOST",
    r"\b[0-9a-f]{24}\b": "ID",
    r"\bberth-[0-9a-f]{4}\b": "SESSION",
}

_CSS = """\
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d7dce2;
  white-space: pre; }
.b { font-weight: bold; } .d { fill: #98a2ae; } .r { fill: #ff8a80; } .g { fill: #7fd99a; } .y { fill: #e5c07b; }
.c { fill: #6cc7e0; }
.gone { visibility: hidden; }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }"""

Cell = tuple[str, str]
Row = tuple[Cell, ...]


class Screen:
    """Reads what is written to a terminal, as far as rich and the command write it."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._style = ""

    def write(self, text: str) -> None:
        """Take text with its escape sequences."""
        for numbers, command, move, plain in _TOKEN.findall(text):
            if command == "m":
                self._restyle(numbers)
            elif command == "A":
                self._row = max(0, self._row - int(numbers or 1))
            elif command == "K":
                self._rows[self._row] = [] if numbers == "2" else self._rows[self._row][: self._column]
            elif move == "\r":
                self._column = 0
            elif move == "\n":
                self._down()
            else:
                for character in plain:
                    self._put(character)

    def rows(self) -> tuple[Row, ...]:
        """Return the rows, without blanks at their ends."""
        return tuple(_stripped(row) for row in self._rows)

    def _restyle(self, numbers: str) -> None:
        for number in numbers.split(";"):
            style = _STYLES.get(number, "")
            self._style = f"{self._style} {style}".strip() if style else ""

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append([])

    def _put(self, character: str) -> None:
        if self._column == COLUMNS:
            self._down()
            self._column = 0
        row = self._rows[self._row]
        row += [(" ", "")] * (self._column + 1 - len(row))
        row[self._column] = (character, self._style)
        self._column += 1


def _stripped(row: Iterable[Cell]) -> Row:
    cells = list(row)
    while cells and cells[-1][0] == " ":
        cells.pop()
    return tuple(cells)


@dataclass
class Shown:
    """A row of text, where it stands, and from which piece of output to which; without an end it stays."""

    place: int
    row: Row
    begin: int
    end: int | None = None
    time: tuple[float, float | None] = (0.0, None)  # in the picture, in seconds

    @property
    def text(self) -> str:
        """The text without its styles."""
        return "".join(character for character, _ in self.row)


@dataclass
class Film:
    """What a terminal showed: rows with their times, how many rows there were when, and the length in seconds."""

    shown: list[Shown]
    heights: list[tuple[float, int]]
    length: float

    @property
    def lines(self) -> list[str]:
        """The lines that stay."""
        return [row.text for row in sorted(self.shown, key=lambda row: row.place) if row.end is None]


def film_of(pieces: Sequence[tuple[float, str]]) -> Film:
    """Return what pieces of output show: pauses are shortened, and lines that stay can be read before more come."""
    screen = Screen()
    shown: list[Shown] = []
    now: dict[int, Shown] = {}
    heights: list[tuple[int, int]] = []
    for moment, (_, text) in enumerate(pieces):
        screen.write(text)
        for place, row in enumerate(screen.rows()):
            if place in now and now[place].row != row:
                now.pop(place).end = moment
            if row and place not in now:
                now[place] = Shown(place, row, moment)
                shown.append(now[place])
        used = max(now, default=-1) + 1
        if not heights or used > heights[-1][1]:
            heights.append((moment, used))
    times, time = [], 0.0
    for moment, (came, _) in enumerate(pieces):
        times.append(time)
        stay = sum(one.begin == moment and one.end is None for one in shown)
        following = pieces[moment + 1][0] if moment + 1 < len(pieces) else came
        time += min(following - came, _PAUSE) + _READING * stay
    for one in shown:
        one.time = times[one.begin], None if one.end is None else times[one.end]
    return Film(shown, [(times[moment], used) for moment, used in heights], time + _END)


def svg_of(film: Film) -> str:
    """Draw a film as an SVG that plays by itself and again; without animation it shows the end."""
    width, height = COLUMNS * _WIDE + 2 * _MARGIN, ROWS * _HIGH + _BAR + _MARGIN
    rules: dict[tuple[float, float | None], str] = {}
    drawn = []
    for row in film.shown:
        name = rules.setdefault(row.time, f"t{len(rules)}")
        kind = f"at {name} gone" if row.end is not None else f"at {name}"
        drawn.append(f'<text class="{kind}" y="{row.place * _HIGH}">{"".join(_spans(row.row))}</text>')
    frames = "\n".join(_rule(name, begin, end, film.length) for (begin, end), name in rules.items())
    scrolls = [(time, rows - ROWS) for time, rows in film.heights if rows > ROWS]
    moves = " ".join(f"{_share(time, film.length)} {{ transform: {_up(rows)}; }}" for time, rows in scrolls)
    last = scrolls[-1][1] if scrolls else 0
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">
<title>What lumnis demo --serve shows in a terminal</title>
<style>
{_CSS}
.page, .at {{ animation: {film.length:.2f}s step-end infinite; }}
.page {{ transform: {_up(last)}; animation-name: page; }}
@keyframes page {{ 0% {{ transform: {_up(0)}; }} {moves} }}
{frames}
</style>
<defs><clipPath id="screen"><rect y="{-_SIZE}" width="{width:g}" height="{ROWS * _HIGH}"/></clipPath></defs>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
<g fill="#4b5563"><circle cx="20" cy="17" r="5"/><circle cx="38" cy="17" r="5"/><circle cx="56" cy="17" r="5"/></g>
<text class="d" x="{width / 2:g}" y="22" text-anchor="middle">lumnis demo --serve</text>
<g transform="translate({_MARGIN} {_BAR + _SIZE})" clip-path="url(#screen)"><g class="page">
{chr(10).join(drawn)}
</g></g>
</svg>
"""


def lines_of(svg: str) -> list[str]:
    """Return the lines that stay in a picture."""
    page = "{http://www.w3.org/2000/svg}"
    found = []
    for text in ElementTree.fromstring(svg).iter(f"{page}text"):
        if "gone" not in text.get("class", "") and text.find(f"{page}tspan") is not None:
            found.append((int(text.get("y", "0")), "".join(_padded(text, page))))
    return [line for _, line in sorted(found)]


def plain(lines: Iterable[str]) -> list[str]:
    """Return lines without what differs between two runs: times, ids and addresses."""
    text = "\n".join(lines)
    for pattern, name in _CHANGING.items():
        text = re.sub(pattern, name, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _padded(text: ElementTree.Element, page: str) -> Iterator[str]:
    at = 0.0
    for span in text.iter(f"{page}tspan"):
        place = float(span.get("x", "0"))
        yield " " * round((place - at) / _WIDE)
        yield span.text or ""
        at = place + len(span.text or "") * _WIDE


def _spans(row: Row) -> Iterator[str]:
    at = 0
    for style, cells in groupby(row, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        # Each word has its own place, so that columns are straight in any font.
        for word in re.finditer(r"\S+(?: \S+)*", text):
            kind = f' class="{style}"' if style else ""
            x, length = (at + word.start()) * _WIDE, len(word[0]) * _WIDE
            yield f'<tspan{kind} x="{x:g}" textLength="{length:g}">{escape(word[0], quote=False)}</tspan>'
        at += len(text)


def _rule(name: str, begin: float, end: float | None, length: float) -> str:
    steps = [("0%", "hidden"), (_share(begin, length), "visible")]
    if end is not None:
        steps.append((_share(end, length), "hidden"))
    frames = " ".join(f"{at} {{ visibility: {state}; }}" for at, state in steps)
    return f".{name} {{ animation-name: {name}; }} @keyframes {name} {{ {frames} }}"


def _share(time: float, length: float) -> str:
    return f"{100 * time / length:.2f}%"


def _up(rows: int) -> str:
    return f"translateY({-rows * _HIGH}px)"


def record(look: Callable[[str, str], object] = lambda *_: None) -> tuple[int, Film]:
    """Run `lumnis demo --serve` in a terminal until it serves, and then press Ctrl-C.

    Args:
        look: Is called before that with the text so far, and the key of the service.

    Returns:
        The exit status of the command, and what it showed until Ctrl-C.
    """
    key = "lmn_key_of_this_demo"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "README.md").touch()
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", SERVED_KEY: key}
        for name in ("LIMINAL_API_SERVER_URL", "LUCIDIC_API_KEY"):
            environment[name] = ""
        with in_terminal(
            "demo", "--serve", environment=environment, folder=Path(folder), columns=COLUMNS, patience=150
        ) as terminal:
            look(terminal.until("Stop with Ctrl-C."), key)
            shown = list(terminal.pieces)
            terminal.type(CTRL_C)
            status, _ = terminal.end()
    return status, film_of(shown)


if __name__ == "__main__":
    done, seen = record()
    if done:
        sys.exit("\n".join(seen.lines))
    PICTURE.write_text(svg_of(seen), "utf-8")
