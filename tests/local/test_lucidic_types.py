"""Lists of the events of one type in a session: their order, their counts, and files from before they were counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lumnisai_core.local import LocalLumnis
from lumnisai_core.local.lucidic.store import STEPS, Store
from lumnisai_core.local.store.database import Database
from tests.local.support import Lucidic

KINDS = ["function_call", "generic", "my_type"]


def listed(lucidic: Lucidic, session_id: str, kind: str, **page: int) -> tuple[int, list[str]]:
    """Return the count and the ids of a page."""
    found = lucidic.ok("GET", "/events", params={"session_id": session_id, "type": kind, **page})
    return found["count"], [event["event_id"] for event in found["results"]]


def test_every_page_of_a_type_is_in_the_order_of_arrival(local: LocalLumnis) -> None:
    """However the types mix, and in each session by itself."""
    with Lucidic(local) as lucidic:
        session_ids = [lucidic.session(), lucidic.session()]
        made: dict[tuple[str, str], list[str]] = {}
        for number in range(30):
            session_id, kind = session_ids[number % 2], KINDS[number % 3]
            made.setdefault((session_id, kind), []).append(lucidic.event(session_id, type=kind)["event_id"])
        for (session_id, kind), ids in made.items():
            assert listed(lucidic, session_id, kind) == (5, ids)
            assert listed(lucidic, session_id, kind, limit=2, offset=3) == (5, ids[3:])
            assert listed(lucidic, session_id, kind, offset=9) == (5, [])
        assert listed(lucidic, session_ids[0], "unknown") == (0, [])


def test_an_event_that_changes_its_type_moves_to_where_it_arrived(local: LocalLumnis) -> None:
    """It leaves no gap, and the pages of both types are still complete."""
    with Lucidic(local) as lucidic:
        session_id = lucidic.session()
        made = [lucidic.event(session_id, type=KINDS[number % 2])["event_id"] for number in range(8)]
        lucidic.ok("PUT", f"/events/{made[3]}", json={"type": "function_call"})
        lucidic.ok("PUT", f"/events/{made[0]}", json={"type": "my_type"})
        lucidic.ok("PUT", f"/events/{made[0]}", json={"type": "my_type", "tags": ["again"]})
        later = lucidic.event(session_id, type="function_call")["event_id"]
        expected = [made[2], made[3], made[4], made[6], later]
        assert listed(lucidic, session_id, "function_call") == (5, expected)
        assert listed(lucidic, session_id, "function_call", limit=1, offset=1) == (5, [made[3]])
        assert listed(lucidic, session_id, "generic") == (3, [made[1], made[5], made[7]])
        assert listed(lucidic, session_id, "my_type") == (1, [made[0]])


def test_the_same_event_again_is_counted_once(local: LocalLumnis) -> None:
    """As in the list of all."""
    with Lucidic(local) as lucidic:
        session_id = lucidic.session()
        first = lucidic.event(session_id, client_event_id="e-1")["event_id"]
        assert lucidic.event(session_id, client_event_id="e-1")["event_id"] == first
        assert listed(lucidic, session_id, "generic") == (1, [first])


def _event(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("occurred_at", "received_at"), "2026-02-01T10:00:00+00:00")
    values = {"tags": "[]", "metadata": "{}", "payload": "{}", "needs_blob": 0, "name": "x", "position": number}
    ids = {"event_id": f"e-{number}", "client_event_id": f"c-{number}", "session_id": f"s-{number % 2}"}
    return {**texts, **values, **ids, "type": KINDS[number % 3], "change": number + 1}


def test_a_file_from_before_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    """Its events get their positions and its sessions their counts."""
    path = tmp_path / "service.db"
    old = Database(path, {"lucidic": STEPS[:1]})
    for number in range(12):
        row = _event(number)
        old.sql.execute(
            f"INSERT INTO lucidic_events ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
        )
    old.close()
    database = Database(path, {"lucidic": STEPS})
    store = Store(database)
    for session_id in ("s-0", "s-1"):
        for kind in KINDS:
            found = store.of_type.all(session_id=session_id, type=kind, from_position=0, oldest_first=True)
            assert [row.type_position for row in found] == [0, 1]
            assert [row.position for row in found] == sorted(row.position for row in found)
            assert store.count_of_type(session_id, kind) == 2
    database.close()


def test_a_page_of_a_type_is_found_by_an_index(tmp_path: Path) -> None:
    """However many events come before it, none of them is read."""
    database = Database(tmp_path / "service.db", {"lucidic": STEPS})
    where, values = Store(database).of_type.where({"session_id": "s", "type": "generic", "from_position": 90_000})
    query = f"EXPLAIN QUERY PLAN SELECT * FROM lucidic_events {where} ORDER BY type_position LIMIT 10"
    plan = " ".join(str(row[3]) for row in database.sql.execute(query, values))
    assert "lucidic_events_by_type (session_id=? AND type=? AND type_position>?)" in plan
    assert "TEMP B-TREE" not in plan
    database.close()
