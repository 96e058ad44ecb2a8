"""Endpoints that speak the protocols of model providers: they check each request by the provider's rules and answer.

An endpoint knows only its requests. A call is written as a call of a tool that the request offers, or into
an envelope that offers that tool; an object goes into the schema that the request asks for. What the request does not
offer, the endpoint cannot call.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

from langchain_core.language_models import BaseChatModel

from tests.thirdparty import provider_rules as rules
from tests.thirdparty.moves import Calls, Gives, Move, Says, tool_names, written

Json = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """What a request offers the model: tools, with the schemas of their arguments, and the schema of its answer."""

    tools: Mapping[str, Any]
    schema: Mapping[str, Any] | None = None
    any_object: bool = False


@dataclass(frozen=True)
class Reply:
    """What the model answers: text, or calls with ids of the provider's form."""

    text: str = ""
    calls: Sequence[tuple[str, str, Mapping[str, Any]]] = ()


@dataclass(frozen=True)
class Dialect:
    """The protocol of one provider.

    Attributes:
        model: Makes a chat model of LangChain that speaks to an address.
        rules: Yields what the provider refuses in a request.
        offer: Reads what a request offers.
        answer: Writes a reply.
        stream: Writes a reply as the parts of a stream.
        fault: Writes a refusal.
        call_id: The id of the first call of an answer.
    """

    model: Callable[[str], BaseChatModel]
    rules: Callable[[Json], Iterator[str]]
    offer: Callable[[Json], Offer]
    answer: Callable[[Reply], Json]
    stream: Callable[[Reply], bytes]
    fault: Callable[[str], Json]
    call_id: str = "call_1"


@dataclass
class Endpoint:
    """A running endpoint: its model, the requests that it got, and its reasons for refusing some."""

    dialect: Dialect
    plan: Sequence[Move]
    model: BaseChatModel = field(init=False)
    requests: list[Json] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    played: int = 0

    def respond(self, path: str, body: Json) -> tuple[int, bytes, bool]:
        """Return status, content and whether it is a stream."""
        self.requests.append(body)
        if problems := list(self.dialect.rules(body)):
            self.refused += problems
            return 400, json.dumps(self.dialect.fault("; ".join(problems))).encode(), False
        if self.played >= len(self.plan):
            return 400, json.dumps(self.dialect.fault("no move is left for this request")).encode(), False
        move = self.plan[self.played]
        self.played += 1
        reply = _reply(move, self.dialect.offer(body), self.dialect.call_id)
        is_stream = body.get("stream") is True or "streamGenerateContent" in path
        content = self.dialect.stream(reply) if is_stream else json.dumps(self.dialect.answer(reply)).encode()
        return 200, content, is_stream


def _reply(move: Move, offer: Offer, call_id: str) -> Reply:
    def called(*calls: tuple[str, Mapping[str, Any]]) -> Reply:
        ids = [call_id[: -len(str(number))] + str(number) for number, _ in enumerate(calls, 1)]
        return Reply(calls=[(one, name, args) for one, (name, args) in zip(ids, calls, strict=True)])

    if isinstance(move, Calls) and {name for name, _ in move.calls} <= offer.tools.keys():
        return called(*move.calls)
    for name, schema in offer.tools.items():  # an envelope as the arguments of a tool
        if tool_names(schema) or (isinstance(move, Gives) and _fits(move.value, schema)):
            try:
                return called((name, written(move, schema)))
            except LookupError as error:
                return Reply(text=f"I cannot do that: {error}.")
    if offer.schema is not None:
        try:
            return Reply(text=json.dumps(written(move, offer.schema)))
        except LookupError as error:
            return Reply(text=f"I cannot do that: {error}.")
    if isinstance(move, Says):
        return Reply(text=move.text)
    if isinstance(move, Gives) and offer.any_object:
        return Reply(text=json.dumps(move.value))
    return Reply(text="I cannot do that: the request offers no such tool and asks for no such object.")


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    return isinstance(value, Mapping) and value.keys() <= schema.get("properties", {}).keys()


