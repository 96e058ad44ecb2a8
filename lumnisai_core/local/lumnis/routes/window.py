"""The page for looking at threads and runs: one file, no asset from anywhere else."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

from lumnisai_core.local.lumnis.app import Call, Reply


async def show(_call: Call) -> Reply:
    """Show the page. It holds no data: it asks for a key and reads the API with it."""
    page, headers = _page()
    return Reply(200, page, headers, "text/html")


@functools.cache
def _page() -> tuple[str, Mapping[str, str]]:
    page = files("lumnisai_core.local").joinpath("window.html").read_text(encoding="utf-8")
    rules = (
        "default-src 'none'",
        f"script-src {_hash(page, 'script')}",
        f"style-src {_hash(page, 'style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = {
        "content-security-policy": "; ".join(rules),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return page, headers


def _hash(page: str, tag: str) -> str:
    """Return the only content of such an element that a browser may use: the one of this page."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
