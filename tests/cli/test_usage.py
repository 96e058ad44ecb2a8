"""Help, usage, exit statuses and what a start costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lumnisai_core import Client, __version__
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.cli import main
from tests.cli.conftest import Lumnis
from tests.conftest import Serve

HEAVY = ("httpx", "rich", "lumnisai_core", "langchain_core", "llama_index.core")
FRAMEWORKS = ("langchain_core", "llama_index.core", "lumnisai_core.local")


def loaded_by(*arguments: str, names: tuple[str, ...]) -> str:
    """Run a command in a process of its own and return which of the modules it loaded."""
    program = (
        "import sys\nfrom lumnisai_integrations.cli import main\ntry:\n    main(sys.argv[1:])\n"
        f"except SystemExit:\n    pass\nprint([name for name in {names!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.processes
def test_help_loads_nothing_that_takes_time() -> None:
    """Neither frameworks nor rich nor the client."""
    assert loaded_by("--help", names=HEAVY) == "[]"


@pytest.mark.processes
def test_lists_load_no_framework(key: str) -> None:
    """Only the client."""
    assert loaded_by("runs", "list", names=FRAMEWORKS) == "[]"


COMMANDS = [
    ["demo"],
    ["ask"],
    ["chat"],
    ["experiment"],
    ["serve"],
    ["mcp"],
    ["completion"],
    ["threads"],
    *[["threads", action] for action in ("list", "show", "rename", "delete")],
    ["runs"],
    *[["runs", action] for action in ("list", "show", "follow", "cancel", "feedback")],
    ["files"],
    *[["files", action] for action in ("upload", "list", "search", "show", "download", "delete")],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(
    lumnis: Lumnis, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is a call of that command."""
    monkeypatch.setenv("COLUMNS", "120")
    done = lumnis(*command, "--help")
    assert (done.status, done.err) == (0, "")
    examples = done.out.partition("examples:\n")[2].strip().splitlines()
    assert examples
    for example in examples:
        assert example.strip().startswith(f"lumnis {' '.join(command)}") or "| xargs lumnis" in example


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_wraps_at_words(lumnis: Lumnis, command: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of descriptions and examples; no word is torn."""
    monkeypatch.setenv("COLUMNS", "500")
    words = lumnis(*command, "--help").out.partition("\n\n")[2].split()
    monkeypatch.setenv("COLUMNS", str(columns))
    wrapped = lumnis(*command, "--help").out
    assert max(map(len, wrapped.splitlines())) <= columns
    assert wrapped.partition("\n\n")[2].split() == words


def test_options_stand_anywhere(lumnis: Lumnis, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a question and its files, too; two dashes end the options."""
    (tmp_path / "tides.md").write_text("Neap tides are small.")
    (tmp_path / "ports.md").write_text("Ports publish tables.")
    monkeypatch.chdir(tmp_path)
    done = lumnis("ask", "Which tides are small?", "--quiet", "tides.md", "--timeout", "60", "ports.md")
    assert (done.status, done.out, done.err) == (0, "Neap tides are small.\n", "")
    assert lumnis("ask", "--quiet", "--", "-Neap tides are small. Which?").status == 0
    assert lumnis("ask", "Which?", "--quite", "tides.md").status == 2


def test_version(lumnis: Lumnis) -> None:
    """That of the package."""
    assert lumnis("--version").out == f"lumnis {__version__}\n"


WRONG = [
    [],
    ["fly"],
    ["ask"],
    ["ask", " "],
    ["ask", "caf\udce9"],
    ["ask", "What?", "--schema", "{"],
    ["ask", "What?", "--schema", "[1]"],
    ["ask", "What?", "--schema", "nowhere.json"],
    ["ask", "What?", "--timeout", "soon"],
    ["ask", "What?", "--timeout", "0"],
    ["ask", "What?", "--model", "gpt-4o"],
    ["chat", "--thread", "a", "--title", "b"],
    ["chat", "--model", ":"],
    ["completion", "cmd"],
    ["runs", "cancel", "--older-than", "soon"],
    ["runs", "cancel", "--older-than", "1"],
    ["mcp", "--answer-within", "0"],
    ["threads"],
    ["threads", "delete"],
    ["threads", "rename", "thread"],
    ["threads", "list", "--limit", "0"],
    ["threads", "list", "--limit", "many"],
    ["runs", "list", "--status", "done"],
    ["runs", "list", "--since", "yesterday"],
    ["runs", "feedback", "run", "text", "--type", "praise"],
    ["files", "upload"],
    ["files", "show", "file", "--lines", "3-1"],
    ["files", "search", "tides", "--limit", "0"],
    ["files", "search", "tides", "--limit", "51"],
    ["files", "search", "tides", "--min-score", "1.5"],
    ["files", "search", "tides", "--min-score", "nan"],
    ["files", "upload", "a", "--duplicates", "maybe"],
    ["serve", "--port", "http"],
    ["serve", "--port", "70000"],
    ["serve", "--step-delay", "soon"],
    ["serve", "--step-delay", "-1"],
    ["serve", "--step-delay", "inf"],
    ["serve", "--tenant", "acme"],
    ["serve", "--tenant", "=lmn_key"],
    ["serve", "--poll", "never"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=ascii)
def test_wrong_usage_is_status_2(lumnis: Lumnis, arguments: list[str]) -> None:
    """As command lines do."""
    done = lumnis(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "usage: lumnis" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["threads", "list"], ["runs", "show", "run"], ["files", "list"]],
    ids=" ".join,
)
def test_without_a_key_the_message_names_the_ways_to_get_one(lumnis: Lumnis, arguments: list[str]) -> None:
    """It is wrong usage, in one line."""
    done = lumnis(*arguments)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    for word in ("LUMNISAI_API_KEY", "--api-key", "lumnis demo", "lumnis serve"):
        assert word in done.err


def test_an_address_without_a_key_is_not_answered_by_another_service(lumnis: Lumnis) -> None:
    """An address in the options or the environment is never replaced."""
    assert lumnis("ask", "Hello?", "--base-url", "http://127.0.0.1:9").status == 2


def test_options_win_over_the_environment(lumnis: Lumnis, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, address and user; an option may stand anywhere behind its command."""
    monkeypatch.setenv("LUMNISAI_API_KEY", "lmn_wrong")
    monkeypatch.setenv("LUMNISAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LUMNISAI_USER_ID", "another")
    service = ["--api-key", local.api_key, "--base-url", local.base_url, "--user-id", "by-option"]
    assert lumnis("ask", *service, "--quiet", "Neap tides are small. Which?").status == 0
    assert len(lumnis("runs", "list", *service).rows) == 1
    assert lumnis("runs", "list", *service[:4]).rows == []


def test_errors_are_one_line_and_debug_shows_where(
    lumnis: Lumnis, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, and never the key."""
    monkeypatch.setenv("LUMNISAI_API_KEY", "lmn_secret_key")
    done = lumnis("threads", "list")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "401" in done.err
    for arguments in (["--debug", "threads", "list"], ["threads", "list", "--debug"]):
        assert main(arguments) == 1
        about = capsys.readouterr().err
        assert "Traceback" in about
        assert "lmn_secret_key" not in about


def test_tenant_scope_shows_the_runs_of_all_users(lumnis: Lumnis, key: str, user: str) -> None:
    """And a user contradicts it."""
    lumnis("ask", "--quiet", "Neap tides are small. Which?")
    runs = lumnis("runs", "list", "--scope", "tenant", "--limit", "all")
    assert lumnis("runs", "list").rows[0] in runs.rows
    assert "tenant scope" in lumnis("runs", "list", "--scope", "tenant", "--user-id", user).err


@pytest.mark.processes
def test_a_reader_that_leaves_ends_a_command_quietly(key: str, lumnis: Lumnis) -> None:
    """As in ``lumnis runs list | head -1``."""
    for _ in range(2):
        lumnis("ask", "--quiet", "Neap tides are small. Which?")
    command = f"{sys.executable} -m lumnisai_integrations.cli"
    line = f"set -o pipefail; {command} runs list | true && {command} --help | true && {command} runs list >&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (0, False, False)


@pytest.mark.processes
def test_a_run_is_stopped_when_the_reader_of_its_updates_leaves(serve: Serve) -> None:
    """As in ``lumnis ask --stream QUESTION | head -1``."""
    local = serve(Script([Step(f"Step {number}.", after=0.05) for number in range(200)]), poll="on-change")
    service = f"--api-key {local.api_key} --base-url {local.base_url} --user-id u"
    line = f"set -o pipefail; {sys.executable} -m lumnisai_integrations.cli ask --stream Hi {service} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (0, "PROCESSING: Step 0.\n", False)
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        (run,) = client.list_responses().responses
        assert client.get_response(run.response_id, wait=10).status == "cancelled"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("demo", "langchain_core", "langchain,llama-index,local,lucidic"),
        ("serve", "starlette", "local"),
        ("mcp", "mcp", "mcp"),
    ],
)
def test_a_command_that_needs_an_extra_names_it(command: str, module: str, extra: str) -> None:
    """In one line, with status 1; the other commands and the help work without it."""
    program = "import sys; sys.modules[sys.argv[1]] = None; from lumnisai_integrations.cli import main; "
    for words, status in (([command], 1), (["--help"], 0)):
        run = [sys.executable, "-c", program + "sys.exit(main(sys.argv[2:]))", module, *words]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert done.stderr.count("\n") == status
        assert (f'pip install "lumnisai-integrations[{extra}]"' in done.stderr) == bool(status)


@pytest.mark.processes
def test_questions_load_no_framework(lumnis: Lumnis, key: str, tmp_path: Path) -> None:
    """About files neither."""
    (tmp_path / "tides.md").write_text("Neap tides are small.")
    assert loaded_by("ask", "Which tides are small?", str(tmp_path / "tides.md"), names=FRAMEWORKS) == "[]"


def test_bash_completes_commands_options_and_files(lumnis: Lumnis, tmp_path: Path) -> None:
    """With the script that the command prints."""
    script = lumnis("completion", "bash")
    assert (script.status, script.err) == (0, "")
    (tmp_path / "lumnis.sh").write_text(script.out)
    (tmp_path / "tides.md").touch()

    def completed(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in ("lumnis", *words))
        program = (
            f"source ./lumnis.sh; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
            "$(complete -p lumnis | sed 's/.*-F \\([^ ]*\\).*/\\1/') lumnis; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.split()

    assert "threads" in completed("th")
    assert "cancel" in completed("runs", "c")
    assert "--user-files" in completed("ask", "--user")
    assert completed("runs", "list", "--status", "q") == ["queued"]
    assert "tides.md" in completed("ask", "What?", "ti")
    assert lumnis("completion", "zsh").out.startswith("#compdef lumnis")
