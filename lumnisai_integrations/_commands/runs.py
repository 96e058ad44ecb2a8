"""``lumnis runs``: what agents did and are doing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date
from itertools import islice

from lumnisai_core import Client, FeedbackType, ResponseObject, ResponseStatus
from lumnisai_integrations._commands.connection import connected
from lumnisai_integrations._commands.errors import UsageError
from lumnisai_integrations._commands.output import Screen, for_each, print_fields, print_json, print_rows
from lumnisai_integrations._commands.parsers import (
    Commands,
    add_json_option,
    add_limit_option,
    add_service_options,
    add_timeout_option,
    new_command,
    text,
)
from lumnisai_integrations._commands.progress import followed, listening
from lumnisai_integrations._shared.progress import ProgressNews, progress_lines

_EXAMPLES = """\
lumnis runs list --status in_progress
lumnis runs show RUN                          question, progress and answer
lumnis runs follow RUN                        live, to its end
lumnis runs cancel RUN RUN
lumnis runs feedback RUN "Only ports of Norway."
lumnis runs feedback RUN                      what it was told"""

_PAGE = 100


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "runs", examples=_EXAMPLES)
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_list(actions)
    showing = new_command(
        actions,
        "show",
        summary="show a run: its question, progress and answer",
        examples="lumnis runs show RUN\nlumnis runs show RUN --json | jq .structured_response",
    )
    following = new_command(
        actions,
        "follow",
        summary="follow a run to its end and print its answer",
        about="Of a run that made an object, that is printed as JSON. Ctrl-C stops following; the run goes on.",
        examples="lumnis runs follow RUN\nlumnis runs follow RUN --stream --json",
    )
    cancelling = new_command(
        actions, "cancel", summary="stop runs; prints the status of each", examples="lumnis runs cancel RUN RUN"
    )
    advising = new_command(
        actions,
        "feedback",
        summary="tell a run something while it works, or list what it was told",
        about="In a pipe the columns are id, type, whether the agent has read it, time, and text.",
        examples='lumnis runs feedback RUN "Only ports of Norway." --type correction\nlumnis runs feedback RUN',
    )
    for action in (showing, following, advising):
        action.add_argument("response", metavar="RUN", type=text, help="id of the run")
        add_json_option(action)
    following.add_argument("--stream", action="store_true", help="print updates on standard output, too")
    following.add_argument("--quiet", action="store_true", help="show no progress")
    add_timeout_option(following)
    cancelling.add_argument("responses", metavar="RUN", nargs="+", type=text, help="ids of the runs")
    advising.add_argument("feedback", metavar="TEXT", nargs="?", type=text, help="what to tell it")
    advising.add_argument(
        "--type",
        choices=[str(kind) for kind in FeedbackType],
        default=str(FeedbackType.SUGGESTION),
        help="what it is meant as (default: %(default)s)",
    )
    for action, act in ((showing, _show), (following, _follow), (cancelling, _cancel), (advising, _feedback)):
        add_service_options(action)
        action.set_defaults(run=run, act=act)


def _add_list(actions: Commands) -> None:
    listing = new_command(
        actions,
        "list",
        summary="list runs, newest first",
        about="In a pipe the columns are id, status, time, and title or question.",
        examples="lumnis runs list --status failed --since 2025-01-31\nlumnis runs list --thread THREAD --json",
    )
    listing.add_argument("--status", choices=[str(status) for status in ResponseStatus], help="only runs in this state")
    listing.add_argument("--thread", metavar="ID", type=text, help="only runs of this conversation")
    listing.add_argument("--since", metavar="DATE", type=_day, help="first day, as YYYY-MM-DD")
    listing.add_argument("--until", metavar="DATE", type=_day, help="last day, included")
    add_limit_option(listing)
    add_json_option(listing)
    add_service_options(listing)
    listing.set_defaults(run=run, act=_list)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        CommandError: There is no key, or options contradict each other.
        LumnisAIError: The service cannot be reached or refuses, or the run that is followed fails.
    """
    with connected(options) as client:
        status: int = options.act(client, options)
    return status


