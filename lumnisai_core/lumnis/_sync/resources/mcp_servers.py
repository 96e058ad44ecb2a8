# Generated from lumnisai_core/lumnis/_async/resources/mcp_servers.py by `make sync`; edit that file.
"""MCP servers, whose tools agents can use: ``/v1/mcp-servers``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import changes, not_none, optional_text, page_query, path, text
from lumnisai_core._transport.secrets import Concealed, concealed
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls import mcp_servers as calls
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models.mcp_servers import MCPServer, MCPServerList, MCPTestResult, MCPToolList, MCPTransport
from lumnisai_core.lumnis.models.requests import Scope

_ROUTE = "/v1/mcp-servers"
_ONE = "/v1/mcp-servers/{}"
_LONGEST_NAME = 255
_LIST_SCOPES = ("tenant", "user", "all")


class MCPServers(Resource[Settings]):
    """Register and test MCP servers. Available as ``client.mcp_servers``.

    ``env`` and ``headers`` may contain secrets: they are sent, but never appear in texts and errors.
    """

    def create(
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
            name: Name of the server, up to 255 characters.
            transport: ``stdio`` for a program, ``streamable_http`` or ``sse`` for an address.
            scope: Whose agents can use the server, ``user`` or ``tenant``. Default: the client's scope.
            user_identifier: UUID or e-mail address of the user. Required in user scope.
            description: Description, up to 1000 characters.
            command: Program to start, up to 255 characters. Required for ``stdio``.
            args: Arguments of the program.
            url: Address, ``http://`` or ``https://``, up to 1024 characters. Required for the other transports.
            env: Environment variables of the program.
            headers: HTTP headers of requests to the address.

        Raises:
            ValidationError: An argument is missing or invalid.
            MissingUserId: User scope without a user.
            TenantScopeUserIdConflict: Tenant scope with a user.
        """
        user = user_of_call(self._settings, user_id=user_identifier, scope=scope)
        connection = calls.connection_body(
            transport=transport, command=command, args=args, url=url, env=env, headers=headers
        )
        described = not_none(
            name=text("name", name, longest=_LONGEST_NAME),
            scope=str(Scope.TENANT if user is None else Scope.USER),
            user_identifier=user,
            description=calls.usable_description(description),
        )
        with concealed(*calls.secrets_of(env, headers)):
            return self._send(Call("POST", _ROUTE, model(MCPServer), body=Concealed(**described, **connection)))

    def get(self, server_id: str | UUID) -> MCPServer:
        """Return a server without its secrets (GET /v1/mcp-servers/{id}).

        Raises:
            NotFoundError: The server does not exist.
        """
        return self._get(MCPServer, path(_ONE, server_id))

    def list(
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
            scope: ``tenant`` for only the tenant's servers, ``user`` for only a user's. Default: all.
            user_identifier: User whose servers to list, besides the tenant's. Default: the client's user, if any.
            is_active: True for only active servers, False for only inactive ones. Default: all.
            skip: Servers to skip.
            limit: Servers on the page, 1 to 100.
        """
        if scope is not None and scope not in _LIST_SCOPES:
            raise ValidationError(f"scope must be one of {', '.join(_LIST_SCOPES)}, not {scope!r}.")
        user = user_id_from(user_identifier)
        if user is None and scope != Scope.TENANT:
            user = self._settings.user_id
        page_query(limit=limit, offset=skip)
        query = {"scope": scope, "user_identifier": user, "is_active": is_active, "skip": skip, "limit": limit}
        return self._get(MCPServerList, _ROUTE, **query)

    def iter(
        self,
        *,
        scope: Scope | str | None = None,
        user_identifier: str | UUID | None = None,
        is_active: bool | None = None,
        page_size: int = 100,
    ) -> Iterator[MCPServer]:
        """Iterate over all servers, with the filters of :meth:`list`.

        Args:
            scope: ``tenant`` for only the tenant's servers, ``user`` for only a user's. Default: all.
            user_identifier: User whose servers to list, besides the tenant's. Default: the client's user, if any.
            is_active: True for only active servers, False for only inactive ones. Default: all.
            page_size: Servers to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(
                scope=scope,
                user_identifier=user_identifier,
                is_active=is_active,
                skip=place.position,
                limit=place.size,
            ),
            page_size,
        )

    def update(
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
        """Change a server; arguments that are left out stay unchanged (PATCH /v1/mcp-servers/{id}).

        Args:
            server_id: Id of the server.
            name: New name, up to 255 characters.
            description: New description, up to 1000 characters.
            url: New address, ``http://`` or ``https://``.
            env: Environment variables, which replace all present ones.
            headers: HTTP headers, which replace all present ones.
            is_active: Whether agents can use the server.

        Raises:
            ValidationError: There is nothing to change, or a value is invalid.
            NotFoundError: The server does not exist.
        """
        body = changes(
            "MCP server",
            name=optional_text("name", name, longest=_LONGEST_NAME),
            description=calls.usable_description(description),
            url=calls.usable_url(url),
            env=calls.usable_map("env", env),
            headers=calls.usable_map("headers", headers),
            is_active=is_active,
        )
        with concealed(*calls.secrets_of(env, headers)):
            return self._send(Call("PATCH", path(_ONE, server_id), model(MCPServer), body=Concealed(body)))

    def delete(self, server_id: str | UUID) -> None:
        """Delete a server (DELETE /v1/mcp-servers/{id}).

        Raises:
            NotFoundError: The server does not exist.
        """
        self._send(Call("DELETE", path(_ONE, server_id), nothing))

    def list_tools(self, server_id: str | UUID) -> MCPToolList:
        """List the tools of a server, as far as the service knows them (GET /v1/mcp-servers/{id}/tools).

        Raises:
            NotFoundError: The server does not exist.
        """
        return self._get(MCPToolList, path(_ONE + "/tools", server_id))

    def test(self, server_id: str | UUID) -> MCPTestResult:
        """Test the connection to a server (POST /v1/mcp-servers/{id}/test).

        Raises:
            NotFoundError: The server does not exist.
        """
        return self._send(Call("POST", path(_ONE + "/test", server_id), model(MCPTestResult)))

    def test_config(
        self,
        *,
        transport: MCPTransport | str,
        command: str | None = None,
        args: Sequence[str] | None = None,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> MCPTestResult:
        """Test the connection to a server that is not registered (POST /v1/mcp-servers/test).

        Args:
            transport: ``stdio``, ``streamable_http`` or ``sse``.
            command: Program to start. Required for ``stdio``.
            args: Arguments of the program.
            url: Address. Required for the other transports.
            env: Environment variables of the program.
            headers: HTTP headers of requests to the address.

        Raises:
            ValidationError: An argument is missing or invalid.
        """
        body = calls.connection_body(transport=transport, command=command, args=args, url=url, env=env, headers=headers)
        with concealed(*calls.secrets_of(env, headers)):
            return self._send(Call("POST", _ROUTE + "/test", model(MCPTestResult), body=body))
