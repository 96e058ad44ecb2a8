"""Stored files as what a run works with."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from lumnisai_core.local import RunReport, RunRequest, RunResult
from tests.local.conftest import Serve
from tests.local.support import Api
from tests.local.test_files import TIDES, put, upload


class Attached:
    """Answers with the names and texts of the files that reach it."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult(json.dumps({file["name"]: file.get("text") for file in request.files}))


def _attached(api: Api, **fields: Any) -> dict[str, Any]:
    run = api.finish(**fields)
    found: dict[str, Any] = json.loads(run["output_text"])
    return found


def test_a_run_gets_the_text_of_stored_files(serve: Serve) -> None:
    """A file's id as the address of a file brings its text, also while it is still being processed."""
    api = serve(Attached())
    file_id = upload(api).json()["file_id"]
    outside = {"name": "x", "uri": "https://example.org/x"}
    files = [{"name": "t", "uri": file_id}, outside, {"name": "y", "uri": f"artifact_{uuid4()}"}]
    assert _attached(api, files=files) == {"t": TIDES, "x": None, "y": None}


def test_stored_files_of_a_thread_stay_at_hand(serve: Serve) -> None:
    """Later runs of a thread get the stored files of earlier ones."""
    api = serve(Attached())
    file_id = put(api)["id"]
    first = api.finish(files=[{"name": "t", "uri": file_id}, {"name": "x", "uri": "https://example.org/x"}])
    assert _attached(api, thread_id=first["thread_id"]) == {"t": TIDES}


def test_a_run_can_use_all_files_its_user_may_see(serve: Serve) -> None:
    """`use_files` brings the user's and the tenant's files; naming the file of somebody else brings nothing."""
    api = serve(Attached())
    put(api, "shared.txt", "1")
    put(api, "ada.txt", "2", scope="user", user_id="ada")
    bobs = put(api, "bob.txt", "3", scope="user", user_id="bob")["id"]
    options = {"use_files": True}
    assert _attached(api, options=options) == {"shared.txt": "1"}
    assert _attached(api, options=options, user_id="ada") == {"ada.txt": "2", "shared.txt": "1"}
    assert _attached(api, files=[{"name": "b", "uri": bobs}], user_id="ada") == {"b": None}


class Making:
    """Leaves an artifact behind, or answers with the texts of its files."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        texts = [file.get("text") for file in request.files]
        part = {"kind": "text", "text": "Tides."}
        return RunResult(json.dumps(texts), None, ({"artifactId": "a", "name": "n.md", "parts": [part]},))


def test_an_artifact_of_one_run_can_be_a_file_of_the_next(serve: Serve) -> None:
    """The address from the list of artifacts brings the text, for its owner only."""
    api = serve(Making())
    run = api.finish(user_id="ada")
    (stored,) = api.ok("GET", f"/v1/responses/{run['response_id']}/artifacts")["artifacts"]
    files = [{"name": "n", "uri": stored["uri"]}]
    assert api.finish(files=files, user_id="ada")["output_text"] == '["Tides."]'
    assert api.finish(files=files, user_id="bob")["output_text"] == "[null]"


def test_the_offline_engine_answers_from_stored_files(serve: Serve) -> None:
    """A stored file is material like any other."""
    api = serve("offline")
    file_id = put(api)["id"]
    run = api.finish("When do the fishing boats leave?", files=[{"name": "t", "uri": file_id}])
    assert run["output_text"] == "Fishing boats leave at noon."
