"""The OpenAPI document, and the answers to requests made from it, good and bad."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine
from lumnisai_core.local.lumnis.routes import ROUTES, openapi_document
from lumnisai_core.local.web.routes import Route
from tests.local.support import Api

DOCUMENT = openapi_document()
BY_LINE = {(route.method, route.path): route for route in ROUTES}
CONFIG: dict[str, Any] = {
    "seed": 7,
    "phases": {"coverage": {"unexpected-methods": []}, "stateful": {"enabled": False}},
    "generation": {"with-security-parameters": False},
    "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "501"]}},
}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(CONFIG))
NAMES = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
FEW = settings(
    max_examples=int(os.environ.get("LUMNIS_TEST_EXAMPLES", "2")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ARTIFACT = {"artifactId": "a1", "name": "plan.md", "description": "", "parts": [{"kind": "text", "text": "High."}]}
WITH_BODY = [route for route in ROUTES if "body" in route.parts]
NOT_JSON = [b"{", b"\xff", b"\x00", b'"\\ud800"', b"{}{}", b"[" * 100_000, b'{"x": NaN}', b'{"x": 1e400}', b"1" * 5_000]
WRONG = ["0", '""', "[[]]", '"\\u0000"', "-1e308", "true"]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalLumnis]:
    engine = ScriptedEngine(Script(output_text="done", artifacts=[ARTIFACT]))
    with LocalLumnis(engine=engine, step_delay=0, max_wait=0.01) as local:
        yield local


@pytest.fixture
def api(service: LocalLumnis) -> Iterator[Api]:
    with Api(service) as made:
        yield made


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.fixture
def known(api: Api) -> dict[str, str]:
    """One of everything that has an id."""
    key = {"provider": "EXA_API_KEY", "api_key": "made-up"}
    upload = api.ok("POST", "/v1/files/upload", files={"file": ("a.txt", b"a\nb")}, data={"scope": "tenant"})
    run = api.finish("Hello", user_id="ada@example.org")
    made = {
        "skill_id": api.ok("POST", "/v1/skills", json={"name": "n", "description": "d", "content": "c"})["id"],
        "server_id": api.ok(
            "POST", "/v1/mcp-servers", json={"name": "n", "transport": "stdio", "command": "c", "scope": "tenant"}
        )["id"],
        "key": api.ok("POST", "/v1/external-api-keys", json=key)["key_id"],
        "file_id": upload["file_id"],
        "user": api.ok("POST", "/v1/users", json={"email": "ada@example.org"})["email"],
        "tenant_id": run["tenant_id"],
        "response_id": run["response_id"],
        "thread_id": run["thread_id"],
        "user_id": "ada@example.org",
    }
    begun = api.ok("POST", "/v1/integrations/connections/initiate", json={"user_id": "ada", "app_name": "GITHUB"})
    usage = {"skill_id": made["skill_id"], "response_id": made["response_id"], "skill_name": "n"}
    used = api.ok("POST", "/v1/skills/usage", json=usage)
    return {**made, "usage_id": used["id"], "state": begun["redirect_url"].rpartition("/")[2]}


@SCHEMA.parametrize()
@FEW
def test_every_request_gets_a_documented_answer(
    case: schemathesis.Case[Any], service: LocalLumnis, session: requests.Session, known: dict[str, str]
) -> None:
    """No request, however odd, is answered by an error of the service or by anything not in the document."""
    places = case.meta.components if case.meta else {}
    path = places.get(ParameterLocation.PATH)
    route = BY_LINE[case.operation.method.upper(), case.path]
    if path is not None and path.mode.is_positive and "path" not in route.parts:
        case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] += str(uuid4())  # otherwise nearly all creates would be conflicts
    headers = {"authorization": f"Bearer {service.api_key}"}
    reply = case.call(service.base_url, session, headers=headers, allow_redirects=False, timeout=20)
    case.validate_response(reply, checks=CHECKS.get_by_names(NAMES))  # type: ignore[arg-type]


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
def test_broken_bodies_are_refused(api: Api, known: dict[str, str], route: Route) -> None:
    """A body that is not JSON is a 422 on every route, and wrong values are never an error of the service."""
    path = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "FAST_MODEL"), route.path)
    documented = {int(status) for status in DOCUMENT["paths"][route.path][route.method.lower()]["responses"]}
    for body in NOT_JSON:
        assert api.refused(422, route.method, path, content=body)[0][0] == "body"
    for field in [*route.parts["body"].model_fields, "unknown"]:
        for value in WRONG:
            reply = api.request(route.method, path, content=f'{{"{field}": {value}}}')
            assert reply.status_code in documented, reply.text
            assert "Traceback" not in reply.text


def test_objects_of_any_shape_come_back_unchanged(api: Api) -> None:
    """Control characters, numbers of any size that JSON can hold, and odd names come back as they went in."""
    options = {
        "\u0000": "\u0000",
        "": -(10**300),
        "n": 1e308,
        "\u202e": [[], {}, None, True],
        "x" * 5_000: "\U0001f600",
    }
    run = api.finish("Hello", options=options)
    assert run["options"] == json.loads(json.dumps(options))


def test_the_document_is_served_without_a_key(service: LocalLumnis) -> None:
    """It is the one that the other tests use, and says which paths need a key."""
    reply = httpx.get(f"{service.base_url}/v1/openapi.json")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == json.loads(json.dumps(DOCUMENT))
    paths = DOCUMENT["paths"]
    open_paths = {path for path, methods in paths.items() for item in methods.values() if item.get("security") == []}
    assert open_paths == {"/v1/health", "/v1/openapi.json", "/v1/integrations/authorize/{state}"}


def test_every_route_is_described() -> None:
    """Every route is in the document under a name of its own and with a summary."""
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == set(BY_LINE)
    summaries = [item["summary"] for methods in DOCUMENT["paths"].values() for item in methods.values()]
    assert all(summaries)
    ids = [item["operationId"] for methods in DOCUMENT["paths"].values() for item in methods.values()]
    assert len(ids) == len(set(ids))
