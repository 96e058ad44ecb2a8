# Generated from lumnisai_core/_async/api.py by `make sync`: change that file, not this one.
"""Every part of the API at one place: the resources of a client and their short names."""

from __future__ import annotations

from lumnisai_core._config import Settings
from lumnisai_core._sync.resources.responses import Responses
from lumnisai_core._sync.resources.threads import Threads
from lumnisai_core._sync.transport import Transport


class Api:
    """The resources, and the short names of the product's documentation, which are the resources' own methods."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

        self.responses = Responses(transport, settings)
        self.get_response = self.responses.get
        self.list_responses = self.responses.list
        self.cancel_response = self.responses.cancel

        self.threads = Threads(transport, settings)
        self.create_thread = self.threads.create
        self.get_thread = self.threads.get
        self.list_threads = self.threads.list
        self.update_thread = self.threads.update
        self.delete_thread = self.threads.delete
