"""The clients of Lumi.new: settings, the user they work for, and what can be called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from lumnisai_core._transport._async.client import AsyncServiceClient
from lumnisai_core._transport.hooks import RequestHook, ResponseHook
from lumnisai_core.lumi._async.accounts import AsyncAuth
from lumnisai_core.lumi._async.entities import AsyncEntities
from lumnisai_core.lumi._async.tools import AsyncFunctions, AsyncTools
from lumnisai_core.lumi.config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, settings_from

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import AsyncHTTPClient


class AsyncClient(AsyncServiceClient):
    """Asyncio client of Lumi.new, for one application and at most one user.

    In a server, make one client for each user's token; to share connections between them, pass ``http_client``.

    It can be used from several event loops and threads; connections are opened on first use, one set for each
    loop, and closed with it. Closing the client is optional.

    Args:
        project_id: Id of the application. Default: ``LUMI_PROJECT_ID``.
        api_base_url: Address of the API, such as https://api.lumi.new. Default: ``LUMI_API_BASE_URL``.
        auth_origin: Address of the pages for signing in with a browser; kept, and not used by this client.
        authorization: Token of the user to work for, with or without ``Bearer`` in front. Default: nobody is signed in.
        api_key: Key for texts and images. Default: ``LUMI_API_KEY``.
        sign_key: Key of the signature. Default: ``LUMI_SIGN_KEY``; without one, requests are not signed.
        top_access_key: Key with all rights, whoever is signed in. Default: ``TOP_ACCESS_KEY``; "" leaves it out.
        timeout: Seconds for connecting, for sending, and for an answer or the next piece of a stream.
        max_retries: Retries of requests that can be repeated, each signed anew.
        default_headers: Further headers of every request to the service.
        on_request: Called with :class:`RequestInfo` before each try; it never contains a secret.
        on_response: Called with :class:`ResponseInfo` after each answer.
        http_client: Your own HTTP client, for proxies and certificates. It is never closed.

    Raises:
        ConfigurationError: There is no project or address, or a value is invalid.
    """

    def __init__(
        self,
        project_id: str | None = None,
        api_base_url: str | None = None,
        auth_origin: str | None = None,
        authorization: str | SecretStr | None = None,
        *,
        api_key: str | SecretStr | None = None,
        sign_key: str | SecretStr | None = None,
        top_access_key: str | SecretStr | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        default_headers: Mapping[str, str] | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        http_client: AsyncHTTPClient | None = None,
    ) -> None:
        settings = settings_from(
            project_id=project_id,
            api_base_url=api_base_url,
            auth_origin=auth_origin,
            authorization=authorization,
            api_key=api_key,
            sign_key=sign_key,
            top_access_key=top_access_key,
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
        )
        self._service = settings.service
        self.auth_origin = settings.auth_origin
        self._transport = self._connected(
            settings.service,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            on_request=on_request,
            on_response=on_response,
            http_client=http_client,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(project_id={self._service.project_id!r}, api_base_url={self._service.base_url!r})"
        )

    @cached_property
    def auth(self) -> AsyncAuth:
        """Accounts: sign up, sign in and out, and the user that the client works for."""
        return AsyncAuth(self._transport, self._service)

    @cached_property
    def entities(self) -> AsyncEntities:
        """Collections of documents, by name: ``client.entities.Posts``."""
        return AsyncEntities(self._transport, self._service)

    @cached_property
    def tools(self) -> AsyncTools:
        """E-mail, files, and texts and images from models."""
        return AsyncTools(self._transport, self._service)

    @cached_property
    def functions(self) -> AsyncFunctions:
        """Functions of the application."""
        return AsyncFunctions(self._transport, self._service)
