# Generated from lumnisai_core/liminal/_async/client.py by `make sync`; edit that file.
"""The clients of Liminal: settings, logins, and what can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Self, overload

from pydantic import SecretStr

from lumnisai_core._transport._sync.client import ServiceClient
from lumnisai_core._transport.hooks import RequestHook, ResponseHook
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.liminal._sync.resources import Llm, Prompt, Threads
from lumnisai_core.liminal.calls import confirm_session
from lumnisai_core.liminal.config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, AuthProvider, settings_from
from lumnisai_core.liminal.device_code import DeviceCodeFlowProvider

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import HTTPClient


class Client(ServiceClient):
    """Blocking client of Liminal.

    It logs in with the first call, and again once when the session is refused. Credentials are taken from the
    arguments, or from the environment if there are none among these.

    It can be used from several threads, also inside a running event loop; connections are opened on
    first use and shared. Closing the client is optional.

    Args:
        base_url: Address of the tenant, such as https://api.my-tenant.liminal.ai. Default: ``LIMINAL_API_SERVER_URL``.
        token: Environment token. Default: ``LIMINAL_TOKEN``.
        session_id: Session to continue. With a token or provider beside it, it is renewed when it expires. Default:
            ``LIMINAL_SESSION_ID``.
        auth_provider: Gets access tokens of an identity provider: :class:`DeviceCodeFlowProvider`, or an object with
            ``get_access_token()``. Default: a device-code flow with ``LIMINAL_ENTRA_TENANT_ID`` and
            ``LIMINAL_ENTRA_CLIENT_ID``.
        timeout: Seconds for connecting, for sending, and for an answer or the next piece of a stream.
        max_retries: Retries of requests that can be repeated; prompts are never submitted twice.
        default_headers: Further headers of every request to the service.
        on_request: Called with :class:`RequestInfo` before each try; it never contains a secret.
        on_response: Called with :class:`ResponseInfo` after each answer.
        http_client: Your own HTTP client, for proxies and certificates. It is never closed, and its cookies are not
            sent.

    Raises:
        ConfigurationError: There is no address or no way to log in, or a value is invalid.
    """

    def __init__(
        self,
        base_url: str | AuthProvider | DeviceCodeFlowProvider | None = None,
        api_server_url: str | None = None,
        *,
        token: str | SecretStr | None = None,
        session_id: str | SecretStr | None = None,
        auth_provider: AuthProvider | DeviceCodeFlowProvider | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        default_headers: Mapping[str, str] | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        http_client: HTTPClient | None = None,
        httpx_client: HTTPClient | None = None,
    ) -> None:
        if base_url is not None and not isinstance(base_url, str):  # the product's pooling example: provider, address
            base_url, auth_provider = None, base_url
        if base_url is not None and api_server_url is not None:
            raise ConfigurationError("base_url and api_server_url are the same: pass one of them.")
        settings = settings_from(
            base_url=base_url or api_server_url,
            token=token,
            session_id=session_id,
            auth_provider=auth_provider,
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
        )
        self._service = settings.service
        self._transport = self._connected(
            settings.service,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            on_request=on_request,
            on_response=on_response,
            http_client=http_client or httpx_client,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._service.base_url!r})"

    @property
    def session_id(self) -> str | None:
        """The present session, or None before the first login. Whoever knows it can act as the user."""
        return self._service.session_id

    @cached_property
    def llm(self) -> Llm:
        """Model instances."""
        return Llm(self._transport, self._service)

    @cached_property
    def thread(self) -> Threads:
        """Threads: conversations with a model instance."""
        return Threads(self._transport, self._service)

    @cached_property
    def prompt(self) -> Prompt:
        """Prompts: analyzed, cleansed, submitted, hydrated."""
        return Prompt(self._transport, self._service)

    # Logging in at once

    @overload
    @classmethod
    def authenticate_from_auth_provider(cls) -> Callable[..., Self]: ...

    @overload
    @classmethod
    def authenticate_from_auth_provider(
        cls,
        api_server_url: str,
        auth_provider: AuthProvider | DeviceCodeFlowProvider,
        *,
        httpx_client: HTTPClient | None = None,
    ) -> Self: ...

    @classmethod
    def authenticate_from_auth_provider(
        cls,
        api_server_url: str | None = None,
        auth_provider: AuthProvider | DeviceCodeFlowProvider | None = None,
        *,
        httpx_client: HTTPClient | None = None,
    ) -> Self | Callable[..., Self]:
        """Return a client that is logged in with an identity provider.

        Args:
            api_server_url: Address of the tenant.
            auth_provider: Gets access tokens of the identity provider.
            httpx_client: Your own HTTP client.

        Raises:
            AuthenticationError: The login failed.
        """
        if api_server_url is None and auth_provider is None:  # as the product's quick start calls it
            return cls.authenticate_from_auth_provider
        return cls(api_server_url, auth_provider=auth_provider, httpx_client=httpx_client)._logged_in()

    @classmethod
    def authenticate_from_token(
        cls, api_server_url: str, token: str, *, httpx_client: HTTPClient | None = None
    ) -> Self:
        """Return a client that is logged in with an environment token.

        Args:
            api_server_url: Address of the tenant.
            token: Token from Liminal.
            httpx_client: Your own HTTP client.

        Raises:
            AuthenticationError: The token is refused.
        """
        return cls(api_server_url, token=token, httpx_client=httpx_client)._logged_in()

    @classmethod
    def authenticate_from_session_id(
        cls, api_server_url: str, session_id: str, *, httpx_client: HTTPClient | None = None
    ) -> Self:
        """Return a client that continues a session, after the service has confirmed it.

        Args:
            api_server_url: Address of the tenant.
            session_id: The session, from ``client.session_id``.
            httpx_client: Your own HTTP client.

        Raises:
            SessionExpiredError: The session is over.
        """
        return cls(api_server_url, session_id=session_id, httpx_client=httpx_client)._logged_in(confirm=True)

    def _logged_in(self, *, confirm: bool = False) -> Self:
        try:
            (self._transport.send(confirm_session()) if confirm else self._transport.log_in())
        except BaseException:
            self.close()  # nobody else has this client
            raise
        return self
