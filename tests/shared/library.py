"""A service with some files on it: two that can be read, two that cannot, and one for the whole tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lumnisai_core import Client
from lumnisai_core.exceptions import FileOperationError
from lumnisai_core.local import ScriptableLumnis

USER = "ada"
QUESTION = "neap tides"
#: Long enough for a piece each.
CHAPTERS = [f"Chapter {number}. " + "Neap tides are small in the bay. " * 25 for number in range(6)]
TIDES = "\n\n".join(CHAPTERS)
MOON = "The moon pulls the sea. Neap days follow its quarters."
CHARTER = "The harbour office publishes neap tables."


@dataclass(frozen=True)
class Library:
    """The service, and the ids of its files by name."""

    service: ScriptableLumnis
    ids: dict[str, str]

    @property
    def address(self) -> dict[str, Any]:
        """Key and address, as constructors take them."""
        return {"api_key": self.service.api_key, "base_url": self.service.base_url}

    @property
    def fields(self) -> dict[str, Any]:
        """The same, and the user."""
        return self.address | {"user_id": USER}

    def asked(self) -> list[str]:
        """Method and path of the requests since the last time."""
        seen = [f"{request.method} {request.path}" for request in self.service.requests]
        self.service.requests.clear()
        return seen


@contextmanager
def library() -> Iterator[Library]:
    """Start the service and put the files there."""
    with ScriptableLumnis() as service, Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        uploads: list[tuple[str, bytes, dict[str, Any]]] = [
            ("tides.md", TIDES.encode(), {"tags": ["sea"]}),
            ("moon.txt", MOON.encode(), {"tags": ["sky"]}),
            ("photo.png", b"\x89PNG\0\0", {}),
            ("empty.txt", b"", {}),
        ]
        ids = {name: client.files.upload(data, file_name=name, **more).file_id for name, data, more in uploads}
        everybody = Client(service.api_key, base_url=service.base_url, scope="tenant")
        ids["charter.txt"] = everybody.files.upload(CHARTER.encode(), file_name="charter.txt").file_id
        for file_id in ids.values():
            with suppress(FileOperationError):
                client.files.wait_until_processed(file_id, poll_interval=0.01)
        everybody.close()
        yield Library(service, ids)
