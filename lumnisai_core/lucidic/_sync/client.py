# Generated from lumnisai_core/lucidic/_async/client.py by `make sync`; edit that file.
"""The clients of Lucidic: settings, and the resources that can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from lumnisai_core._transport._sync.client import ServiceClient
from lumnisai_core._transport.hooks import RequestHook, ResponseHook
from lumnisai_core.lucidic._sync.datasets import Datasets
from lumnisai_core.lucidic._sync.resources import Evals, Experiments, FeatureFlags, Prompts
from lumnisai_core.lucidic._sync.sessions import Events, Sessions
from lumnisai_core.lucidic.config import settings_from

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import HTTPClient


class Client(ServiceClient):
    """Blocking client of Lucidic: sessions and events, and the prompts, experiments and datasets around them.

    Each method is one request and raises what goes wrong. To record what a program does without waiting for the
    service, use the module-level calls such as :func:`lumnisai_core.lucidic.init`.

    It can be used from several threads, also inside a running event loop; connections are opened on
    first use and shared. Closing the client is optional.

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
        http_client: HTTPClient | None = None,
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
    def sessions(self) -> Sessions:
        """Sessions: one unit of work each."""
        return Sessions(self._transport, self._settings)

    @cached_property
    def events(self) -> Events:
        """Events: what happened in a session."""
        return Events(self._transport, self._settings)

    @cached_property
    def prompts(self) -> Prompts:
        """Prompts: texts with variables, by name and label."""
        return Prompts(self._transport, self._settings)

    @cached_property
    def experiments(self) -> Experiments:
        """Experiments: groups of sessions to compare."""
        return Experiments(self._transport, self._settings)

    @cached_property
    def datasets(self) -> Datasets:
        """Datasets: cases to run an application on."""
        return Datasets(self._transport, self._settings)

    @cached_property
    def feature_flags(self) -> FeatureFlags:
        """Feature flags: values to switch an application with."""
        return FeatureFlags(self._transport, self._settings)

    @cached_property
    def evals(self) -> Evals:
        """Evaluations: results of your own judges."""
        return Evals(self._transport, self._settings)
