"""``lumnis serve``: the embedded service in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lumnisai_core.local import LocalLumnis, StoreError
from lumnisai_integrations._commands.engines import engine_from
from lumnisai_integrations._commands.errors import CommandError

_READY = """\
Lumnis is listening at {base_url}
  export LUMNISAI_BASE_URL={base_url}
  export LUMNISAI_API_KEY={api_key}
Watch runs at {base_url}/ in a browser, with the same key.
Data: {data}. Stop with Ctrl-C.
"""


def serve(
    *,
    host: str,
    port: int,
    path: Path | None,
    api_key: str | None,
    poll: Literal["end-only", "on-change"],
    engine: str,
    step_delay: float,
    tenants: Sequence[tuple[str, str]],
) -> int:
    """Serve until Ctrl-C or SIGTERM, which are the regular end.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        path: Database file, or None for a temporary one.
        api_key: Key that clients must send, or None for a fresh one.
        poll: When held polls are answered.
        engine: What answers the runs: ``offline``, a script file, or ``module:attribute``.
        step_delay: Pause between the steps of the offline engine, in seconds.
        tenants: Names of tenants, each with a key of theirs.

    Returns:
        0

    Raises:
        CommandError: The engine, the tenants or the database file cannot be used.
        OSError: The port is taken.
    """
    keys: dict[str, list[str]] = {}
    for name, key in tenants:
        keys.setdefault(name, []).append(key)
    data = "temporary" if path is None else str(path)

    def ready(base_url: str, key: str) -> None:
        sys.stdout.write(_READY.format(base_url=base_url, api_key=key, data=data))
        sys.stdout.flush()

    try:
        service = LocalLumnis(
            engine=engine_from(engine),
            host=host,
            port=port,
            path=path,
            api_key=api_key,
            tenants=keys,
            poll=poll,
            step_delay=step_delay,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        service.serve_forever(ready)
    except StoreError as error:
        raise CommandError(str(error)) from error
    return 0
