"""What the processor does: for one call, for an import, for making a client. Each framework is in its own process."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.processes import endpoint, numbers_of, numbers_of_code, rounds_from, server
from tests.benchmarks.rows import Reading
from tests.benchmarks.timing import median_of

#: httpx and pydantic as any program with a model has them; much of pydantic is imported only when it is used.
_IN_USE = """import httpx
from pydantic import AfterValidator, BaseModel, Field, SecretStr, TypeAdapter, model_validator
class Used(BaseModel):
    text: str = Field(default="")
"""
_LANGCHAIN = "import langchain_core.language_models.chat_models"
_LLAMA_INDEX = "import llama_index.core"

#: By row: what is there already, our import, and the one beside it.
_IMPORTS = (
    (_IN_USE, "import lumnisai_core", "import lumnisai"),
    (_LANGCHAIN, "from lumnisai_integrations.langchain import ChatLumnis", "from langchain_openai import ChatOpenAI"),
    (
        _LLAMA_INDEX,
        "from lumnisai_integrations.llama_index import LumnisLLM",
        "from llama_index.llms.openai import OpenAI",
    ),
)
_TIMED = """{before}
import gc, time
gc.collect(); gc.disable()
started = time.process_time()
{statement}
print([time.process_time() - started])
"""


def cost(rounds: int) -> list[Reading]:
    """Measure the processor seconds of whole calls, as ratios to what they stand on."""
    with server(run_seconds=0.0) as service, endpoint() as to_openai:
        where = service.base_url, service.api_key
        official = numbers_of("child_official", "cost", *where, rounds)
        core, langchain, llama_index = (
            rounds_from("child_calls", "cost", framework, rounds, *where, to_openai)
            for framework in ("core", "langchain", "llama_index")
        )
    chat, llm, openai = median_of(langchain, "own"), median_of(llama_index, "own"), "beside"
    return [
        Reading(median_of(core, "core", "raw"), statistics.median(official)),
        Reading(median_of(langchain, "own", "core"), median_of(langchain, openai, "raw beside")),
        Reading(median_of(langchain, "own", "bare")),
        Reading(chat, median_of(langchain, openai), median_of(langchain, "own", openai)),
        Reading(median_of(llama_index, "own", "core"), median_of(llama_index, openai, "raw beside")),
        Reading(median_of(llama_index, "own complete", "core")),
        Reading(median_of(llama_index, "own", "bare")),
        Reading(llm, median_of(llama_index, openai), median_of(llama_index, "own", openai)),
    ]


def construction(rounds: int) -> list[Reading]:
    """Measure the processor seconds of making a client, a chat model and an LLM."""
    official = numbers_of("child_official", "construction", "http://127.0.0.1:9", "key", rounds)
    found = [
        rounds_from("child_calls", "construction", framework, rounds)
        for framework in ("core", "langchain", "llama_index")
    ]
    beside = [statistics.median(official), *(median_of(taken, "beside") for taken in found[1:])]
    return [Reading(median_of(taken, "own"), other) for taken, other in zip(found, beside, strict=True)]


def imports(rounds: int) -> list[Reading]:
    """Measure the processor seconds of imports, each in a fresh interpreter that has the framework already.

    As in every interpreter but the first one, all modules are compiled. Without the collector, which would come at
    some import by chance and look through the whole framework.
    """
    found: dict[tuple[str, str], list[float]] = {}
    with TemporaryDirectory(prefix="compiled-") as folder:
        for attempt in range(rounds + 1):  # the first one compiles
            for before, own, beside in _IMPORTS:
                for statement in (own, beside):
                    taken = numbers_of_code(_TIMED.format(before=before, statement=statement), Path(folder))
                    if attempt:
                        found.setdefault((before, statement), []).extend(taken)
    medians = {key: statistics.median(taken) for key, taken in found.items()}
    return [Reading(medians[before, own], medians[before, beside]) for before, own, beside in _IMPORTS]
