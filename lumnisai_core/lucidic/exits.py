"""The end of a process: what waits is sent, sessions end, a crash is recorded. Handlers of others stay in place."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from lumnisai_core.lucidic import export
from lumnisai_core.lucidic._sync.sessions import failure
from lumnisai_core.lucidic.delivery import logger
from lumnisai_core.lucidic.events import create_error_event, is_recorded
from lumnisai_core.lucidic.tracing import tracing

_arranged: set[str] = set()


def arrange(*, capture_uncaught: bool, flush_on_sigterm: bool) -> None:
    """Have the end of the process attended to; further calls only add to that."""
    if "exit" not in _arranged:
        _arranged.add("exit")
        atexit.register(_end_sessions)  # runs before what was registered earlier, such as the sending
    if capture_uncaught:
        _arranged.add("crash")
    if flush_on_sigterm and "sigterm" not in _arranged:
        _chain_sigterm()


def _end_sessions() -> None:
    try:
        owner = tracing()
        error = _crash() if "crash" in _arranged else None
        for session in list(owner.open.values()):
            if error is not None and not is_recorded(error):
                create_error_event(error, session_id=session.id, parent_event_id=None)
            if session.auto_end:
                owner.end(session, {} if error is None else failure(error))
    except Exception:  # noqa: BLE001 - nothing may hinder the end
        logger.exception("Lucidic: the end of the process could not be recorded")


def _crash() -> BaseException | None:
    """Return the exception that ends the program: the interpreter keeps it, so no hook has to be replaced."""
    if hasattr(sys, "ps1"):
        return None  # an interactive session survives its exceptions
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    trace: TracebackType | None = getattr(error, "__traceback__", None)
    if not isinstance(error, BaseException) or trace is None:
        return None
    code = trace.tb_frame.f_code
    is_program = code.co_name == "<module>" and trace.tb_frame.f_globals.get("__name__") == "__main__"
    return error if is_program or code.co_filename == "<frozen runpy>" else None


def _chain_sigterm() -> None:
    """Send what waits when SIGTERM arrives, and then do what would have been done."""
    if threading.current_thread() is not threading.main_thread():
        logger.warning("Lucidic: flush_on_sigterm needs init() in the main thread; SIGTERM stays as it is.")
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is None:
        logger.warning("Lucidic: the handler of SIGTERM is not Python's; it stays as it is.")
        return

    def handle(number: int, frame: FrameType | None) -> Any:
        # In a thread of its own: the main thread may hold a lock at this moment.
        sending = threading.Thread(target=export.send_all, daemon=True)
        sending.start()
        sending.join()
        if callable(before):
            return before(number, frame)
        if before == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        return None

    signal.signal(signal.SIGTERM, handle)
    _arranged.add("sigterm")
