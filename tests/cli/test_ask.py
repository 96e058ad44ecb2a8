"""`lumnis ask` in a pipe."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import docx
import pytest

from lumnisai_core import Client, RunParameters
from lumnisai_integrations._commands import ask
from lumnisai_integrations._commands.documents import NamedText, best_passages
from tests.cli.conftest import Lumnis
from tests.conftest import Serve
from tests.local.test_documents_read import pdf
from tests.servers import EndlessEngine, HistoryEngine, RequestEngine

QUESTION = "Neap tides are small. Which tides are small?"
ANSWER = "Neap tides are small.\n"
SCHEMA = {"type": "object", "properties": {"tides": {"type": "string"}}, "required": ["tides"]}


@pytest.fixture
def tides(tmp_path: Path) -> str:
    path = tmp_path / "tides.md"
    path.write_text("# Tides\n\nNeap tides are small. Spring tides follow the full moon. Ports publish tables.\n")
    return str(path)


def test_a_question_about_files_needs_no_key(lumnis: Lumnis, tides: str) -> None:
    """The answer alone is on standard output, progress and sources on standard error."""
    done = lumnis("ask", "What follows the full moon?", tides)
    assert done.status == 0
    assert "Spring tides follow the full moon." in done.out
    for words in ("an embedded Lumnis service", "about 1 file.", "PROCESSING", "Read: tides.md"):
        assert words in done.err
    assert "Spring tides" not in done.err
    assert "--thread" not in done.err  # which ends with the command


def test_the_key_chooses_the_service(lumnis: Lumnis, key: str, client: Client) -> None:
    """With --quiet there is nothing but the answer."""
    done = lumnis("ask", "--quiet", QUESTION)
    assert (done.status, done.out, done.err) == (0, ANSWER, "")
    assert client.list_responses().total == 1
    assert "the Lumnis service at http://127.0.0.1" in lumnis("ask", QUESTION).err


def test_the_whole_response_as_json(lumnis: Lumnis, key: str, tides: str) -> None:
    """Of the agent, and of a question about files."""
    response = json.loads(lumnis("ask", "--json", QUESTION).out)
    assert (response["status"], response["output_text"]) == ("succeeded", ANSWER.strip())
    about_files = json.loads(lumnis("ask", "--json", "What follows the full moon?", tides).out)
    assert "Spring tides follow the full moon." in about_files["output_text"]
    assert "Ports publish tables." in about_files["input_messages"][-1]["content"]


@pytest.mark.parametrize("files", [0, 1])
def test_updates_on_standard_output(lumnis: Lumnis, key: str, tides: str, files: int) -> None:
    """As lines before the answer, or each as a line of JSON, of which the last holds the whole response."""
    call = ["ask", "--stream", QUESTION, *[tides] * files]
    lines = lumnis(*call).out.splitlines()
    assert lines[0] == "PROCESSING: Thinking about the request."
    assert "Neap tides are small." in lines[-1]
    updates = [json.loads(line) for line in lumnis(*call, "--json").out.splitlines()]
    assert {update["status"] for update in updates[:-1]} <= {"queued", "in_progress"}
    assert updates[-1]["status"] == updates[-1]["response"]["status"] == "succeeded"


@pytest.mark.parametrize("files", [0, 1])
def test_an_object_by_a_schema(lumnis: Lumnis, key: str, tides: str, tmp_path: Path, files: int) -> None:
    """From the command line or a file, also in the form of an OpenAI function."""
    wrapped = tmp_path / "schema.json"
    wrapped.write_text(json.dumps({"name": "Tides", "parameters": SCHEMA}))
    for schema in (json.dumps(SCHEMA), str(wrapped)):
        done = lumnis("ask", QUESTION, *[tides] * files, "--schema", schema)
        assert done.status == 0
        assert isinstance(json.loads(done.out)["tides"], str)


def ask_options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ask.add(parser.add_subparsers())
    return parser.parse_args(["ask", QUESTION, *arguments])


def test_no_run_parameter_lacks_an_option() -> None:
    """Those of the core, under their names; user and scope are options for the service."""
    kinds = get_type_hints(RunParameters)
    named = {"thread_id": "--thread", "response_format": "--schema"}
    arguments: list[str] = []
    expected: dict[str, object] = {}
    for name, kind in kinds.items():
        value = '"user"' if str in get_args(kind) else '{"title": "T", "type": "object"}'
        expected[name] = json.loads(value)
        arguments += [named.get(name, f"--{name.replace('_', '-')}"), value.strip('"')]
    options = ask_options(*arguments)
    assert (options.user_id, options.scope) == (expected.pop("user_id"), expected.pop("scope"))
    parameters = ask.parameters_of(options, print)
    assert parameters == {**expected, "run_timeout": 600, "on_progress": print}
    assert ask.parameters_of(ask_options(), print) == {"run_timeout": 600, "on_progress": print}


@pytest.mark.parametrize("files", [0, 1])
def test_run_parameters_reach_the_service(
    lumnis: Lumnis, key: str, user: str, tides: str, tmp_path: Path, files: int
) -> None:
    """Texts, and JSON from the command line or a file."""
    (tmp_path / "options.json").write_text('{"note": "潮"}')
    parameters = ("--options", str(tmp_path / "options.json"), "--idempotency-key", user)
    runs = [json.loads(lumnis("ask", "--json", QUESTION, *[tides] * files, *parameters).out) for _ in range(2)]
    assert runs[0]["options"] == {"note": "潮"}
    assert runs[0]["response_id"] == runs[1]["response_id"]
    done = lumnis("ask", QUESTION, "--options", "nowhere.json")
    assert (done.status, "must be JSON or a readable file, got 'nowhere.json'" in done.err) == (2, True)


def test_a_thread_is_continued(lumnis: Lumnis, key: str, serve: Serve, tides: str) -> None:
    """Also by a question about files."""
    local = serve(HistoryEngine())
    service = ("--base-url", local.base_url, "--api-key", local.api_key)
    thread = json.loads(lumnis("ask", "One", "--json", *service).out)["thread_id"]
    done = lumnis("ask", "Two", "--thread", thread, *service)
    assert done.out == "3: One | 1: One | Two\n"
    assert "To continue" not in done.err
    assert "One" in lumnis("ask", "Three", tides, "--thread", thread, *service).out
    assert lumnis("threads", "list", *service).rows[0][1] == "3"


def test_the_question_from_standard_input(lumnis: Lumnis, key: str) -> None:
    """UTF-8, with or without a mark of it; none is wrong usage."""
    assert lumnis("ask", "-", stdin=f"\ufeff{QUESTION}\n").out == ANSWER
    for stdin, words in [(b" \n", "no question"), (b"\xff", "not UTF-8")]:
        done = lumnis("ask", "-", stdin=stdin)
        assert (done.status, done.out) == (2, "")
        assert words in done.err


def test_files_that_cannot_be_used_are_all_named(lumnis: Lumnis, tmp_path: Path) -> None:
    """Missing, binary, broken and empty files and folders, in one line; nothing is sent."""
    (tmp_path / "binary.bin").write_bytes(b"\x00\x01")
    (tmp_path / "empty.txt").write_bytes(b" \n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7")
    names = ["missing.txt", "binary.bin", "broken.pdf", "empty.txt", "."]
    done = lumnis("ask", "What?", *(str(tmp_path / name) for name in names))
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    for words in ("no such file", "file that is not text", "PDF file cannot be read", "is empty", "is a folder"):
        assert words in done.err


def test_names_of_files_may_hold_any_bytes(lumnis: Lumnis, key: str, tmp_path: Path) -> None:
    """Their content counts."""
    path = tmp_path / "caf\udce9.txt"
    path.write_text("Neap tides are small.")
    done = lumnis("ask", "Which tides are small?", str(path))
    assert (done.status, done.out) == (0, ANSWER)
    assert "Read: caf?.txt" in done.err


@pytest.mark.processes
def test_characters_that_an_encoding_lacks_are_written_as_escapes(key: str) -> None:
    """JSON stays JSON."""
    command = [sys.executable, "-m", "lumnisai_integrations.cli", "ask", "--quiet", "Die Flut ist groß. Was ist groß?"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*command, "--json"], capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout.decode("ascii"))["output_text"] == "Die Flut ist groß."


@pytest.mark.processes
def test_ctrl_c_stops_a_run_about_files(serve: Serve, tides: str) -> None:
    """Status 130 without a traceback, and the service is not left working."""
    local = serve(EndlessEngine(), poll="on-change")
    process = subprocess.Popen(
        [sys.executable, "-m", "lumnisai_integrations.cli", "ask", "What follows the full moon?", tides],
        env={**os.environ, "LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("Working." in line for line in iter(process.stderr.readline, ""))
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (out, "Traceback" in errors, "Interrupted" in errors) == ("", False, True)
    with Client(local.api_key, base_url=local.base_url, scope="tenant") as client:
        (run,) = client.list_responses().responses
        assert client.get_response(run.response_id, wait=10).status == "cancelled"


def test_pdf_and_word_files_hold_an_answer(lumnis: Lumnis, key: str, tmp_path: Path) -> None:
    """Beside texts in other encodings; the files whose passages were used are named."""
    (tmp_path / "tides.pdf").write_bytes(pdf("Neap tides are small."))
    document = docx.Document()
    document.add_paragraph("The pilot of North Quay is called Ann.")
    document.save(str(tmp_path / "pilots.docx"))
    (tmp_path / "latin.txt").write_bytes("Der Pegel heißt Flußpegel.".encode("latin-1"))
    files = [str(tmp_path / name) for name in ("tides.pdf", "pilots.docx", "latin.txt")]
    for question, answer in [
        ("Which tides are small?", ANSWER),
        ("Who is the pilot of North Quay?", "The pilot of North Quay is called Ann.\n"),
        ("Wie heißt der Flußpegel?", "Der Pegel heißt Flußpegel.\n"),
    ]:
        done = lumnis("ask", question, *files)
        assert (done.status, done.out) == (0, answer)
        assert "Read: tides.pdf, pilots.docx, latin.txt" in done.err


def test_long_files_are_sent_as_the_passages_that_fit(lumnis: Lumnis, key: str, tmp_path: Path) -> None:
    """A few of a hundred pages, in their order; those with the words of the question."""
    pages = [f"Page {number} is about ports.\n" + "Ports publish tables. " * 40 for number in range(100)]
    pages[3] += "\nThe lock keeper is Bob."
    pages[97] += "\nThe lock opens at dawn."
    (tmp_path / "long.md").write_text("\n\n".join(pages))
    sent = json.loads(lumnis("ask", "Who is the lock keeper?", str(tmp_path / "long.md"), "--json").out)
    text = sent["input_messages"][-1]["content"]
    assert len(text) < 10_000
    assert text.index("The lock keeper is Bob.") < text.index("The lock opens at dawn.")
    assert "Bob" in sent["output_text"]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Which tides are small?", [0, 1]),
        ("THE QUAY", [2, 3]),
        ("quays", [0, 2]),  # a plural; then the first one of the others
        ("潮?", [0, 4]),  # letter by letter
        ("Über?", [0, 5]),
        ("uber", [0, 1]),  # nothing has the word
        ('"AND" (NEAR* -', [0, 1]),
        ("", [0, 1]),
    ],
)
def test_passages_are_those_with_the_words_of_the_question(question: str, found: list[int]) -> None:
    """The rarer the words the better; in their order, and as many as there may be."""
    texts = [
        "A small tide.",
        "Small tides and small boats.",
        "The quay.",
        "The quiet harbour is a port.",
        "大潮",
        "Über",
    ]
    passages = [NamedText("a.md", text) for text in texts]
    assert best_passages(passages, question, 2) == [passages[place] for place in found]


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_the_model_and_the_files_of_the_user(lumnis: Lumnis, key: str, serve: Serve, command: str) -> None:
    """They reach the run; of ask, with the other options of that kind."""
    engine = RequestEngine()
    local = serve(engine)
    service = ["--base-url", local.base_url, "--api-key", local.api_key, "--model", "openai:gpt-4o", "--user-files"]
    if command == "ask":
        more = ["--options", '{"note": "tide"}', "--model-overrides", '{"cheap_model": "openai:gpt-4o-mini"}']
        assert lumnis("ask", "Hello", *service, *more).status == 0
    else:
        assert lumnis("chat", *service, stdin="Hello\n").status == 0
    (request,) = engine.requests
    overrides, options = dict(request.model_overrides or {}), dict(request.options or {})
    assert (overrides.pop("smart_model"), options.pop("use_files")) == ("openai:gpt-4o", True)
    assert (overrides, options) == (
        ({"cheap_model": "openai:gpt-4o-mini"}, {"note": "tide"}) if command == "ask" else ({}, {})
    )
