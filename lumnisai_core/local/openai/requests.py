"""Requests of OpenAI's protocol: their shapes, what of them is refused, and the runs that they ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local.openai.messages import WireMessage, chat_messages, wrong
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.shapes import Object, Shape, UserName
from lumnisai_core.tools import Tool, ToolOffer, answer_schema

#: The forms of answers.
_FORMATS = ("text", "json_object", "json_schema")
#: Name of the model that is the service's own engine, or the platform's choice.
DEFAULT_MODEL = "lumnis"
_RESPONSE, _CONVERSATION, _CHAT = "resp_", "conv_", "chatcmpl-"


class Asked(Shape):
    """Fields that chat completions and responses have in common."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    metadata: Object | None = None
    user: UserName | None = None
    top_logprobs: int | None = None


class ChatRequest(Asked):
    """Body of `POST /chat/completions`."""

    messages: list[Any] = Field(min_length=1)
    response_format: Any = None
    stop: str | list[str] | None = None
    stream_options: Object | None = None
    n: int | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    audio: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    web_search_options: Any = None

    @property
    def stops(self) -> list[str]:
        """The texts before which the answer is cut off."""
        return [stop for stop in ([self.stop] if isinstance(self.stop, str) else self.stop or ()) if stop]

    @property
    def thread_id(self) -> str | None:
        """The thread that `metadata` names."""
        named = (self.metadata or {}).get("thread_id")
        if named is not None and not (isinstance(named, str) and named):
            raise wrong(f"metadata.thread_id must be the id of a thread, got {named!r}.", "metadata.thread_id")
        return None if named is None else thread_of(named)


class ResponsesRequest(Asked):
    """Body of `POST /responses`."""

    input: str | list[Any] | None = None
    instructions: str | None = None
    text: Object | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    max_tool_calls: int | None = None
    # These have no effect on a run; the response repeats them.
    max_output_tokens: int | None = None
    reasoning: Object | None = None
    temperature: float | None = None
    top_p: float | None = None

    @property
    def thread_id(self) -> str | None:
        """The thread that `conversation` names."""
        named = self.conversation.get("id") if isinstance(self.conversation, Mapping) else self.conversation
        if self.conversation is not None and not (isinstance(named, str) and named):
            raise wrong(f"conversation must be an id or an object with one, got {self.conversation!r}.", "conversation")
        return None if named is None else thread_of(named)


#: Fields that ask for what runs do not have, by the values that ask for nothing, and what to do instead.
_REFUSED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "n": ((None, 1), "a run has one answer. Send the request several times"),
    "logprobs": ((None, False), "agents do not report probabilities of tokens"),
    "top_logprobs": ((None, 0), "agents do not report probabilities of tokens"),
    "modalities": ((None, [], ["text"]), "answers are text"),
    "audio": ((None,), "answers are text"),
    "functions": ((None, []), "use tools"),
    "function_call": ((None, "none", "auto"), "use tool_choice"),
    "web_search_options": ((None,), "agents decide on their own tools"),
    "prompt": ((None,), "prompts are not stored here. Send instructions and input"),
    "max_tool_calls": ((None,), "agents decide on their own tools"),
}