def _model(package: str, name: str, path: str = "", **fields: Any) -> Callable[[str], BaseChatModel]:
    """Return what makes a chat model of a package for an address; only the packages of tried providers are imported."""

    def make(address: str) -> BaseChatModel:
        model: BaseChatModel = getattr(import_module(package), name)(base_url=f"{address}{path}", **fields)
        return model

    return make


@contextmanager
def provider(dialect: Dialect, *plan: Move) -> Iterator[Endpoint]:
    """Run an endpoint of a provider whose model makes these moves, one for each request that is not refused."""
    endpoint = Endpoint(dialect, plan)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content, is_stream = endpoint.respond(self.path, body)
            kind = "application/json"
            if is_stream:
                kind = "application/x-ndjson" if dialect is DIALECTS["ollama"] else "text/event-stream"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the tests' output free of access lines."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        endpoint.model = dialect.model(f"http://127.0.0.1:{server.server_address[1]}")
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _events(*parts: Json, end: str = "", named: bool = False) -> bytes:
    lines = [(f"event: {part['type']}\n" if named else "") + f"data: {json.dumps(part)}\n\n" for part in parts]
    return ("".join(lines) + end).encode()


# The chat completions of OpenAI, which Mistral, Groq and DeepSeek speak, too

_USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def _openai_offer(body: Json) -> Offer:
    functions = [tool["function"] for tool in body.get("tools") or ()]
    form = body.get("response_format") or {}
    schema = form["json_schema"]["schema"] if form.get("type") == "json_schema" else None
    tools = {about["name"]: about.get("parameters") or {} for about in functions}
    return Offer(tools, schema, any_object=form.get("type") == "json_object")


def _openai_message(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [
            {
                "index": number,
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(args)},
            }
            for number, (call_id, name, args) in enumerate(reply.calls)
        ]
    return message


def _openai_completion(kind: str, **choice: Any) -> Json:
    about = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "a-model", "usage": _USAGE}
    return {**about, "choices": [{"index": 0, **choice}]}


def _openai_answer(reply: Reply) -> Json:
    reason = "tool_calls" if reply.calls else "stop"
    return _openai_completion("chat.completion", message=_openai_message(reply), finish_reason=reason)


def _openai_stream(reply: Reply) -> bytes:
    first = _openai_completion("chat.completion.chunk", delta=_openai_message(reply), finish_reason=None)
    reason = "tool_calls" if reply.calls else "stop"
    last = _openai_completion("chat.completion.chunk", delta={}, finish_reason=reason)
    return _events({**first, "usage": None}, last, end="data: [DONE]\n\n")


def _groq_stream(reply: Reply) -> bytes:
    """Write a stream as Groq does: its last part has the tokens in a place of their own, too."""
    parts = _openai_stream(reply).decode().split("\n\n")
    last = json.loads(parts[1].removeprefix("data: ")) | {"x_groq": {"id": "req_1", "usage": _USAGE}}
    return "\n\n".join([parts[0], f"data: {json.dumps(last)}", *parts[2:]]).encode()


def _openai_fault(problem: str) -> Json:
    return {"error": {"message": problem, "type": "invalid_request_error", "param": None, "code": None}}


def _like_openai(
    model: Callable[[str], BaseChatModel], check: Callable[[Json], Iterator[str]], call_id: str = "call_1"
) -> Dialect:
    return Dialect(model, check, _openai_offer, _openai_answer, _openai_stream, _openai_fault, call_id)


# Anthropic


def _anthropic_offer(body: Json) -> Offer:
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return Offer({tool["name"]: tool["input_schema"] for tool in body.get("tools") or ()}, form.get("schema"))


def _anthropic_blocks(reply: Reply) -> list[Json]:
    texts: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
    return texts + [{"type": "tool_use", "id": one, "name": name, "input": args} for one, name, args in reply.calls]


def _anthropic_answer(reply: Reply) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": _anthropic_blocks(reply),
        "stop_reason": "tool_use" if reply.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }


