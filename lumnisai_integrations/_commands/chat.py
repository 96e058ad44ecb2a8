"""``lumnis chat``: a conversation, at a terminal or line by line from a pipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

from lumnisai_core import Client, ThreadObject
from lumnisai_core.display import one_line
from lumnisai_core.exceptions import AuthenticationError, LumnisAIError
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.connection import connection, whole_thread_id
from lumnisai_integrations._commands.output import Screen, print_rows
from lumnisai_integrations._commands.parsers import (
    MODEL,
    QUIET,
    SCOPE,
    TIMEOUT,
    USER_FILES,
    Commands,
    add_arguments,
    add_service_options,
    argument,
    new_command,
    run_choices,
)
from lumnisai_integrations._commands.progress import following
from lumnisai_integrations._commands.threads import last_used, print_conversation

_ABOUT = """\
Each line is a question; /help lists the commands. Ctrl-C stops the current run, Ctrl-D leaves. From a pipe, each line
is answered in turn; only answers are on standard output, and the exit status is 1 if one of them failed. Without a key,
an embedded service answers for the length of the chat."""

_EXAMPLES = """\
lumnis chat
lumnis chat --thread THREAD          continue a conversation
lumnis chat --title "Tides"          start one with a title
lumnis chat --model openai:gpt-4o    with a model of your choice
lumnis chat < questions.txt          a question a line, in one conversation"""

_PROMPT = "> "

#: Conversations that ``/threads`` and runs that ``/history`` show.
_MOST_SHOWN = 10

_HELP = """\
/new [TITLE]        start a new conversation
/threads            list conversations
/thread [ID]        continue one, by id or by its number in the list; without an id, show the current one
/title [TITLE]      give this conversation a title, or show it
/history            show the last questions and answers
/help               show this
/quit               leave; so does Ctrl-D
Ctrl-C stops the current run. Start with two slashes to ask a question that begins with a slash."""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "chat", MODEL, USER_FILES, TIMEOUT, QUIET, about=_ABOUT, examples=_EXAMPLES)
    add_arguments(
        parser.add_mutually_exclusive_group(),
        argument("--thread", metavar="ID", help="conversation to continue (default: a new one)"),
        argument("--title", help="title of a new conversation"),
    )
    add_service_options(parser, SCOPE)
    parser.set_defaults(command=run, stream=False)


def run(options: argparse.Namespace) -> int:
    """Hold a conversation until the end of the input; return 1 if a question from a pipe could not be answered."""
    screen = Screen(apart=True, quiet=options.quiet)
    is_interactive = sys.stdin.isatty()
    with connection(options, embedded=True) as service, service.client() as client:
        conversation = Conversation(client, screen, options, service_stays=not service.is_embedded)
        if options.thread:
            conversation.continue_thread(options.thread)
        if is_interactive:
            screen.note(f"Chatting with {service.description}. /help lists commands, Ctrl-D leaves.")
            if sys.stdout.isatty():
                with suppress(ImportError):
                    import readline  # noqa: F401, PLC0415 - gives input() line editing, where Python has it
        try:
            failed = _talk(conversation, screen, is_interactive=is_interactive)
        finally:
            if conversation.thread_id and not service.is_embedded:
                screen.note(f"To continue: lumnis chat --thread {conversation.thread_id}")
    return 1 if failed and not is_interactive else 0


def _talk(conversation: Conversation, screen: Screen, *, is_interactive: bool) -> bool:
    """Answer line by line; return whether any line failed."""
    failed = False
    while True:
        stopped = ""
        try:
            line = _read_line(is_interactive=is_interactive)
            stopped = "Stopped. "
            if not line or not conversation.accept(line):
                return failed
        except KeyboardInterrupt:
            if not is_interactive:
                raise
            screen.note(f"\n{stopped}/quit or Ctrl-D leaves.")
        except AuthenticationError:  # later questions would fail, too
            raise
        except (LumnisAIError, CommandError) as error:
            failed = True
            screen.failure(f"lumnis: {one_line(error)}")


def _read_line(*, is_interactive: bool) -> str:
    """Return the next line with its line break, or an empty text at the end of the input."""
    try:
        if not is_interactive:
            return sys.stdin.buffer.readline().decode()
        if sys.stdout.isatty():
            line = input(_PROMPT) + "\n"
        else:
            sys.stderr.write(_PROMPT)
            sys.stderr.flush()
            line = sys.stdin.readline()
        line.encode()  # a terminal may deliver odd bytes as halves of characters
    except UnicodeError:
        raise CommandError("that line is not UTF-8 text") from None
    except EOFError:
        line = ""
    if not line:
        sys.stderr.write("\n")
    return line


def split_line(line: str) -> tuple[str, str]:
    """Return name and argument of a command that begins with a slash; for a question an empty name and the question."""
    words = line.strip()
    if words.startswith("//"):
        return "", words[1:]
    if not words.startswith("/"):
        return "", words
    name, _, argument = words[1:].partition(" ")
    return name.lower() or "help", argument.strip()


class Conversation:
    """Questions and answers in one thread at a time."""

    def __init__(self, client: Client, screen: Screen, options: argparse.Namespace, *, service_stays: bool) -> None:
        self._client = client
        self._screen = screen
        self._options = options
        self._service_stays = service_stays
        self._title: str = options.title or ""
        self._listed: list[ThreadObject] = []
        self.thread_id: str | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "new": self._start_new,
            "threads": self._list_threads,
            "thread": self._choose_thread,
            "title": self._set_title,
            "history": self._show_history,
            "help": lambda _: screen.note(_HELP),
        }

    def continue_thread(self, thread_id: str) -> None:
        """Let the next question continue a thread."""
        thread = self._client.threads.get(whole_thread_id(self._client, thread_id))
        self.thread_id, self._title = thread.thread_id, thread.title or ""
        self._screen.note(f"Continuing {self._title or 'a conversation without a title'} ({thread.thread_id}).")

    def accept(self, line: str) -> bool:
        """Ask a question or run a command; a blank line does nothing. Return whether the conversation continues."""
        name, argument = split_line(line)
        if name in ("quit", "exit"):
            return False
        if name:
            if name not in self._commands:
                raise CommandError(f"there is no command /{name}: /help lists the commands")
            self._commands[name](argument)
        elif argument:
            self._ask(argument)
        return True

    def _ask(self, question: str) -> None:
        if self.thread_id is None and self._title:
            self.thread_id = self._client.threads.create(title=self._title).thread_id
        timeout = self._options.timeout
        with following(self._options, self._screen, service_stays=self._service_stays) as follower:
            try:
                response = self._client.invoke(
                    question,
                    thread_id=self.thread_id,
                    on_progress=follower,
                    run_timeout=timeout,
                    **run_choices(self._options),
                )
            finally:
                # Also a run that failed or was stopped began its thread.
                if follower.last is not None:
                    self.thread_id = follower.last.thread_id or self.thread_id
        self._screen.answer(response.output_text or "")

    # Commands

    def _start_new(self, title: str) -> None:
        self.thread_id, self._title = None, title
        self._screen.note("The next question starts a new conversation.")

    def _list_threads(self, _: str) -> None:
        self._listed = list(islice(self._client.threads.iter(), _MOST_SHOWN))
        rows = ((place, item.thread_id, last_used(item), item.title) for place, item in enumerate(self._listed, 1))
        print_rows(("", "id", "last run", "title"), rows, nothing="There are no conversations.")

    def _choose_thread(self, name: str) -> None:
        if not name:
            self._screen.note(self.thread_id or "The next question starts a new conversation.")
            return
        is_number = name.isdecimal() and 1 <= int(name) <= len(self._listed)
        self.continue_thread(self._listed[int(name) - 1].thread_id if is_number else name)

    def _set_title(self, title: str) -> None:
        if self.thread_id is not None:
            threads = self._client.threads
            thread = threads.update(self.thread_id, title=title) if title else threads.get(self.thread_id)
            title = thread.title or title
        self._title = title or self._title
        self._screen.note(f"Title: {self._title}" if self._title else "This conversation has no title yet.")

    def _show_history(self, _: str) -> None:
        if self.thread_id is None:
            self._screen.note("There are no questions yet.")
            return
        runs = list(islice(self._client.threads.iter_responses(self.thread_id), _MOST_SHOWN))
        print_conversation(runs[::-1], self._screen)
