"""``lumnis serve``: the embedded service in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from lumnisai_core.local import LocalLumnis

_READY = """\
Lumnis is listening at {base_url}
  export LUMNISAI_BASE_URL={base_url}
  export LUMNISAI_API_KEY={api_key}
Data: {data}. Stop with Ctrl-C.
"""


def serve(
    *, host: str, port: int, path: Path | None, api_key: str | None, poll: Literal["end-only", "on-change"]
) -> int:
    """Serve until Ctrl-C or SIGTERM, which are the regular end.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        path: Database file, or None for a temporary one.
        api_key: Key that clients must send, or None for a fresh one.
        poll: When held polls are answered.

    Returns:
        0
    """
    data = "temporary" if path is None else str(path)

    def ready(base_url: str, key: str) -> None:
        sys.stdout.write(_READY.format(base_url=base_url, api_key=key, data=data))
        sys.stdout.flush()

    LocalLumnis(host=host, port=port, path=path, api_key=api_key, poll=poll).serve_forever(ready)
    return 0
