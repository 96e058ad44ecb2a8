"""``lumnis ask``: a question to the agent, or about files through a LlamaIndex query engine."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_type_hints

from lumnisai_core import InvokeParameters, ResponseObject, RunParameters
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import Connection, connection
from lumnisai_integrations._commands.output import Screen, print_json
from lumnisai_integrations._commands.parsers import (
    TIMEOUT,
    Commands,
    add_service_options,
    argument,
    json_value,
    new_command,
    text,
)
from lumnisai_integrations._commands.progress import Listener, following, print_result, shown_as
from lumnisai_integrations._shared.schemas import plain_schema
from lumnisai_integrations._shared.structured import structured_value

if TYPE_CHECKING:
    from llama_index.core import Document

_ABOUT = """\
The answer is on standard output, everything else on standard error. Without a key, an embedded service answers, whose
offline engine quotes the question and the files. Ctrl-C stops the run on the service."""

_EXAMPLES = """\
lumnis ask "What is a neap tide?"
lumnis ask "When is high tide?" tides.md ports.txt      about files
lumnis ask "And low tide?" --thread THREAD              in a conversation
lumnis ask "Ports of Norway" --schema ports.json        an object that a JSON Schema describes
lumnis ask --json "What is a neap tide?" | jq .status   the whole response
lumnis ask --stream --json "What is a neap tide?"       each update as a line of JSON
lumnis ask - < question.txt                             the question from standard input"""


def schema(word: str) -> dict[str, Any]:
    """Read a JSON Schema from a text or the file of that name.

    Raises:
        argparse.ArgumentTypeError: There is none.
    """
    value = json_value(word)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be the JSON object of a schema, got {json.dumps(value)[:40]}")
    return plain_schema(value)


_ARGUMENTS = (
    argument("question", metavar="QUESTION", type=text, help="your question; - reads it from stdin"),
    argument("paths", metavar="FILE", nargs="*", type=Path, help="text files that hold the answer"),
    argument(
        "--thread", metavar="ID", type=text, dest="thread_id", help="conversation to continue (default: a new one)"
    ),
    argument(
        "--schema",
        metavar="SCHEMA",
        type=schema,
        dest="response_format",
        help="answer with an object: a JSON Schema, or a file that holds one; it is printed as JSON",
    ),
    argument("--json", action="store_true", help="print the whole response as JSON"),
    argument(
        "--stream", action="store_true", help="also print updates on standard output; with --json a line of JSON each"
    ),
    argument("--quiet", action="store_true", help="show nothing but the answer"),
    TIMEOUT,
)

#: Run parameters with an option of another name or kind; the others have an option of their name.
_OWN_OPTIONS = ("user_id", "scope", "thread_id", "response_format")


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "ask", *_ARGUMENTS, about=_ABOUT, examples=_EXAMPLES)
    group = parser.add_argument_group("run", "JSON is an object or array, or the name of a file that holds one")
    for name, is_text, about in _further_parameters():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="TEXT" if is_text else "JSON",
            type=text if is_text else json_value,
            help=about,
        )
    add_service_options(parser)
    parser.set_defaults(run=run)


def _further_parameters() -> Iterator[tuple[str, bool, str]]:
    """Yield run parameters without an option of their own: name, whether they are text (or JSON), description."""
    about = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(RunParameters) or "", re.MULTILINE))
    for name, kind in get_type_hints(RunParameters).items():
        if name not in _OWN_OPTIONS:
            words = " ".join(about.get(name, "").replace("``", "").replace("%", "%%").split())
            yield name, str in get_args(kind), words[:1].lower() + words[1:].rstrip(".")


def parameters_of(options: argparse.Namespace, listener: Listener) -> InvokeParameters:
    """Return the parameters that the options set."""
    values = {
        name: getattr(options, name) for name in RunParameters.__annotations__ if name not in ("user_id", "scope")
    }
    parameters = {name: value for name, value in values.items() if value is not None}
    return cast("InvokeParameters", {**parameters, "run_timeout": options.timeout, "on_progress": listener})


def run(options: argparse.Namespace) -> int:
    """Answer a question.

    Raises:
        CommandError: A file cannot be used, or the run takes too long.
        LumnisAIError: The service cannot be reached, refuses, or the run fails.
    """
    screen = Screen(apart=True, quiet=options.quiet)
    question = _question(options.question)
    documents = _documents(options.paths)
    about = f" about {len(documents)} {'file' if len(documents) == 1 else 'files'}" if documents else ""
    with connection(options, embedded=True) as service:
        screen.note(f"Asking {service.description}{about}.")
        with shown_as(options, screen) as show, following(show, service_stays=not service.is_embedded) as follower:
            response, sources = _answer(service, question, documents, parameters_of(options, follower))
        if options.response_format and not options.json:
            print_json(structured_value(response))
        else:
            print_result(response, options, screen)
        screen.note(f"Read: {', '.join(sources)}" if sources else "")
        if not service.is_embedded and response.thread_id and not options.thread_id:
            screen.note(f"To continue: lumnis ask --thread {response.thread_id} QUESTION")
    return 0


# LlamaIndex takes a second to load, which a question without files does not need.


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

    return answer_from(documents, question, service=service, parameters=parameters)


def _question(word: str) -> str:
    if word != "-":
        return word
    try:
        question = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the question on standard input is not UTF-8 text (byte {error.start})") from None
    if not question.strip():
        raise UsageError("there is no question on standard input")
    return question.strip()