def _anthropic_stream(reply: Reply) -> bytes:
    whole = _anthropic_answer(reply)
    parts: list[Json] = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty: Json = {"type": "text", "text": ""}
            delta: Json = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        parts += [
            {"type": "content_block_start", "index": index, "content_block": empty},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    parts += [{"type": "message_delta", "delta": end, "usage": whole["usage"]}, {"type": "message_stop"}]
    return _events(*parts, named=True)


# Google


def _google_offer(body: Json) -> Offer:
    declared = [about for tool in body.get("tools") or () for about in tool.get("functionDeclarations", ())]
    tools = {about["name"]: about.get("parametersJsonSchema") or about.get("parameters") or {} for about in declared}
    settings = body.get("generationConfig") or {}
    schema = settings.get("responseJsonSchema") or settings.get("responseSchema")
    is_json = settings.get("responseMimeType") == "application/json"
    return Offer(tools, None if schema is None else _without_ignored(schema), any_object=is_json)


def _without_ignored(schema: Any) -> Any:
    """Return what the model gets to see of a JSON Schema: Google ignores keywords that it does not know."""
    if isinstance(schema, list):
        return [_without_ignored(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: value for key, value in schema.items() if key in rules.GOOGLE_KEYWORDS}
    named = {key: {name: _without_ignored(one) for name, one in kept[key].items()} for key in kept if key in _NAMED}
    others = {key: _without_ignored(value) for key, value in kept.items() if key not in _NAMED and key != "enum"}
    return {**kept, **others, **named}


_NAMED = ("properties", "$defs")


def _google_answer(reply: Reply) -> Json:
    parts: list[Json] = [{"text": reply.text}] if reply.text else []
    parts += [{"functionCall": {"name": name, "args": args}} for _, name, args in reply.calls]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


# Ollama


def _ollama_offer(body: Json) -> Offer:
    form = body.get("format")
    functions = [tool["function"] for tool in body.get("tools") or ()]
    tools = {about["name"]: about.get("parameters") or {} for about in functions}
    return Offer(tools, form if isinstance(form, Mapping) else None, any_object=form == "json")


def _ollama_answer(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [{"function": {"name": name, "arguments": args}} for _, name, args in reply.calls]
    done = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 5}
    return {"model": "llama3.3", "created_at": "2026-01-01T00:00:00Z", "message": message, **done}


_KEYED: Json = {"api_key": "a-key", "max_retries": 0}
DIALECTS: Mapping[str, Dialect] = {
    "openai": _like_openai(_model("langchain_openai", "ChatOpenAI", "/v1", model="gpt-4.1", **_KEYED), rules.openai),
    "anthropic": Dialect(
        _model("langchain_anthropic", "ChatAnthropic", model="claude-sonnet-4-5", **_KEYED),
        rules.anthropic,
        _anthropic_offer,
        _anthropic_answer,
        _anthropic_stream,
        lambda problem: {"type": "error", "error": {"type": "invalid_request_error", "message": problem}},
        "toolu_1",
    ),
    "google": Dialect(
        _model(
            "langchain_google_genai", "ChatGoogleGenerativeAI", model="gemini-2.5-flash", api_key="a-key", max_retries=1
        ),
        rules.google,
        _google_offer,
        _google_answer,
        lambda reply: _events(_google_answer(reply)),
        lambda problem: {"error": {"code": 400, "message": problem, "status": "INVALID_ARGUMENT"}},
    ),
    "ollama": Dialect(
        _model("langchain_ollama", "ChatOllama", model="llama3.3"),
        rules.ollama,
        _ollama_offer,
        _ollama_answer,
        lambda reply: json.dumps(_ollama_answer(reply)).encode() + b"\n",
        lambda problem: {"error": problem},
    ),
    "mistral": _like_openai(
        _model("langchain_mistralai", "ChatMistralAI", "/v1", model="mistral-large", **_KEYED),
        rules.mistral,
        "call00001",
    ),
    "groq": replace(
        _like_openai(_model("langchain_groq", "ChatGroq", model="openai/gpt-oss-120b", **_KEYED), rules.groq),
        stream=_groq_stream,
    ),
    "deepseek": _like_openai(
        _model("langchain_deepseek", "ChatDeepSeek", "/v1", model="deepseek-chat", **_KEYED), rules.deepseek
    ),
}
