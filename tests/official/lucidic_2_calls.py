"""Drives the official package of Lucidic, version 2, against a service, and prints as JSON what came of it.

It runs in the environment of that package, which has nothing of ours, and finds the service by its environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import lucidicai as lai


@lai.event()
def outer(number: int) -> int:
    """Call another decorated function, which may fail."""
    return inner(number) + 1


@lai.event()
def inner(number: int) -> int:
    """Fail for negative numbers."""
    if number < 0:
        raise ValueError("must be positive")
    return number * 2


async def on_a_loop() -> None:
    """Record an event in a session that is bound to a task."""
    async with lai.session_async(session_name="On a loop"):
        lai.create_event(type="generic", details="done")


def main() -> dict[str, Any]:
    """Make the documented calls."""
    experiment_id = lai.create_experiment("Tone", LLM_boolean_evaluators=["polite"], description="d")
    session_id = lai.init(session_name="Refund desk", task="Answer", experiment_id=experiment_id, auto_end=False)
    outer(3)
    with suppress(ValueError):
        outer(-1)
    lai.create_event(
        type="llm_generation",
        provider="openai",
        model="gpt",
        messages=[{"role": "user", "content": "Where?"}],
        output="There.",
        input_tokens=3,
        output_tokens=2,
    )
    lai.create_event(type="generic", details="x" * 100_000)
    lai.create_error_event(error="timeout", traceback="Traceback ...")
    prompt = lai.get_prompt("greeting", variables={"name": "Ann"})
    flags = [lai.get_feature_flag("new-ui"), lai.get_feature_flag(["new-ui", "limit"])]
    dataset_id = lai.create_dataset("Cases")["dataset_id"]
    item_id = lai.create_dataset_item(dataset_id, "One", {"q": 1})["datasetitem_id"]
    items = [item["name"] for item in lai.get_dataset_items(dataset_id)]
    lai.delete_dataset_item(dataset_id, item_id)
    lai.delete_dataset(dataset_id)
    lai.update_session(session_eval=0.9, is_successful=True)
    lai.flush(timeout_seconds=10)
    lai.end_session()
    with lai.session(session_name="In a with"):
        lai.create_event(type="generic", details="done")
        lai.flush(timeout_seconds=10)
    asyncio.run(on_a_loop())
    return {"session_id": session_id, "prompt": prompt, "flags": flags, "items": items}


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(main())}\n")
    sys.stdout.flush()
    lai.flush(timeout_seconds=10)
    os._exit(0)  # its own exit hook waits 30 seconds
