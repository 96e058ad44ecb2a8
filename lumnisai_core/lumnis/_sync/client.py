# Generated from lumnisai_core/lumnis/_async/client.py by `make sync`; edit that file.
"""The client: configuration, scopes, resources and ``invoke``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Literal, Self, Unpack, overload
from uuid import UUID

from pydantic import SecretStr

from lumnisai_core._transport._sync.client import ServiceClient
from lumnisai_core._transport.content import MAX_ANSWER_SIZE
from lumnisai_core._transport.hooks import RequestHook, ResponseHook
from lumnisai_core._transport.retry import CoolDown
from lumnisai_core.lumnis._sync.api import Api
from lumnisai_core.lumnis._sync.following import RunStream, start_run
from lumnisai_core.lumnis.calls.runs import InvokeParameters, MessagesInput
from lumnisai_core.lumnis.config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, settings_for_user, settings_from
from lumnisai_core.lumnis.models import ResponseObject, Scope

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import HTTPClient


class Client(Api, ServiceClient):
    """Blocking client of the Lumnis platform.

    It can be used from several threads, also inside a running event loop; connections are opened on
    first use and shared. Closing the client is optional.

    Args:
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service, which may have a path. Default: ``LUMNISAI_BASE_URL``, then https://api.lumnis.ai.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds that a try may take, from connecting to the whole answer. Streams and files have it for each
            piece. Runs have their own limit, ``run_timeout``.
        max_retries: Retries of requests that can be repeated without doing their work twice.
        scope: Default scope of calls: the data of one ``user`` (default) or of the whole ``tenant``.
        user_id: Default user of calls.
        auth: How the key is sent: ``bearer`` (default, ``Authorization: Bearer``) or ``x-api-key``.
        default_headers: Further headers of every request to the service.
        on_request: Called with :class:`RequestInfo` before each try; it never contains the key.
        on_response: Called with :class:`ResponseInfo` after each answer.
        http_client: Your own HTTP client, for proxies and certificates. It is never closed.
        max_answer_size: Bytes that an answer may have, after inflation. Default: 128 MiB. Downloads to a file have no
            limit.
        cool_down: Pause after an answer 429, to be shared with other clients. Default: all requests of this client
            share one.

    Raises:
        ConfigurationError: The API key is missing, or a value is invalid.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        *,
        base_url: str | None = None,
        tenant_id: str | UUID | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        scope: Scope | str = Scope.USER,
        user_id: str | UUID | None = None,
        auth: Literal["bearer", "x-api-key"] = "bearer",
        default_headers: Mapping[str, str] | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        http_client: HTTPClient | None = None,
        max_answer_size: int = MAX_ANSWER_SIZE,
        cool_down: CoolDown | None = None,
    ) -> None:
        settings = settings_from(
            api_key=api_key,
            base_url=base_url,
            tenant_id=tenant_id,
            timeout=timeout,
            max_retries=max_retries,
            scope=scope,
            user_id=user_id,
            auth=auth,
            default_headers=default_headers,
        )
        transport = self._connected(
            settings.service,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            max_answer_size=max_answer_size,
            on_request=on_request,
            on_response=on_response,
            http_client=http_client,
            cool_down=cool_down,
        )
        super().__init__(transport, settings)

    def __repr__(self) -> str:
        settings = self._settings
        return (
            f"{type(self).__name__}(base_url={settings.service.base_url!r}, scope={str(settings.scope)!r}, "
            f"user_id={settings.user_id!r})"
        )

    # Scopes

    def for_user(self, user_id: str | UUID) -> Self:
        """Return a client for one user that shares this client's connections.

        Args:
            user_id: UUID, e-mail address or other id of the user.
        """
        client = copy(self)
        client._settings = settings_for_user(self._settings, user_id)
        return client

    def as_user(self, user_id: str | UUID) -> Self:
        """Return a client for one user, for a ``with`` block; the end of the block leaves this client open.

        Args:
            user_id: UUID, e-mail address or other id of the user.
        """
        return self.for_user(user_id)

    # Runs

    @overload
    def invoke(
        self, messages: MessagesInput, *, stream: Literal[False] = False, **parameters: Unpack[InvokeParameters]
    ) -> ResponseObject: ...

    @overload
    def invoke(
        self, messages: MessagesInput, *, stream: Literal[True], **parameters: Unpack[InvokeParameters]
    ) -> RunStream: ...

    @overload
    def invoke(
        self, messages: MessagesInput, *, stream: bool, **parameters: Unpack[InvokeParameters]
    ) -> ResponseObject | RunStream: ...

    def invoke(
        self, messages: MessagesInput, *, stream: bool = False, **parameters: Unpack[InvokeParameters]
    ) -> ResponseObject | RunStream:
        """Run an agent and wait for its answer, or stream its progress.

        Args:
            messages: A string, one message, or the messages of a conversation.
            stream: Whether to return a stream of :class:`RunUpdate` instead of waiting.
            **parameters: What to run (:class:`lumnisai_core.RunParameters`: ``user_id``, ``thread_id``,
                ``response_format``, ``model_overrides``, ``agent_config``, ``files``, ``idempotency_key`` and more) and
                how to watch it (:class:`lumnisai_core.WatchParameters`: ``show_progress``, ``on_progress``,
                ``run_timeout``, ``progress_interval``, ``cancel_on_interrupt``).

        Returns:
            The finished run; with ``stream=True`` an iterator that is a context manager too.

        Raises:
            ValidationError: Something about the run is invalid; nothing was sent.
            RunFailedError: The run failed.
            RunCancelledError: The run was cancelled.
            RunTimeoutError: The run did not end within ``run_timeout``; it continues and can be resumed by its id.
            LumnisAIError: The service cannot be reached or refuses the request.
        """
        run = start_run(self._transport, self._settings, messages, parameters, listening=stream)
        return run if stream else run.result()

    def invoke_stream(self, messages: MessagesInput, **parameters: Unpack[InvokeParameters]) -> RunStream:
        """Do the same as ``invoke(..., stream=True)``, under its older name."""
        warnings.warn("invoke_stream() is deprecated: use invoke(..., stream=True).", DeprecationWarning, stacklevel=2)
        run: RunStream = self.invoke(messages, stream=True, **parameters)
        return run
