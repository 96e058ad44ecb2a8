"""``lumnis ask``: a question to the agent, or to files through a LlamaIndex query engine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumnisai_core import InvokeParameters, ResponseObject
from lumnisai_integrations._commands.connection import Connection, connection
from lumnisai_integrations._commands.errors import UsageError
from lumnisai_integrations._commands.output import Screen, print_json
from lumnisai_integrations._commands.parsers import (
    Commands,
    add_json_option,
    add_service_options,
    add_timeout_option,
    new_command,
    text,
)
from lumnisai_integrations._commands.progress import Listener, followed, listening
from lumnisai_integrations._shared.schemas import plain_schema
from lumnisai_integrations._shared.structured import structured_value

if TYPE_CHECKING:
    from llama_index.core import Document

_ABOUT = """\
The answer is on standard output, everything else on standard error. Without a key, an embedded service answers, whose
offline engine quotes what it is given. Ctrl-C stops the run on the service."""

_EXAMPLES = """\
lumnis ask "What is a neap tide?"
lumnis ask "When is high tide?" tides.md ports.txt      about files
lumnis ask "And low tide?" --thread THREAD              in a conversation
lumnis ask "Ports of Norway" --schema ports.json        an object that a JSON Schema describes
lumnis ask --json "What is a neap tide?" | jq .status   the whole response
lumnis ask --stream --json "What is a neap tide?"       each update as a line of JSON
lumnis ask - < question.txt                             the question from standard input"""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "ask", about=_ABOUT, examples=_EXAMPLES)
    parser.add_argument("question", metavar="QUESTION", type=text, help="what you want to know; - reads it from stdin")
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="text files that hold the answer")
    parser.add_argument("--thread", metavar="ID", type=text, help="conversation to continue (default: a new one)")
    parser.add_argument(
        "--schema",
        metavar="SCHEMA",
        type=schema,
        help="answer with an object: a JSON Schema, or a file that holds one; it is printed as JSON",
    )
    add_json_option(parser, "print the whole response as JSON")
    parser.add_argument(
        "--stream", action="store_true", help="print updates on standard output, too; with --json a line of JSON each"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but what was asked for")
    add_timeout_option(parser)
    add_service_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer a question.

    Raises:
        CommandError: A file cannot be used, or the run takes too long.
        LumnisAIError: The service cannot be reached, refuses, or the run fails.
    """
    screen = Screen(apart=True, quiet=options.quiet)
    question = _question(options.question)
    documents = _documents(options.files)
    about = f" about {len(documents)} {'file' if len(documents) == 1 else 'files'}" if documents else ""
    with connection(options, embedded=True) as service:
        screen.note(f"Asking {service.description}{about}.")
        with listening(options, screen) as listener, followed(listener, goes_on=not service.is_embedded) as hear:
            response, sources = _answer(service, question, documents, _parameters(options, hear))
        _print_answer(response, options, screen)
        screen.note(f"Read: {', '.join(sources)}" if sources else "")
        if not service.is_embedded and response.thread_id and not options.thread:
            screen.note(f"To continue: lumnis ask --thread {response.thread_id} QUESTION")
    return 0


# LlamaIndex takes a second to load, which a question without files need not wait for.


def _documents(paths: Sequence[Path]) -> Sequence[Document]:
    if not paths:
        return ()
    from lumnisai_integrations._commands.documents import read_documents

    return read_documents(paths)


def _answer(
    service: Connection, question: str, documents: Sequence[Document], parameters: InvokeParameters
) -> tuple[ResponseObject, Sequence[str]]:
    if not documents:
        with service.client() as client:
            return client.invoke(question, **parameters), ()
    from lumnisai_integrations._commands.documents import answer_from

    found = answer_from(documents, question, service=service, parameters=parameters)
    return found.response, found.sources


def _parameters(options: argparse.Namespace, hear: Listener) -> InvokeParameters:
    return {
        "thread_id": options.thread,
        "response_format": options.schema,
        "run_timeout": options.timeout,
        "on_progress": hear,
    }


def _print_answer(response: ResponseObject, options: argparse.Namespace, screen: Screen) -> None:
    if options.json:
        if not options.stream:  # else the last update had it
            print_json(response.json())
    elif options.schema:
        print_json(structured_value(response))
    else:
        screen.answer(response.output_text or "")


def _question(given: str) -> str:
    if given != "-":
        return given
    try:
        question = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the question on standard input is not UTF-8 text (byte {error.start})") from None
    if not question.strip():
        raise UsageError("there is no question on standard input")
    return question.strip()


def schema(given: str) -> dict[str, Any]:
    """Read a JSON Schema from a text or the file of that name.

    Raises:
        argparse.ArgumentTypeError: There is none.
    """
    place, content = "it", given
    if not given.lstrip().startswith("{"):
        place = given
        try:
            content = Path(given).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise argparse.ArgumentTypeError(f"{given!r} is neither a JSON object nor a readable file: {why}") from None
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise argparse.ArgumentTypeError(f"{place} is no JSON: {error.msg} at {where}") from None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{place} holds {json.dumps(found)[:40]}, which is no JSON Schema object")
    return plain_schema(found)
