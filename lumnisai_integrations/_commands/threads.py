"""``lumnis threads``: conversations."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import islice

from lumnisai_core import Client, ResponseObject, ThreadObject
from lumnisai_integrations._commands.connection import set_action
from lumnisai_integrations._commands.output import Screen, for_each, print_fields, print_json, print_rows, write
from lumnisai_integrations._commands.parsers import (
    Commands,
    add_json_option,
    add_limit_option,
    new_actions,
    new_command,
    text,
)

_EXAMPLES = """\
lumnis threads list
lumnis threads list --limit all --json
lumnis threads show THREAD                    the conversation
lumnis threads rename THREAD "Tides of North Quay"
lumnis threads delete THREAD THREAD"""

#: Conversations or runs that are fetched at a time.
_PAGE = 100


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    actions = new_actions(commands, "threads", examples=_EXAMPLES)
    listing = new_command(
        actions,
        "list",
        summary="list conversations, newest first",
        about="In a pipe the columns are id, number of runs, time of the last run, and title.",
        examples="lumnis threads list --limit 5\nlumnis threads list | cut -f1",
    )
    add_limit_option(listing)
    showing = new_command(
        actions, "show", summary="show a conversation, oldest run first", examples="lumnis threads show THREAD"
    )
    renaming = new_command(
        actions,
        "rename",
        summary="give a conversation another title",
        examples='lumnis threads rename THREAD "Tides of North Quay"',
    )
    deleting = new_command(
        actions,
        "delete",
        summary="delete conversations together with their runs",
        examples="lumnis threads delete THREAD\nlumnis threads list | cut -f1 | xargs lumnis threads delete",
    )
    for action in (showing, renaming):
        action.add_argument("thread", metavar="THREAD", type=text, help="id of the conversation")
    renaming.add_argument("title", metavar="TITLE", type=text, help="new title, up to 500 characters")
    deleting.add_argument("threads", metavar="THREAD", nargs="+", type=text, help="ids of the conversations")
    for action in (listing, showing, renaming):
        add_json_option(action)
    for action, act in ((listing, _list), (showing, _show), (renaming, _rename), (deleting, _delete)):
        set_action(action, act)


def _list(client: Client, options: argparse.Namespace) -> int:
    found = islice(client.threads.iter(page_size=min(options.limit or _PAGE, _PAGE)), options.limit)
    if options.json:
        print_json([thread.json() for thread in found])
    else:
        _print_threads(found)
    return 0


def _print_threads(threads: Iterable[ThreadObject]) -> None:
    rows = (
        (thread.thread_id, thread.response_count, thread.last_response_at or thread.created_at, thread.title)
        for thread in threads
    )
    print_rows(("id", "runs", "last run", "title"), rows, nothing="There are no conversations.")


def _show(client: Client, options: argparse.Namespace) -> int:
    thread = client.threads.get(options.thread)
    runs = list(client.threads.iter_responses(options.thread, page_size=_PAGE))[::-1]
    if options.json:
        print_json({**thread.json(), "responses": [run.json() for run in runs]})
        return 0
    print_fields([("thread", thread.thread_id), ("title", thread.title), ("created", thread.created_at)])
    print_conversation(runs, Screen())
    return 0


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


def _rename(client: Client, options: argparse.Namespace) -> int:
    thread = client.threads.update(options.thread, title=options.title)
    if options.json:
        print_json(thread.json())
    else:
        _print_threads([thread])
    return 0


def _delete(client: Client, options: argparse.Namespace) -> int:
    return for_each(options.threads, client.threads.delete, done="deleted")
