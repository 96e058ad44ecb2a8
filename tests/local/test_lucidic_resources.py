"""The embedded observability service: large payloads, prompts, flags, datasets, tools, over real sockets."""

from __future__ import annotations

import gzip
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lumnisai_core.local import LocalLumnis
from tests.local.support import Lucidic

# Large payloads


def test_a_large_payload_is_uploaded_by_its_link(lucidic: Lucidic) -> None:
    """Without credentials, as gzip; lists show the preview, reading shows the whole; an upload may be repeated."""
    session_id, whole = lucidic.session(), {"details": "\N{ANCHOR} wave " * 20_000}
    made = lucidic.event(session_id, {"details": "preview"}, needs_blob=True)
    assert lucidic.ok("GET", f"/events/{made['event_id']}")["payload"] == {"details": "preview"}
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    content = gzip.compress(json.dumps(whole, ensure_ascii=False).encode())
    for _ in range(2):
        assert httpx.put(made["blob_url"], content=content, headers=headers).status_code == 200
    assert lucidic.ok("GET", f"/events/{made['event_id']}")["payload"] == whole
    (listed,) = lucidic.ok("GET", "/events", params={"session_id": session_id})["results"]
    assert (listed["payload"], listed["needs_blob"]) == ({"details": "preview"}, True)
    tagged = lucidic.ok("PUT", f"/events/{made['event_id']}", json={"tags": ["big"]})
    assert (tagged["payload"], tagged["tags"]) == (whole, ["big"])
    lucidic.ok("PUT", f"/events/{made['event_id']}", json={"payload": {"details": "new"}})
    assert lucidic.ok("GET", f"/events/{made['event_id']}")["payload"] == {"details": "new"}


def test_an_event_sent_again_gets_its_link_again(lucidic: Lucidic) -> None:
    """A client whose first answer was lost can still upload."""
    session_id, client_id = lucidic.session(), str(uuid4())
    first, second = (lucidic.event(session_id, client_event_id=client_id, needs_blob=True) for _ in range(2))
    assert first["event_id"] == second["event_id"]
    assert httpx.put(second["blob_url"], json={"details": "whole"}).status_code == 200


def test_an_upload_needs_a_valid_link(lucidic: Lucidic) -> None:
    """A changed id, time or signature is refused, and so is a link that has expired."""
    session_id = lucidic.session()
    link = httpx.URL(lucidic.event(session_id, needs_blob=True)["blob_url"])
    other = lucidic.event(session_id)["event_id"]
    for url in (
        link.copy_with(path=f"/lucidic/blobs/{other}"),
        link.copy_merge_params({"expires": "99999999999"}),
        link.copy_merge_params({"expires": "1"}),
        link.copy_merge_params({"signature": "0" * 64}),
        link.copy_merge_params({"signature": "\N{ANCHOR}"}),
    ):
        assert httpx.put(url, json={}).status_code == 403
    assert httpx.put(link.copy_remove_param("signature"), json={}).status_code == 422


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"not gzip", "gzip", 422),
        (gzip.compress(b"{}" * 50)[:-9], "gzip", 422),
        (gzip.compress(b" " * 30_000_000), "gzip", 413),
        (gzip.compress(b"[1]"), "gzip", 422),
        (b"{", "", 422),
        (b'{"x": "\xff"}', "", 422),
        (b" " * 2_000_000, "", 413),
    ],
)
def test_an_upload_must_be_a_json_object_of_bounded_size(content: bytes, encoding: str, status: int) -> None:
    """Broken, cut off or bursting gzip and other JSON are refused; the preview stays."""
    with LocalLumnis(max_body=1_000_000) as local, Lucidic(local) as lucidic:
        made = lucidic.event(lucidic.session(), {"details": "preview"}, needs_blob=True)
        headers = {"content-encoding": encoding} if encoding else {}
        assert httpx.put(made["blob_url"], content=content, headers=headers).status_code == status
        assert lucidic.ok("GET", f"/events/{made['event_id']}")["payload"] == {"details": "preview"}


