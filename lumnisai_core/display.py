"""Safe Markdown, HTML tables and text tables for notebooks. Pure; loaded when something is displayed.

Answers and user input are untrusted text here. Tables escape it. Markdown keeps no raw HTML, links lead only to the web
and to mail, and an image becomes a link, so that looking at an answer loads nothing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape, unescape
from itertools import islice
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

__all__ = ["HasRow", "answer_markdown", "one_line", "record_html", "safe_markdown", "table_html", "table_text"]


@runtime_checkable
class HasRow(Protocol):
    """An object that describes itself as a row of a table."""

    def table_row(self) -> Mapping[str, object]:
        """Return the values to show, by column."""
        ...


_PARTS = re.compile(
    # A code block, also as an item of a list: everything to the closing fence, or to the end.
    r"^(?P<before>[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})[^`\n]*\n"
    r"(?P<block>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    # Code inside a paragraph.
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n[ \t]*\n).){1,1000}?)(?<!`)(?P=ticks)(?!`)"
    # A formula.
    r"|(?P<formula>\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,300}\$)",
    re.MULTILINE | re.DOTALL,
)

# A `<` before white space, a digit, `=`, another `<` or the end of the text opens no tag.
_TAG = re.compile(r"<(?![\s\d=<]|\Z)")
_IMAGE = re.compile(r"!(?=\[)")
_TARGET = re.compile(r"\]([(:])(?=\s*(\S{1,300}))")  # looks ahead, because the next link may follow directly
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = frozenset({"http", "https", "mailto"})
_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\\]")
_NOT_PLAIN = re.compile(r"[^\w ,.;=]|_")


def safe_markdown(text: str) -> str:
    """Make untrusted Markdown safe to render; harmless Markdown stays as it is.

    Tags are shown as text, images become links, and links to anything but the web and mail become text.
    """
    pieces, end = [], 0
    for part in _PARTS.finditer(text):
        pieces += [_harmless(text[end : part.start()]), _code_or_formula(part)]
        end = part.end()
    return "".join([*pieces, _harmless(text[end:])])


def _code_or_formula(part: re.Match[str]) -> str:
    whole = part[0]
    if part["formula"] is not None:
        return _harmless(_TAG.sub(r"\\lt ", whole))
    if _harmless(whole) == whole:
        return whole
    if part["code"] is not None:
        return f"<code>{_entities(part['code'].strip())}</code>"
    return f"{_harmless(part['before'])}<pre><code>{_entities(part['block'])}</code></pre>\n"


def _harmless(text: str) -> str:
    return _TARGET.sub(_known_target, _IMAGE.sub("&#33;", _TAG.sub("&lt;", text)))


def _known_target(link: re.Match[str]) -> str:
    mark, target = link.groups()
    scheme = _SCHEME.match(_NOT_IN_ADDRESSES.sub("", unescape(target)))
    if scheme is None or scheme[1].lower() in _SCHEMES:
        return link[0]
    return f"]&#{ord(mark)};"


def _entities(code: str) -> str:
    # On one line, and without any character that has a meaning in Markdown.
    return _NOT_PLAIN.sub(lambda sign: f"&#{ord(sign[0])};", code)


# What terminals act upon: sequences that begin with ESC [ or ESC ], and ESC with one more character.
_TERMINAL_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
# Marks that change the direction of the text around them.
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(value: object, longest: int = 1000) -> str:
    """Write a value as one line of text that is safe to show in a terminal.

    Sequences that steer terminals are removed, white space becomes single spaces, other control characters and those
    that change the direction of writing become a replacement character, and a long text ends in ``…``.

    Args:
        value: What to show. None becomes an empty text, other objects are converted with ``str``.
        longest: The most characters of the result.
    """
    # Far more than is shown need not be looked at.
    text = "" if value is None else str(value)[: 10 * longest]
    words = " ".join(_TERMINAL_SEQUENCE.sub("", text).split())
    shown = words if words.isascii() and words.isprintable() else "".join(map(_visible, words))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def terminal_text(text: str) -> str:
    """Return a text, or a piece of one, that is safe to show in a terminal, with its lines as they are.

    Args:
        text: What to show.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_visible_in_lines, text))


def _visible_in_lines(character: str) -> str:
    return character if character in "\n\t" else _visible(character)


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION_MARKS
    return "\N{REPLACEMENT CHARACTER}" if hidden else character


#: Characters of an answer that are shown, and of one cell of a table.
LONGEST_ANSWER = 100_000
LONGEST_CELL = 200

#: Rows and columns that are shown.
MOST_ROWS = 100
MOST_COLUMNS = 8

