"""Users: one identity whatever form names them, lists, and what goes when they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine, other_tenant

ADA = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Byron"}
USER_FIELDS = {"id", "email", "first_name", "last_name", "tenant_id", "is_active", "created_at", "updated_at"}


def test_a_user_is_made_once(api: Api) -> None:
    """A new address is 201; the same one, in any case, is 200 with the user that exists."""
    first = api.post("/v1/users", json=ADA)
    again = api.post("/v1/users", json={"email": "ADA@example.org", "first_name": "Other"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert set(first.json()) == USER_FIELDS
    assert first.json()["is_active"] is True
    assert api.ok("GET", "/v1/users")["pagination"]["total"] == 1


@pytest.mark.parametrize("form", ["{id}", "ada%40example.org", "Ada@Example.org"])
def test_a_user_is_found_by_id_and_address(api: Api, form: str) -> None:
    """The path takes the id or the percent-encoded address."""
    user = api.ok("POST", "/v1/users", json=ADA)
    assert api.ok("GET", f"/v1/users/{form.format(**user)}") == user


def test_names_can_be_changed(api: Api) -> None:
    """PUT changes the names in its body and leaves the others."""
    user = api.ok("POST", "/v1/users", json=ADA)
    changed = api.ok("PUT", f"/v1/users/{user['id']}", json={"last_name": "Lovelace", "email": "x@example.org"})
    assert (changed["first_name"], changed["last_name"], changed["email"]) == ("Ada", "Lovelace", "ada@example.org")
    assert changed["updated_at"] > user["updated_at"]
    assert api.ok("PUT", f"/v1/users/{user['id']}", json={"first_name": None})["first_name"] is None


def test_a_user_owns_the_runs_that_name_them_in_any_form(api: Api) -> None:
    """Runs by address, before and after the user was made, and by id belong to one user."""
    before = api.finish("one", user_id="ada@example.org")
    user = api.ok("POST", "/v1/users", json=ADA)
    after = api.finish("two", user_id=user["id"])
    api.finish("not hers", user_id="bob@example.org")
    runs = api.ok("GET", "/v1/users/ada%40example.org/responses")
    assert [run["response_id"] for run in runs] == [after["response_id"], before["response_id"]]
    assert {run["user_id"] for run in runs} == {user["id"]}
    threads = api.ok("GET", f"/v1/users/{user['id']}/threads", params={"page": 2, "page_size": 1})
    assert [thread["thread_id"] for thread in threads] == [before["thread_id"]]


def test_users_are_paged(api: Api) -> None:
    """Pages count from 1, newest first, and tell what comes before and after."""
    for number in range(5):
        api.ok("POST", "/v1/users", json={"email": f"u{number}@example.org"})
    page = api.ok("GET", "/v1/users", params={"page": 2, "page_size": 2})
    assert [user["email"] for user in page["users"]] == ["u2@example.org", "u1@example.org"]
    assert page["pagination"] == {
        "page": 2,
        "page_size": 2,
        "total": 5,
        "total_pages": 3,
        "has_next": True,
        "has_prev": True,
    }
    assert api.ok("GET", "/v1/users", params={"page": 9})["users"] == []


def test_deleting_a_user_deletes_their_data_and_nothing_else(serve: Serve, held: HeldEngine) -> None:
    """Runs, threads, skills, servers and connections go; active runs are cancelled; those of others stay."""
    api = serve(held)
    user = api.ok("POST", "/v1/users", json=ADA)
    run = api.create(user_id=user["id"])
    held.arrived()
    bob = api.create(user_id="bob@example.org")
    held.arrived()
    skill = {"name": "x", "description": "", "content": ""}
    server = {"name": "x", "transport": "stdio", "command": "x", "scope": "user"}
    for name in ("ada@example.org", "bob@example.org"):
        api.ok("POST", "/v1/skills", params={"user_id": name}, json=skill)
        api.ok("POST", "/v1/mcp-servers", json={**server, "user_identifier": name})
        api.ok("POST", "/v1/integrations/connections/initiate", json={"user_id": name, "app_name": "GITHUB"})
    assert set(api.ok("DELETE", f"/v1/users/{user['id']}")) == {"message"}
    assert api.ok("GET", "/v1/skills")["total"] == api.ok("GET", "/v1/mcp-servers")["total"] == 1
    assert api.ok("GET", f"/v1/integrations/connections/{user['id']}")["connections"] == []
    assert len(api.ok("GET", "/v1/integrations/connections/bob@example.org")["connections"]) == 1
    assert held.cancelled.wait(20)
    assert api.refused(404, "GET", f"/v1/users/{user['id']}") == "NOT_FOUND"
    assert api.refused(404, "GET", f"/v1/responses/{run['response_id']}") == "NOT_FOUND"
    assert [item["thread_id"] for item in api.ok("GET", "/v1/threads")["threads"]] == [bob["thread_id"]]
    held.release()
    assert api.wait(bob["response_id"])["status"] == "succeeded"
    assert api.post("/v1/users", json=ADA).status_code == 201


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", ["body"]),
        ([], ["body"]),
        ({}, ["body", "email"]),
        ({"email": None}, ["body", "email"]),
        ({"email": "ada"}, ["body", "email"]),
        ({"email": "a b@example.org"}, ["body", "email"]),
        ({"email": "a\0@example.org"}, ["body", "email"]),
        ({"email": f"{'x' * 250}@example.org"}, ["body", "email"]),
        ({**ADA, "first_name": 5}, ["body", "first_name"]),
        ({**ADA, "last_name": "x" * 256}, ["body", "last_name"]),
    ],
)
def test_a_bad_user_is_422_and_not_made(api: Api, body: Any, place: list[str]) -> None:
    """An invalid user leaves no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", "/v1/users", **sent) == [place]
    assert api.ok("GET", "/v1/users")["users"] == []