def test_five_mebibytes_fit_into_an_event(lucidic: Lucidic) -> None:
    """As the real service's clients send them inline; more than the limit is a 413."""
    session_id = lucidic.session()
    event = lucidic.event(session_id, {"details": "x" * 5 * 2**20})
    assert len(lucidic.ok("GET", f"/events/{event['event_id']}")["payload"]["details"]) == 5 * 2**20
    body = {"session_id": session_id, "payload": {"details": "x" * 11_000_000}}
    assert "detail" in lucidic.refused(413, "POST", "/events", json=body)


# Prompts, flags, datasets, tools


def test_prompts_have_versions_and_labels(lucidic: Lucidic) -> None:
    """A label moves to the version that names it; a version without labels goes to production."""
    first = {"prompt_name": "greeting", "prompt_content": "Hi {{name}}", "metadata": {"owner": "desk"}}
    assert lucidic.ok("PUT", "/sdk/prompts", json=first)["metadata"] == {"owner": "desk"}
    lucidic.ok("PUT", "/sdk/prompts", json={**first, "prompt_content": "Hello", "labels": ["staging", "next"]})

    def content(path: str = "/sdk/prompts", **query: str) -> Any:
        return lucidic.ok("GET", path, params={"prompt_name": "greeting", **query})["prompt_content"]

    assert (content(), content(label="staging"), content("/getprompt")) == ("Hi {{name}}", "Hello", "Hi {{name}}")
    change = {"prompt_name": "greeting", "label": "staging", "metadata": {"reviewed": True}}
    assert lucidic.ok("PATCH", "/sdk/prompts", json=change)["metadata"] == {"reviewed": True}
    assert lucidic.ok("GET", "/sdk/prompts", params={"prompt_name": "greeting"})["metadata"] == {"owner": "desk"}
    lucidic.ok("PUT", "/sdk/prompts", json={**first, "prompt_content": "Good day"})
    assert (content(), content(label="next")) == ("Good day", "Hello")
    for query in ({"prompt_name": "greeting", "label": "none"}, {"prompt_name": "none"}):
        assert lucidic.refused(404, "GET", "/sdk/prompts", params=query) == {"detail": "Prompt not found"}


def test_flags_have_the_values_that_were_set(local: LocalLumnis, lucidic: Lucidic) -> None:
    """By every route; one that is not set has no value, so that clients take their default."""
    local.lucidic.flags.update({"new-ui": True, "limit": 3, "mode": None})
    query = {"agent_id": "a", "flag_name": "limit"}
    assert lucidic.ok("GET", "/featureflags", params=query)["value"] == 3
    assert "value" not in lucidic.ok("GET", "/featureflags", params=query | {"flag_name": "none"})
    for suffix in ("", "stateless"):
        body = {"session_id": "s", "context": {}, "default": 0}
        assert lucidic.ok("POST", f"/evaluatefeatureflag{suffix}", json=body | {"flag_name": "mode"}) == {"value": None}
        assert set(lucidic.ok("POST", f"/evaluatefeatureflag{suffix}", json=body | {"flag_name": "none"})) == {"error"}
        batch = {"flag_names": ["new-ui", "none"], "defaults": {}, "context": {}}
        assert lucidic.ok("POST", f"/evaluatebatchfeatureflags{suffix}", json=batch) == {
            "flags": {"new-ui": {"value": True}}
        }


