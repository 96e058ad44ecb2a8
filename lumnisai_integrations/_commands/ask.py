"""``lumnis ask``: a question to the agent, perhaps about files."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from lumnisai_core import InvokeParameters, RunParameters
from lumnisai_core.tools import plain_schema, structured_value
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import connection, whole_thread_id
from lumnisai_integrations._commands.documents import best_passages, passages_of, prompt_about, read_documents
from lumnisai_integrations._commands.output import Screen, print_json
from lumnisai_integrations._commands.parsers import (
    MODEL,
    QUIET,
    SCOPE,
    STREAM,
    TIMEOUT,
    USER_FILES,
    Argument,
    Commands,
    add_arguments,
    add_service_options,
    argument,
    flag,
    json_value,
    new_command,
    run_choices,
)
from lumnisai_integrations._commands.progress import Listener, following, print_result

_ABOUT = """\
The answer is on standard output, everything else on standard error. Without a key, an embedded service answers, whose
offline engine quotes the question and the files. Ctrl-C stops the run on the service."""

_EXAMPLES = """\
lumnis ask "What is a neap tide?"
lumnis ask "When is high tide?" tides.md ports.txt      about files
lumnis ask "When is high tide?" --user-files            about files that you have uploaded
lumnis ask "And low tide?" --thread THREAD              in a conversation
lumnis ask "Ports of Norway" --schema ports.json        an object that a JSON Schema describes
lumnis ask --json "What is a neap tide?" | jq .status   the whole response
lumnis ask --stream --json "What is a neap tide?"       each update as a line of JSON
lumnis ask - < question.txt                             the question from standard input"""


def schema(word: str) -> dict[str, Any]:
    """Read a JSON Schema from a text or the file of that name."""
    value = json_value(word)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be the JSON object of a schema, got {json.dumps(value)[:40]}")
    return plain_schema(value)


_ARGUMENTS = (
    argument("question", help="your question; - reads it from stdin"),
    argument("paths", metavar="FILE", nargs="*", type=Path, help="files of text, PDF or Word that hold the answer"),
    argument("--thread", metavar="ID", dest="thread_id", help="conversation to continue (default: a new one)"),
    argument(
        "--schema",
        metavar="SCHEMA",
        type=schema,
        dest="response_format",
        help="answer with an object: a JSON Schema, or a file that holds one; it is printed as JSON",
    ),
    MODEL,
    USER_FILES,
    flag("--json", "print the whole response as JSON"),
    STREAM,
    QUIET,
    TIMEOUT,
)

#: Run parameters with an option of another name or kind; the others have an option of their name.
_OWN_OPTIONS = ("user_id", "scope", "thread_id", "response_format")


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "ask", *_ARGUMENTS, about=_ABOUT, examples=_EXAMPLES)
    group = parser.add_argument_group("run", "JSON is an object or array, or the name of a file that holds one")
    add_arguments(group, *_further_arguments())
    add_service_options(parser, SCOPE)
    parser.set_defaults(command=run)


def _further_arguments() -> Iterator[Argument]:
    """Yield options for the other run parameters, described as in their documentation."""
    about = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(RunParameters) or "", re.MULTILINE))
    for name, kind in get_type_hints(RunParameters).items():
        if name not in _OWN_OPTIONS:
            words = " ".join(about.get(name, "").replace("``", "").replace("%", "%%").split())
            settings = {"metavar": "TEXT"} if str in get_args(kind) else {"metavar": "JSON", "type": json_value}
            yield argument(f"--{name.replace('_', '-')}", help=words[:1].lower() + words[1:].rstrip("."), **settings)


def parameters_of(options: argparse.Namespace, listener: Listener) -> InvokeParameters:
    """Return the parameters that the options set."""
    names = (name for name in RunParameters.__annotations__ if name not in ("user_id", "scope"))
    parameters = {name: value for name in names if (value := getattr(options, name)) is not None}
    chosen = run_choices(options, overrides=options.model_overrides, options_of_run=options.options)
    watch = {"run_timeout": options.timeout, "on_progress": listener}
    return cast("InvokeParameters", {**parameters, **chosen, **watch})


def run(options: argparse.Namespace) -> int:
    """Answer a question."""
    screen = Screen(apart=True, quiet=options.quiet)
    question = _question(options.question)
    found = best_passages(passages_of(read_documents(options.paths)), question)
    prompt = prompt_about(found, question) if found else question
    about = f" about {len(options.paths)} file{'s' * (len(options.paths) > 1)}" if options.paths else ""
    with connection(options, embedded=True) as service, service.client() as client:
        screen.note(f"Asking {service.description}{about}.")
        if options.thread_id is not None:
            options.thread_id = whole_thread_id(client, options.thread_id)
        with following(options, screen, service_stays=not service.is_embedded) as follower:
            response = client.invoke(prompt, **parameters_of(options, follower))
        if options.response_format and not options.json:
            print_json(structured_value(response))
        else:
            print_result(response, options, screen)
        screen.note(f"Read: {', '.join(dict.fromkeys(name for name, _ in found))}" if found else "")
        if not service.is_embedded and response.thread_id and not options.thread_id:
            screen.note(f"To continue: lumnis chat --thread {response.thread_id}")
    return 0


def _question(word: str) -> str:
    if word != "-":
        return word
    try:
        question = sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"the question on standard input is not UTF-8 text (byte {error.start})") from None
    if not question:
        raise UsageError("there is no question on standard input")
    return question
