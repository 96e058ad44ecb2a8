"""The embedded application backend: envelopes, signatures, accounts, codes and tokens."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from lumnisai_core.local import Fault, LocalLumnis, LumiRule, LumiSettings, ScriptableLumnis
from lumnisai_core.local.lumi.signature import sign, signed_texts
from tests.local.backend import OTHER_PASSWORD, PASSWORD, Backend, Signed, Started

# Signatures


#: Query in decoded form, body, signature: the test vectors of the protocol.
VECTORS = [
    ([], b"", "7BuzwLgpRpqo94pPnZRnB7MK5JwPbQRJSNUOTmiTD8Y="),
    (
        [],
        '{"filter":{"city":"Zürich"},"sort":{"createdAt":-1}}'.encode(),
        "zlb1cfYPJVytVCNdaHcNyWpw3bMGckmcBVlUeI4sFLg=",
    ),
    ([("ids", "a 1"), ("ids", "b!2")], b"", "OiDVZWikWwF1fKXGfd6xAg4Op6TVbsKHN7FawWSWYwo="),
]


@pytest.mark.parametrize(("query", "payload", "expected"), VECTORS)
def test_signatures_are_those_of_the_protocol(query: list[tuple[str, str]], payload: bytes, expected: str) -> None:
    """With the values of a repeated parameter joined by commas."""
    joined, *_ = signed_texts(query, "1760000000", "k3j2h1g0f9e", payload)
    assert sign("demo-signing-key", joined) == expected


@pytest.mark.parametrize("repeated", [False, True])
def test_an_array_in_the_query_may_be_signed_in_both_forms(started: Started, repeated: bool) -> None:
    """Joined by commas, as the official client signs it, or as it is sent."""
    backend = started()
    path = f"{backend.project}/Posts/documents/batch-by-ids"
    auth = Signed(backend.local.lumi.sign_key, repeated=repeated)
    assert backend.code("DELETE", path, params={"ids": ["a 1", "b!2"]}, auth=auth) == 200


#: What a strict backend refuses, and what its message says.
UNSIGNED: list[tuple[Callable[[str], Any], str]] = [
    (lambda _: None, "missing"),
    (lambda _: Signed("another key"), "is not the signature"),
    (lambda key: Signed(key, clock=-400), "300 seconds"),
    (lambda key: Signed(key, clock=400), "300 seconds"),
    (lambda key: Signed(key, nonce="used"), "used before"),
]


@pytest.mark.parametrize(("auth", "message"), UNSIGNED)
def test_a_wrong_signature_is_refused_in_strict_mode(
    started: Started, auth: Callable[[str], Any], message: str
) -> None:
    """Missing, of another key, of another time, with a nonce that was used; a right one is taken."""
    backend = started()
    key = backend.local.lumi.sign_key
    path = f"{backend.project}/Posts/documents/list"
    assert backend.code("POST", path, {}, auth=Signed(key, nonce="used")) == 200
    code, text = backend.outcome("POST", path, {}, auth=auth(key))
    assert code == 403
    assert message in text
    assert backend.code("POST", path, {}, auth=Signed(key, clock=-250)) == 200


def test_a_changed_body_is_refused(started: Started) -> None:
    """The signature covers the bytes of the body as they were sent."""
    backend = started()

    class Changed(Signed):
        def auth_flow(self, request: httpx.Request) -> Any:
            for one in super().auth_flow(request):
                one.stream = httpx.ByteStream(request.content.replace(b"tap", b"cat"))
                yield one

    path, auth = f"{backend.project}/Posts/documents", Changed(backend.local.lumi.sign_key)
    assert backend.code("POST", path, {"title": "tap"}, auth=auth) == 403
    assert backend.documents("POST", {}, below="/list") == []


def test_warn_mode_takes_unsigned_requests_and_logs_why_once(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """The default; the line has no key and no content."""
    backend = started(signature="warn")
    with caplog.at_level(logging.WARNING, logger="lumnisai_core.local"):
        for number in range(3):
            assert backend.code("POST", f"{backend.project}/Posts/documents", {"n": number}, auth=None) == 200
    assert [record.getMessage() for record in caplog.records] == [
        "A request to the Lumi backend would be refused in strict mode: The signature is missing."
    ]


def test_signature_modes(started: Started, caplog: pytest.LogCaptureFixture) -> None:
    """The default is to warn; `lumi_signature` is short for a setting and goes before it; `off` logs nothing."""
    assert LocalLumnis().lumi.settings.signature == "warn"
    local = LocalLumnis(lumi=LumiSettings(signature="off"), lumi_signature="strict")
    assert local.lumi.settings.signature == "strict"
    backend = started(signature="off")
    assert backend.code("POST", f"{backend.project}/Posts/documents", {}, auth=None) == 200
    assert caplog.records == []


def test_functions_and_files_need_no_signature(started: Started) -> None:
    """Neither does the page of the service."""
    backend = started()
    backend.local.lumi.function("hello")(lambda _: "Hello")
    reply = backend.get(f"/v1/functions/{backend.local.lumi.project_id}/hello", auth=None)
    assert (reply.status_code, reply.text) == (200, "Hello")
    upload = backend.ok("POST", f"{backend.project}/file/batch", files=[("files", ("a.txt", b"drip"))])
    assert httpx.get(upload[0]["fileUrl"]).content == b"drip"


# Envelopes


REFUSED = [
    (400, "POST", "{project}/Posts/documents/listByPage", {"limit": 0}),
    (400, "POST", "{project}/Posts/documents/listByPage", {"limit": 1001}),
    (400, "POST", "{project}/Posts/documents", [1]),
    (404, "POST", "/lm/p999/Posts/documents", {"n": 1}),
    (404, "GET", "{project}/nowhere", None),
    (405, "PATCH", "{project}/Posts/documents", None),
    (2100, "POST", "/lm/user/info", None),
]


@pytest.mark.parametrize(("code", "method", "path", "body"), REFUSED)
@pytest.mark.parametrize("http_status", [False, True])
def test_failures_are_envelopes(
    started: Started, code: int, method: str, path: str, body: Any, http_status: bool
) -> None:
    """With HTTP status 200, or with a fitting one where the settings say so."""
    backend = started(http_status=http_status)
    reply = backend.request(method, path.format(project=backend.project), json=body)
    assert reply.json()["code"] == code
    assert reply.json()["message"]
    assert reply.status_code == ({2100: 401}.get(code, code) if http_status else 200)


def test_a_body_that_is_too_large_is_refused(started: Started) -> None:
    """By the limit of the service for bodies."""
    with LocalLumnis(max_body=1000) as local, Backend(local) as backend:
        assert backend.code("POST", f"{backend.project}/Posts/documents", {"text": "x" * 1000}) == 413


def test_faults_happen_on_its_routes() -> None:
    """Also those that are a failure in an envelope."""
    fault = Fault(route="POST /lumi/lm/user/info", status=200, body={"code": 429, "message": "slow", "data": None})
    with LocalLumnis(faults=[fault]) as local, Backend(local) as backend:
        assert backend.outcome("POST", "/lm/user/info") == (429, "slow")


# Accounts


def test_an_account_is_made_with_a_code(started: Started) -> None:
    """Codes come by e-mail; the reply opens a session, also with the address in other letters."""
    backend = started()
    code = backend.sent_code("Ines@example.org")
    assert code.isdigit()
    assert len(code) == 6
    fields = {"email": "Ines@example.org", "password": PASSWORD}
    status, user = backend.account("register", **fields, code=code, userName="Ines")
    assert status == 200
    token = user.pop("userToken")
    assert (user["email"], user["userName"], user["userRole"]) == ("ines@example.org", "Ines", "USER")
    assert user["createdTime"].endswith("Z")
    assert backend.another(token).ok("POST", "/lm/user/info") == user
    status, again = backend.account("login", **{**fields, "email": "INES@example.org"})
    assert (status, again.pop("userToken") == token, again) == (200, False, user)


def test_codes_are_used_once_and_for_one_purpose(started: Started) -> None:
    """A wrong one, one that was used, one of another purpose or address, an older one: all are refused alike."""
    backend = started()
    ines = {"email": "ines@example.org", "password": PASSWORD}
    first = backend.sent_code("ines@example.org")
    second = backend.sent_code("ines@example.org")
    wrong = {"x", *([first] if first != second else [])}
    assert {backend.account("register", **ines, code=code)[0] for code in wrong} == {400}
    assert backend.account("register", **{**ines, "email": "ann@example.org"}, code=second)[0] == 400
    assert backend.account("reset", email="ines@example.org", newPassword=PASSWORD, code=second)[0] == 400
    assert backend.account("register", **ines, code=second)[0] == 200
    assert backend.account("register", **ines, code=second)[0] == 400


def test_a_code_is_void_after_five_wrong_ones_and_after_its_time(started: Started) -> None:
    """Nobody can try them all."""
    backend = started()
    ines = {"email": "ines@example.org", "password": PASSWORD}
    code = backend.sent_code("ines@example.org")
    assert [backend.account("register", **ines, code="wrong")[0] for _ in range(5)] == [400] * 5
    assert backend.account("register", **ines, code=code)[0] == 400
    late = started(code_lifetime=1e-6)
    assert late.account("register", **ines, code=late.sent_code("ines@example.org"))[0] == 400


def test_codes_go_to_those_who_can_use_them(started: Started) -> None:
    """There must be no account to sign up, and one to reset its password."""
    backend = started()
    assert backend.account("code", email="ines@example.org", emailType="resetPassword")[0] == 404
    backend.signed_up("ines@example.org")
    assert backend.account("code", email="INES@example.org", emailType="register")[0] == 409
    assert backend.account("code", email="nobody", emailType="register")[0] == 400
    assert backend.account("code", email="a@example.org", emailType="other")[0] == 400


def test_a_new_password_ends_the_sessions_of_the_old_one(started: Started) -> None:
    """Tokens of the account are refused from then on, and so is the old password."""
    backend = started()
    user = backend.signed_up("ines@example.org")
    other = backend.signed_up("ann@example.org")
    code = backend.sent_code("ines@example.org", "resetPassword")
    assert backend.account("reset", email="ines@example.org", newPassword=OTHER_PASSWORD, code=code) == (200, None)
    assert user.code("POST", "/lm/user/info") == 2100
    assert other.code("POST", "/lm/user/info") == 200
    assert backend.account("login", email="ines@example.org", password=PASSWORD)[0] == 403
    assert backend.account("login", email="ines@example.org", password=OTHER_PASSWORD)[0] == 200


def test_a_wrong_login_does_not_say_what_is_wrong(started: Started) -> None:
    """Neither does it for an address without an account."""
    backend = started()
    backend.signed_up("ines@example.org")
    wrong = backend.account("login", email="ines@example.org", password=OTHER_PASSWORD)
    assert wrong == backend.account("login", email="ann@example.org", password=PASSWORD)
    assert wrong[0] == 403
    assert backend.account("login", email="ines@example.org", password="correct horse")[0] == 400


def test_a_token_expires(started: Started) -> None:
    """After its lifetime, or when a test says so; a call with a dead one fails, but for logins."""
    backend = started()
    user = backend.signed_up("ines@example.org")
    backend.local.lumi.expire_tokens()
    listed = f"{backend.project}/Posts/documents/list"
    assert (user.code("POST", "/lm/user/info"), user.code("POST", listed, {})) == (2100, 2100)
    assert user.account("login", email="ines@example.org", password=PASSWORD)[0] == 200
    assert backend.code("POST", listed, {}) == 200
    short = started(token_lifetime=1e-6)
    assert short.signed_up("ines@example.org").code("POST", "/lm/user/info") == 2100


def test_administrators_are_named_in_the_settings(started: Started) -> None:
    """By address, in any case."""
    backend = started(admins=["Ann@example.org"])
    roles = {
        email: backend.signed_up(email).ok("POST", "/lm/user/info")["userRole"]
        for email in ("ann@example.org", "ines@example.org")
    }
    assert roles == {"ann@example.org": "ADMIN", "ines@example.org": "USER"}


def test_only_hashes_of_secrets_are_stored(started: Started, tmp_path: Path) -> None:
    """Neither passwords nor tokens nor codes are in the tables of accounts; the same password is stored differently."""
    path = tmp_path / "lumi.db"
    backend = started(path)
    users = [backend.signed_up(email) for email in ("ines@example.org", "ann@example.org")]
    code = backend.sent_code("ines@example.org", "resetPassword")
    secrets = [PASSWORD, code, *(user.token for user in users)]
    backend.local.close()
    with closing(sqlite3.connect(path)) as database:
        tables = ("lumi_users", "lumi_tokens", "lumi_codes")
        stored = repr([database.execute(f"SELECT * FROM {table}").fetchall() for table in tables])
        passwords = {row[0] for row in database.execute("SELECT password FROM lumi_users")}
    assert "ines@example.org" in stored
    assert [secret for secret in secrets if secret in stored] == []
    assert len(passwords) == 2


# The object


def test_settings_that_cannot_be_used_are_refused() -> None:
    """Each with the value that is wrong; keys are not shown."""
    wrong: list[dict[str, Any]] = [
        {"project_id": ""},
        {"project_id": "a/b"},
        {"signature": "on"},
        {"stream_errors": "x"},
        {"sign_key": " "},
        {"token_lifetime": 0},
        {"admins": "ann@example.org"},
        {"rules": {"Posts": "owner"}},
        {"smtp": "mail.example.org"},
    ]
    for settings in wrong:
        with pytest.raises(ValueError, match=next(iter(settings)).partition("_")[0]):
            LumiSettings(**settings)
    with pytest.raises(ValueError, match="read must be one of anyone, user, owner, admin, got 'all'"):
        LumiRule(read="all")  # type: ignore[arg-type]  # the error is the point
    with pytest.raises(ValueError, match="lumi must be LumiSettings, got dict"):
        LocalLumnis(lumi={})  # type: ignore[arg-type]  # the error is the point


def test_no_key_is_in_a_repr(started: Started) -> None:
    """Neither of the object nor of its settings, nor is the code in an e-mail."""
    backend = started(api_key="key-1", sign_key="key-2", top_access_key="key-3", smtp=None)
    code = backend.sent_code("ines@example.org")
    lumi = backend.local.lumi
    shown = repr([lumi, lumi.settings, lumi.outbox])
    assert [secret for secret in ("key-1", "key-2", "key-3", code) if secret in shown] == []


def test_the_environment_has_what_clients_read(started: Started) -> None:
    """But for the key with every right, which would switch all rules off."""
    local = started().local
    variables = {name: value for name, value in local.environment().items() if "LUMI_" in name}
    assert variables == {
        "LUMI_API_BASE_URL": local.lumi.base_url,
        "LUMI_PROJECT_ID": local.lumi.project_id,
        "LUMI_API_KEY": local.lumi.api_key,
        "LUMI_SIGN_KEY": local.lumi.sign_key,
    }
    assert local.lumi.base_url == f"{local.base_url}/lumi"


def test_a_backend_that_does_not_run_has_no_outbox() -> None:
    """Neither before its start nor after its end."""
    local = LocalLumnis()
    with pytest.raises(RuntimeError, match="not running"):
        _ = local.lumi.outbox
    with local:
        assert local.lumi.outbox == []
    with pytest.raises(RuntimeError, match="not running"):
        local.lumi.expire_tokens()


def test_a_forked_child_is_refused_instead_of_waiting_for_ever(started: Started) -> None:
    """The thread that reads the tables is in the parent."""
    lumi = started().local.lumi
    child = os.fork()
    if child == 0:
        try:
            _ = lumi.outbox
        except RuntimeError as error:
            os._exit(7 if "parent process" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_recorded_requests_have_no_credentials() -> None:
    """Neither token nor signature nor top access key is in their headers."""
    with ScriptableLumnis() as local:
        with Backend(local, headers={"x-top-access": local.lumi.top_access_key}) as backend:
            backend.code("POST", "/lm/user/info")
        (request,) = local.requests
    assert {"authorization", "x-sign", "x-top-access"} & request.headers.keys() == set()
    assert request.path == "/lumi/lm/user/info"


def test_everything_survives_a_restart(started: Started, tmp_path: Path) -> None:
    """Accounts, tokens, codes, documents, e-mails, files and images, with the keys of the settings or new ones."""
    path = tmp_path / "lumi.db"
    before = started(path)
    user = before.signed_up("ines@example.org")
    document = user.documents("POST", {"title": "tap"})
    code = before.sent_code("ines@example.org", "resetPassword")
    (upload,) = before.ok("POST", f"{before.project}/file/batch", files=[("files", ("a.txt", b"drip"))])
    image = before.ok("POST", f"{before.project}/ai/image/task", before.chat("A gull"))
    mails = before.local.lumi.outbox
    before.local.close()

    after = started(path)
    again = after.another(user.token)
    assert again.ok("POST", "/lm/user/info")["email"] == "ines@example.org"
    assert again.documents("GET", below=f"/{document['_id']}") == document
    assert after.local.lumi.outbox == mails
    file = upload["fileUrl"].partition("/lumi")[2]
    assert after.get(file).content == b"drip"
    poll = {"lumiApiKey": after.local.lumi.api_key, "messageId": image["messageId"]}
    assert after.ok("POST", f"{after.project}/ai/image/get", poll)["generationStatus"] == "SUCCESS"
    reset = {"email": "ines@example.org", "newPassword": OTHER_PASSWORD, "code": code}
    assert after.account("reset", **reset) == (200, None)
