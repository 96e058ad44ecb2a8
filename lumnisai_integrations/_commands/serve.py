"""``lumnis serve``: the embedded service in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from lumnisai_core.local import Fault, LocalLumnis, StoreError
from lumnisai_integrations._commands.engines import agents_from, engine_from
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
    agents: Sequence[tuple[str, str]] = (),
    key_expiry: Sequence[tuple[str, datetime]] = (),
    faults: Sequence[Fault] = (),
) -> int:
    """Serve until Ctrl-C or SIGTERM, which are the regular end.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        path: Database file, or None for a temporary one.
        api_key: Key that clients must send, or None for a fresh one.
        poll: When held polls are answered.
        engine: What answers the runs: ``offline``, a script file, ``module:attribute``, or ``provider:model``.
        step_delay: Pause between the steps of the offline engine, in seconds.
        tenants: Names of tenants, each with a key of theirs.
        agents: Names of specialized agents, each with what answers its runs.
        key_expiry: Keys among those, each with the time at which it expires.
        faults: What is to go wrong.

    Returns:
        0

    Raises:
        CommandError: An engine, the tenants, a key, a fault or the database file cannot be used.
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
            agents=agents_from(agents, step_delay),
            host=host,
            port=port,
            path=path,
            api_key=api_key,
            tenants=keys,
            key_expiry=dict(key_expiry),
            poll=poll,
            step_delay=step_delay,
            faults=faults,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        service.serve_forever(ready)
    except StoreError as error:
        raise CommandError(str(error)) from error
    return 0
