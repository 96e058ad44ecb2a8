"""Redirects: where one leads, and what may be sent there. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import SAFE_METHODS
from lumnisai_core._transport.request import Request, harmless, origin
from lumnisai_core._transport.upload import Upload
from lumnisai_core.exceptions import TransportError

#: Redirects followed one after the other before the call fails.
MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})


def redirected(request: Request, answer: Answer) -> Request | None:
    """Return the request to send instead, or None if the answer is not a redirect.

    Reading is redirected anywhere, but credentials and headers stay behind when the host changes. Requests that send
    data are repeated only on the same host and only where the method stays (307, 308).

    Raises:
        TransportError: The redirect must not be followed, or leads nowhere.
    """
    if answer.status not in _REDIRECTS:
        return None
    location = answer.headers.get("location")
    if not location:
        return None
    url = urljoin(request.url, location)
    here, there = urlsplit(request.url), urlsplit(url)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise _refused(request, answer, url, "which is not an http address")
    same_host = origin(request.url) == origin(url) or _only_becomes_secure(here, there)
    if request.method not in SAFE_METHODS and not (same_host and answer.status in _KEEP_METHOD):
        raise _refused(request, answer, url, "which is not followed for a request that sends data")
    if isinstance(request.content, Upload) and not request.content.replayable:
        raise _refused(request, answer, url, "after a stream was sent that can be read only once: pass a path or bytes")
    if same_host:
        return request._replace(url=url, query=())
    return request._replace(url=url, query=(), headers=harmless(request.headers), authorised=False)


def _only_becomes_secure(here: SplitResult, there: SplitResult) -> bool:
    ports = (here.port or 80, there.port or 443)
    return (here.scheme, there.scheme, ports) == ("http", "https", (80, 443)) and here.hostname == there.hostname


def _refused(request: Request, answer: Answer, url: str, why: str) -> TransportError:
    address = urlsplit(url)._replace(query="", fragment="").geturl()
    return TransportError(
        f"{request.method} {urlsplit(request.url).path}: {answer.status} redirects to {address}, {why}. "
        "Is the base URL the service's final address?",
        status_code=answer.status,
        request_id=answer.request_id,
    )
