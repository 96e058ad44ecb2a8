"""Reading an uploaded file: in a process of its own, which can be ended, unless it is small and plain."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from lumnisai_core import file_texts
from lumnisai_core.file_texts import MOST_MEMORY, MOST_SECONDS, Unreadable, extract

#: Bytes of a plain text that is read in a moment.
_SMALL = 64_000
#: Seconds until a process that waits for the machine is ended, whatever it has done by then.
_PATIENCE = 4 * MOST_SECONDS
#: What has a parser, which can be made to work very long.
_PARSED = ("pdf", "docx", "html", "htm", "xhtml")
#: What a process may know of the environment, which has secrets as well.
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP")
_TOO_MUCH = f"Reading the file takes more than {MOST_SECONDS} seconds or {MOST_MEMORY // 1_000_000} MB of memory."


async def read(kind: str, size: int, source: Path, text: Path, pieces: Path) -> tuple[int, int]:
    """Do what `extract` does for a file of `size` bytes, off the event loop and within limits of time and memory.

    Raises:
        Unreadable: the file is broken or binary, its reader is missing, or reading it takes too much.
    """
    if kind not in _PARSED and size <= _SMALL:
        return extract(kind, source, text, pieces)
    if getattr(sys, "frozen", False) or not sys.executable:  # such an application cannot start Python
        return await asyncio.to_thread(extract, kind, source, text, pieces)
    program = [sys.executable, "-P", str(Path(file_texts.__file__)), kind, *map(str, (source, text, pieces))]
    known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *program,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**known, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"},
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await process.communicate()
    except TimeoutError:
        output = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        outcome = json.loads(output)
    except ValueError:
        raise Unreadable(_TOO_MUCH) from None
    if "error" in outcome:
        raise Unreadable(outcome["error"])
    return outcome["pieces"], outcome["lines"]
