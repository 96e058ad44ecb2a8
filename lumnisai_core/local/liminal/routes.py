"""The routes of the privacy gateway: logins, model instances, threads and prompts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from starlette.responses import Response, StreamingResponse

from lumnisai_core.local.liminal.detection import Detection
from lumnisai_core.local.liminal.placeholders import Placed, Span, hashed, hydrated, opaque_token, pieces_of
from lumnisai_core.local.liminal.service import Answered, Call, Service, enveloped
from lumnisai_core.local.liminal.settings import LiminalInstance, LiminalPolicy
from lumnisai_core.local.liminal.shapes import (
    Analyze,
    ChatRow,
    Cleanse,
    CreateThread,
    Hydrate,
    ListThreads,
    Submit,
    ThreadPath,
    ThreadRow,
    chat_reply,
)
from lumnisai_core.local.web.json_text import Json, written
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object

#: First segment of all paths.
MOUNT = "liminal"
route = RouteTable(f"/{MOUNT}/api/v1")

_USER = {"id": 1, "email": "user@example.org"}
#: Time of creation of model instances, which settings make.
_BEGAN = "2025-01-01T00:00:00.000Z"
_LIFE = {"createdAt": _BEGAN, "updatedAt": _BEGAN, "deletedAt": None}
_CATEGORIES = ((0.9, "VERY LIKELY"), (0.7, "LIKELY"), (0.0, "POSSIBLE"))


# Logins


@route("GET /auth/login/oauth/access-token", public=True)
async def log_in_by_provider(call: Call) -> Response:
    """Open a session for an access token; here, the service's own token is one."""
    return call.service.log_in(call.request.headers.get("authorization", "").removeprefix("Bearer ").strip())


@route("POST /auth/test-automation/login", public=True)
async def log_in_by_token(call: Call) -> Response:
    """Open a session for the environment token."""
    return call.service.log_in(call.request.headers.get("x-test-automation-api-key", "").strip())


@route("GET /users/me")
async def user(call: Call) -> Response:
    """Show the user of a session, and set its cookie again."""
    return enveloped(_USER, call.session)


# Model instances and threads


@route("GET /model-instances")
async def model_instances(call: Call) -> Response:
    """List the model instances."""
    instances = enumerate(call.service.settings.instances, start=1)
    return call.reply([{**_instance(*entry), "allowedTeams": [], "allowedUsers": []} for entry in instances])


@route("GET /threads")
async def list_threads(call: Call, query: ListThreads) -> Response:
    """List the threads of a source, oldest first; all here are of the source `sdk`."""
    return call.reply(await asyncio.to_thread(_all_threads, call.service) if query.source == "sdk" else [])


@route("POST /threads")
async def create_thread(call: Call, body: CreateThread) -> Response:
    """Make an empty thread."""
    instance = call.service.instance(body.model_instance_id)
    return call.reply(_thread(call.service, call.service.new_thread(instance, body.name), []))


@route("GET /threads/{threadId}")
async def get_thread(call: Call, path: ThreadPath) -> Response:
    """Show a thread with its chats."""
    thread = call.service.thread(path.thread_id)
    chats = call.service.store.chats.all(thread_id=thread.id, oldest_first=True)
    return call.reply(_thread(call.service, thread, chats))


def _instance(number: int, instance: LiminalInstance) -> Object:
    connection = {"id": number, "modelInstanceId": number, "model": instance.model, "providerKey": "openai"}
    return {
        "id": number,
        "name": instance.name,
        "instructions": instance.instructions,
        "policyGroupId": number,
        "trainerThreadId": None,
        "userId": None,
        "modelConnections": [{**connection, "credentials": {}, **_LIFE}],
        **_LIFE,
    }


def _all_threads(service: Service) -> Json[list[Object]]:
    threads = [_thread(service, thread, chats) for thread, chats in service.store.all_threads()]
    return Json(written(threads))


