"""Prepared answers of Liminal, and how its tests look at the requests."""

from __future__ import annotations

import json
from typing import Any

from tests.servers import Canned, CannedServer, Received

TOKEN = "environment-token-1"
PROMPT = "Write to Mira Okafor, mira.okafor@example.org."
FINDING = {
    "start": 9,
    "end": 20,
    "score": 1,
    "scoreCategory": "VERY LIKELY",
    "text": "Mira Okafor",
    "type": "PERSON",
    "policyAction": "redact",
}
MOMENT = {"createdAt": "2025-06-03T09:14:05.120Z", "updatedAt": "2025-06-03T09:14:05.120Z"}
CONNECTION = {"id": 12, "modelInstanceId": 12, "model": "m-1", "providerKey": "openai", "credentials": {}, **MOMENT}
INSTANCE = {
    "id": 12,
    "name": "House",
    "policyGroupId": 3,
    "modelConnections": [CONNECTION],
    "allowedTeams": [],
    **MOMENT,
}
SUBMITTED = {
    "threadId": 904,
    "chatId": 3310,
    "llmModel": "m-1",
    "inputText": PROMPT,
    "rawLLMResponseText": "Dear PERSON_0,",
    "reidentifiedLLMResponseText": "Dear Mira Okafor,",
    "reidentifiedLLMResponseItems": [{"start": 5, "end": 16, "entityType": "PERSON_0", "text": "Mira Okafor"}],
}


def login(number: int = 1) -> Canned:
    return Canned(201, headers={"Set-Cookie": f"session=session-{number}; Path=/; HttpOnly"})


def data(value: Any, **known: Any) -> Canned:
    return Canned(200, {"data": value}, **known)


def refused(status: int = 401) -> Canned:
    return Canned(status, {"statusCode": status, "message": f"No: {PROMPT}"})


def lines(*rows: Any) -> Canned:
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return Canned(200, "\n".join([*texts, ""]).encode(), {"Content-Type": "application/x-ndjson"})


def piece(content: str, reason: str | None = None) -> dict[str, str | None]:
    return {"content": content, "finishReason": reason}


def routes(server: CannedServer) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/api/v1')}" for request in server.received]


def body(request: Received) -> Any:
    return json.loads(request.body)


TOKEN_LOGIN = "POST /auth/test-automation/login"
