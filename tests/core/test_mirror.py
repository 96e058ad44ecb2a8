"""The generated blocking half."""

from __future__ import annotations

from tests import mirror


def test_the_blocking_half_is_current() -> None:
    """Every generated file is what its source gives; otherwise run `make sync`."""
    assert mirror.stale() == [], "run `make sync`"


def test_async_and_await_go_and_names_are_replaced() -> None:
    """The transformation works on code, on signatures and inside texts."""
    source = (
        "async def read(pool: AsyncPool) -> Coroutine[Any, Any, dict[str, int]] | None:\n"
        '    """Use ``await client.read()``."""\n'
        "    async with pool as held:\n"
        "        return await held.get(awaiting=1)\n"
    )
    assert mirror.mirrored(source) == (
        "def read(pool: Pool) -> dict[str, int] | None:\n"
        '    """Use ``client.read()``."""\n'
        "    with pool as held:\n"
        "        return held.get(awaiting=1)\n"
    )
