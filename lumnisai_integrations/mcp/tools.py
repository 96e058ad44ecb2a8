"""Tools of the MCP server: their arguments, their results, and how a run is written for a model. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pydantic
from mcp_types import CallToolResult, ContentBlock, ResourceLink, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from lumnisai_core import ResponseObject, RunParameters, RunUpdate
from lumnisai_core.display import one_line
from lumnisai_core.exceptions import RunError

#: Seconds after which ``ask`` and ``wait`` answer although the run works: many clients give up after a minute, and a
#: run of ten minutes shall take at most twelve calls.
ANSWER_WITHIN = 50.0

#: Progress entries in the result of a run that works.
_SHOWN_STEPS = 5

INSTRUCTIONS = (
    "Lumnis agents plan, research and work on their own, for seconds or many minutes. Call ask with a complete "
    "question. If the result says that the run is still working, call wait with its run_id, again and again until it "
    "has ended; status shows the progress without waiting, cancel stops the run. To follow up, pass the thread_id of "
    "an answer to ask."
)

_RUN_ID = "Id of the run: run_id in the result of ask."


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ask(_Arguments):
    """Arguments of ``ask``."""

    question: str = Field(
        min_length=1,
        description="What to find out or do, in full sentences. Without thread_id the agent knows nothing of this "
        "conversation: include everything it needs.",
    )
    thread_id: str | None = Field(
        None, min_length=1, description="Conversation to continue: thread_id of an earlier result. Default: a new one."
    )
    files: list[str] = Field(
        [], description="Files for the agent to read, each as a URL or as the id of an artifact (artifact_...)."
    )
    use_files: bool | None = Field(
        None, description="Whether the agent searches the files that the user has uploaded to Lumnis."
    )
    answer_schema: dict[str, Any] | None = Field(
        None, description="JSON Schema of an object, to get the answer as such an object in result."
    )


class OfRun(_Arguments):
    """Arguments of the tools about one run."""

    run_id: str = Field(min_length=1, description=_RUN_ID)


class RunState(BaseModel):
    """The structured result of every tool."""

    run_id: str = Field(description="Id of the run, for wait, status and cancel.")
    thread_id: str | None = Field(None, description="Conversation of the run: pass it to ask to follow up.")
    status: str = Field(description="queued, in_progress, succeeded, failed or cancelled.")
    answer: str | None = Field(None, description="The answer as Markdown, once the run has succeeded.")
    result: dict[str, Any] | None = Field(None, description="The answer as an object, if answer_schema was passed.")
    error: str | None = Field(None, description="Why the run failed.")
    progress: list[str] = Field([], description="The latest steps of a run that works, oldest first.")
    artifacts: list[str] = Field([], description="URIs of the documents that the agent made, readable as resources.")
    next_step: str | None = Field(None, description="What to call next, if the run has not ended.")


class ToolKind(NamedTuple):
    """A tool: the class of its arguments, and what clients are shown of it."""

    arguments: type[_Arguments]
    title: str
    description: str
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False


TOOLS = {
    "ask": ToolKind(
        Ask,
        "Ask a Lumnis agent",
        "Give a question or task to a Lumnis agent, which plans, researches and works on its own, and get its answer. "
        "If the agent needs longer, the result has status in_progress and a run_id: call wait with it.",
    ),
    "wait": ToolKind(
        OfRun,
        "Wait for an answer",
        "Wait for the answer of a run that ask has started. If the run is still working after a while, the result says "
        "so: call wait again.",
        read_only=True,
        idempotent=True,
    ),
    "status": ToolKind(
        OfRun, "Status of a run", "Get status, progress and answer of a run at once.", read_only=True, idempotent=True
    ),
    "cancel": ToolKind(
        OfRun,
        "Stop a run",
        "Stop a run that is no longer needed. A run that has ended is not changed.",
        destructive=True,
        idempotent=True,
    ),
}


def listed_tools() -> list[Tool]:
    """Describe the tools to clients."""
    return [
        Tool(
            name=name,
            title=kind.title,
            description=kind.description,
            input_schema=kind.arguments.model_json_schema(),
            output_schema=RunState.model_json_schema(),
            annotations=ToolAnnotations(
                read_only_hint=kind.read_only,
                destructive_hint=kind.destructive,
                idempotent_hint=kind.idempotent,
                open_world_hint=True,
            ),
        )
        for name, kind in TOOLS.items()
    ]


class ArgumentError(Exception):
    """Arguments of a tool are not valid; the message says which, and why."""


def read_arguments(tool: str, arguments: Mapping[str, Any] | None) -> Ask | OfRun:
    """Check the arguments of a tool.

    Raises:
        ArgumentError: An argument is missing, unknown or of the wrong type.
    """
    try:
        checked = TOOLS[tool].arguments.model_validate(arguments or {})
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ArgumentError(f"{tool} was called with wrong arguments: {wrong}") from error
    assert isinstance(checked, Ask | OfRun)  # noqa: S101 - for type checkers: no other class is in the table
    return checked


def run_parameters(arguments: Ask, defaults: RunParameters) -> RunParameters:
    """Return the run parameters of a call of ``ask``; its arguments override the defaults of the server."""
    parameters = RunParameters(**defaults)
    if arguments.thread_id is not None:
        parameters["thread_id"] = arguments.thread_id
    if arguments.answer_schema is not None:
        parameters["response_format"] = arguments.answer_schema
    if arguments.use_files is not None:
        parameters["options"] = {**(defaults.get("options") or {}), "use_files": arguments.use_files}
    if arguments.files:
        named = [{"name": _file_name(uri), "uri": uri} for uri in arguments.files]
        parameters["files"] = [*(defaults.get("files") or ()), *named]
    return parameters


def _file_name(uri: str) -> str:
    try:
        return unquote(PurePosixPath(urlsplit(uri).path).name) or uri
    except ValueError:  # not a URI: the client refuses it and says why
        return uri


def artifact_uri(run_id: str, index: int) -> str:
    """Return the URI under which clients read a document that a run made."""
    return f"lumnis://runs/{run_id}/artifacts/{index}"


def state_of(run: ResponseObject) -> RunState:
    """Return a run as the structured result of a tool."""
    steps = [] if run.is_terminal else [one_line(entry.message) for entry in run.progress if entry.message]
    waiting = f'Call wait with run_id "{run.response_id}".'
    return RunState(
        run_id=run.response_id,
        thread_id=run.thread_id,
        status=str(run.status),
        answer=run.output_text if run.is_terminal else None,
        result=run.structured_response,
        error=_reason(run.error),
        progress=steps[-_SHOWN_STEPS:],
        artifacts=[artifact_uri(run.response_id, index) for index in range(len(run.artifacts))],
        next_step=None if run.is_terminal else waiting,
    )


def _reason(error: object) -> str | None:
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        return str(error["message"])
    return str(error) if error else None


def result_of(run: ResponseObject) -> CallToolResult:
    """Write a run as the result of a tool: text for the model, the same as structured content, and its documents."""
    state = state_of(run)
    content: list[ContentBlock] = [TextContent(type="text", text="\n\n".join(_paragraphs(state)))]
    content += [
        ResourceLink(type="resource_link", uri=uri, name=artifact.name or f"artifact {index}")
        for index, (uri, artifact) in enumerate(zip(state.artifacts, run.artifacts, strict=True))
    ]
    return CallToolResult(content=content, structured_content=state.model_dump(mode="json"))


def _paragraphs(state: RunState) -> Iterator[str]:
    if state.next_step is not None:
        yield f"Run {state.run_id} is still working ({state.status})."
        if state.progress:
            yield "Latest steps:\n" + "\n".join(f"- {step}" for step in state.progress)
        yield state.next_step
        return
    if state.status != "succeeded":
        yield f"Run {state.run_id} has ended: {state.status}" + (f", {state.error}" if state.error else ".")
    if state.result is not None:
        yield json.dumps(state.result, ensure_ascii=False)
    elif state.answer:
        yield state.answer
    elif state.status == "succeeded":
        yield "The agent finished without a text."
    if state.thread_id is not None:
        yield f'(To follow up, pass thread_id "{state.thread_id}" to ask.)'


def error_result(error: Exception) -> CallToolResult:
    """Write an error as the result of a tool: what happened, and what to do if it is about a run that is known."""
    text = str(error) or type(error).__name__
    if isinstance(error, RunError) and error.thread_id is not None:
        text += f'\n\nTo try again in the same conversation, pass thread_id "{error.thread_id}" to ask.'
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def progress_text(update: RunUpdate) -> str:
    """Write an update of a run as the message of a progress notification; empty if nothing is new for people."""
    return "\n".join(line.strip() for line in update.as_lines())
