"""Settings of the embedded service, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.web.faults import Fault
from lumnisai_core.local.web.layers import RecordedRequest

PollMode = Literal["end-only", "on-change"]
DownloadMode = Literal["inline", "redirect"]
LimitMode = Literal["reject", "clamp"]
ArtifactShape = Literal["parts", "content"]
_CHOICES = {"poll": PollMode, "download": DownloadMode, "limits": LimitMode, "artifact_shape": ArtifactShape}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `LocalLumnis`, checked, with engines and keys made ready: names of tenants and times by key.

    `record` is called with each request before it is processed.
    """

    engine: Engine
    path: Path | None
    host: str
    port: int
    api_key: str
    tenants: Mapping[str, str]
    key_expiry: Mapping[str, str]
    poll: PollMode
    max_wait: float
    max_body: int
    max_file: int
    download: DownloadMode
    step_delay: float
    limits: LimitMode
    entry_ids: bool
    artifact_shape: ArtifactShape
    faults: tuple[Fault, ...]
    record: Callable[[RecordedRequest], None] | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            first, second = get_args(choices)
            if getattr(self, name) not in (first, second):
                raise ValueError(f"{name} must be {first!r} or {second!r}, got {getattr(self, name)!r}")
        if not isinstance(self.entry_ids, bool):
            raise ValueError(f"entry_ids must be True or False, got {self.entry_ids!r}")
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise ValueError(f"port must be a whole number from 0 to 65535, got {self.port!r}")