@pytest.mark.parametrize("query", ["page=0", "page_size=0", "page_size=101", "page=x", f"page={10**30}"])
def test_a_bad_page_is_422(api: Api, query: str) -> None:
    """Pages out of range are refused."""
    assert api.refused(422, "GET", f"/v1/users?{query}") == [["query", query.partition("=")[0]]]


@pytest.mark.parametrize("name", ["nobody", "a%00b", "..%2f", "%2e%2e%2fusers", "ada@example.org%2f..", "%ff"])
@pytest.mark.parametrize("tail", ["", "/responses", "/threads"])
def test_an_unknown_user_is_404(api: Api, name: str, tail: str) -> None:
    """Unknown names and tricks with paths are refused alike."""
    api.ok("POST", "/v1/users", json=ADA)
    assert api.refused(404, "GET", f"/v1/users/{name}{tail}") == "NOT_FOUND"
    assert api.refused(404, "DELETE", f"/v1/users/{name}") == "NOT_FOUND" if not tail else True


def test_users_of_another_tenant_do_not_exist(api: Api) -> None:
    """Neither id nor address reaches a user of another tenant; the same address is another user there."""
    user = api.ok("POST", "/v1/users", json=ADA)
    with other_tenant(api) as other:
        for form in (user["id"], "ada%40example.org"):
            for method in ("GET", "DELETE"):
                assert other.refused(404, method, f"/v1/users/{form}") == "NOT_FOUND"
            assert other.refused(404, "PUT", f"/v1/users/{form}", json={}) == "NOT_FOUND"
        assert other.ok("GET", "/v1/users")["users"] == []
        assert other.ok("POST", "/v1/users", json=ADA)["id"] != user["id"]
    assert api.ok("GET", f"/v1/users/{user['id']}") == user


def test_users_survive_a_restart(serve: Serve, tmp_path: Path) -> None:
    """A user is still there when the service comes back."""
    first = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    user = first.ok("POST", "/v1/users", json=ADA)
    first.local.close()
    second = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    assert second.ok("GET", f"/v1/users/{user['id']}") == user