def refuse_unsupported(body: Asked) -> None:
    """Refuse a request for what runs do not have.

    Raises:
        ApiError: Names the field and what to do.
    """
    for name, (nothing, instead) in _REFUSED.items():
        value = getattr(body, name, None)
        if value not in nothing:
            raise wrong(f"{name} is not supported, got {value!r}: {instead}.", name, "UNSUPPORTED_PARAMETER")
    for at, tool in enumerate(body.tools or ()):
        kind = tool.get("type") if isinstance(tool, Mapping) else tool
        if kind != "function":
            text = f"tools[{at}] has the type {kind!r}: only tools of type 'function' can be offered to an agent."
            raise wrong(text, f"tools[{at}].type", "UNSUPPORTED_TOOL")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer: the tools that may be called, and the schema of the answer, if it is not plain text."""

    offer: ToolOffer
    echo: Object

    @classmethod
    def of(cls, echo: Mapping[str, Any]) -> Form:
        """Read the form from the fields of a request: tools, tool_choice, parallel_tool_calls and format.

        Raises:
            ApiError: A tool or the schema of the answer is not valid.
        """
        try:
            tools = [_tool(at, tool) for at, tool in enumerate(echo.get("tools") or ())]
            schema = answer_schema(echo.get("format"))
            return cls(ToolOffer.of_call(tools, echo, schema), dict(echo))
        except ValidationError as error:
            raise wrong(error.message, "tools" if "tool" in error.message else "response_format") from error


def _tool(at: int, tool: Mapping[str, Any]) -> Tool:
    function = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
    name, parameters = function.get("name"), function.get("parameters")  # type: ignore[union-attr] # a mapping
    if not isinstance(name, str) or not name:
        raise wrong(f"tools[{at}] must have a name, got {name!r}.", f"tools[{at}].name")
    if not isinstance(parameters, Mapping | None):
        raise wrong(f"tools[{at}].parameters must be a JSON Schema, got {parameters!r}.", f"tools[{at}].parameters")
    return Tool(name, str(function.get("description") or ""), parameters or {})  # type: ignore[union-attr] # a mapping


def chat_form(body: ChatRequest) -> Form:
    """Return the form of the answer that a chat completion asks for."""
    return Form.of(_echo(body, body.response_format))


def response_form(body: ResponsesRequest) -> Form:
    """Return the form of the answer that a response asks for."""
    return Form.of(_echo(body, (body.text or {}).get("format")))


def _echo(body: Asked, form: Any) -> Object:
    if form is not None and not (isinstance(form, Mapping) and form.get("type") in _FORMATS):
        known_types = ", ".join(_FORMATS)
        raise wrong(
            f"The format of the answer must have one of the types {known_types}, got {form!r}.", "response_format"
        )
    known = {name: getattr(body, name) for name in ("tools", "tool_choice", "parallel_tool_calls")}
    return {name: value for name, value in {**known, "format": form}.items() if value is not None}


def routed(model: str, known: Sequence[str]) -> Object:
    """Return the parameters of a run that choose a model: an agent's name, or `provider:model`.

    Args:
        model: The name in the request.
        known: The names of the agents.

    Raises:
        ApiError: There is no such model.
    """
    if model == DEFAULT_MODEL:
        return {}
    if model in known:
        return {"specialized_agent": model}
    if all(model.partition(":")):
        return {"model_overrides": {"smart_model": model}}
    names = ", ".join([DEFAULT_MODEL, *known])
    text = f"The model {model[:100]!r} does not exist. Use {names}, or a model of a provider such as openai:gpt-4o."
    raise ApiError(404, "MODEL_NOT_FOUND", text, param="model")


def run_body(body: Asked, known: Sequence[str], form: Form, messages: Sequence[WireMessage], **echo: Any) -> Object:
    """Return the body of the request that creates the run.

    Args:
        body: The request.
        known: The names of the agents.
        form: The form of the answer.
        messages: What is sent to the thread.
        **echo: Further fields to keep with the run, for reading it back.
    """
    kept = {**form.echo, **{name: value for name, value in echo.items() if value is not None}}
    fields = {
        "messages": list(messages),
        "user_id": body.user,
        "options": {"openai": kept},
        **routed(body.model, known),
    }
    return {name: value for name, value in form.offer.applied_to(fields).items() if value is not None}


def response_echo(body: ResponsesRequest) -> Object:
    """Return the fields of a request that the response repeats."""
    return {name: value for name in _REPEATED if (value := getattr(body, name)) not in (None, False)}


def input_messages(body: ResponsesRequest) -> list[Any]:
    """Return the input of a response as chat messages.

    Raises:
        ApiError: It has no input.
    """
    if not body.input:
        raise wrong("input must be a text or a list of items that is not empty.", "input")
    return chat_messages(body.input)


_REPEATED = (
    *("background", "instructions", "max_output_tokens", "metadata", "model"),
    *("previous_response_id", "reasoning", "temperature", "top_p", "user"),
)


# Ids


def response_id(run_id: str) -> str:
    """Return the id of a response."""
    return f"{_RESPONSE}{run_id}"


def completion_id(run_id: str) -> str:
    """Return the id of a chat completion."""
    return f"{_CHAT}{run_id}"


def conversation_id(thread_id: str | None) -> str | None:
    """Return the id of a conversation."""
    return None if thread_id is None else f"{_CONVERSATION}{thread_id}"


def run_of(identifier: str) -> str:
    """Return the id of the run of a response or a chat completion."""
    return identifier.removeprefix(_RESPONSE).removeprefix(_CHAT)


def thread_of(identifier: str) -> str:
    """Return the id of the thread of a conversation."""
    return identifier.removeprefix(_CONVERSATION)
