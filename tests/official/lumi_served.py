"""A backend in a process of its own, to be killed without warning: `python -m tests.official.lumi_served PATH PORT`.

The key of the signature is in the environment variable `LUMI_SIGN_KEY`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lumnisai_core.local import LocalLumnis, LumiRequest, LumiSettings
from tests.local.support import EchoEngine


def serve(path: Path, port: int) -> None:
    """Serve until the process is killed; the address is the first line of the output."""
    settings = LumiSettings(sign_key=os.environ["LUMI_SIGN_KEY"], api_key=os.environ["LUMI_API_KEY"])
    local = LocalLumnis(engine=EchoEngine(), path=path, port=port, lumi=settings, lumi_signature="strict")

    @local.lumi.function("code")
    def code(request: LumiRequest) -> dict[str, Any]:
        sent = [mail for mail in local.lumi.outbox if mail.to == (request.query["email"],)]
        return {"code": sent[-1].code}

    @local.lumi.function("echo")
    def echo(request: LumiRequest) -> dict[str, Any]:
        email = None if request.user is None else request.user["email"]
        return {"method": request.method, "query": request.query, "json": request.json(), "email": email}

    @local.lumi.function("lines")
    def lines(request: LumiRequest) -> Iterator[str]:
        yield "data: one\n\n"
        yield f"data: {request.method}\n\n"

    local.serve_forever(lambda *_: print(local.lumi.base_url, flush=True))  # noqa: T201 - for the process that waits


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
