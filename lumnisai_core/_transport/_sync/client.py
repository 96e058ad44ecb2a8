# Generated from lumnisai_core/_transport/_async/client.py by `make sync`; edit that file.
"""Base class of the clients of all platforms: their connections, hooks, and closing."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.content import MAX_ANSWER_SIZE, check_answer_size
from lumnisai_core._transport.hooks import Hooks, RequestHook, ResponseHook
from lumnisai_core._transport.retry import CoolDown, RetryPolicy
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.waiting import check_callback

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import HTTPClient


class ServiceClient:
    """A client of one service. Connections are opened on first use; closing is optional."""

    _transport: Transport

    #: Whether closing closes the connections; a client that shares those of another leaves them open.
    _owner: bool = True

    @staticmethod
    def _connected(
        service: Service,
        *,
        timeout: float,
        max_retries: int,
        max_answer_size: int = MAX_ANSWER_SIZE,
        on_request: RequestHook | None,
        on_response: ResponseHook | None,
        http_client: HTTPClient | None,
        cool_down: CoolDown | None = None,
    ) -> Transport:
        for name, hook in (("on_request", on_request), ("on_response", on_response)):
            if hook is not None:
                check_callback(name, hook)
        check_answer_size(max_answer_size)
        # Imported here: it takes longer than all the rest, and many programs import this package but make no client.
        from lumnisai_core._transport.pool import Pool

        pool = Pool(service, http_client, max_answer_size=max_answer_size)
        hooks = Hooks(on_request, on_response)
        policy = RetryPolicy(max_retries=max_retries)
        return Transport(service, pool, timeout=timeout, policy=policy, hooks=hooks, cool_down=cool_down)

    def close(self) -> None:
        """Close the connections. A client that shares those of another leaves them open."""
        if self._owner:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Copies and fields

    def __copy__(self) -> Self:
        """Return a client that shares this client's connections, and leaves them open when it is closed."""
        client = type(self).__new__(type(self))
        for name, value in vars(self).items():
            # What was made on first use, such as the resources, knows the user of its client.
            if not isinstance(getattr(type(self), name, None), cached_property):
                setattr(client, name, value)
        client._owner = False
        return client

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Do the same as ``copy.copy``: neither keys nor connections are doubled."""
        return copy(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} holds credentials and connections and cannot be pickled: make a client in each process, for "
            "example from environment variables."
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic models have clients as fields; JSON shows their text, without the key."""
        as_text = core_schema.to_string_ser_schema(when_used="json")
        return core_schema.is_instance_schema(cls, serialization=as_text)
