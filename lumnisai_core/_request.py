"""From a call and a service to the HTTP request. Pure, but for fresh keys and the sizes of files."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from lumnisai_core._call import SETTING_METHODS, Call, json_bytes, query_pairs
from lumnisai_core._exchange import Request
from lumnisai_core._hooks import RequestInfo
from lumnisai_core._multipart import Upload, multipart
from lumnisai_core._service import Service


def request_for(call: Call[Any], service: Service, *, timeout: float) -> Request:
    """Write a call as the request that all its tries share.

    Raises:
        ValidationError: The body cannot be written, or a file cannot be read.
    """
    headers = {**service.headers, "Accept": "application/json"}
    key = call.idempotency_key or (str(uuid4()) if call.method in SETTING_METHODS else None)
    if key is not None:
        headers["Idempotency-Key"] = key
    content: bytes | Upload | None = None
    if call.form is not None:
        boundary = uuid4().hex
        headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
        content = multipart(call.form, boundary)
    elif call.body is not None:
        headers["Content-Type"] = "application/json"
        content = json_bytes(call.body)
    return Request(
        method=call.method,
        url=service.base_url + call.path,
        query=query_pairs(call.query),
        headers=headers,
        content=content,
        timeout=timeout,
        held=call.held,
    )


def about_request(request: Request, tries: int) -> RequestInfo:
    """Describe a request for hooks. Queries are left out: those of download addresses hold signatures."""
    return RequestInfo(request.method, request.url.partition("?")[0], dict(request.headers), tries)
