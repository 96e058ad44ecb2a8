"""Raw HTTP over sockets: requests that no client library would send."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests.local.support import PATIENCE, Api


def connected(api: Api) -> socket.socket:
    """Open a connection to a service."""
    address = urlsplit(str(api.base_url))
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


def until_closed(connection: socket.socket) -> bytes:
    """Return everything that comes until the service closes the connection."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionError:
        pass
    return received


def exchange(api: Api, request: bytes) -> bytes:
    """Send bytes as they are, with the key in place of `KEY`; return the answer, up to the end of the connection."""
    with connected(api) as connection:
        connection.sendall(request.replace(b"KEY", api.local.api_key.encode()))
        return until_closed(connection)


def status_of(answer: bytes) -> int:
    """Return the status of the first answer; 0 if there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
