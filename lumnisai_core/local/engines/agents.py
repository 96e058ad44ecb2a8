"""Engines of specialized agents: a run goes to the engine of its agent, any other run to the default engine."""

from __future__ import annotations

from collections.abc import Mapping

from lumnisai_core.local.engines.base import Engine, EngineError, RunReport, RunRequest, RunResult


class AgentEngines:
    """Chooses the engine of a run by its specialized agent.

    A run of an agent without an engine of its own goes to the default engine, which finds the name in the request. A
    default engine with an attribute `specialized_agents = False`, such as the built-in one, does not get it: the run
    fails, because an answer would only look like the agent's.

    Args:
        engine: the default engine.
        agents: engines by the name of the specialized agent.

    Raises:
        ValueError: a name is blank, or an engine is not an object with a method `run`.
    """

    def __init__(self, engine: Engine, agents: Mapping[str, Engine] | None = None) -> None:
        _check("engine", engine)
        self._engine = engine
        self._agents = dict(agents or {})
        for name, agent in self._agents.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"agents: a name must be a non-empty string, got {name!r}")
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
            message = f"There is no engine for the specialized agent {name!r}; agents with an engine: {known}."
            raise EngineError("AGENT_NOT_AVAILABLE", message)
        return await self._agents.get(name, self._engine).run(request, report)


def _check(name: str, engine: object) -> None:
    if isinstance(engine, type):  # it has the method, but there is no object to call it on
        raise ValueError(f"{name} must be an engine, got the class {engine.__name__}: make an object of it")
    if not isinstance(engine, Engine):
        raise ValueError(f"{name} must be an engine, got {type(engine).__name__}: it has no method run")
