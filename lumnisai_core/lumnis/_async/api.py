"""The resources of a client and the short names of their methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast, overload

from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core.lumnis.config import Settings

if TYPE_CHECKING:
    from lumnisai_core.lumnis._async.resources.external_api_keys import AsyncExternalApiKeys
    from lumnisai_core.lumnis._async.resources.files import AsyncFiles
    from lumnisai_core.lumnis._async.resources.integrations import AsyncIntegrations
    from lumnisai_core.lumnis._async.resources.mcp_servers import AsyncMCPServers
    from lumnisai_core.lumnis._async.resources.model_preferences import AsyncModelPreferences
    from lumnisai_core.lumnis._async.resources.people import AsyncPeople
    from lumnisai_core.lumnis._async.resources.responses import AsyncResponses
    from lumnisai_core.lumnis._async.resources.skills import AsyncSkills
    from lumnisai_core.lumnis._async.resources.tenant import AsyncTenant
    from lumnisai_core.lumnis._async.resources.threads import AsyncThreads
    from lumnisai_core.lumnis._async.resources.users import AsyncUsers

MethodT = TypeVar("MethodT")


class ShortName(Generic[MethodT]):
    """A short name from the product's documentation: it returns the resource's own method, with its signature."""

    def __init__(self, find: Callable[[AsyncApi], MethodT]) -> None:
        self._find = find

    @overload
    def __get__(self, api: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, api: AsyncApi, owner: type[object]) -> MethodT: ...

    def __get__(self, api: AsyncApi | None, owner: type[object]) -> MethodT | Self:
        return self if api is None else self._find(api)


class AsyncApi:
    """The resources and the short names of their methods. Each resource is imported on first use."""

    def __init__(self, transport: AsyncTransport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

    def _resource(self, module: str, name: str) -> Any:
        kind = getattr(import_module(f"{__package__}.resources.{module}"), name)
        return kind(self._transport, self._settings)

    @cached_property
    def responses(self) -> AsyncResponses:
        """Runs."""
        return cast("AsyncResponses", self._resource("responses", "AsyncResponses"))

    get_response: Final = ShortName(lambda api: api.responses.get)
    list_responses: Final = ShortName(lambda api: api.responses.list)
    cancel_response: Final = ShortName(lambda api: api.responses.cancel)

    @cached_property
    def threads(self) -> AsyncThreads:
        """Threads: conversations that the service keeps."""
        return cast("AsyncThreads", self._resource("threads", "AsyncThreads"))

    create_thread: Final = ShortName(lambda api: api.threads.create)
    get_thread: Final = ShortName(lambda api: api.threads.get)
    list_threads: Final = ShortName(lambda api: api.threads.list)
    update_thread: Final = ShortName(lambda api: api.threads.update)
    delete_thread: Final = ShortName(lambda api: api.threads.delete)

    @cached_property
    def users(self) -> AsyncUsers:
        """Users of the tenant."""
        return cast("AsyncUsers", self._resource("users", "AsyncUsers"))

    create_user: Final = ShortName(lambda api: api.users.create)
    get_user: Final = ShortName(lambda api: api.users.get)
    list_users: Final = ShortName(lambda api: api.users.list)
    update_user: Final = ShortName(lambda api: api.users.update)
    delete_user: Final = ShortName(lambda api: api.users.delete)

    @cached_property
    def tenant(self) -> AsyncTenant:
        """The tenant of the API key."""
        return cast("AsyncTenant", self._resource("tenant", "AsyncTenant"))

    @cached_property
    def external_api_keys(self) -> AsyncExternalApiKeys:
        """API keys of model and data providers."""
        return cast("AsyncExternalApiKeys", self._resource("external_api_keys", "AsyncExternalApiKeys"))

    add_api_key: Final = ShortName(lambda api: api.external_api_keys.create)
    get_api_key: Final = ShortName(lambda api: api.external_api_keys.get)
    list_api_keys: Final = ShortName(lambda api: api.external_api_keys.list)
    delete_api_key: Final = ShortName(lambda api: api.external_api_keys.delete)
    get_api_key_mode: Final = ShortName(lambda api: api.external_api_keys.get_mode)
    set_api_key_mode: Final = ShortName(lambda api: api.external_api_keys.update_mode)

    @cached_property
    def model_preferences(self) -> AsyncModelPreferences:
        """Choice of models."""
        return cast("AsyncModelPreferences", self._resource("model_preferences", "AsyncModelPreferences"))

    get_model_preferences: Final = ShortName(lambda api: api.model_preferences.get)
    update_model_preferences: Final = ShortName(lambda api: api.model_preferences.update)

    @cached_property
    def files(self) -> AsyncFiles:
        """Files that agents can read and search."""
        return cast("AsyncFiles", self._resource("files", "AsyncFiles"))

    upload_file: Final = ShortName(lambda api: api.files.upload)
    bulk_upload_files: Final = ShortName(lambda api: api.files.bulk_upload)
    get_file: Final = ShortName(lambda api: api.files.get)
    list_files: Final = ShortName(lambda api: api.files.list)
    update_file_scope: Final = ShortName(lambda api: api.files.update_scope)
    delete_file: Final = ShortName(lambda api: api.files.delete)
    bulk_delete_files: Final = ShortName(lambda api: api.files.bulk_delete)
    search_files: Final = ShortName(lambda api: api.files.search)
    get_file_content: Final = ShortName(lambda api: api.files.get_content)
    download_file: Final = ShortName(lambda api: api.files.download)
    get_file_status: Final = ShortName(lambda api: api.files.get_status)
    get_file_statistics: Final = ShortName(lambda api: api.files.get_statistics)

    @cached_property
    def integrations(self) -> AsyncIntegrations:
        """Connections of users to external apps."""
        return cast("AsyncIntegrations", self._resource("integrations", "AsyncIntegrations"))

    initiate_connection: Final = ShortName(lambda api: api.integrations.initiate_connection)
    get_connection_status: Final = ShortName(lambda api: api.integrations.get_connection_status)
    list_connections: Final = ShortName(lambda api: api.integrations.list_connections)
    get_connection_statuses: Final = ShortName(lambda api: api.integrations.get_connection_statuses)
    wait_for_connection: Final = ShortName(lambda api: api.integrations.wait_for_connection)
    disconnect_app: Final = ShortName(lambda api: api.integrations.disconnect)
    get_integration_tools: Final = ShortName(lambda api: api.integrations.get_tools)
    list_apps: Final = ShortName(lambda api: api.integrations.list_apps)
    is_app_enabled: Final = ShortName(lambda api: api.integrations.is_app_enabled)
    set_app_enabled: Final = ShortName(lambda api: api.integrations.set_app_enabled)
    list_integration_providers: Final = ShortName(lambda api: api.integrations.list_providers)

    @cached_property
    def mcp_servers(self) -> AsyncMCPServers:
        """MCP servers, whose tools agents can use."""
        return cast("AsyncMCPServers", self._resource("mcp_servers", "AsyncMCPServers"))

    create_mcp_server: Final = ShortName(lambda api: api.mcp_servers.create)
    get_mcp_server: Final = ShortName(lambda api: api.mcp_servers.get)
    list_mcp_servers: Final = ShortName(lambda api: api.mcp_servers.list)
    update_mcp_server: Final = ShortName(lambda api: api.mcp_servers.update)
    delete_mcp_server: Final = ShortName(lambda api: api.mcp_servers.delete)
    list_mcp_server_tools: Final = ShortName(lambda api: api.mcp_servers.list_tools)
    test_mcp_server: Final = ShortName(lambda api: api.mcp_servers.test)

    @cached_property
    def skills(self) -> AsyncSkills:
        """Skills that agents can follow."""
        return cast("AsyncSkills", self._resource("skills", "AsyncSkills"))

    create_skill: Final = ShortName(lambda api: api.skills.create)
    get_skill: Final = ShortName(lambda api: api.skills.get)
    list_skills: Final = ShortName(lambda api: api.skills.list)
    update_skill: Final = ShortName(lambda api: api.skills.update)
    delete_skill: Final = ShortName(lambda api: api.skills.delete)

    @cached_property
    def people(self) -> AsyncPeople:
        """People search."""
        return cast("AsyncPeople", self._resource("people", "AsyncPeople"))
