"""A graph of three steps with a fan-out, killed at random points and started again until it ends.

Each trial is a thread of its own in one SQLite file. The graph runs in a child process, which is killed with SIGKILL
after a random time and started again from the last checkpoint.
"""

from __future__ import annotations

import operator
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

#: How many questions the second step asks at once.
FAN_OUT = 8
#: Calls of a model that one passage of the graph makes.
CALLS = FAN_OUT + 2


class State(TypedDict, total=False):
    """What the graph keeps."""

    trial: str
    part: int
    plan: str
    found: Annotated[list[str], operator.add]
    answer: str


def build(ask: Callable[[str], str], saver: SqliteSaver) -> Any:
    """Return the graph, whose nodes ask a model."""

    def plan(state: State) -> State:
        return {"plan": ask(f"Plan {state['trial']}")}

    def find(state: State) -> State:
        return {"found": [ask(f"Find {state['trial']} {state['part']}")]}

    def join(state: State) -> State:
        return {"answer": ask(f"Join {state['trial']}: {' '.join(sorted(state['found']))}")}

    def parts(state: State) -> list[Send]:
        return [Send("find", {"trial": state["trial"], "part": part}) for part in range(FAN_OUT)]

    graph = StateGraph(State)
    for node in (plan, find, join):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", parts, ["find"])
    graph.add_edge("find", "join")
    graph.add_edge("join", END)
    return graph.compile(checkpointer=saver)


def reply(question: str) -> str:
    """Return the one right answer to a question."""
    return f"<{question}>"


def right_answer(trial: str) -> str:
    """Return what a passage without a kill ends with."""
    found = " ".join(sorted(reply(f"Find {trial} {part}") for part in range(FAN_OUT)))
    return reply(f"Join {trial}: {found}")


@dataclass
class Trial:
    """One passage of the graph: its kills, and the answer at its end."""

    name: str
    kills: int = 0
    answer: str = ""


def run_trials(make: Callable[[], Callable[[str], str]], folder: Path, kills: int, *, seed: int = 0) -> list[Trial]:
    """Start passages of the graph until so many of their processes were killed, and bring each to its end.

    Args:
        make: Makes, in a child process, what asks the model.
        folder: Folder for the checkpoints and answers.
        kills: How many processes are killed.
        seed: Of the random times after which they are.
    """
    chance, trials, left = random.Random(seed), list[Trial](), kills
    longest = 1.0
    while left:
        trial = Trial(f"{len(trials)}-{os.getpid()}")
        answer = folder / f"{trial.name}.txt"
        while not answer.exists():
            child = os.fork()
            if child == 0:
                _run(make, folder, trial.name)
            began = time.monotonic()
            _, status = _wait(child, chance.uniform(0, longest) if left else None)
            if os.WIFSIGNALED(status):
                trial.kills, left = trial.kills + 1, left - 1
            elif os.WEXITSTATUS(status):
                raise RuntimeError(f"the graph of trial {trial.name} failed")
            else:
                longest = max(longest, time.monotonic() - began)
        trial.answer = answer.read_text("utf-8")
        trials.append(trial)
    return trials


def _wait(child: int, seconds: float | None) -> tuple[int, int]:
    """Wait for the end of a child; kill it after so many seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is not None and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return ended, status
        time.sleep(0.002)
    if end is not None:
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)


def _run(make: Callable[[], Callable[[str], str]], folder: Path, trial: str) -> None:
    """Run the graph from its last checkpoint, or from its beginning, in this process, and leave it."""
    status = 1
    try:
        with SqliteSaver.from_conn_string(str(folder / "checkpoints.sqlite")) as saver:
            config: Any = {"configurable": {"thread_id": trial}}
            begun = saver.get_tuple(config) is not None
            graph = build(make(), saver)
            state = graph.invoke(None if begun else {"trial": trial}, config, durability="sync")
        written = folder / f"{trial}.new"
        written.write_text(state["answer"], "utf-8")
        written.rename(folder / f"{trial}.txt")
        status = 0
    finally:
        os._exit(status)
