"""Whose files they are, and who may see them."""

from __future__ import annotations

from pathlib import Path

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, other_tenant
from tests.local.test_files import names, put, reach, search


def test_a_users_file_exists_only_for_its_owner(api: Api) -> None:
    """Without the owner's name, or with another one, no call reaches the file, also not by its id."""
    mine = put(api, scope="user", user_id="ada")["id"]
    reads = [("GET", ""), ("GET", "/content"), ("GET", "/download"), ("GET", "/status")]
    for method, tail in [*reads, ("DELETE", "")]:
        assert [reach(api, mine, method, tail, name) for name in (None, "bob")] == [404, 404]
    for user in ({}, {"user_id": "bob"}):
        assert search(api, "tide", **user) == []
        assert names(api, **user) == []
        gone = api.ok("DELETE", "/v1/files/bulk", json={"file_ids": [mine]}, params=user)
        assert (gone["deleted"], gone["failed"]) == ([], [mine])
    assert api.refused(404, "PATCH", f"/v1/files/{mine}/scope", json={"scope": "tenant"}) == "NOT_FOUND"
    assert api.refused(404, "PATCH", f"/v1/files/{mine}/scope", json={"scope": "user", "user_id": "bob"}) == "NOT_FOUND"
    assert [reach(api, mine, method, tail, "ada") for method, tail in reads] == [200] * 4
    assert len(search(api, "tide", user_id="ada")) == 1
    with other_tenant(api) as other:
        assert [reach(other, mine, method, tail, "ada") for method, tail in reads] == [404] * 4
        assert search(other, "tide", user_id="ada") == []


def test_scores_tell_nothing_about_files_of_others(api: Api) -> None:
    """Files of others do not change how rare a word is."""
    put(api, data="The tide is high.")
    before = search(api, "tide whale")[0]["overall_score"]
    for number in range(5):
        put(api, f"{number}.txt", "A whale.", scope="user", user_id="bob")
    assert search(api, "tide whale")[0]["overall_score"] == before


def test_a_file_moves_between_user_and_tenant(api: Api) -> None:
    """Its owner gives a file to all; anybody gives a tenant's file to a user; a name already in use gets a number."""
    file = put(api, scope="user", user_id="ada")
    put(api)
    shared = api.ok("PATCH", f"/v1/files/{file['id']}/scope", json={"scope": "tenant", "user_id": "ada"})
    assert (shared["file_scope"], shared["user_id"], shared["file_name"]) == ("tenant", None, "tides_(1).txt")
    mine = api.ok("PATCH", f"/v1/files/{file['id']}/scope", json={"scope": "user", "user_id": "bob"})
    assert (mine["file_scope"], mine["file_name"]) == ("user", "tides_(1).txt")
    assert reach(api, file["id"], "GET", "", None) == 404
    assert api.refused(422, "PATCH", f"/v1/files/{file['id']}/scope", json={"scope": "user"}) == [["body"]]


def test_files_go_with_their_user(serve: Serve, tmp_path: Path) -> None:
    """Deleting a user deletes their files, also on disk."""
    api = serve(EchoEngine(), path=tmp_path / "lumnis.db")
    user = api.ok("POST", "/v1/users", json={"email": "ada@example.org"})
    mine = put(api, scope="user", user_id=user["email"])
    put(api, "shared.txt")
    api.ok("DELETE", f"/v1/users/{user['id']}")
    assert names(api, user_id=user["id"]) == ["shared.txt"]
    assert mine["id"] not in {path.stem for path in (tmp_path / "lumnis.db.files").iterdir()}
