"""``lumnis threads``: conversations."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from lumnisai_core import Client, ResponseObject, ThreadObject
from lumnisai_integrations._commands.connection import Actions, whole_thread_id
from lumnisai_integrations._commands.output import Screen, for_each, print_fields, print_json, print_rows, write
from lumnisai_integrations._commands.parsers import JSON, LIMIT, argument

_threads = Actions(
    "threads",
    """\
lumnis threads list
lumnis threads list --limit all --json
lumnis threads show THREAD                    the conversation
lumnis threads rename THREAD "Tides of North Quay"
lumnis threads delete THREAD THREAD""",
)
add = _threads.add

_THREAD = argument("thread", help="id of the conversation, or its beginning")


@_threads.action(
    "list",
    "list conversations, newest first",
    LIMIT,
    JSON,
    about="In a pipe the columns are id, number of runs, time of the last run, and title.",
    examples="lumnis threads list --limit 5\nlumnis threads list | cut -f1",
)
def _list(client: Client, options: argparse.Namespace) -> None:
    found = islice(client.threads.iter(), options.limit)
    if options.json:
        print_json([thread.json() for thread in found])
    else:
        _print_threads(found)


def _print_threads(threads: Iterable[ThreadObject]) -> None:
    rows = ((item.thread_id, item.response_count, last_used(item), item.title) for item in threads)
    print_rows(("id", "runs", "last run", "title"), rows, nothing="There are no conversations.")


def last_used(thread: ThreadObject) -> datetime | None:
    """Return when the last run of a conversation was made, or else the conversation itself."""
    return thread.last_response_at or thread.created_at


@_threads.action("show", "show a conversation, oldest run first", _THREAD, JSON, examples="lumnis threads show THREAD")
def _show(client: Client, options: argparse.Namespace) -> None:
    thread = client.threads.get(whole_thread_id(client, options.thread))
    runs = list(client.threads.iter_responses(thread.thread_id))[::-1]
    if options.json:
        print_json({**thread.json(), "responses": [run.json() for run in runs]})
        return
    print_fields({"thread": thread.thread_id, "title": thread.title, "created": thread.created_at})
    print_conversation(runs, Screen())


def print_conversation(runs: list[ResponseObject], screen: Screen) -> None:
    """Print the questions and answers of runs, oldest first."""
    for run in runs:
        write("")
        screen.input_of_run(run.input_messages)
        if run.output_text:
            screen.answer(run.output_text)
        elif run.structured_response is not None:
            print_json(run.structured_response)
        else:
            screen.note(f"({run.status})")


@_threads.action(
    "rename",
    "give a conversation another title",
    _THREAD,
    argument("title", help="new title, up to 500 characters"),
    JSON,
    examples='lumnis threads rename THREAD "Tides of North Quay"',
)
def _rename(client: Client, options: argparse.Namespace) -> None:
    thread = client.threads.update(whole_thread_id(client, options.thread), title=options.title)
    if options.json:
        print_json(thread.json())
    else:
        _print_threads([thread])


@_threads.action(
    "delete",
    "delete conversations together with their runs",
    argument("threads", metavar="THREAD", nargs="+", help="ids of the conversations, or their beginnings"),
    examples="lumnis threads delete THREAD\nlumnis threads list | cut -f1 | xargs lumnis threads delete",
)
def _delete(client: Client, options: argparse.Namespace) -> int:
    return for_each(
        options.threads, lambda thread: client.threads.delete(whole_thread_id(client, thread)), done="deleted"
    )
