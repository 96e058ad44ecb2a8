"""The embedded service for people's own tests: it does as it is told, and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lumnisai_core.local._recording import RecordedRequest
from lumnisai_core.local._server import LocalLumnis
from lumnisai_core.local.engines.agents import AgentEngines
from lumnisai_core.local.engines.base import Engine, RunReport, RunRequest, RunResult
from lumnisai_core.local.engines.offline import OfflineEngine
from lumnisai_core.local.engines.scripted import Script, ScriptedEngine


class ScriptableLumnis(LocalLumnis):
    """A Lumnis service for tests: `script` says what the next runs do, `requests` is what came in.

    Args:
        engine: answers the runs that no script is left for; default: the offline one, without its pauses.
        agents: engines by the name of the specialized agent, for runs that no script is left for.
        **options: those of `LocalLumnis`.

    Attributes:
        requests: Requests in order of arrival; clear it to forget them.
    """

    def __init__(
        self, *, engine: Engine | None = None, agents: Mapping[str, Engine] | None = None, **options: Any
    ) -> None:
        self._scripts: deque[Script] = deque()
        self.requests: list[RecordedRequest] = []
        player = _Player(self._scripts, AgentEngines(engine or OfflineEngine(step_delay=0), agents))
        super().__init__(engine=player, **{"step_delay": 0, **options})
        self._setup = replace(self._setup, record=self.requests.append)

    def script(self, *scripts: str | Script, **fields: Any) -> None:
        """Say what the next runs do, one script each, in order of arrival.

        Args:
            *scripts: scripts, or texts to answer with.
            **fields: one more script, by the fields of `Script`, such as `error=("CODE", "message")`.

        Raises:
            ValueError: nothing is said, or a field is not known.
        """
        if not scripts and not fields:
            raise ValueError("script() needs a text, a Script or fields of one, such as output_text='Hello'")
        made = [Script(output_text=script) if isinstance(script, str) else script for script in scripts]
        if wrong := [script for script in made if not isinstance(script, Script)]:
            raise ValueError(f"script() takes texts and Scripts, not {type(wrong[0]).__name__}")
        self._scripts.extend(made)
        if fields:
            self._scripts.append(Script.from_dict(fields))


class _Player:
    """Plays each script once, then leaves the runs to another engine."""

    def __init__(self, scripts: deque[Script], rest: Engine) -> None:
        self._scripts = scripts
        self._rest = rest

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run."""
        engine = ScriptedEngine(self._scripts.popleft()) if self._scripts else self._rest
        return await engine.run(request, report)
