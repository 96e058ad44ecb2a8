"""Drives both clients of the official Python package against a service, and prints as JSON what came of it.

It runs in a process of its own: the package prints, keeps an event loop and changes the precision of decimals.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import lumnisai
from lumnisai.models.files import ContentType, DuplicateHandling, FileScope, ProcessingStatus
from pydantic import BaseModel

BROKEN = {
    # `AttributeError`: no such method on the resource.
    *("create_thread", "delete_thread"),
    # `TypeError`: passes an argument that the resource does not take.
    "list_threads",
    # `AttributeError`: the resource uses a client it does not have.
    *("skills.create", "skills.list", "skills.get", "skills.update", "skills.delete"),
    *("create_skill", "list_skills", "get_skill", "update_skill", "delete_skill"),
}
TIDES = b"The tide at Brest is high.\nThe moon pulls the sea.\n"


class Port(BaseModel):
    """A class for `response_format`."""

    name: str


class Driven:
    """A client, or one of its resources, whose calls are noted and block until they are done."""

    def __init__(self, target: Any, used: set[str], loop: asyncio.AbstractEventLoop, prefix: str = "") -> None:
        self._target, self._used, self._loop, self._prefix = target, used, loop, prefix

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return Driven(value, self._used, self._loop, f"{name}.")

        def call(*args: Any, **options: Any) -> Any:
            self._used.add(f"{self._prefix}{name}")
            return self._done(value(*args, **options))

        return call

    @contextlib.contextmanager
    def user(self, name: str) -> Any:
        """Enter `as_user`, whichever kind of context manager it returns."""
        self._used.add("as_user")
        manager = self._target.as_user(name)
        if hasattr(manager, "__enter__"):
            with manager as client:
                yield self._like(client)
        else:
            client = self._loop.run_until_complete(manager.__aenter__())
            yield self._like(client)
            self._loop.run_until_complete(manager.__aexit__(None, None, None))

    def _done(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            value = self._loop.run_until_complete(value)
        if hasattr(value, "__aiter__"):
            return self._loop.run_until_complete(_collect(value))
        return self._like(value) if isinstance(value, lumnisai.Client | lumnisai.AsyncClient) else value

    def _like(self, client: Any) -> Driven:
        return Driven(client, self._used, self._loop)


async def _collect(items: Any) -> list[Any]:
    return [item async for item in items]


def runs_are_invoked(c: Any) -> None:
    run = c.invoke("Say: when?", user_id="ada@example.org", poll_interval=0.01, show_progress=True)
    assert (run.status, run.content, run.input_messages[0].content) == ("succeeded", "High at noon.", "Say: when?")
    assert [entry.state for entry in run.progress][:2] == ["processing", "processing"]
    assert run.progress[0].tool_calls == [{"name": "search", "args": {"q": "tide"}}]
    assert (run.artifacts[0].artifactId, run.artifacts[0].parts[0].text) == ("a1", "High.")
    assert run.completed_at >= run.created_at
    assert c.get_response(str(run.response_id), wait=1).output_text == "High at noon."
    assert c.responses.get(run.response_id).response_id == run.response_id
    again = c.invoke("More", thread_id=str(run.thread_id), user_id="ada@example.org", poll_interval=0.01)
    assert (again.thread_id, again.user_id) == (run.thread_id, run.user_id)
    stored = c.responses.list_artifacts(run.response_id, limit=5)
    assert (stored["total"], stored["artifacts"][0]["name"]) == (1, "plan.md")


def structures_are_returned(c: Any) -> None:
    run = c.invoke("Structure", response_format=Port, response_format_instructions="Short.", poll_interval=0.01)
    assert run.structured_response == {"name": "Brest"}
    agent = {"planner_model_name": "openai:gpt-4.1", "use_cognitive_tools": True}
    options = {"model_overrides": {"smart_model": "openai:gpt-4.1"}, "agent_config": agent}
    made = c.responses.create(messages=[{"role": "user", "content": "Hello"}], options=options)
    assert c.responses.get(made.response_id, wait=10.0).status == "succeeded"


def runs_are_streamed(c: Any) -> None:
    entries = list(c.invoke("Stream", stream=True, user_id="ada@example.org", poll_interval=0.01))
    assert [entry.message for entry in entries[:2]] == ["Planning", "Writing"]
    assert (entries[-1].state, entries[-1].output_text) == ("completed", "High at noon.")


def runs_are_streamed_the_old_way(c: Any) -> None:
    if isinstance(c._target, lumnisai.AsyncClient):
        entries = c.invoke_stream("Stream", user_id="ada@example.org", poll_interval=0.01)
        assert entries[-1].output_text == "High at noon."


def runs_fail_and_are_cancelled(c: Any) -> None:
    run = c.invoke("Fail", poll_interval=0.01)
    assert (run.status, run.error["code"], run.output_text) == ("failed", "LOW_TIDE", None)
    made = c.responses.create(messages=[{"role": "user", "content": "Wait"}])
    assert made.status in ("queued", "in_progress")
    assert c.responses.cancel(made.response_id).status == "cancelled"
    other = c.responses.create(messages=[{"role": "user", "content": "Wait"}])
    assert c.cancel_response(str(other.response_id)).status == "cancelled"
    assert c.responses.get(other.response_id).status == "cancelled"
    refused = _refused(lumnisai.ValidationError, lambda: c.cancel_response(str(other.response_id)))
    assert (refused.status_code, bool(refused.request_id)) == (409, True)
    assert "ended" in str(refused)


def keys_replay_the_same_run(c: Any) -> None:
    key = str(uuid4())
    messages = [{"role": "user", "content": "Once"}]
    made = [c.responses.create(messages=messages, idempotency_key=key) for _ in range(2)]
    assert made[0].response_id == made[1].response_id
    other = [{"role": "user", "content": "Twice"}]
    refused = _refused(lumnisai.ValidationError, lambda: c.responses.create(messages=other, idempotency_key=key))
    assert refused.status_code == 409


def runs_are_listed(c: Any) -> None:
    made = c.invoke("List", user_id="lister@example.org", poll_interval=0.01)
    today = datetime.now(UTC).date()
    query = {"user_id": "lister@example.org", "status": "succeeded", "start_date": today, "end_date": today}
    for shown in (c.list_responses(**query), c.responses.list_responses(**query, limit=5, offset=0)):
        assert [run.response_id for run in shown.responses] == [made.response_id]
        assert shown.total == 1
    yesterday = today - timedelta(days=1)
    assert c.list_responses(user_id=str(made.user_id), end_date=yesterday).responses == []


def runs_take_feedback(c: Any) -> None:
    made = c.responses.create(messages=[{"role": "user", "content": "Wait"}], user_id="ada@example.org")
    place = uuid4()
    given = c.responses.create_feedback(
        made.response_id,
        feedback_text="Use metres.",
        feedback_type="correction",
        user_id="ada@example.org",
        progress_id=place,
        tool_call_id="call-1",
        tool_args_update={"unit": "m"},
    )
    shown = c.responses.list_feedback(made.response_id)
    assert [item.feedback_id for item in shown.feedback] == [given.feedback_id]
    assert (shown.total_feedback, shown.consumed_count + shown.unconsumed_count) == (1, 1)
    assert (shown.feedback[0].progress_id, shown.feedback[0].tool_args_update) == (place, {"unit": "m"})
    assert c.responses.list_feedback(made.response_id, progress_id=uuid4()).feedback == []
    c.responses.cancel(made.response_id)


def threads_are_listed_and_renamed(c: Any) -> None:
    run = c.invoke("Thread", user_id="threader@example.org", poll_interval=0.01)
    shown = c.threads.list(user_id="threader@example.org", limit=5, offset=0)
    assert ([thread.thread_id for thread in shown.threads], shown.total) == ([run.thread_id], 1)
    thread = c.threads.get(run.thread_id)
    assert (thread.response_count, thread.user_id, thread.last_response_at) == (1, run.user_id, run.created_at)
    assert c.threads.update(run.thread_id, title="Tides").title == "Tides"
    assert c.get_thread(str(run.thread_id)).title == "Tides"
    assert [item.response_id for item in c.threads.get_responses(run.thread_id)] == [run.response_id]
    _refused(lumnisai.NotFoundError, lambda: c.threads.get(uuid4()))


def clients_of_one_user_see_what_is_theirs(c: Any) -> None:
    one = c.for_user("scoped@example.org")
    run = one.invoke("Mine", poll_interval=0.01)
    one.close()
    with c.user("scoped@example.org") as same:
        assert same.invoke("Mine too", poll_interval=0.01).user_id == run.user_id
    assert c.list_responses(user_id="scoped@example.org").total == 2
    _refused(lumnisai.MissingUserId, lambda: c.invoke("Whose?", scope=lumnisai.Scope.USER))


def users_are_managed(c: Any) -> None:
    made = c.create_user(email="grace@example.org", first_name="Grace")
    assert c.users.create(email="grace@example.org").id == made.id
    assert c.get_user("grace@example.org").id == c.users.get(made.id).id == made.id
    assert c.update_user("grace@example.org", last_name="Hopper").last_name == "Hopper"
    assert c.users.update(made.id, first_name="G.").last_name == "Hopper"
    assert "grace@example.org" in [user.email for user in c.list_users(page=1, page_size=100).users]
    shown = c.users.list(page=1, page_size=1)
    assert (len(shown.users), shown.pagination.page_size, shown.pagination.has_prev) == (1, 1, False)
    c.users.delete(made.id)
    _refused(lumnisai.NotFoundError, lambda: c.users.get(made.id))
    c.create_user(email="grace@example.org")
    c.delete_user("grace@example.org")
    _refused(lumnisai.NotFoundError, lambda: c.get_user("grace@example.org"))


def the_tenant_is_shown(c: Any) -> None:
    tenant = c.tenant.get()
    assert (isinstance(tenant.tenant_id, UUID), tenant.api_key_mode) == (True, "platform")


def keys_of_providers_are_kept(c: Any) -> None:
    expires = datetime.now(UTC) + timedelta(days=1)
    keys = c.external_api_keys
    made = keys.create(provider="OPENAI_API_KEY", api_key="sk-made-up", key_name="mine", expires_at=expires)
    assert (made.provider, made.key_name, made.expires_at) == ("OPENAI_API_KEY", "mine", expires.isoformat())
    assert keys.store(provider="GROQ_API_KEY", api_key="gsk-made-up").is_active
    assert c.add_api_key("EXA_API_KEY", "exa-made-up").provider == "EXA_API_KEY"
    assert keys.get(made.key_id).key_id == c.get_api_key(made.key_id).key_id == made.key_id
    assert len(keys.list()) == len(c.list_api_keys()) == 3
    assert keys.delete("OPENAI_API_KEY", key_name="mine")["message"]
    assert c.delete_api_key(lumnisai.ApiProvider.GROQ_API_KEY)["message"]
    assert [key.provider for key in keys.list()] == ["EXA_API_KEY"]
    assert c.api_keys.get_mode().api_key_mode == "platform"
    assert keys.set_mode("byo_keys").api_key_mode == "byo_keys"
    assert c.get_api_key_mode().api_key_mode == "byo_keys"
    assert c.set_api_key_mode(lumnisai.ApiKeyMode.PLATFORM).api_key_mode == "platform"


def models_are_preferred(c: Any) -> None:
    shown = c.get_model_preferences()
    assert (len(shown.preferences), len(shown.defaults_applied)) == (5, 5)
    choice = {"provider": "anthropic", "model_name": "claude-sonnet-4"}
    after = c.update_model_preferences({"SMART_MODEL": choice})
    assert len(after.defaults_applied) == 4
    after = c.model_preferences.update_bulk({lumnisai.ModelType.FAST_MODEL: choice})
    assert [kind.value for kind in after.defaults_applied] == ["CHEAP_MODEL", "REASONING_MODEL", "VISION_MODEL"]
    assert len(c.model_preferences.list(include_defaults=False).preferences) == 2


def files_are_managed(c: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tides.txt"
        path.write_bytes(TIDES)
        made = c.files.upload(file_path=path, tags=["Sea", "moon"])
        twin = c.upload_file(
            file_path=str(path), scope=FileScope.TENANT, duplicate_handling=DuplicateHandling.SUFFIX, tags="sea"
        )
        many = c.files.bulk_upload(file_paths=[path], file_contents=None, tags="sea")
        _processed(c, made.file_id)
        copy = Path(folder) / "copy.txt"
        assert c.download_file(made.file_id, save_path=copy) is None
        assert copy.read_bytes() == c.files.download(made.file_id) == TIDES
    assert (made.file_name, twin.file_name, many.total_uploaded) == ("tides.txt", "tides_(1).txt", 1)
    about = c.files.get(made.file_id)
    assert (about.tags, about.file_size, about.mime_type) == (["sea", "moon"], len(TIDES), "text/plain")
    assert c.get_file(made.file_id).processing_status == ProcessingStatus.COMPLETED
    assert c.get_file_status(made.file_id).progress_percentage == 100
    assert c.files.get_content(made.file_id, content_type=ContentType.TEXT).text == TIDES.decode()
    lines = c.get_file_content(made.file_id, start_line=2, end_line=2)
    assert (lines.text, lines.total_lines) == ("The moon pulls the sea.\n", 2)
    query = {"scope": FileScope.TENANT, "file_type": "txt", "status": ProcessingStatus.COMPLETED, "tags": ["moon"]}
    assert [file.id for file in c.files.list(**query).files] == [made.file_id]
    assert c.list_files(tags="sea", limit=1).has_more
    found = c.files.search("moon", file_types=["txt"], tags="moon", min_score=0.0, limit=5)
    assert ([hit.file.id for hit in found.results], found.query) == ([made.file_id], "moon")
    assert 0 <= found.results[0].chunks[0].similarity_score <= 1
    assert c.search_files("moon", tags=["nothing"]).results == []
    assert c.delete_file(made.file_id)["hard_delete"] is True
    assert c.files.delete(twin.file_id, hard_delete=False)["hard_delete"] is False
    missing = str(uuid4())
    gone = c.files.bulk_delete([many.uploaded[0].file_id, missing])
    assert (gone.deleted, gone.failed) == ([many.uploaded[0].file_id], [UUID(missing)])
    _refused(lumnisai.FileNotFoundError, lambda: c.files.get(made.file_id))


def files_belong_to_users(c: Any) -> None:
    owner = c.create_user(email="owner@example.org")
    made = c.upload_file(
        file_content=TIDES,
        file_name="mine.txt",
        scope=FileScope.USER,
        user_id="owner@example.org",
        duplicate_handling=DuplicateHandling.REPLACE,
    )
    who = {"user_id": owner.id}
    _processed(c, made.file_id, **who)
    assert [hit.file.user_id for hit in c.search_files("moon", **who).results] == [owner.id]
    assert [file.id for file in c.list_files(**who, scope=FileScope.USER).files] == [made.file_id]
    _refused(lumnisai.FileNotFoundError, lambda: c.files.get(made.file_id))
    shared = c.files.update_scope(made.file_id, scope=FileScope.TENANT, user_id=str(owner.id))
    assert (shared.file_scope, shared.user_id) == (FileScope.TENANT, None)
    c.files.delete(made.file_id)
    c.delete_user(str(owner.id))


def apps_are_connected(c: Any) -> None:
    apps = c.list_apps(include_available=True)
    assert (set(apps.enabled_apps) <= set(apps.available_apps), apps.total_enabled) == (True, len(apps.enabled_apps))
    assert c.integrations.list_apps(include_available=False).available_apps is None
    assert not c.set_app_enabled("github", enabled=False).enabled
    assert not c.is_app_enabled("github").enabled
    assert c.integrations.set_app_enabled("github", enabled=True).updated_at
    assert c.integrations.is_app_enabled("GitHub").app_name == "GITHUB"
    begun = c.initiate_connection(user_id="ada", app_name="github", redirect_url="http://127.0.0.1:9/after")
    assert begun.status == "pending"
    assert c.get_connection_status("ada", "github").status == "pending"
    assert httpx.get(begun.redirect_url, follow_redirects=False).status_code == 302
    active = c.wait_for_connection("ada", "github", timeout=5, poll_interval=0.05)
    assert (active.status, isinstance(active.connected_at, datetime)) == ("active", True)
    assert c.integrations.get_connection_status("ada", "github").error_message is None
    assert [item.app_name for item in c.list_connections("ada", app_filter="github,slack").connections] == ["GITHUB"]
    tools = c.get_integration_tools("ada", app_filter=["github"])
    assert (tools.tool_count, tools.tools[0].parameters.type) == (1, "object")
    assert c.integrations.get_tools(user_id="ada").tools[0].app_name == "GITHUB"
    _refused(lumnisai.TransportError, lambda: c.integrations.get_non_oauth_required_fields("github"))


def connections_are_called_back(c: Any) -> None:
    begun = c.integrations.initiate_connection(
        user_id="bob", app_name="slack", integration_id="x", auth_mode="oauth", connection_params={"a": 1}
    )
    state = begun.redirect_url.rpartition("/")[2]
    connection = httpx.get(f"{BASE_URL}/v1/integrations/connections/bob", headers=HEADERS).json()["connections"][0]
    done = c.integrations.callback(connection_id=connection["connection_id"], code="code", state=state)
    assert (done["success"], done["status"]) == (True, "active")
    shown = c.integrations.list_connections("bob")
    assert (shown.user_id, shown.connections[0].status) == ("bob", "active")


def mcp_servers_are_managed(c: Any) -> None:
    made = c.create_mcp_server(
        name="files", transport="stdio", scope="tenant", command="npx", args=["-y"], env={"A": "b"}, description="d"
    )
    assert (made.args, made.is_active, made.user_id) == (["-y"], True, None)
    other = c.mcp_servers.create(
        name="web",
        transport="streamable_http",
        scope="user",
        user_identifier="ada@example.org",
        url="https://example.org/mcp",
        headers={"X-Key": "k"},
    )
    assert c.get_mcp_server(made.id).name == c.mcp_servers.get(str(made.id)).name == "files"
    assert [item.id for item in c.list_mcp_servers(scope="tenant").servers] == [made.id]
    mine = c.mcp_servers.list(scope="user", user_identifier="ada@example.org", is_active=True, skip=0, limit=10)
    assert ([item.id for item in mine.servers], mine.total, mine.limit) == ([other.id], 1, 10)
    assert not c.update_mcp_server(made.id, is_active=False, description="off").is_active
    assert c.mcp_servers.update(other.id, name="net", env={"C": "d"}).name == "net"
    for tools in (c.list_mcp_server_tools(made.id), c.mcp_servers.list_tools(made.id)):
        assert (tools.server_id, tools.total) == (made.id, len(tools.tools))
    assert c.test_mcp_server(made.id).success
    assert c.mcp_servers.test_connection(other.id).message
    c.delete_mcp_server(made.id)
    c.mcp_servers.delete(other.id)
    _refused(lumnisai.NotFoundError, lambda: c.get_mcp_server(made.id))


def other_keys_are_refused(c: Any) -> None:
    stranger = Driven(lumnisai.AsyncClient(api_key="wrong", base_url=BASE_URL), set(), c._loop)
    error = _refused(lumnisai.AuthenticationError, lambda: stranger.get_thread(str(uuid4())))
    assert (error.status_code, bool(error.request_id)) == (401, True)
    stranger.close()


SCENARIOS: list[Callable[[Any], None]] = [
    runs_are_invoked,
    structures_are_returned,
    runs_are_streamed,
    runs_are_streamed_the_old_way,
    runs_fail_and_are_cancelled,
    keys_replay_the_same_run,
    runs_are_listed,
    runs_take_feedback,
    threads_are_listed_and_renamed,
    clients_of_one_user_see_what_is_theirs,
    users_are_managed,
    the_tenant_is_shown,
    keys_of_providers_are_kept,
    models_are_preferred,
    files_are_managed,
    files_belong_to_users,
    apps_are_connected,
    connections_are_called_back,
    mcp_servers_are_managed,
    other_keys_are_refused,
]


def _refused(kind: type[Exception], act: Callable[[], Any]) -> Any:
    try:
        value = act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected, got {value!r}")


def _processed(c: Any, file_id: UUID, **who: Any) -> None:
    end = time.monotonic() + 20
    while c.files.get_processing_status(file_id, **who).status.value in ("pending", "parsing", "embedding"):
        assert time.monotonic() < end
        time.sleep(0.01)


def _offered(kind: type[Any]) -> set[str]:
    """Return the names of all public methods of a client and its resources."""
    own = {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}
    resources = {
        *("responses", "threads", "external_api_keys", "tenant", "users", "integrations", "model_preferences"),
        *("mcp_servers", "files", "skills"),
    }
    for resource in resources:
        returned = inspect.signature(getattr(lumnisai.AsyncClient, resource).fget).return_annotation
        own |= {f"{resource}.{name}" for name in vars(returned) if not name.startswith("_")}
    return own


def _drive(kind: type[Any], tenant_id: str | None) -> dict[str, str | None]:
    """Run all scenarios; return what went wrong in each, and which methods no scenario has used."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    used: set[str] = set()
    outcome: dict[str, str | None] = {}
    options = {"api_key": KEY, "base_url": BASE_URL, "max_retries": 0, "tenant_id": tenant_id}
    client = Driven(kind(**options), used, loop)
    if kind is lumnisai.AsyncClient:
        client.init()
    for scenario in SCENARIOS:
        try:
            scenario(client)
            outcome[scenario.__name__] = None
        except Exception:  # noqa: BLE001 - reported to the test
            outcome[scenario.__name__] = traceback.format_exc()
    client.close()
    used = {name.replace("api_keys.", "external_api_keys.") if name.startswith("api_keys.") else name for name in used}
    outcome["unused"] = ", ".join(sorted(_offered(kind) - used - BROKEN)) or None
    outcome["broken after all"] = ", ".join(sorted(used & BROKEN)) or None
    return outcome


if __name__ == "__main__":
    BASE_URL, KEY, TENANT_ID, KIND = sys.argv[1:]
    HEADERS = {"authorization": f"Bearer {KEY}"}
    with contextlib.redirect_stdout(sys.stderr):
        result = _drive(getattr(lumnisai, KIND), TENANT_ID or None)
    sys.stdout.write(json.dumps(result))
