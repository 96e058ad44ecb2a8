"""Ends of processes that record into Lucidic: what arrives, and what the process looks like from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.collector import KEY, Collector, collector
from tests.house import ROOT

pytestmark = pytest.mark.processes

COUNT = 100

HEAD = f"""
import os, signal, sys, threading, time
import lumnisai_core.lucidic as lai
session_id = lai.init("ends", base_url=sys.argv[1], **{KEY!r}, **eval(sys.argv[2]))
@lai.event()
def work(i):
    return {{"i": i}}
for i in range({COUNT}):
    work(i)
"""


def run(service: str, tail: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD + tail, service, repr(options)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def calls(service: Collector) -> int:
    return sum(row["type"] == "function_call" for row in service.events())


def outcome(service: Collector) -> dict[str, Any]:
    session = service.bodies("/initsession")[-1]
    return service.changes(session["session_id"])


def test_exit_sends_everything_and_ends_the_session() -> None:
    """Also what was recorded the moment before."""
    with collector() as service:
        done = run(service.base_url, "print('end')")
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
        assert calls(service) == COUNT
        assert outcome(service) == {"is_finished": True}


def test_sessions_without_auto_end_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the argument and by the variable; their events arrive all the same."""
    with collector() as service:
        run(service.base_url, "", auto_end=False)
        monkeypatch.setenv("LUCIDIC_AUTO_END", "false")
        run(service.base_url, "")
        assert calls(service) == 2 * COUNT
        assert service.bodies("/updatesession") == []


def test_a_crash_is_recorded_and_stays_a_crash() -> None:
    """An event with the traceback, a failed session, the usual traceback and status; no hook is needed for it."""
    with collector() as service:
        done = run(service.base_url, "assert sys.excepthook is sys.__excepthook__\nraise ValueError('boom')")
        assert done.returncode == 1
        assert "ValueError: boom" in done.stderr
        assert calls(service) == COUNT
        (error,) = [row for row in service.events() if row["type"] == "error_traceback"]
        assert error["payload"]["error"] == "ValueError: boom"
        assert outcome(service)["is_successful"] is False
        assert outcome(service)["is_finished"] is True


def test_crashes_are_not_recorded_unless_wanted() -> None:
    """The session ends, and nothing is said about success."""
    with collector() as service:
        run(service.base_url, "raise ValueError('boom')", capture_uncaught=False)
        assert len(service.events()) == COUNT
        assert outcome(service) == {"is_finished": True}


def test_ctrl_c_is_a_keyboard_interrupt() -> None:
    """Everything arrives, and the status is that of an interrupt."""
    with collector() as service:
        done = run(service.base_url, "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)")
        assert done.returncode == -signal.SIGINT
        assert "KeyboardInterrupt" in done.stderr
        assert calls(service) == COUNT


def test_sigterm_sends_everything_on_request() -> None:
    """And then does what it would have done: the default action."""
    with collector() as service:
        done = run(service.base_url, "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)", flush_on_sigterm=True)
        assert done.returncode == -signal.SIGTERM
        assert calls(service) == COUNT


def test_sigterm_handlers_are_chained() -> None:
    """The program's own handler runs after the sending, and decides."""
    program = f"""
import signal, sys
def mine(number, frame):
    print("mine", number)
    sys.exit(7)
signal.signal(signal.SIGTERM, mine)
{HEAD}
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(30)
"""
    with collector() as service:
        done = subprocess.run(
            [sys.executable, "-c", program, service.base_url, repr({"flush_on_sigterm": True})],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert (done.returncode, done.stdout) == (7, f"mine {int(signal.SIGTERM)}\n")
        assert calls(service) == COUNT


def test_sigterm_is_left_alone_without_request_and_in_threads() -> None:
    """The handler stays what it was; in a worker thread init works as anywhere."""
    tail = """
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
def begin():
    lai.init("in a thread", flush_on_sigterm=True)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    print("ok")
thread = threading.Thread(target=begin)
thread.start()
thread.join()
"""
    with collector() as service:
        done = run(service.base_url, tail)
        assert done.stdout == "ok\n"
        assert done.returncode == 0


def test_kill_9_loses_nothing_with_a_spool(tmp_path: Path) -> None:
    """The next start sends what was not sent, masked as it was, and removes the file."""
    masked = {"spool": str(tmp_path / "spool")}
    with collector() as service:
        service.refusals = [("/events", 503, {})] * 1000
        done = run(service.base_url, "os.kill(os.getpid(), signal.SIGKILL)", **masked)
        assert done.returncode == -signal.SIGKILL
        assert len(list((tmp_path / "spool").iterdir())) == 1
        service.refusals = []
        with service.lock:
            service.requests = []
        tail = f"""
deadline = time.monotonic() + 30
while lai.statistics().delivered < {2 * COUNT} and time.monotonic() < deadline:
    time.sleep(0.01)
"""
        run(service.base_url, tail, **masked)
        assert calls(service) == 2 * COUNT
        assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_holds_what_is_masked(tmp_path: Path) -> None:
    """No text reaches the disk that would not be sent, and nobody else can read the folder."""
    with collector() as service:
        service.refusals = [("/events", 503, {})] * 1000
        tail = "work('secret-word')\nos.kill(os.getpid(), signal.SIGKILL)"
        program = HEAD.replace("**eval(sys.argv[2])", "masking_function=lambda t: t[:3], **eval(sys.argv[2])")
        subprocess.run(
            [sys.executable, "-c", program + tail, service.base_url, repr({"spool": str(tmp_path / "spool")})],
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    (file,) = (tmp_path / "spool").iterdir()
    assert "secret-word" not in file.read_text("utf-8")
    assert '"sec"' in file.read_text("utf-8")
    assert file.stat().st_mode & 0o077 == 0


def test_a_dead_service_hinders_nothing() -> None:
    """No exception, no endless wait at the end, and drops that are counted."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    tail = """
for i in range(12_000):
    work(i)
known = lai.statistics()
assert (known.pending, known.delivered) == (10_000, 0), known
assert known.dropped == 2_100, known
print("done", flush=True)
"""
    done = run(address, tail)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_forked_children_send_their_own_events_only() -> None:
    """The parent's events are sent once, by the parent; the child's session stays open for the parent."""
    tail = """
pid = os.fork()
if pid == 0:
    work("child")
    assert lai.flush(20)
    os._exit(3)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
"""
    with collector() as service:
        done = run(service.base_url, tail)
        assert done.stdout == "3\n"
        posted = [row["client_event_id"] for row in service.bodies("/events")]
        assert len(posted) == len(set(posted)) == COUNT + 1
        assert len(service.bodies("/updatesession")) == 1


def test_without_the_sdk_the_error_names_the_extra() -> None:
    """The resource client does not need it, and neither do prompts and experiments."""
    program = f"""
import sys
sys.modules["opentelemetry"] = None
sys.modules["opentelemetry.context"] = None
import lumnisai_core.lucidic as lai
client = lai.Client(base_url=sys.argv[1], **{KEY!r})
client.sessions.create("x")
try:
    lai.init("x")
except ImportError as error:
    print(error)
"""
    with collector() as service:
        done = subprocess.run(
            [sys.executable, "-c", program, service.base_url],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert "lumnisai-integrations[lucidic]" in done.stdout, done.stderr
        assert len(service.bodies("/initsession")) == 1
