"""Several tenants in one service, several keys for one of them, and the wall between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lumnisai_core.local import LocalLumnis
from tests.local.support import Api, EchoEngine, other_tenant

TENANTS = {"acme": ["lmn_acme_1", "lmn_acme_2"], "globex": ["lmn_globex"]}


@pytest.fixture
def callers() -> Iterator[dict[str, Api]]:
    """A caller for each key of a service with two tenants."""
    with ExitStack() as stack:
        local = stack.enter_context(LocalLumnis(engine=EchoEngine(), tenants=TENANTS, step_delay=0))
        keys = [key for keys in TENANTS.values() for key in keys]
        yield {key: stack.enter_context(Api(local, headers={"x-api-key": key})) for key in keys}


def _names(local: LocalLumnis, *keys: str) -> list[str]:
    names = []
    for key in keys:
        with Api(local, headers={"x-api-key": key}) as api:
            names.append(api.ok("GET", "/v1/tenant")["name"])
    return names


def test_keys_of_a_tenant_see_the_same(callers: dict[str, Api]) -> None:
    """Both keys are the same tenant, whose name is shown; settings made with one hold for the other."""
    first, second, foreign = callers.values()
    assert first.ok("GET", "/v1/tenant")["name"] == "acme"
    assert first.ok("GET", "/v1/tenant") == second.ok("GET", "/v1/tenant")
    assert foreign.ok("GET", "/v1/tenant")["name"] == "globex"
    run = first.finish()
    assert second.look(run["response_id"]) == run
    second.ok("PATCH", "/v1/external-api-keys/mode", json={"mode": "byo_keys"})
    assert first.ok("GET", "/v1/tenant")["api_key_mode"] == "byo_keys"
    assert foreign.ok("GET", "/v1/tenant")["api_key_mode"] != "byo_keys"


def test_a_tenant_reaches_nothing_of_another(callers: dict[str, Api]) -> None:
    """Neither in lists nor by an id that it has got hold of nor by search; the same user name is another user."""
    own, _, foreign = callers.values()
    run = own.finish("A secret.")
    user = own.ok("POST", "/v1/users", json={"email": "ann@example.com"})
    upload = {"file": ("a.txt", b"The secret word is heron.", "text/plain")}
    stored = own.ok("POST", "/v1/files/upload", data={"scope": "tenant"}, files=upload)
    skill = own.ok("POST", "/v1/skills", json={"name": "s", "description": "d", "content": "c"})
    for path in (
        f"/v1/responses/{run['response_id']}",
        f"/v1/responses/{run['response_id']}/artifacts",
        f"/v1/threads/{run['thread_id']}",
        f"/v1/threads/{run['thread_id']}/responses",
        f"/v1/users/{user['id']}",
        f"/v1/files/{stored['file_id']}",
        f"/v1/files/{stored['file_id']}/content",
        f"/v1/files/{stored['file_id']}/download",
        f"/v1/skills/{skill['id']}",
        f"/v1/tenants/{run['tenant_id']}",
    ):
        assert foreign.refused(404, "GET", path)
    for method, path in (
        ("POST", f"/v1/responses/{run['response_id']}/cancel"),
        ("DELETE", f"/v1/threads/{run['thread_id']}"),
        ("DELETE", f"/v1/users/{user['id']}"),
        ("DELETE", f"/v1/files/{stored['file_id']}"),
        ("DELETE", f"/v1/skills/{skill['id']}"),
    ):
        assert foreign.refused(404, method, path)
    for path, name in (("/v1/responses", "responses"), ("/v1/threads", "threads"), ("/v1/files", "files")):
        assert own.ok("GET", path)[name]
        assert foreign.ok("GET", path)[name] == []
    assert "heron" not in str(foreign.ok("POST", "/v1/files/search", json={"query": "secret word"}))
    again = foreign.ok("POST", "/v1/users", json={"email": "ann@example.com"})
    assert again["id"] != user["id"]


def test_idempotency_keys_belong_to_a_tenant(callers: dict[str, Api]) -> None:
    """The same key makes one run in each tenant, whichever key of the service is used."""
    headers = {"idempotency-key": "once"}
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    first, second, foreign = (
        api.post("/v1/responses", json=body, headers=headers).json()["response_id"] for api in callers.values()
    )
    assert first == second != foreign


def test_a_tenant_keeps_its_data_when_its_keys_change(tmp_path: Path) -> None:
    """Data hang on the name, a key that is not named any more is refused, and no key is ever in the file."""
    path = tmp_path / "l.db"
    with LocalLumnis(engine=EchoEngine(), path=path, tenants=TENANTS) as local, Api(local) as api:
        assert local.api_key == "lmn_acme_1"
        run = api.finish()
    tenants = {"acme": ["lmn_new"]}
    with LocalLumnis(engine=EchoEngine(), path=path, tenants=tenants) as local, Api(local) as api:
        assert api.look(run["response_id"]) == run
        with Api(local, headers={"x-api-key": "lmn_acme_1"}) as former:
            assert former.refused(401, "GET", "/v1/tenant") == "INVALID_API_KEY"
    contents = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert not any(key.encode() in contents for key in ("lmn_acme_1", "lmn_globex", "lmn_new"))


def test_further_keys() -> None:
    """The service's own key may be one of a tenant or not; keys can be added to a tenant while the service runs."""
    with LocalLumnis(tenants=TENANTS, api_key="lmn_globex") as local:
        assert local.api_key == "lmn_globex"
        assert _names(local, "lmn_globex", "lmn_acme_2") == ["globex", "acme"]
    with LocalLumnis(tenants=TENANTS, api_key="lmn_own") as local:
        added = local.add_key(tenant="acme")
        assert _names(local, "lmn_own", added, local.add_key()) == ["Local tenant", "acme", "Local tenant"]


def test_a_key_can_move_to_a_named_tenant(tmp_path: Path) -> None:
    """Naming it later counts; without the name it stays where it was put."""
    for tenants, name in ((None, "Local tenant"), ({"acme": ["lmn_k"]}, "acme"), (None, "acme")):
        with LocalLumnis(path=tmp_path / "l.db", api_key="lmn_k", tenants=tenants) as local:
            assert _names(local, "lmn_k") == [name]


@pytest.mark.parametrize(
    ("tenants", "words"),
    [
        ({" ": ["k"]}, "names in tenants"),
        ({"a": []}, "at least one key"),
        ({"a": "k"}, "must be a list"),
        ({"a": [" "]}, "keys in tenants"),
        ({"a": ["k"], "b": ["k"]}, "'a' and 'b' must not share"),
    ],
)
def test_wrong_tenants_are_refused_at_once(tenants: dict[str, list[str]], words: str) -> None:
    """With the name, never with the key."""
    with pytest.raises(ValueError, match=words):
        LocalLumnis(tenants=tenants)


def test_a_further_key_without_a_name_is_another_tenant() -> None:
    """As before."""
    with LocalLumnis(engine=EchoEngine(), tenants=TENANTS) as local, Api(local) as api, other_tenant(api) as other:
        api.finish()
        assert other.ok("GET", "/v1/responses")["total"] == 0
