"""Events of Lucidic as they arrive at a recording server, as trees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

import lumnisai_core.lucidic as lai
from tests.servers import Canned, CannedServer, canned_server

#: Name of an event, and the trees below it.
Tree: TypeAlias = tuple[str, list["Tree"]]


def name_of(event: dict[str, Any]) -> str:
    """Return the name by which a test knows an event."""
    payload = event["payload"]
    if event["type"] == "llm_generation":
        return str(payload["request"]["model"])
    return str(payload.get("function_name") or payload.get("name") or event["type"])


class Recorded:
    """What has arrived at the server; the events are complete after :meth:`events`."""

    def __init__(self, server: CannedServer) -> None:
        self._server = server

    def events(self) -> list[dict[str, Any]]:
        """Return all events by the time of their beginning."""
        assert lai.flush(10) is not False
        found = [json.loads(one.body) for one in self._server.received if one.path == "/events"]
        return sorted(found, key=lambda event: event["occurred_at"])

    def bodies(self) -> list[bytes]:
        """Return all that has left the process, byte for byte."""
        lai.flush(10)
        return [one.body for one in self._server.received]

    def event(self, name: str) -> dict[str, Any]:
        """Return the only event of a name."""
        (found,) = (event for event in self.events() if name_of(event) == name)
        return found

    def payload(self, name: str) -> dict[str, Any]:
        """Return the payload of the only event of a name."""
        payload: dict[str, Any] = self.event(name)["payload"]
        return payload

    def trees(self) -> list[Tree]:
        """Return the events as trees; one whose parent is not there is a root, marked as an orphan."""
        events = self.events()
        ids = {event["client_event_id"] for event in events}
        assert len(ids) == len(events), "an event arrived twice"

        def below(parent: str | None) -> list[Tree]:
            return [
                (name_of(event), below(event["client_event_id"]))
                for event in events
                if event["client_parent_event_id"] == parent
            ]

        orphans = [event for event in events if event["client_parent_event_id"] not in {*ids, None}]
        return [*below(None), *((f"orphan {name_of(event)}", []) for event in orphans)]


@contextmanager
def recorded() -> Iterator[Recorded]:
    """Run a block in a session of its own, apart from events that others have left for a service that is gone."""
    with pytest.MonkeyPatch.context() as patch, canned_server([Canned(body={})]) as server:
        patch.setattr("lumnisai_core.lucidic.tracing._tracing", None)
        with lai.session("test", api_key="key", agent_id="agent", base_url=server.base_url):
            yield Recorded(server)
        lai.flush(10)