def _list(client: Client, options: argparse.Namespace) -> int:
    found = islice(_runs(client, options), options.limit)
    if options.json:
        print_json([run.json() for run in found])
    else:
        rows = ((run.response_id, str(run.status), run.created_at, title_of(run)) for run in found)
        print_rows(("id", "status", "created", "about"), rows, nothing="There are no runs.")
    return 0


def _runs(client: Client, options: argparse.Namespace) -> Iterator[ResponseObject]:
    page = min(options.limit or _PAGE, _PAGE)
    if options.thread is None:
        return client.responses.iter(
            status=options.status, start_date=options.since, end_date=options.until, page_size=page
        )
    if options.since or options.until:
        raise UsageError("--thread lists all runs of a conversation: leave --since and --until out")
    runs = client.threads.iter_responses(options.thread, page_size=page)
    return (run for run in runs if options.status in (None, run.status))


def title_of(run: ResponseObject) -> str:
    """Say in a few words what a run is about."""
    questions = [message.content for message in run.input_messages if message.role == "user"]
    return run.response_title or (questions[-1] if questions else "")


def _show(client: Client, options: argparse.Namespace) -> int:
    response = client.responses.get(options.response)
    if options.json:
        print_json(response.json())
        return 0
    fields = [
        ("run", response.response_id),
        ("status", str(response.status)),
        ("thread", response.thread_id),
        ("user", response.user_id),
        ("created", response.created_at),
        ("completed", response.completed_at),
        ("title", response.response_title),
        ("error", str(response.error) if response.error else None),
        *[("artifact", artifact.name or artifact.artifact_id) for artifact in response.artifacts],
    ]
    print_fields(fields)
    screen = Screen()
    screen.heading("Question")
    for message in response.input_messages:
        screen.said(message.content if message.role == "user" else f"({message.role}) {message.content}")
    if response.progress:
        screen.heading("Progress")
    for entry in response.progress:
        calls = tuple(map(str, entry.tool_calls))
        for line in progress_lines(ProgressNews(state=entry.state, message=entry.message, tool_calls=calls)):
            screen.note(line)
    _show_answer(response, screen)
    return 0


def _show_answer(response: ResponseObject, screen: Screen) -> None:
    if response.structured_response is not None:
        screen.heading("Object")
        print_json(response.structured_response)
    if response.output_text:
        screen.heading("Answer")
        screen.answer(response.output_text)


def _follow(client: Client, options: argparse.Namespace) -> int:
    screen = Screen(apart=True, quiet=options.quiet)
    with listening(options, screen) as listener, followed(listener) as hear:
        response = client.responses.wait(
            options.response, on_progress=hear, cancel_on_interrupt=False, run_timeout=options.timeout
        )
    if options.json:
        if not options.stream:  # else the last update had it
            print_json(response.json())
    elif response.structured_response is not None:
        print_json(response.structured_response)
    else:
        screen.answer(response.output_text or "")
    return 0


def _cancel(client: Client, options: argparse.Namespace) -> int:
    return for_each(options.responses, lambda given: str(client.responses.cancel(given).status), done="cancelled")


def _feedback(client: Client, options: argparse.Namespace) -> int:
    if options.feedback is None:
        return _list_feedback(client, options)
    made = client.responses.create_feedback(options.response, options.feedback, feedback_type=options.type)
    if options.json:
        print_json(made.json())
    else:
        print_fields([("feedback", made.feedback_id)])
    return 0


def _list_feedback(client: Client, options: argparse.Namespace) -> int:
    known = client.responses.list_feedback(options.response)
    if options.json:
        print_json(known.json())
        return 0
    rows = (
        (
            item.feedback_id,
            str(item.feedback_type),
            "read" if item.is_consumed else "unread",
            item.created_at,
            item.feedback_text,
        )
        for item in known.feedback
    )
    print_rows(("id", "type", "read", "created", "text"), rows, nothing="The run was told nothing.")
    return 0


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is no date: write it as 2025-01-31") from None
