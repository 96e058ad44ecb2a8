"""The clients of Lucidic: settings, and the resources that can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from lumnisai_core._transport._async.client import AsyncServiceClient
from lumnisai_core._transport.hooks import RequestHook, ResponseHook
from lumnisai_core.lucidic._async.datasets import AsyncDatasets
from lumnisai_core.lucidic._async.resources import AsyncEvals, AsyncExperiments, AsyncFeatureFlags, AsyncPrompts
from lumnisai_core.lucidic._async.sessions import AsyncEvents, AsyncSessions
from lumnisai_core.lucidic.config import settings_from

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import AsyncHTTPClient


class AsyncClient(AsyncServiceClient):
    """Asyncio client of Lucidic: sessions and events, and the prompts, experiments and datasets around them.

    Each method is one request and raises what goes wrong. To record what a program does without waiting for the
    service, use the module-level calls such as :func:`lumnisai_core.lucidic.init`.

    It can be used from several event loops and threads; connections are opened on first use, one set for each
    loop, and closed with it. Closing the client is optional.

    Args:
        api_key: The API key. Default: ``LUCIDIC_API_KEY``.
        agent_id: The agent that all calls are about. Default: ``LUCIDIC_AGENT_ID``.
        base_url: Address of the API instead of that of a region. Default: ``LUCIDIC_BASE_URL``.
        region: ``us`` or ``india``. Default: ``LUCIDIC_REGION``, then ``us``.
        timeout: Seconds that a try may take. Default: ``LUCIDIC_TIMEOUT``, then 30.
        max_retries: Further tries of requests that can be repeated. Default: ``LUCIDIC_MAX_RETRIES``, then 3.
        masking_function: Hides personal data in a text. It is applied to every text of payloads, metadata, tasks and
            reasons before anything is sent; where it raises, a notice is sent instead.
        default_headers: Further headers of every request.
        on_request: Called with :class:`RequestInfo` before each try; it never contains a secret.
        on_response: Called with :class:`ResponseInfo` after each answer.
        http_client: Your own HTTP client, for proxies and certificates. It is never closed.

    Raises:
        ConfigurationError: There is no key or no agent id, or a value is invalid.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        agent_id: str | None = None,
        *,
        base_url: str | None = None,
        region: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        masking_function: Callable[[str], str] | None = None,
        default_headers: Mapping[str, str] | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        http_client: AsyncHTTPClient | None = None,
    ) -> None:
        self._settings = settings_from(
            api_key=api_key,
            agent_id=agent_id,
            base_url=base_url,
            region=region,
            timeout=timeout,
            max_retries=max_retries,
            masking_function=masking_function,
            default_headers=default_headers,
        )
        self._transport = self._connected(
            self._settings.service,
            timeout=self._settings.timeout,
            max_retries=self._settings.max_retries,
            on_request=on_request,
            on_response=on_response,
            http_client=http_client,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._settings.service.base_url!r}, agent_id={self.agent_id!r})"

    @property
    def agent_id(self) -> str:
        """The agent that all calls are about."""
        return self._settings.agent_id

    @cached_property
    def sessions(self) -> AsyncSessions:
        """Sessions: one unit of work each."""
        return AsyncSessions(self._transport, self._settings)

    @cached_property
    def events(self) -> AsyncEvents:
        """Events: what happened in a session."""
        return AsyncEvents(self._transport, self._settings)

    @cached_property
    def prompts(self) -> AsyncPrompts:
        """Prompts: texts with variables, by name and label."""
        return AsyncPrompts(self._transport, self._settings)

    @cached_property
    def experiments(self) -> AsyncExperiments:
        """Experiments: groups of sessions to compare."""
        return AsyncExperiments(self._transport, self._settings)

    @cached_property
    def datasets(self) -> AsyncDatasets:
        """Datasets: cases to run an application on."""
        return AsyncDatasets(self._transport, self._settings)

    @cached_property
    def feature_flags(self) -> AsyncFeatureFlags:
        """Feature flags: values to switch an application with."""
        return AsyncFeatureFlags(self._transport, self._settings)

    @cached_property
    def evals(self) -> AsyncEvals:
        """Evaluations: results of your own judges."""
        return AsyncEvals(self._transport, self._settings)
