"""Calls of ``lumnis mcp`` through the MCP adapters of LangChain and LlamaIndex; prints the results as JSON.

The arguments are ``langchain`` or ``llama_index``, then the URL of the server or the command that starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

QUESTION = "Neap tides are small. Which tides are small?"


async def langchain(server: list[str]) -> dict[str, Any]:
    from langchain_mcp_adapters.client import MultiServerMCPClient  # noqa: PLC0415 - imports of LlamaIndex take long

    known: Any = {"url": server[0], "transport": "streamable_http"}
    if len(server) > 1:
        known = {"command": server[0], "args": server[1:], "transport": "stdio", "env": dict(os.environ)}
    client = MultiServerMCPClient({"lumnis": known})
    tools = {tool.name: tool for tool in await client.get_tools()}
    asked = await tools["ask"].ainvoke({"type": "tool_call", "id": "1", "name": "ask", "args": {"question": QUESTION}})
    state = asked.artifact["structured_content"]
    status = await tools["status"].ainvoke({"run_id": state["run_id"]})
    try:
        failed = str(await tools["wait"].ainvoke({"run_id": "nowhere"}))
    except Exception as error:  # noqa: BLE001 - whatever the adapter makes of an error of the tool
        failed = str(error)
    files = [blob.as_string() for blob in await client.get_resources("lumnis")]
    texts = [str(asked.content), str(status)]
    return {"tools": list(tools), "state": state, "texts": texts, "failed": failed, "files": files}


async def llama_index(server: list[str]) -> dict[str, Any]:
    from llama_index.tools.mcp import BasicMCPClient, McpToolSpec  # noqa: PLC0415 - as above

    client = BasicMCPClient(server[0], args=server[1:], env=dict(os.environ))
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}
    asked = await tools["ask"].acall(question=QUESTION)
    state = asked.raw_output.structuredContent
    status = await tools["status"].acall(run_id=state["run_id"])
    failed = await tools["wait"].acall(run_id="nowhere")
    listed = await client.list_resources()
    files = [(await client.read_resource(one.uri)).contents[0].text for one in listed.resources]
    texts = [asked.content, status.content]
    return {"tools": list(tools), "state": state, "texts": texts, "failed": failed.content, "files": files}


if __name__ == "__main__":
    act = {"langchain": langchain, "llama_index": llama_index}[sys.argv[1]]
    sys.stdout.write(json.dumps(asyncio.run(act(sys.argv[2:]))))