def _thread(service: Service, thread: ThreadRow, chats: Iterable[ChatRow]) -> Object:
    number, instance = service.instance_of(thread)
    return {
        "id": thread.id,
        "modelInstanceId": number,
        "userId": _USER["id"],
        "name": thread.name,
        "source": "sdk",
        "type": "default",
        "chats": [chat_reply(chat) for chat in chats],
        "modelInstance": _instance(number, instance),
        "createdAt": thread.created_at,
        "updatedAt": thread.updated_at,
        "deletedAt": None,
    }


# Prompts


@route("POST /prompts/analyze")
async def analyze(call: Call, body: Analyze) -> Response:
    """Show the sensitive spans of a text and the policy's action for each."""
    policy = call.service.instance(body.model_instance_id).policy
    found = await asyncio.to_thread(call.service.detections, body)
    return call.reply({"text": body.text, "findings": [_finding(one, body.text, policy) for one in found]})


@route("POST /prompts/cleanse")
async def cleanse(call: Call, body: Cleanse) -> Response:
    """Replace the sensitive spans of a text by placeholders."""
    _, placed, values = call.service.cleanse(body, await asyncio.to_thread(call.service.detections, body))
    return call.reply(_cleansed(placed, hashed(placed, values, call.service.hash_key)))


@route("POST /prompts/hydrate")
async def hydrate(call: Call, body: Hydrate) -> Response:
    """Put the values of a thread back into a text; without a thread, there are none."""
    call.service.instance(body.model_instance_id)
    values = {} if body.thread_id is None else call.service.store.values_of(call.service.thread(body.thread_id).id)
    placed = hydrated(body.text, values)
    return call.reply({"text": placed.text, "items": [_item(span, placed.text) for span in placed.spans]})


@route("POST /prompts/submit")
async def submit(call: Call, body: Submit) -> Response:
    """Cleanse a prompt, answer it, and put the values back; as one answer, or as a stream of lines."""
    answered = await call.service.submit(body, await asyncio.to_thread(call.service.detections, body))
    if body.is_streaming:
        return StreamingResponse(_lines(answered), media_type="application/x-ndjson")
    return call.reply(_submitted(call.service, body, answered))


async def _lines(answered: Answered) -> AsyncIterator[str]:
    for piece in pieces_of(answered.raw, answered.values):
        yield f"{written({'content': piece, 'finishReason': None})}\n"
    yield f"{written({'content': '', 'finishReason': 'stop'})}\n"


def _submitted(service: Service, body: Submit, answered: Answered) -> Object:
    values, key = answered.values, service.hash_key
    answer = hydrated(answered.raw, values)
    return {
        "threadId": answered.thread.id,
        "chatId": answered.chat_id,
        "inputText": body.text,
        "deidentifiedInputTextData": _cleansed(answered.prompt, hashed(answered.prompt, values, key)),
        "deidentifiedContextHistory": [
            {"deidText": token, "hashText": opaque_token(value, key)} for token, value in values.items()
        ],
        "llmModel": service.instance(body.model_instance_id).model,
        "rawLLMResponseText": answered.raw,
        "reidentifiedLLMResponseText": answer.text,
        "reidentifiedLLMResponseItems": [_item(span, answer.text) for span in reversed(answer.spans)],
    }


def _finding(one: Detection, text: str, policy: LiminalPolicy) -> Object:
    return {
        "start": one.start,
        "end": one.end,
        "score": one.score,
        "scoreCategory": next(name for least, name in _CATEGORIES if one.score >= least),
        "text": text[one.start : one.end],
        "type": one.type,
        "policyAction": policy.action_for(one.type),
        "customTerm": one.custom_term,
        "infoTypeName": None,
    }


def _cleansed(placed: Placed, opaque: Placed) -> Object:
    return {
        "text": placed.text,
        "items": [_item(span) for span in placed.spans],
        "textHashed": opaque.text,
        "itemsHashed": [_item(span) for span in opaque.spans],
    }


def _item(span: Span, text: str | None = None) -> Object:
    """Return a span of a cleansed text, or with the value in it, that of a hydrated one."""
    value = {} if text is None else {"text": text[span.start : span.end]}
    return {"start": span.start, "end": span.end, "entityType": span.token, **value}
