"""Models as people look at them in a notebook: answers as Markdown, the rest as small tables. Pure, imported when used.

What an agent or a user wrote is foreign text here. In tables it is escaped. In Markdown no HTML of it survives, a link
leads to the web or by mail and nowhere else, and an image becomes a link, so that looking at an answer loads nothing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from html import escape, unescape
from itertools import islice
from typing import Any

from lumnisai_core._transport.wire import Page, WireModel
from lumnisai_core.lumnis.models.enums import ResponseStatus
from lumnisai_core.lumnis.models.responses import ResponseObject

__all__ = [
    "is_model",
    "mimebundle_of",
    "one_line",
    "safe_markdown",
    "table_html",
    "table_text",
]

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

# What follows a `<` that is only a sign: white space, a digit, `=`, another `<`, or nothing.
_TAG = re.compile(r"<(?![\s\d=<]|\Z)")
_IMAGE = re.compile(r"!(?=\[)")
_TARGET = re.compile(r"\]([(:])(?=\s*(\S{1,300}))")  # looks ahead, as another link may follow at once
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = frozenset({"http", "https", "mailto"})
_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\\]")
_NOT_PLAIN = re.compile(r"[^\w ,.;=]|_")


def safe_markdown(text: str) -> str:
    """Return Markdown that looks the same, without raw HTML, images and links to anywhere but the web and mail.

    Tags are shown as they are written, images become links, and links of other kinds become their text.

    Args:
        text: Markdown of any origin.
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
    # In one line, and without a sign that could mean something in Markdown.
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

_Row = dict[str, object]


def is_model(value: object) -> bool:
    """Say whether something is a model of the service."""
    return isinstance(value, WireModel)


def mimebundle_of(model: WireModel) -> dict[str, str]:
    """Write a model for a notebook, under the MIME type it is to be shown as.

    Args:
        model: A finished run is written as Markdown, a page of a list as a table, anything else as a table of its
            fields that have a value.
    """
    if isinstance(model, ResponseObject) and model.status == ResponseStatus.SUCCEEDED:
        answer = _answer(model)
        if answer:
            return {"text/markdown": safe_markdown(answer)}
    if isinstance(model, Page):
        shown = len(model.items)
        return {"text/html": table_html(model.items, note=f"{shown} of {max(model.total, shown)}")}
    return {"text/html": _record_html(model)}


def table_html(items: Iterable[object], *, note: str = "") -> str:
    """Write things as an HTML table, a row each; every text is escaped.

    Args:
        items: Models, mappings from column to value, or other values; of more than 100, the first are written.
        note: A line below the table.
    """
    columns, rows, left_out = _columns_and_rows(items)
    head = "".join(f"<th{_LEFT}>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    notes = [text for text in (note, left_out, "" if rows or note else "nothing") if text]
    below = f"<div>{escape('; '.join(notes))}</div>" if notes else ""
    table = f"{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return table + below


def table_text(items: Iterable[object]) -> str:
    """Write things as a table of plain text; see :func:`table_html`."""
    columns, rows, left_out = _columns_and_rows(items)
    lines = [columns, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *[left_out] * bool(left_out)]) if rows else "nothing"


def cell_text(value: object) -> str:
    """Write a value in one line: nothing for None, times in UTC to the second, what has parts as JSON."""
    match value:
        case None:
            text = ""
        case str():
            text = str(value[: 10 * LONGEST_CELL])
        case float():
            text = str(round(value, 4))
        case datetime():
            text = value.isoformat(" ", "seconds").replace("+00:00", " UTC")
        case WireModel():
            text = _json(value.model_dump(mode="json", exclude_none=True))
        case list() | tuple() if all(isinstance(part, str) for part in value):
            text = ", ".join(islice(value, LONGEST_CELL))
        case Mapping() | list() | tuple():
            text = _json(value)
        case _:
            text = str(value)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 1] + "…"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_json_part)


def _json_part(value: object) -> object:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, WireModel) else str(value)


