"""An embedded Lumnis service: a real HTTP server on this machine, for first steps, tests and self-hosting."""

from __future__ import annotations

try:
    import jsonschema_rs as _jsonschema_rs  # noqa: F401
    import python_multipart as _python_multipart  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as _error:
    raise ImportError(
        f'lumnisai_core.local needs {_error.name}: pip install "lumnisai-integrations[local]"', name=_error.name
    ) from _error

from lumnisai_core.local.engines.base import (
    Engine,
    EngineError,
    Feedback,
    Message,
    Passage,
    RunReport,
    RunRequest,
    RunResult,
    ToolCall,
)
from lumnisai_core.local.engines.offline import OfflineEngine
from lumnisai_core.local.engines.scripted import Script, ScriptedEngine, Step
from lumnisai_core.local.liminal.detection import Detection, Detector, Pattern
from lumnisai_core.local.liminal.names import NameDetector
from lumnisai_core.local.liminal.patterns import PatternDetector
from lumnisai_core.local.liminal.platform import LocalLiminal
from lumnisai_core.local.liminal.settings import LiminalInstance, LiminalPolicy, LiminalSettings
from lumnisai_core.local.lucidic.platform import LocalLucidic
from lumnisai_core.local.lumi.functions import LumiRequest
from lumnisai_core.local.lumi.platform import LocalLumi
from lumnisai_core.local.lumi.settings import LumiRule, LumiSettings
from lumnisai_core.local.lumi.shapes import LumiMail
from lumnisai_core.local.openai.backend import OpenAIBackend
from lumnisai_core.local.proxy import OpenAIProxy
from lumnisai_core.local.service import LocalLumnis, ScriptableLumnis
from lumnisai_core.local.store.database import StoreError
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.faults import Fault
from lumnisai_core.local.web.json_schema import fit_schema
from lumnisai_core.local.web.layers import RecordedRequest

__all__ = [
    "ApiError",
    "Detection",
    "Detector",
    "Engine",
    "EngineError",
    "Fault",
    "Feedback",
    "LiminalInstance",
    "LiminalPolicy",
    "LiminalSettings",
    "LocalLiminal",
    "LocalLucidic",
    "LocalLumi",
    "LocalLumnis",
    "LumiMail",
    "LumiRequest",
    "LumiRule",
    "LumiSettings",
    "Message",
    "NameDetector",
    "OfflineEngine",
    "OpenAIBackend",
    "OpenAIProxy",
    "Passage",
    "Pattern",
    "PatternDetector",
    "RecordedRequest",
    "RunReport",
    "RunRequest",
    "RunResult",
    "Script",
    "ScriptableLumnis",
    "ScriptedEngine",
    "Step",
    "StoreError",
    "ToolCall",
    "fit_schema",
]
