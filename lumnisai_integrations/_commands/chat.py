"""``lumnis chat``: a conversation, at a terminal or line by line from a pipe."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from lumnisai_core.exceptions import AuthenticationError, LumnisAIError
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.conversation import Conversation
from lumnisai_integrations._commands.errors import CommandError
from lumnisai_integrations._commands.output import is_terminal
from lumnisai_integrations._commands.parsers import (
    Commands,
    add_service_options,
    add_timeout_option,
    new_command,
    text,
)
from lumnisai_integrations._commands.screen import Screen
from lumnisai_integrations._shared.progress import one_line

_ABOUT = """\
Each line is a question; /help lists what else can be typed. Ctrl-C stops the run that is under way, Ctrl-D leaves.
From a pipe, each line is answered in turn; only answers are on standard output, and the exit status is 1 if one of them
failed. Without a key, an embedded service answers for the length of the chat."""

_EXAMPLES = """\
lumnis chat
lumnis chat --thread THREAD          continue a conversation
lumnis chat --title "Tides"          start one with a title
lumnis chat < questions.txt          a question a line, in one conversation"""

_PROMPT = "> "


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "chat", about=_ABOUT, examples=_EXAMPLES)
    threads = parser.add_mutually_exclusive_group()
    threads.add_argument("--thread", metavar="ID", type=text, help="conversation to continue (default: a new one)")
    threads.add_argument("--title", type=text, help="title of a new conversation")
    parser.add_argument("--quiet", action="store_true", help="show nothing but answers")
    add_timeout_option(parser)
    add_service_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Hold a conversation until the end of the input.

    Returns:
        0, or 1 if a question from a pipe could not be answered.

    Raises:
        CommandError: There is no such service.
        LumnisAIError: The service cannot be reached or refuses the key, or there is no such conversation.
    """
    screen = Screen(apart=True, quiet=options.quiet)
    reader = Reader()
    with connection(options, embedded=True) as service, service.client() as client:
        conversation = Conversation(client, screen, timeout=options.timeout, goes_on=not service.is_embedded)
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
    """Answer line by line; return whether an answer failed."""
    failed = False
    while True:
        try:
            line = reader.read()
        except KeyboardInterrupt:
            if not reader.is_interactive:
                raise
            screen.note("\n/quit or Ctrl-D leaves.")
            continue
        except CommandError as error:
            failed = True
            screen.failure(f"lumnis: {error}")
            continue
        if line is None:
            return failed
        try:
            if not conversation.accept(line):
                return failed
        except KeyboardInterrupt:
            if not reader.is_interactive:
                raise
            screen.note("\nStopped. /quit or Ctrl-D leaves.")
        except AuthenticationError:  # no later question could be answered
            raise
        except (LumnisAIError, CommandError) as error:
            failed = True
            screen.failure(f"lumnis: {one_line(error)}")


class Reader:
    """Reads questions: with a prompt and line editing at a terminal, else line by line."""

    def __init__(self) -> None:
        self.is_interactive = is_terminal(sys.stdin)
        self._has_prompt = self.is_interactive and is_terminal(sys.stdout)
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
            line.encode()  # a terminal may hand on odd bytes as halves of characters
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
