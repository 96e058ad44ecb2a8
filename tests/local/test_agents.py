"""Specialized agents: each with an engine of its own, and never an answer that only looks like theirs."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core.local import (
    LocalLumnis,
    OfflineEngine,
    RunReport,
    RunRequest,
    RunResult,
    Script,
    ScriptableLumnis,
    ScriptedEngine,
)
from tests.local.conftest import Serve
from tests.local.support import Api

PEOPLE = "quick_people_search"
FOUND = {"candidates": [{"id": "1", "name": "Ann Lee"}], "total_found": 1}


class Asked:
    """Answers with the name and the parameters of the agent that the run names."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult(request.specialized_agent, request.specialized_agent_params)


def test_a_run_goes_to_the_engine_of_its_agent(serve: Serve) -> None:
    """Others, and runs of no agent, go to the default engine; it finds the name and the parameters in the request."""
    people = ScriptedEngine(Script(output_text="1 found", structured_response=FOUND))
    api = serve(Asked(), agents={PEOPLE: people})
    assert api.finish(specialized_agent=PEOPLE)["structured_response"] == FOUND
    assert api.finish()["output_text"] is None
    other = api.finish(specialized_agent="any string", specialized_agent_params={"limit": 2})
    assert (other["output_text"], other["structured_response"]) == ("any string", {"limit": 2})


@pytest.mark.parametrize("name", [PEOPLE, "deep_people_search", "any string", ""])
def test_the_built_in_engine_does_not_pretend_to_be_an_agent(serve: Serve, name: str) -> None:
    """The run is accepted, and fails with the names of those that there are."""
    run = serve(agents={"people_scoring": Asked()}).finish("Find engineers", specialized_agent=name)
    assert (run["status"], run["error"]["code"]) == ("failed", "AGENT_NOT_AVAILABLE")
    assert repr(name) in run["error"]["message"]
    assert "people_scoring" in run["error"]["message"]


def test_the_built_in_engine_can_be_made_an_agent(serve: Serve) -> None:
    """Whoever names it for an agent gets its answers."""
    api = serve(agents={PEOPLE: OfflineEngine(step_delay=0)})
    assert api.finish("The lock opens at 8. When does it open?", specialized_agent=PEOPLE)["status"] == "succeeded"


def test_scripts_come_before_agents() -> None:
    """The script of the next run is played, whichever agent the run names."""
    with ScriptableLumnis(agents={PEOPLE: Asked()}) as local, Api(local) as api:
        local.script("scripted")
        answers = [api.finish(specialized_agent=PEOPLE)["output_text"] for _ in range(2)]
        assert answers == ["scripted", PEOPLE]
        assert api.finish(specialized_agent="other")["error"]["code"] == "AGENT_NOT_AVAILABLE"


@pytest.mark.parametrize(
    ("agents", "words"), [({" ": Asked()}, "must be named"), ({"a": "offline"}, r"agents\['a'\] is str.*no method run")]
)
def test_wrong_agents_are_refused_at_once(agents: dict[str, Any], words: str) -> None:
    """Before anything is served."""
    with pytest.raises(ValueError, match=words):
        LocalLumnis(agents=agents)


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (5, "is int, which is no engine: it has no method run"),
        (None, "is NoneType, which is no engine"),
        (Script(output_text="Hello"), "is Script, which is no engine"),
        (ScriptedEngine, "is the class ScriptedEngine, which is no engine: make an object of it"),
    ],
    ids=["number", "nothing", "script", "class"],
)
def test_an_engine_that_cannot_answer_is_refused_at_once(engine: Any, words: str) -> None:
    """Before the service starts, and not with the first run."""
    with pytest.raises(ValueError, match=f"^engine {words}"):
        LocalLumnis(engine=engine)
    with pytest.raises(ValueError, match=rf"^agents\['{PEOPLE}'\] {words}"):
        LocalLumnis(agents={PEOPLE: engine})
