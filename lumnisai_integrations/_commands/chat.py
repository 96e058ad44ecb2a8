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
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.output import Screen, print_rows
from lumnisai_integrations._commands.parsers import TIMEOUT, Commands, add_service_options, new_command, text
from lumnisai_integrations._commands.progress import following, shown_on
from lumnisai_integrations._commands.threads import print_conversation

_ABOUT = """\
Each line is a question; /help lists the commands. Ctrl-C stops the current run, Ctrl-D leaves. From a pipe, each line
is answered in turn; only answers are on standard output, and the exit status is 1 if one of them failed. Without a key,
an embedded service answers for the length of the chat."""

_EXAMPLES = """\
lumnis chat
lumnis chat --thread THREAD          continue a conversation
lumnis chat --title "Tides"          start one with a title
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
    parser = new_command(commands, "chat", TIMEOUT, about=_ABOUT, examples=_EXAMPLES)
    threads = parser.add_mutually_exclusive_group()
    threads.add_argument("--thread", metavar="ID", type=text, help="conversation to continue (default: a new one)")
    threads.add_argument("--title", type=text, help="title of a new conversation")
    parser.add_argument("--quiet", action="store_true", help="show nothing but answers")
    add_service_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Hold a conversation until the end of the input.

    Returns:
        0, or 1 if a question from a pipe could not be answered.

    Raises:
        CommandError: The service does not exist.
        LumnisAIError: The service cannot be reached or refuses the key, or the conversation does not exist.
    """
    screen = Screen(apart=True, quiet=options.quiet)
    reader = Reader()
    with connection(options, embedded=True) as service, service.client() as client:
        conversation = Conversation(client, screen, timeout=options.timeout, service_stays=not service.is_embedded)
        if options.thread:
            conversation.continue_thread(options.thread)
        else:
            conversation.begin(options.title or "")
        if reader.is_interactive:
            screen.note(f"Chatting with {service.description}. /help lists commands, Ctrl-D leaves.")
        failed = _talk(conversation, reader, screen)
        if conversation.thread_id and not service.is_embedded:
            screen.note(f"To continue: lumnis chat --thread {conversation.thread_id}")
    return 1 if failed and not reader.is_interactive else 0


def _talk(conversation: Conversation, reader: Reader, screen: Screen) -> bool:
    """Answer line by line; return whether any line failed."""
    failed = False
    while True:
        stopped = ""
        try:
            line = reader.read()
            if line is None:
                return failed
            stopped = "Stopped. "
            if not conversation.accept(line):
                return failed
        except KeyboardInterrupt:
            if not reader.is_interactive:
                raise
            screen.note(f"\n{stopped}/quit or Ctrl-D leaves.")
        except AuthenticationError:  # later questions would fail, too
            raise
        except (LumnisAIError, CommandError) as error:
            failed = True
            screen.failure(f"lumnis: {one_line(error)}")


class Reader:
    """Reads questions: with a prompt and line editing at a terminal, else line by line."""

    def __init__(self) -> None:
        self.is_interactive = sys.stdin.isatty()
        self._has_prompt = self.is_interactive and sys.stdout.isatty()
        if self._has_prompt:
            with suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - gives input() line editing, where Python has it

    def read(self) -> str | None:
        """Return the next line, or None at the end of the input.

        Raises:
            CommandError: The line is not UTF-8 text.
        """
        try:
            line = self._line()
            line.encode()  # a terminal may deliver odd bytes as halves of characters
        except UnicodeError:
            raise CommandError("that line is not UTF-8 text") from None
        except EOFError:
            line = ""
        if not line and self.is_interactive:
            sys.stderr.write("\n")
        return line or None

    def _line(self) -> str:
        if self._has_prompt:
            return input(_PROMPT) + "\n"
        if self.is_interactive:
            sys.stderr.write(_PROMPT)
            sys.stderr.flush()
            return sys.stdin.readline()
        return sys.stdin.buffer.readline().decode()


def split_line(line: str) -> tuple[str, str]:
    """Distinguish commands from questions. Pure.

    Args:
        line: The line as typed.

    Returns:
        The name of a command without its slash, and its argument; for a question an empty name, and the question.
    """
    words = line.strip()
    if words.startswith("//"):
        return "", words[1:]
    if not words.startswith("/"):
        return "", words
    name, _, argument = words[1:].partition(" ")
    return name.lower() or "help", argument.strip()


class Conversation:
    """Questions and answers in one thread at a time.

    Args:
        client: The client.
        screen: Shows answers and notes.
        timeout: Seconds to wait for the end of a run.
        service_stays: Whether the service outlives the chat.
    """

    def __init__(self, client: Client, screen: Screen, *, timeout: float, service_stays: bool) -> None:
        self._client = client
        self._screen = screen
        self._timeout = timeout
        self._service_stays = service_stays
        self._title = ""
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

    def begin(self, title: str) -> None:
        """Let the next question start a new thread, with a title unless that is empty."""
        self.thread_id, self._title = None, title

    def continue_thread(self, thread_id: str) -> None:
        """Let the next question continue a thread.

        Raises:
            NotFoundError: The thread does not exist.
        """
        thread = self._client.threads.get(thread_id)
        self.thread_id, self._title = thread.thread_id, thread.title or ""
        self._screen.note(f"Continuing {self._title or 'a conversation without a title'} ({thread.thread_id}).")

    def accept(self, line: str) -> bool:
        """Ask a question or run a command; a blank line does nothing.

        Returns:
            Whether the conversation continues.

        Raises:
            CommandError: The command does not exist, or its argument cannot be used.
            LumnisAIError: The service cannot be reached, refuses, or the run fails.
        """
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
        with shown_on(self._screen) as show, following(show, service_stays=self._service_stays) as follower:
            try:
                response = self._client.invoke(
                    question, thread_id=self.thread_id, on_progress=follower, run_timeout=self._timeout
                )
            finally:
                # Also a run that failed or was stopped began its thread.
                if follower.last is not None:
                    self.thread_id = follower.last.thread_id or self.thread_id
        self._screen.answer(response.output_text or "")

    # Commands

    def _start_new(self, title: str) -> None:
        self.begin(title)
        self._screen.note("The next question starts a new conversation.")

    def _list_threads(self, _: str) -> None:
        self._listed = list(islice(self._client.threads.iter(page_size=_MOST_SHOWN), _MOST_SHOWN))
        rows = (
            (number, thread.thread_id, thread.last_response_at or thread.created_at, thread.title)
            for number, thread in enumerate(self._listed, 1)
        )
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
        runs = list(islice(self._client.threads.iter_responses(self.thread_id, page_size=_MOST_SHOWN), _MOST_SHOWN))
        print_conversation(runs[::-1], self._screen)