# Jupyter aligns tables to the right and looks for formulas between dollar signs.
_TABLE = '<table class="lumnis-table tex2jax_ignore mathjax_ignore">'
_LEFT = ' style="text-align:left;vertical-align:top"'


def answer_markdown(text: str, data: object = None, documents: Sequence[object] = ()) -> str:
    """Write an answer as Markdown that is safe to render.

    Args:
        text: The answer as Markdown; of more than 100,000 characters, the first are written.
        data: Object that belongs to the answer, or None. Left out of the text if the text is the same JSON.
        documents: Names of the documents that belong to the answer.
    """
    parts = [text] if text.strip() and not _is_json_of(text, data) else []
    if len(text) > LONGEST_ANSWER:
        left_out = len(text) - LONGEST_ANSWER
        parts = [f"{text[:LONGEST_ANSWER]}\n\n… and {left_out:,} more characters in `output_text`"]
    if data is not None:
        parts.append(f"```json\n{json.dumps(data, indent=2, ensure_ascii=False)}\n```")
    if documents:
        parts.append("\n".join(["Documents in `artifacts`:", "", *(f"- {cell_text(name)}" for name in documents)]))
    return safe_markdown("\n\n".join(parts))


def _is_json_of(text: str, data: object) -> bool:
    if data is None or not text.lstrip().startswith("{"):
        return False
    try:
        return bool(json.loads(text) == data)
    except (ValueError, RecursionError):
        return False


def record_html(title: str, fields: Mapping[str, object]) -> str:
    """Write the fields of one object as an HTML table with a caption; all text is escaped.

    Empty fields are left out; a list of objects with rows becomes a table below.
    """
    tables = {name: value for name, value in fields.items() if isinstance(value, list) and value and _have_rows(value)}
    rows = "".join(
        f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(cell)}</td></tr>"
        for name, value in fields.items()
        if name not in tables and (cell := cell_text(value))
    )
    below = "".join(f"<div><b>{escape(name)}</b></div>{table_html(value)}" for name, value in tables.items())
    return f"{_TABLE}<caption{_LEFT}>{escape(title)}</caption><tbody>{rows}</tbody></table>{below}"


def table_html(items: Iterable[object], *, note: str = "") -> str:
    """Write an HTML table with one row for each item, and a note below; all text is escaped.

    Items are objects with rows, mappings from column to value, or other values; the first 100 are written.
    """
    columns, rows, left_out = _columns_and_rows(items)
    head = "".join(f"<th{_LEFT}>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    notes = [text for text in (note, left_out, "" if rows or note else "nothing") if text]
    below = f"<div>{escape('; '.join(notes))}</div>" if notes else ""
    table = f"{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return table + below


def table_text(items: Iterable[object]) -> str:
    """Write a plain-text table with one row for each item, of the same kinds as for :func:`table_html`."""
    columns, rows, left_out = _columns_and_rows(items)
    lines = [columns, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *[left_out] * bool(left_out)]) if rows else "nothing"


def cell_text(value: object) -> str:
    """Write a value on one line: nothing for None, times in UTC to the second, nested data as JSON."""
    match value:
        case None:
            text = ""
        case str():
            text = str(value[: 10 * LONGEST_CELL])
        case float():
            text = str(round(value, 4))
        case datetime():
            text = value.isoformat(" ", "seconds").replace("+00:00", " UTC")
        case list() | tuple() if all(isinstance(part, str) for part in value):
            text = ", ".join(islice(value, LONGEST_CELL))
        case Mapping() | list() | tuple() | BaseModel():
            text = json.dumps(value, ensure_ascii=False, default=_json_part)
        case _:
            text = str(value)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 1] + "…"


def _json_part(value: object) -> object:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else str(value)


def _columns_and_rows(items: Iterable[object]) -> tuple[list[str], list[list[str]], str]:
    listed = list(items)
    cells = [{name: cell_text(value) for name, value in _row_of(item).items()} for item in listed[:MOST_ROWS]]
    filled = dict.fromkeys(name for row in cells for name, text in row.items() if text)
    columns = [name for name in dict.fromkeys(name for row in cells for name in row) if name in filled]
    if listed and _have_rows(listed):
        columns = columns[:MOST_COLUMNS]  # the columns of other rows are the caller's choice
    more = len(listed) - len(cells)
    return columns, [[row.get(name, "") for name in columns] for row in cells], f"… and {more:,} more" * bool(more)


def _row_of(item: object) -> Mapping[str, object]:
    if isinstance(item, HasRow):
        return item.table_row()
    if isinstance(item, Mapping):
        return {cell_text(name): value for name, value in item.items()}
    return {"value": item}


def _have_rows(items: Iterable[object]) -> bool:
    return all(isinstance(item, HasRow) for item in items)
