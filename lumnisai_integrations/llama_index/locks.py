"""A lock for models, which are copied, pickled and compared."""

from __future__ import annotations

import threading


class ModelLock:
    """A lock whose copies are locks of their own and which does not tell equal models apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ModelLock], tuple[()]]:
        return ModelLock, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelLock)

    def __hash__(self) -> int:
        return hash(ModelLock)
