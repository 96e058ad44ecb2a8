"""The page of limits: each figure is the one in the code."""

from __future__ import annotations

import inspect
import re

import pytest

from lumnisai_core import display
from lumnisai_core._transport import checks, content, lines, redirect, retry, waiting
from lumnisai_core.file_texts import MOST_MEMORY, MOST_SECONDS
from lumnisai_core.liminal import config as liminal
from lumnisai_core.local import LocalLumnis
from lumnisai_core.local.liminal import service as gateway
from lumnisai_core.local.lumnis.store import store
from lumnisai_core.local.web import app, guard, json_text, listener, schema_cost, work
from lumnisai_core.lucidic import config as lucidic
from lumnisai_core.lucidic import delivery
from lumnisai_core.lumi import config as lumi
from lumnisai_core.lumnis import config
from lumnisai_core.lumnis._async.resources import files, mcp_servers, people, responses, skills, threads
from lumnisai_core.lumnis.calls import files as file_calls
from lumnisai_core.lumnis.calls import keys
from lumnisai_core.lumnis.calls import mcp_servers as server_calls
from lumnisai_core.lumnis.runs import watch
from lumnisai_integrations.mcp import resources, tools
from tests.documents import ROOT

POLICY, WATCHING = retry.RetryPolicy(), watch.WatchOptions()
OPTIONS = {name: option.default for name, option in inspect.signature(LocalLumnis).parameters.items()}
MB, KIB, MIB = 1_000_000, 1 << 10, 1 << 20
#: The beginning of a row, and the figures in it, in their order.
FIGURES: dict[str, tuple[float, ...]] = {
    "a try of a request": (config.DEFAULT_TIMEOUT,),
    "tries of a request": (1 + config.DEFAULT_MAX_RETRIES, config.DEFAULT_MAX_RETRIES),
    "all tries of a request": (POLICY.budget,),
    "a `Retry-After`": (POLICY.longest_retry_after,),
    "waiting for a run": (WATCHING.run_timeout or 0,),
    "time until a step": (WATCHING.progress_interval,),
    "stopping a run": (waiting.GRACE,),
    "calls of Liminal": (liminal.DEFAULT_TIMEOUT,),
    "calls of Lumi.new": (lumi.DEFAULT_TIMEOUT,),
    "an answer of `lumnis mcp`": (tools.ANSWER_WITHIN,),
    "an answer, after": (content.MAX_ANSWER_SIZE / MIB,),
    "the headers of an answer": (content._HEADER_SIZE / KIB,),
    "a line of a streamed": (lines.LONGEST / MIB,),
    "redirects": (redirect.MOST_REDIRECTS,),
    "items on a page": (checks.LARGEST_PAGE,),
    "an idempotency key": (keys._LONGEST_KEY,),
    "runs at once": (inspect.signature(responses.AsyncResponses.map).parameters["max_in_flight"].default,),
    "attempts of one input": (keys.MOST_ATTEMPTS,),
    "title of a thread": (threads._LONGEST_TITLE,),
    "feedback to a run": (responses._LONGEST_FEEDBACK,),
    "tags of a file": (file_calls._MOST_TAGS, file_calls._LONGEST_TAG),
    "results of a file search": (files._MOST_RESULTS,),
    "name of a skill": (skills._LONGEST_NAME, skills._LONGEST_CATEGORY, skills._LONGEST_VERSION),
    "name of an MCP": (mcp_servers._LONGEST_NAME, server_calls._LONGEST_DESCRIPTION, server_calls._LONGEST_URL),
    "people, posts": (people._MOST_PEOPLE, people._MOST_POSTS),
    "a request body": (OPTIONS["max_body"] / MB,),
    "an uploaded file": (OPTIONS["max_file"] / MB, app._MAX_FILES),
    "headers of a request": (guard.MOST_HEADERS / KIB, listener._HEAD_SECONDS),
    "a body that trickles": (guard._PATIENCE, guard._BYTES_PER_SECOND / 1000),
    "connections": (listener._MOST_CONNECTIONS,),
    "time that a poll is held": (OPTIONS["max_wait"],),
    "values in a JSON body": (json_text._MOST_VALUES, json_text._LARGE / MB),
    "parts of a JSON Schema": (schema_cost._MOST_VALUES,),
    "reading a file": (MOST_SECONDS, MOST_MEMORY / 1e9),
    "an answer of the offline engine": (inspect.signature(work.Work).parameters["seconds"].default,),
    "idempotency keys": (store._IDEMPOTENCY_LIFETIME.total_seconds() / 3600,),
    "a text for the embedded": (gateway._LONGEST_TEXT / MIB,),
    "events that wait": (delivery.MOST_EVENTS, delivery.MOST_BYTES / MIB),
    "a payload of an event": (lucidic.BLOB_THRESHOLD / KIB,),
    "an answer in a notebook": (display.LONGEST_ANSWER,),
    "a table in a notebook": (display.MOST_ROWS, display.MOST_COLUMNS),
    "a file as an MCP": (resources._LARGEST / MB,),
}


def rows() -> dict[str, list[str]]:
    """Return the cells of each row of the page's tables by the first one."""
    text = (ROOT / "docs" / "limits.md").read_text("utf-8")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {first: rest for first, *rest in cells if first != "What" and set(first) != {"-"}}


@pytest.mark.parametrize("row", FIGURES)
def test_a_limit_is_the_one_in_the_code(row: str) -> None:
    """The figures of a row, in their order, are those of the code."""
    (cells,) = [cells for first, cells in rows().items() if first.startswith(row)]
    shown = [float(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", " ".join(cells))]
    assert shown == list(FIGURES[row])


def test_every_figure_of_the_page_is_compared() -> None:
    """A row with a figure has an entry in the table above."""
    unknown = [first for first, cells in rows().items() if not first.startswith(tuple(FIGURES))]
    assert [first for first in unknown if re.search(r"\d", " ".join(rows()[first]))] == [
        "processes on one database file"
    ]
