"""``lumnis runs``: runs of agents, past and present."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from lumnisai_core import Client, FeedbackType, ResponseObject, ResponseStatus, RunUpdate
from lumnisai_core.display import one_line
from lumnisai_core.exceptions import ConflictError, NotFoundError
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import Actions, whole_run_id, whole_thread_id
from lumnisai_integrations._commands.output import Cell, Screen, for_each, print_fields, print_json, print_rows
from lumnisai_integrations._commands.parsers import JSON, LIMIT, QUIET, STREAM, TIMEOUT, argument, flag
from lumnisai_integrations._commands.progress import following, print_result

_runs = Actions(
    "runs",
    """\
lumnis runs list --status in_progress
lumnis runs show RUN                          question, progress and answer
lumnis runs follow RUN                        live, to its end
lumnis runs cancel RUN RUN
lumnis runs cancel --older-than 1h            all that have worked for longer
lumnis runs feedback RUN "Only ports of Norway."
lumnis runs feedback RUN                      its feedback so far""",
)
add = _runs.add

_RUN = argument("run", help="id of the run, or its beginning")


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date such as 2025-01-31, got {word!r}") from None


@_runs.action(
    "list",
    "list runs, newest first",
    argument("--status", metavar="STATUS", choices=[*map(str, ResponseStatus)], help="only runs in this state"),
    argument("--thread", metavar="ID", help="only runs of this conversation"),
    argument("--since", metavar="DATE", type=_day, help="first day, as YYYY-MM-DD"),
    argument("--until", metavar="DATE", type=_day, help="last day, included"),
    LIMIT,
    JSON,
    about="In a pipe the columns are id, status, time, and title or question.",
    examples="lumnis runs list --status failed --since 2025-01-31\nlumnis runs list --thread THREAD --json",
)
def _list(client: Client, options: argparse.Namespace) -> None:
    found = islice(_found(client, options), options.limit)
    if options.json:
        print_json([run.json() for run in found])
        return
    rows = ((run.response_id, str(run.status), run.created_at, _title_of(run)) for run in found)
    print_rows(("id", "status", "created", "about"), rows, nothing="There are no runs.")


def _found(client: Client, options: argparse.Namespace) -> Iterator[ResponseObject]:
    if options.thread is None:
        return client.responses.iter(status=options.status, start_date=options.since, end_date=options.until)
    if options.since or options.until:
        raise UsageError("--thread lists all runs of a conversation: leave out --since and --until")
    runs = client.threads.iter_responses(whole_thread_id(client, options.thread))
    return (run for run in runs if options.status in (None, run.status))


def _title_of(run: ResponseObject) -> str:
    questions = [message.content for message in run.input_messages if message.role == "user"]
    return run.response_title or (questions[-1] if questions else "")


@_runs.action(
    "show",
    "show a run: its question, progress and answer",
    _RUN,
    JSON,
    examples="lumnis runs show RUN\nlumnis runs show RUN --json | jq .structured_response",
)
def _show(client: Client, options: argparse.Namespace) -> None:
    run = client.responses.get(whole_run_id(client, options.run))
    if options.json:
        print_json(run.json())
        return
    print_fields(
        {
            "run": run.response_id,
            "status": str(run.status),
            "thread": run.thread_id,
            "user": run.user_id,
            "created": run.created_at,
            "completed": run.completed_at,
            "title": run.response_title,
            "error": str(run.error) if run.error else None,
            "artifacts": ", ".join(artifact.name or str(artifact.artifact_id) for artifact in run.artifacts),
        }
    )
    screen = Screen()
    screen.heading("Question")
    screen.input_of_run(run.input_messages)
    if run.progress:
        screen.heading("Progress")
    for entry in run.progress:
        update = RunUpdate(run.response_id, None, "", entry.state, entry.message, tool_calls=entry.tool_calls)
        screen.note("\n".join(update.as_lines()))
    if run.structured_response is not None:
        screen.heading("Object")
        print_json(run.structured_response)
    if run.output_text:
        screen.heading("Answer")
        screen.answer(run.output_text)


@_runs.action(
    "follow",
    "follow a run to its end and print its answer",
    _RUN,
    STREAM,
    QUIET,
    TIMEOUT,
    JSON,
    about="If the run made an object, that is printed as JSON. Ctrl-C stops following; the run continues.",
    examples="lumnis runs follow RUN\nlumnis runs follow RUN --stream --json",
)
def _follow(client: Client, options: argparse.Namespace) -> None:
    screen = Screen(apart=True, quiet=options.quiet)
    with following(options, screen) as follower:
        response = client.responses.wait(
            whole_run_id(client, options.run),
            on_progress=follower,
            cancel_on_interrupt=False,
            run_timeout=options.timeout,
        )
    print_result(response, options, screen)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _age(word: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", word)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be an age such as 90s, 30m, 1h or 2d, got {word!r}")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


@_runs.action(
    "cancel",
    "stop runs; prints the status of each",
    argument("runs", metavar="RUN", nargs="*", help="ids of the runs, or their beginnings"),
    argument(
        "--older-than",
        metavar="AGE",
        type=_age,
        help="instead of named runs, stop all that are queued or in progress and were made longer ago, such as 1h",
    ),
    flag("--dry-run", "with --older-than, only show which runs these are"),
    about="With --older-than, the columns in a pipe are id, status, time, and title or question, oldest first.",
    examples="lumnis runs cancel RUN RUN\nlumnis runs cancel --older-than 1h --dry-run\n"
    "lumnis runs cancel --older-than 2d --scope tenant",
)
def _cancel(client: Client, options: argparse.Namespace) -> int:
    if bool(options.runs) == (options.older_than is not None):
        raise UsageError("name the runs to stop, or pass --older-than to stop all old ones")
    if options.older_than is None:
        if options.dry_run:
            raise UsageError("--dry-run goes with --older-than")
        return for_each(
            options.runs, lambda run: str(client.responses.cancel(whole_run_id(client, run)).status), done="cancelled"
        )
    return _cancel_old(client, datetime.now(UTC) - options.older_than, is_dry=options.dry_run)


def _cancel_old(client: Client, latest: datetime, *, is_dry: bool) -> int:
    """Stop all runs that are under way and were made before a time, and print them."""
    states = (ResponseStatus.QUEUED, ResponseStatus.IN_PROGRESS)
    # All of them before the first is stopped: the pages of a list move when it changes.
    found = {run.response_id: run for state in states for run in client.responses.iter(status=state, page_size=100)}
    old = [run for run in found.values() if run.created_at is not None and run.created_at <= latest]
    failed = 0

    def rows() -> Iterator[tuple[Cell, ...]]:
        nonlocal failed
        for run in sorted(old, key=lambda run: run.created_at or latest):
            status = str(run.status)
            try:
                status = status if is_dry else str(client.responses.cancel(run.response_id).status)
            except (ConflictError, NotFoundError) as error:
                failed += 1
                sys.stderr.write(f"lumnis: {run.response_id}: {one_line(error)}\n")
            yield run.response_id, status, run.created_at, _title_of(run)

    print_rows(("id", "status", "created", "about"), rows(), nothing="No run that old is under way.")
    return 1 if failed else 0


@_runs.action(
    "feedback",
    "send feedback to a run while it works, or list its feedback",
    _RUN,
    argument("feedback", metavar="TEXT", nargs="?", help="the feedback"),
    argument("--type", metavar="TYPE", choices=[*map(str, FeedbackType)], default="suggestion", help="its kind"),
    JSON,
    about="In a pipe the columns are id, type, whether the agent has read it, time, and text.",
    examples='lumnis runs feedback RUN "Only ports of Norway." --type correction\nlumnis runs feedback RUN',
)
def _feedback(client: Client, options: argparse.Namespace) -> None:
    run = whole_run_id(client, options.run)
    if options.feedback is not None:
        created = client.responses.create_feedback(run, options.feedback, feedback_type=options.type)
        print_json(created.json()) if options.json else print_fields({"feedback": created.feedback_id})
        return
    found = client.responses.list_feedback(run)
    if options.json:
        print_json(found.json())
        return
    rows = (
        (
            item.feedback_id,
            str(item.feedback_type),
            "read" if item.is_consumed else "unread",
            item.created_at,
            item.feedback_text,
        )
        for item in found.feedback
    )
    print_rows(("id", "type", "read", "created", "text"), rows, nothing="The run has no feedback.")
