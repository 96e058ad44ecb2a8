"""An OpenAI-compatible endpoint with the guard in front of its upstream, for benchmarks of privacy gateways."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import uvicorn
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import convert_to_messages
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lumnisai_core.liminal import AsyncClient
from lumnisai_integrations.langchain import LiminalGuard


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def serving(client: AsyncClient, upstream: str) -> Iterator[str]:
    """Serve the endpoint in the block, which gets its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(endpoint(client, upstream), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def endpoint(client: AsyncClient, upstream: str) -> Starlette:
    """Return the application: each request is a conversation of its own, guarded on its way to the upstream.

    Args:
        client: Client of the privacy gateway.
        upstream: Base URL of the model behind it.
    """

    async def complete(request: Request) -> Response:
        body = await request.json()
        name = str(body.get("model", "model"))
        upstream_model = ChatOpenAI(model=name, base_url=upstream, api_key=SecretStr("none"), max_retries=0)
        model = LiminalGuard(client).model(upstream_model)
        messages = convert_to_messages(body["messages"])
        about = {"id": "chatcmpl-1", "created": int(time.time()), "model": name}
        if body.get("stream"):
            return StreamingResponse(_events(model, messages, about), media_type="text/event-stream")
        answer = await model.ainvoke(messages)
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**about, "object": "chat.completion", "choices": [choice]})

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


async def _events(model: BaseChatModel, messages: Any, about: dict[str, Any]) -> AsyncIterator[str]:
    def event(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**about, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"

    yield event({"role": "assistant", "content": ""})
    chunks: Any = model.astream(messages)
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk.text:
                yield event({"content": chunk.text})
    yield event({}, "stop")
    yield "data: [DONE]\n\n"
