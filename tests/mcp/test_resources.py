"""Files of the user and documents of agents as resources."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from tests.conftest import Serve
from tests.mcp.conftest import USER, Connect
from tests.servers import RequestEngine

PNG = b"\x89PNG\r\n\x1a\n\x00"


def uploaded(local: LocalLumnis, *files: tuple[str, bytes], user: str = USER) -> list[str]:
    with Client(local.api_key, base_url=local.base_url, user_id=user) as client:
        ids = [client.files.upload(content, file_name=name).file_id for name, content in files]
        for one in ids:
            client.files.wait_until_processed(one, poll_interval=0.01)
        return ids


async def test_files_are_listed_page_by_page(connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the user's, once each, and none of anybody else's."""
    monkeypatch.setattr("lumnisai_integrations.mcp.resources._PAGE_SIZE", 2)
    local = serve(RequestEngine())
    mine = uploaded(local, *((f"tide-{number}.md", b"Tides.") for number in range(3)))
    uploaded(local, ("secret.md", b"Secret."), user="bob")
    async with connect(local) as mcp:
        first = await mcp.list_resources()
        second = await mcp.list_resources(cursor=first.next_cursor)
    assert (len(first.resources), second.next_cursor) == (2, None)
    found = {resource.uri: resource for resource in (*first.resources, *second.resources)}
    assert set(map(str, found)) == {f"lumnis://files/{one}" for one in mine}
    some = found[f"lumnis://files/{mine[0]}"]
    assert (some.name, some.mime_type, some.size) == ("tide-0.md", "text/markdown", 6)


async def test_files_are_read_as_text_or_bytes(connect: Connect, serve: Serve) -> None:
    """Texts as they are, other files byte by byte."""
    local = serve(RequestEngine())
    text, picture = uploaded(local, ("tides.md", "Tides of Ålesund.".encode()), ("notes.txt", b"\xff\xfeT\x00"))
    async with connect(local) as mcp:
        (content,) = (await mcp.read_resource(f"lumnis://files/{text}")).contents
        (whole,) = (await mcp.read_resource(f"lumnis://files/{text}/text")).contents
        (odd,) = (await mcp.read_resource(f"lumnis://files/{picture}")).contents
    assert (content.text, content.mime_type) == ("Tides of Ålesund.", "text/markdown")
    assert whole.text.strip() == "Tides of Ålesund."
    assert base64.b64decode(odd.blob) == b"\xff\xfeT\x00"


class _Artist:
    """Makes two documents."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        made: list[dict[str, Any]] = [
            {"artifactId": "a1", "name": "tides.md", "parts": [{"kind": "text", "text": "# Tides"}]},
            {"artifactId": "a2", "name": "ports.md", "parts": []},
        ]
        return RunResult("See the documents.", artifacts=tuple(made))


async def test_documents_of_agents_are_linked_and_read(connect: Connect, serve: Serve) -> None:
    """By the links in the result."""
    async with connect(serve(_Artist())) as mcp:
        result = await mcp.call_tool("ask", {"question": "Which?"})
        links = [block for block in result.content if block.type == "resource_link"]
        assert [link.name for link in links] == ["tides.md", "ports.md"]
        assert [str(link.uri) for link in links] == result.structured_content["artifacts"]
        texts = [(await mcp.read_resource(str(link.uri))).contents[0].text for link in links]
        templates = await mcp.list_resource_templates()
        beyond = str(links[0].uri).replace("/0", "/2")
        with pytest.raises(Exception, match="There is no artifact 2"):
            await mcp.read_resource(beyond)
    assert texts == ["# Tides", ""]
    assert len(templates.resource_templates) == 3


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("lumnis://files/00000000-0000-0000-0000-000000000000", "404"),
        ("lumnis://files/00000000-0000-0000-0000-000000000000/text", "404"),
        ("lumnis://files/..%2Fusers", "users"),
        ("lumnis://runs/nowhere/artifacts/0", "nowhere"),
        ("file:///etc/passwd", "There is no resource"),
        ("lumnis://files/", "There is no resource"),
    ],
)
async def test_what_is_not_there_is_named(uri: str, words: str, connect: Connect, local: LocalLumnis) -> None:
    """Nothing outside the user's files and runs can be read."""
    async with connect(local) as mcp:
        with pytest.raises(Exception, match=words):
            await mcp.read_resource(uri)


async def test_a_cursor_of_another_list_is_refused(connect: Connect, local: LocalLumnis) -> None:
    """It names the value."""
    async with connect(local) as mcp:
        with pytest.raises(Exception, match="cursor must be the nextCursor of an earlier list, got 'x'"):
            await mcp.list_resources(cursor="x")


async def test_a_file_that_is_too_large_is_not_sent(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to read instead."""
    monkeypatch.setattr("lumnisai_integrations.mcp.resources._LARGEST", 10)
    local = serve(RequestEngine())
    (large,) = uploaded(local, ("tides.md", b"Tides of North Quay."))
    async with connect(local) as mcp:
        with pytest.raises(Exception, match=f"20 bytes, and at most 10 are sent: read lumnis://files/{large}/text"):
            await mcp.read_resource(f"lumnis://files/{large}")
        assert (await mcp.read_resource(f"lumnis://files/{large}/text")).contents
