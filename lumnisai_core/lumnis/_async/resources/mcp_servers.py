"""MCP servers, whose tools agents can use: ``/v1/mcp-servers``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import changes, given, optional_text, page_query, text
from lumnisai_core._transport.secrets import Concealed, concealed
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls.mcp_servers import (
    LONGEST_NAME,
    connection_body,
    secrets_of,
    usable_description,
    usable_map,
    usable_url,
)
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models.enums import Scope
from lumnisai_core.lumnis.models.mcp_servers import MCPServer, MCPServerList, MCPTestResult, MCPToolList, MCPTransport

_ROUTE = "/v1/mcp-servers"
_ONE = "/v1/mcp-servers/{}"
_LIST_SCOPES = ("tenant", "user", "all")


class AsyncMCPServers(AsyncResource[Settings]):
    """Register MCP servers. Reached as ``client.mcp_servers``.

    ``env`` and ``headers`` may hold secrets: they are sent, and shown nowhere.
    """

    async def create(
        self,
        *,
        name: str,
        transport: MCPTransport | str,
        scope: Scope | str | None = None,
        user_identifier: str | UUID | None = None,
        description: str | None = None,
        command: str | None = None,
        args: Sequence[str] | None = None,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> MCPServer:
        """Register a server (POST /v1/mcp-servers).

        Args:
            name: Up to 255 characters.
            transport: ``stdio`` (a program), ``streamable_http`` or ``sse`` (an address).
            scope: ``user`` or ``tenant``: whose agents can use it. Default: the client's scope.
            user_identifier: UUID or e-mail address of the user. Needed in user scope.
            description: Up to 1000 characters.
            command: Program of a ``stdio`` server, which needs one. Up to 255 characters.
            args: Arguments of that program.
            url: Address of the other kinds, which need one: ``http://`` or ``https://``, up to 1024 characters.
            env: Variables for the program.
            headers: Headers for the address.

        Raises:
            ValidationError: Something is missing or not usable.
            MissingUserId: User scope and no user.
            TenantScopeUserIdConflict: Tenant scope and a user.
        """
        user = user_of_call(self._settings, user_id=user_identifier, scope=scope)
        reached = connection_body(transport=transport, command=command, args=args, url=url, env=env, headers=headers)
        kept = given(
            name=text("name", name, longest=LONGEST_NAME),
            scope=str(Scope.TENANT if user is None else Scope.USER),
            user_identifier=user,
            description=usable_description(description),
        )
        with concealed(*secrets_of(env, headers)):
            return await self._send(Call("POST", _ROUTE, model(MCPServer), body=Concealed(**kept, **reached)))

    async def get(self, server_id: str | UUID) -> MCPServer:
        """Return a server without its secrets (GET /v1/mcp-servers/{id}).

        Raises:
            NotFoundError: There is no such server.
        """
        return await self._send(Call("GET", path(_ONE, server_id), model(MCPServer)))

    async def list(
        self,
        *,
        scope: Scope | str | None = None,
        user_identifier: str | UUID | None = None,
        is_active: bool | None = None,
        skip: int = 0,
        limit: int = 100,
    ) -> MCPServerList:
        """List servers (GET /v1/mcp-servers).

        Args:
            scope: Only those of the ``tenant`` or of a ``user``. Default: all.
            user_identifier: Only this user's, besides the tenant's. Default: the user of the client, if it has one.
            is_active: Only those that are, or are not, in use.
            skip: Servers to pass over.
            limit: Servers on the page, 1 to 100.
        """
        if scope is not None and scope not in _LIST_SCOPES:
            raise ValidationError(f"scope must be one of {', '.join(_LIST_SCOPES)}, not {scope!r}.")
        user = user_id_from(user_identifier)
        if user is None and scope != Scope.TENANT:
            user = self._settings.user_id
        wanted = page_query(limit=limit, offset=skip)
        query = {
            "scope": scope,
            "user_identifier": user,
            "is_active": is_active,
            "skip": wanted["offset"],
            "limit": wanted["limit"],
        }
        return await self._send(Call("GET", _ROUTE, model(MCPServerList), query=query))

    def iter(
        self,
        *,
        scope: Scope | str | None = None,
        user_identifier: str | UUID | None = None,
        is_active: bool | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[MCPServer]:
        """Iterate over all servers; takes what :meth:`list` takes.

        Args:
            scope: Only those of the ``tenant`` or of a ``user``. Default: all.
            user_identifier: Only this user's, besides the tenant's. Default: the user of the client, if it has one.
            is_active: Only those that are, or are not, in use.
            page_size: Servers fetched at a time, 1 to 100.
        """
        return self._iterate(
            lambda seen: self.list(
                scope=scope, user_identifier=user_identifier, is_active=is_active, skip=seen, limit=page_size
            )
        )

    async def update(
        self,
        server_id: str | UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_active: bool | None = None,
    ) -> MCPServer:
        """Change a server; what is left out stays (PATCH /v1/mcp-servers/{id}).

        Args:
            server_id: Id of the server.
            name: Up to 255 characters.
            description: Up to 1000 characters.
            url: Address, ``http://`` or ``https://``.
            env: Variables; they replace all that were there.
            headers: Headers; they replace all that were there.
            is_active: Whether agents can use it.

        Raises:
            ValidationError: There is nothing to change, or a value is not usable.
            NotFoundError: There is no such server.
        """
        body = changes(
            "MCP server",
            name=optional_text("name", name, longest=LONGEST_NAME),
            description=usable_description(description),
            url=usable_url(url),
            env=usable_map("env", env),
            headers=usable_map("headers", headers),
            is_active=is_active,
        )
        with concealed(*secrets_of(env, headers)):
            return await self._send(Call("PATCH", path(_ONE, server_id), model(MCPServer), body=Concealed(body)))

    async def delete(self, server_id: str | UUID) -> None:
        """Delete a server (DELETE /v1/mcp-servers/{id}).

        Raises:
            NotFoundError: There is no such server.
        """
        await self._send(Call("DELETE", path(_ONE, server_id), nothing))

    async def list_tools(self, server_id: str | UUID) -> MCPToolList:
        """List the tools of a server; services may not know them yet (GET /v1/mcp-servers/{id}/tools).

        Raises:
            NotFoundError: There is no such server.
        """
        return await self._send(Call("GET", path(_ONE + "/tools", server_id), model(MCPToolList)))

    async def test(self, server_id: str | UUID) -> MCPTestResult:
        """Try to reach a server (POST /v1/mcp-servers/{id}/test).

        Raises:
            NotFoundError: There is no such server.
        """
        return await self._send(Call("POST", path(_ONE + "/test", server_id), model(MCPTestResult)))

    async def test_config(
        self,
        *,
        transport: MCPTransport | str,
        command: str | None = None,
        args: Sequence[str] | None = None,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> MCPTestResult:
        """Try to reach a server that is not registered (POST /v1/mcp-servers/test).

        Args:
            transport: ``stdio``, ``streamable_http`` or ``sse``.
            command: Program of a ``stdio`` server, which needs one.
            args: Arguments of that program.
            url: Address of the other kinds, which need one.
            env: Variables for the program.
            headers: Headers for the address.

        Raises:
            ValidationError: Something is missing or not usable.
        """
        body = connection_body(transport=transport, command=command, args=args, url=url, env=env, headers=headers)
        with concealed(*secrets_of(env, headers)):
            return await self._send(Call("POST", _ROUTE + "/test", model(MCPTestResult), body=body))