def test_datasets_keep_their_items(lucidic: Lucidic) -> None:
    """Create, read, change only what is named, list, find sessions of an item, delete."""
    dataset = {"name": "Cases", "description": "d", "tags": ["a"], "suggested_flag_config": {"x": 1}}
    dataset_id = lucidic.ok("POST", "/sdk/datasets/create", json=dataset)["dataset_id"]
    assert "detail" in lucidic.refused(409, "POST", "/sdk/datasets/create", json=dataset)
    item = {"name": "One", "input": {"q": 1}, "expected_output": [1, "a"], "metadata": {"m": 1}, "tags": ["t"]}
    made = lucidic.ok("POST", "/sdk/datasets/items/create", json={**item, "dataset_id": dataset_id})
    key = {"dataset_id": dataset_id, "datasetitem_id": made["datasetitem_id"]}
    assert item.items() <= lucidic.ok("GET", "/sdk/datasets/items/get", params=key).items()
    lucidic.ok("PUT", "/sdk/datasets/items/update", json={**key, "input": {"q": 2}, "expected_output": False})
    changed = lucidic.ok("GET", "/sdk/datasets/items/get", params=key)
    assert (changed["input"], changed["expected_output"], changed["name"]) == ({"q": 2}, False, "One")
    lucidic.ok("PUT", "/sdk/datasets/update", json={"dataset_id": dataset_id, "name": "Harbour", "tags": []})
    shown = lucidic.ok("GET", "/getdataset", params={"dataset_id": dataset_id})
    assert (shown["name"], shown["tags"], shown["description"], shown["num_items"]) == ("Harbour", [], "d", 1)
    assert [one["datasetitem_id"] for one in shown["items"]] == [key["datasetitem_id"]]
    listed = lucidic.ok("GET", "/sdk/datasets")
    assert (listed["num_datasets"], listed["datasets"][0]["dataset_id"]) == (1, dataset_id)
    session_id = lucidic.session(datasetitem_id=key["datasetitem_id"])
    run = lucidic.ok("GET", "/sdk/datasets/items/sessions", params=key)
    assert (run["num_sessions"], run["sessions"][0]["session_id"]) == (1, session_id)
    lucidic.ok("DELETE", "/sdk/datasets/items/delete", params=key)
    lucidic.refused(404, "GET", "/sdk/datasets/items/get", params=key)
    lucidic.ok("DELETE", "/sdk/datasets/delete", params={"dataset_id": dataset_id})
    lucidic.refused(404, "GET", "/getdataset", params={"dataset_id": dataset_id})


def test_tools_are_synchronised_and_run_for_real(lucidic: Lucidic) -> None:
    """There are no fixtures: a call is passed through; what cannot be done here says so."""
    session_id = lucidic.session()
    tools: list[dict[str, Any]] = [
        {"name": name, "signature": {"params": []}, "source_hash": "1"} for name in ("find", "send")
    ]
    assert lucidic.ok("POST", "/sdk/agent-tools/sync", json={"tools": tools})["stats"]["created"] == 2
    tools[0]["source_hash"] = "2"
    again = lucidic.ok("POST", "/sdk/agent-tools/sync", json={"tools": tools})
    assert again == {"synced": 2, "stats": {"created": 0, "updated": 1, "unchanged": 1}}
    call = {"session_id": session_id, "tool_name": "find", "kwargs": {}}
    assert lucidic.ok("POST", "/sdk/mock-call", json=call)["was_mocked"] is False
    missing = lucidic.refused(404, "POST", "/sdk/mock-call", json=call | {"session_id": "none"})
    assert missing["error"]["code"] == "session_not_found"
    assert lucidic.ok("POST", "/sdk/session-init-fixtures", json={"session_id": session_id})["initialized"] is False
    assert lucidic.ok("GET", "/sdk/training-modules/tools", params={"session_id": session_id}) == {"tools": []}
    assert "error" in lucidic.refused(404, "POST", "/sdk/training-modules/inferences", json=call)
    assert "error" in lucidic.refused(404, "GET", "/sdk/training-modules/inferences/run-1")
    assert "error" in lucidic.refused(501, "POST", "/sdk/evosim/training-run", json={})
    assert lucidic.ok("GET", "/verifyapikey")["project_id"]
