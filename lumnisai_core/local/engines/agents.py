"""Which engine answers a run: that of the specialized agent it asks for, or the one for all others."""

from __future__ import annotations

from collections.abc import Mapping

from lumnisai_core.local.engines.base import Engine, EngineError, RunReport, RunRequest, RunResult


class AgentEngines:
    """Hands runs of a specialized agent to the engine of that name, and all others to one engine.

    A name without an engine goes to that one too, which finds it in the request. An engine that has nothing special to
    say about any agent has an attribute `specialized_agents = False`, as the built-in one does: such a run then fails,
    rather than that it gets an answer which looks like the agent's.

    Args:
        engine: answers runs of no specialized agent, and of those without an engine of their own.
        agents: engines by the name of the specialized agent.

    Raises:
        ValueError: a name is blank, or an engine is no object with a method `run`.
    """

    def __init__(self, engine: Engine, agents: Mapping[str, Engine] | None = None) -> None:
        _check("engine", engine)
        self._engine = engine
        self._agents = dict(agents or {})
        for name, agent in self._agents.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"agents must be named, not {name!r}")
            _check(f"agents[{name!r}]", agent)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run.

        Raises:
            EngineError: there is no engine for its specialized agent.
        """
        name = request.specialized_agent
        if name is None:
            return await self._engine.run(request, report)
        if name not in self._agents and not getattr(self._engine, "specialized_agents", True):
            known = ", ".join(sorted(self._agents)) or "none"
            message = f"There is no engine for the specialized agent {name!r}; those that have one: {known}."
            raise EngineError("AGENT_NOT_AVAILABLE", message)
        return await self._agents.get(name, self._engine).run(request, report)


def _check(name: str, given: object) -> None:
    if isinstance(given, type):  # which has the method, but nothing to call it on
        raise ValueError(f"{name} is the class {given.__name__}, which is no engine: make an object of it")
    if not isinstance(given, Engine):
        raise ValueError(f"{name} is {type(given).__name__}, which is no engine: it has no method run")
