"""The routes of the application backend: accounts, documents, tools, functions, and data for the service's page."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from lumnisai_core.local.lumi.files import address_of
from lumnisai_core.local.lumi.filters import Query
from lumnisai_core.local.lumi.functions import LumiRequest
from lumnisai_core.local.lumi.service import Call, enveloped
from lumnisai_core.local.lumi.shapes import (
    DeleteFiles,
    FileRow,
    Generate,
    ImageRow,
    ListAll,
    ListPage,
    Login,
    NewDocument,
    NewDocuments,
    Nothing,
    PollImage,
    Register,
    Reset,
    SendCode,
    SendMail,
    Update,
)
from lumnisai_core.local.web.errors import invalid
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.routes import Form, RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

#: First segment of all paths.
MOUNT = "lumi"
route = RouteTable(f"/{MOUNT}")

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DOCUMENTS = "/lm/{projectId}/{entity}/documents"
_SLACK = 100_000
#: An upload may be so many times as large in all as one file.
_BULK = 10
_SHOWN = 100


# Accounts


@route("POST /lm/user/password/login", public=True)
async def log_in(call: Call, body: Login) -> Object:
    """Open a session by e-mail address and password."""
    call.service.check_project(body.project_id)
    return enveloped(await call.service.accounts.log_in(body))


@route("POST /lm/user/email/code/send", public=True)
async def send_code(call: Call, body: SendCode) -> Object:
    """Send a one-time code."""
    call.service.check_project(body.project_id)
    await call.service.accounts.send_code(body)
    return enveloped(None)


@route("POST /lm/user/password/register", public=True)
async def register(call: Call, body: Register) -> Object:
    """Make an account with a one-time code, and open a session."""
    call.service.check_project(body.project_id)
    return enveloped(await call.service.accounts.register(body))


@route("POST /lm/user/password/reset", public=True)
async def reset_password(call: Call, body: Reset) -> Object:
    """Set a new password with a one-time code."""
    call.service.check_project(body.project_id)
    await call.service.accounts.reset(body)
    return enveloped(None)


@route("POST /lm/user/info", optional=True)
async def user(call: Call, body: Nothing) -> Object:  # noqa: ARG001 - read, because it is signed
    """Show the user of a token."""
    return enveloped(call.service.accounts.view(call.signed_in()))


# Documents


@route(f"POST {_DOCUMENTS}/list")
async def list_documents(call: Call, body: ListAll) -> Object:
    """List all documents that a filter applies to."""
    query = Query(body.filter, body.sort)
    found, _ = await call.service.documents.page(call.caller, call.path["entity"], query)
    return enveloped(found)


@route(f"POST {_DOCUMENTS}/listByPage")
async def list_page(call: Call, body: ListPage) -> Object:
    """List a page of the documents that a filter applies to."""
    query = Query(body.filter, body.sort)
    documents, collection = call.service.documents, call.path["entity"]
    found, total = await documents.page(call.caller, collection, query, limit=body.limit, skip=body.skip)
    return enveloped({"total": total, "list": found})


@route(f"GET {_DOCUMENTS}/{{id}}")
async def get_document(call: Call) -> Object:
    """Show a document; null if there is none."""
    return enveloped(call.service.documents.get(call.caller, call.path["entity"], call.path["id"]))


@route(f"POST {_DOCUMENTS}")
async def create_document(call: Call, body: NewDocument) -> Object:
    """Create a document."""
    return enveloped(call.service.documents.create(call.caller, call.path["entity"], [body.root])[0])


@route(f"POST {_DOCUMENTS}/batch")
async def create_documents(call: Call, body: NewDocuments) -> Object:
    """Create documents, all or none."""
    return enveloped(call.service.documents.create(call.caller, call.path["entity"], body.root))


@route(f"PUT {_DOCUMENTS}")
async def update_document(call: Call, body: Update) -> Object:
    """Change some fields of the first document that a filter applies to."""
    documents, collection = call.service.documents, call.path["entity"]
    return enveloped(await documents.update(call.caller, collection, body.filter, body.update))


@route(f"DELETE {_DOCUMENTS}/batch-by-ids")
async def delete_documents(call: Call) -> Object:
    """Delete documents by their ids, all or none."""
    ids = call.request.query_params.getlist("ids")
    if not ids:
        raise invalid("ids must be in the query, once for each document.", "missing", "ids")
    call.service.documents.delete(call.caller, call.path["entity"], ids)
    return enveloped(None)


@route(f"DELETE {_DOCUMENTS}/{{id}}")
async def delete_document(call: Call) -> Object:
    """Delete a document."""
    call.service.documents.delete(call.caller, call.path["entity"], [call.path["id"]])
    return enveloped(None)


# Text and images


@route("POST /lm/{projectId}/ai/chat/completions")
async def generate_text(call: Call, body: Generate) -> Object:
    """Answer a chat."""
    call.check_api_key(body.lumi_api_key)
    answer = await call.service.generation.text(body, call.caller.user_id)
    return enveloped({"chatId": answer.chat_id, "content": answer.content})


@route("POST /lm/{projectId}/ai/chat/stream")
async def stream_text(call: Call, body: Generate) -> Response:
    """Answer a chat as a stream of events."""
    call.check_api_key(body.lumi_api_key)
    lines = await call.service.generation.stream(body, call.caller.user_id)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-cache"})


@route("POST /lm/{projectId}/ai/image/task")
async def start_image(call: Call, body: Generate) -> Object:
    """Begin an image."""
    call.check_api_key(body.lumi_api_key)
    row = await call.service.generation.start_image(body, call.caller.user_id)
    return enveloped(_image(call, row, is_finished=False))


@route("POST /lm/{projectId}/ai/image/get")
async def poll_image(call: Call, body: PollImage) -> Object:
    """Show an image, finished or not."""
    call.check_api_key(body.lumi_api_key)
    row, is_finished = call.service.generation.poll_image(body.message_id)
    return enveloped(_image(call, row, is_finished=is_finished))


def _image(call: Call, row: ImageRow, *, is_finished: bool) -> Object:
    view = {"chatId": row.chat_id, "messageId": row.id, "generationStatus": "PROCESSING"}
    if not is_finished:
        return view
    view["content"] = row.content
    file = None if row.file_id is None else call.service.store.files.one(id=row.file_id)
    if file is None:
        return {**view, "generationStatus": "FAILED"}
    return {**view, "generationStatus": "SUCCESS", "imageURL": _url(call, file)}


# E-mails and files


@route("POST /lm/{projectId}/email/send")
async def send_mail(call: Call, body: SendMail) -> Object:
    """Accept an e-mail."""
    await call.service.post.accept(body)
    return enveloped(None)


@route("POST /lm/{projectId}/file/batch", form=Form(Shape, "files", many=True))
async def upload(call: Call) -> Object:
    """Store files; one that is refused does not stop the others."""
    replies: list[Object] = []
    form = await call.form(_BULK * call.service.settings.max_file + _SLACK)
    try:
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not parts:
            raise invalid("There must be a part named files with a file.", "missing", "files")
        for part in parts:
            stored = await call.service.files.receive(part, call.caller)
            outcome = {"uploadError": stored} if isinstance(stored, str) else {"fileUrl": _url(call, stored)}
            replies.append({"fileName": part.filename or "", **outcome})
    finally:
        await form.close()
    return enveloped(replies)


@route("DELETE /lm/{projectId}/file/batch")
async def delete_files(call: Call, body: DeleteFiles) -> Object:
    """Delete files by their addresses."""
    call.service.files.remove(body.file_urls, call.caller)
    return enveloped(None)


@route("GET /files/{id}/{name}", public=True)
async def download(call: Call) -> Response:
    """Serve a file as an attachment."""
    return call.service.files.serve(call.path["id"])


def _url(call: Call, file: FileRow) -> str:
    return f"{call.service.address}{address_of(file)}"


# Functions


async def invoke(call: Call) -> Response:
    """Call a function that is written in Python."""
    service, request = call.service, call.request
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    user = service.accounts.find(token)
    asked = LumiRequest(
        method=request.method,
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=await call.content(service.max_body),
        user=None if user is None else service.accounts.view(user),
    )
    return await service.functions.call(call.path["functionName"], asked)


for _method in _METHODS:
    route(f"{_method} /v1/functions/{{projectId}}/{{functionName}}", public=True)(invoke)


# The page of the service


@route("GET /_local/overview", public=True)
async def overview(call: Call) -> Object:
    """Show collections with their sizes, and the newest e-mails and files."""
    call.check_owner()
    store = call.service.store
    mails = [
        {"id": mail.id, "to": mail.to, "subject": mail.subject, "text": mail.text or mail.html, "at": mail.created_at}
        for mail in reversed(store.mails(_SHOWN))
    ]
    files = [
        {"id": file.id, "name": file.name, "size": file.size, "url": _url(call, file), "at": file.created_at}
        for file in store.files.all(limit=_SHOWN)
    ]
    return enveloped({"collections": store.collections(), "mails": mails, "files": files})


@route("GET /_local/collections/{entity}", public=True)
async def show_collection(call: Call) -> Object:
    """Show the first documents of a collection."""
    call.check_owner()
    found, total = call.service.store.page(call.path["entity"], None, _SHOWN, 0)
    documents: list[Any] = [Json(text) for text in found]
    return enveloped({"total": total, "list": documents})
