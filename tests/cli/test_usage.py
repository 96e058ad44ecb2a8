"""Help, usage, exit statuses and what a start costs."""

from __future__ import annotations

import subprocess
import sys

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


def test_help_loads_nothing_that_takes_time() -> None:
    """Neither frameworks nor rich nor the client."""
    assert loaded_by("--help", names=HEAVY) == "[]"


def test_lists_load_no_framework(key: str) -> None:
    """Only the client."""
    assert loaded_by("runs", "list", names=FRAMEWORKS) == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["ask"],
        ["chat"],
        ["serve"],
        ["threads"],
        *[["threads", action] for action in ("list", "show", "rename", "delete")],
        ["runs"],
        *[["runs", action] for action in ("list", "show", "follow", "cancel", "feedback")],
        ["files"],
        *[["files", action] for action in ("upload", "list", "search", "show", "download", "delete")],
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_examples(lumnis: Lumnis, command: list[str]) -> None:
    """Each example is a call of that command."""
    done = lumnis(*command, "--help")
    assert (done.status, done.err) == (0, "")
    examples = done.out.partition("examples:\n")[2].strip().splitlines()
    assert examples
    for example in examples:
        assert example.strip().startswith(f"lumnis {' '.join(command)}") or "| xargs lumnis" in example


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
    ["chat", "--thread", "a", "--title", "b"],
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


def test_a_reader_that_leaves_ends_a_command_quietly(key: str, lumnis: Lumnis) -> None:
    """As in ``lumnis runs list | head -1``."""
    for _ in range(2):
        lumnis("ask", "--quiet", "Neap tides are small. Which?")
    command = f"{sys.executable} -m lumnisai_integrations.cli"
    line = f"set -o pipefail; {command} runs list | true && {command} --help | true && {command} runs list >&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (0, False, False)


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
