"""The page at `/` as it is served; its behaviour in a browser is another test."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx

from tests.local.support import Api


def _directives(reply: httpx.Response) -> dict[str, str]:
    rules = (rule.strip().partition(" ") for rule in reply.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in rules}


def test_the_page_is_served_without_a_key(api: Api) -> None:
    """It is HTML, holds no key, and names itself."""
    reply = httpx.get(f"{api.base_url}/")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>Lumnis</title>" in reply.text
    assert api.local.api_key not in reply.text
    assert httpx.head(f"{api.base_url}/").status_code == 200
    assert httpx.post(f"{api.base_url}/").status_code == 405


def test_only_its_own_script_and_style_may_run(api: Api) -> None:
    """The policy forbids everything and then allows these two by their hashes, and calls of this service."""
    reply = httpx.get(f"{api.base_url}/")
    rules = _directives(reply)
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert rules.pop("connect-src") == "'self'"
    assert rules.pop("img-src") == "data:"
    assert (rules.pop("require-trusted-types-for"), rules.pop("trusted-types")) == ("'script'", "'none'")
    assert set(rules) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(rules.values()) == {"'none'"}
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"


def test_it_needs_nothing_from_elsewhere_and_writes_only_text(api: Api) -> None:
    """No address of another host, no inline handler or style, no markup made of data; the theme alone is kept."""
    page = httpx.get(f"{api.base_url}/").text
    assert not re.search(r"(https?:)?//[\w.-]+\.\w", page)
    assert not re.search(r"<[^>]+\s(on\w+|style)\s*=", page)
    assert not re.search(r"<(script|img|iframe|link)[^>]*\s(src|href)=\"(?!data:)", page)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert word not in page
    assert set(re.findall(r"localStorage(.*?)[,)]", page)) == {".setItem(THEME", ".getItem(THEME"}
    assert set(re.findall(r"sessionStorage(.*?)[,)]", page)) == {".setItem(KEY", ".getItem(KEY", ".removeItem(KEY"}
    assert "document.cookie" not in page
    assert "textContent" in page