def _answer(run: ResponseObject) -> str:
    text = run.output_text or ""
    parts = [text] if text.strip() and not _says_the_same(text, run.structured_response) else []
    if len(text) > LONGEST_ANSWER:
        left_out = len(text) - LONGEST_ANSWER
        parts = [f"{text[:LONGEST_ANSWER]}\n\n… and {left_out:,} more characters in `output_text`"]
    if run.structured_response is not None:
        parts.append(f"```json\n{json.dumps(run.structured_response, indent=2, ensure_ascii=False)}\n```")
    if run.artifacts:
        names = (cell_text(artifact.name or artifact.artifact_id) for artifact in run.artifacts)
        parts.append("\n".join(["Documents in `artifacts`:", "", *(f"- {name}" for name in names)]))
    return "\n\n".join(parts)


def _says_the_same(text: str, structured: dict[str, Any] | None) -> bool:
    if structured is None or not text.lstrip().startswith("{"):
        return False
    try:
        return bool(json.loads(text) == structured)
    except (ValueError, RecursionError):
        return False


def _record_html(model: WireModel) -> str:
    fields = _run_fields(model) if isinstance(model, ResponseObject) else _fields_of(model)
    tables = {name: value for name, value in fields.items() if _is_list_of_models(value)}
    rows = "".join(
        f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(cell_text(value))}</td></tr>"
        for name, value in fields.items()
        if name not in tables and cell_text(value)
    )
    further = "".join(
        f"<div><b>{escape(name)}</b></div>{table_html(value)}"  # type: ignore[arg-type]  # lists, see above
        for name, value in tables.items()
    )
    return f"{_TABLE}<caption{_LEFT}>{escape(type(model).__name__)}</caption><tbody>{rows}</tbody></table>{further}"


def _is_list_of_models(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_model, value))


def _fields_of(model: WireModel) -> _Row:
    declared = {name: getattr(model, name) for name, field in type(model).model_fields.items() if field.repr}
    return {**declared, **(model.model_extra or {})}


def _run_fields(run: ResponseObject) -> _Row:
    # The rest of a run, above all its progress, would bury why there is no answer.
    return {
        "status": run.status,
        "response_id": run.response_id,
        "thread_id": run.thread_id,
        "error": run.error,
        "last progress": next((entry.message for entry in reversed(run.progress) if entry.message), None),
        "output_text": run.output_text,
        "created_at": run.created_at,
        "completed_at": run.completed_at,
    }


def _columns_and_rows(items: Iterable[object]) -> tuple[list[str], list[list[str]], str]:
    given = list(items)
    cells = [{name: cell_text(value) for name, value in _row_of(item).items()} for item in given[:MOST_ROWS]]
    filled = dict.fromkeys(name for row in cells for name, text in row.items() if text)
    columns = [name for name in dict.fromkeys(name for row in cells for name in row) if name in filled]
    if given and all(map(is_model, given)):
        columns = columns[:MOST_COLUMNS]  # the caller of others chose them
    more = len(given) - len(cells)
    return columns, [[row.get(name, "") for name in columns] for row in cells], f"… and {more:,} more" * bool(more)


def _row_of(item: object) -> _Row:
    if isinstance(item, WireModel):
        special = _ROWS.get(type(item).__name__)
        return _fields_of(item) if special is None else special(item)
    if isinstance(item, Mapping):
        return {cell_text(name): value for name, value in item.items()}
    return {"value": item}


def _run_row(run: Any) -> _Row:
    asked = [message.content for message in run.input_messages if message.role == "user"]
    seconds = (run.completed_at - run.created_at).total_seconds() if run.completed_at and run.created_at else None
    return {
        "response_id": run.response_id,
        "status": run.status,
        "question": asked[-1] if asked else run.response_title,
        "answer": run.output_text or run.error,
        "created_at": run.created_at,
        "seconds": seconds,
    }


def _named(*names: str) -> Callable[[Any], _Row]:
    return lambda model: {name: getattr(model, name) for name in names}


def _found_row(found: Any) -> _Row:
    best = found.chunks[0].chunk_text if found.chunks else None
    return {"file_name": found.file.file_name, "score": found.overall_score, "passage": best, "id": found.file.id}


# By name, so that the less used models need not be imported.
_ROWS: dict[str, Callable[[Any], _Row]] = {
    "ResponseObject": _run_row,
    "ThreadObject": _named("thread_id", "title", "response_count", "created_at", "last_response_at"),
    "FileMetadata": _named("id", "file_name", "file_size", "processing_status", "file_scope", "tags", "created_at"),
    "FileSearchResult": _found_row,
}
