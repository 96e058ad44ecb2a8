"""The privacy gateway behind its endpoints: sessions, threads, cleansing, and prompts answered by an engine."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from lumnisai_core.local.engines.base import Engine, EngineError, Message, RunRequest, SilentReport
from lumnisai_core.local.liminal.detection import Detection, resolved
from lumnisai_core.local.liminal.placeholders import Placed, Tokens, cleansed, hydrated
from lumnisai_core.local.liminal.settings import LiminalInstance, LiminalSettings
from lumnisai_core.local.liminal.shapes import Analyze, ChatRow, Cleanse, FindingIn, ThreadRow
from lumnisai_core.local.liminal.store import Store
from lumnisai_core.local.web import app
from lumnisai_core.local.web.errors import ApiError, InvalidRequest, found
from lumnisai_core.local.web.ids import new_id, now_z
from lumnisai_core.local.web.json_text import written
from lumnisai_core.local.web.text import short_title

_LONGEST_TEXT = 1 << 20


class Sessions:
    """Sessions in memory, by the hashes of their ids.

    Args:
        lifetime: seconds after which a session is over.
    """

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._ends: dict[bytes, float] = {}

    def open(self) -> str:
        """Return a new session."""
        session = secrets.token_urlsafe(32)
        now = time.monotonic()
        self._ends = {hashed: end for hashed, end in self._ends.items() if end > now}
        self._ends[_hash(session)] = now + self._lifetime
        return session

    def is_open(self, session: str) -> bool:
        """Tell whether a session is known and not over."""
        return self._ends.get(_hash(session), 0.0) > time.monotonic()

    def expire(self) -> None:
        """End all sessions."""
        self._ends.clear()


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt and its answer.

    Attributes:
        thread: The thread that it belongs to.
        chat_id: The stored chat.
        prompt: The prompt with placeholders.
        raw: The answer with placeholders.
        values: The values of the thread by their placeholders.
    """

    thread: ThreadRow
    chat_id: int
    prompt: Placed
    raw: str
    values: Mapping[str, str]


class Service:
    """The running gateway.

    Args:
        settings: its settings.
        token: token to log in with.
        store: its tables.
        engine: answers the prompts of model instances without an engine of their own.
    """

    def __init__(self, settings: LiminalSettings, token: str, store: Store, engine: Engine) -> None:
        self.settings = settings
        self.store = store
        self.sessions = Sessions(settings.session_lifetime)
        #: Key of the opaque tokens, which nobody can turn back into values; another one after each start.
        self.hash_key = secrets.token_bytes(32)
        self._token = token
        self._engine = engine

    # Requests

    def open_call(self, request: Request, path: Mapping[str, str], key: str | None) -> Call:
        """Return the call of a request with an open session, or to a login.

        Raises:
            ApiError: the session is missing, unknown or over.
        """
        session = request.cookies.get("session", "")
        if key is not None and not self.sessions.is_open(session):
            raise ApiError(401, "UNAUTHORIZED", "The session is missing or has expired.")
        return Call(self, request, path, session)

    def log_in(self, credential: str) -> Response:
        """Return the reply to a login, which sets a cookie.

        Raises:
            ApiError: the credential is wrong.
        """
        if not hmac.compare_digest(credential.encode(), self._token.encode()):
            raise ApiError(401, "UNAUTHORIZED", "The token is not valid.")
        return enveloped({"ok": True}, self.sessions.open())

    # Model instances and threads

    def instance(self, instance_id: int) -> LiminalInstance:
        """Return a model instance by its id, its place from 1.

        Raises:
            ApiError: there is none.
        """
        known = dict(enumerate(self.settings.instances, start=1))
        return found(known.get(instance_id), "model instance", str(instance_id))

    def instance_of(self, thread: ThreadRow) -> tuple[int, LiminalInstance]:
        """Return the model instance of a thread and its id; the first one if it is not configured any more."""
        known = list(enumerate(self.settings.instances, start=1))
        return next((entry for entry in known if entry[1].name == thread.model_instance), known[0])

    def thread(self, thread_id: int) -> ThreadRow:
        """Return a thread.

        Raises:
            ApiError: there is none.
        """
        return found(self.store.threads.one(id=thread_id), "thread", str(thread_id))

    def new_thread(self, instance: LiminalInstance, name: str) -> ThreadRow:
        """Store a new thread."""
        return self.store.add_thread(instance.name, name, now_z())

    # Prompts

    def detections(self, body: Analyze) -> list[Detection]:
        """Find the sensitive spans of a prompt, or take those that the client chose.

        Raises:
            ApiError: the text is too large, or a finding is not in it.
        """
        if len(body.text.encode(errors="surrogatepass")) > _LONGEST_TEXT:
            raise ApiError(413, "TOO_LARGE", f"The text has more than {_LONGEST_TEXT} bytes.")
        chosen = body.findings if isinstance(body, Cleanse) else None
        if chosen:
            return resolved(body.text, (_located(finding, body.text) for finding in chosen))
        policy = self.instance(body.model_instance_id).policy
        try:
            return self.settings.detected(body.text, policy)
        except Exception as error:  # noqa: BLE001 - any failure refuses the prompt; the error may quote it
            raise ApiError(500, "DETECTION_FAILED", f"A detector failed with {type(error).__name__}.") from None

    def cleanse(self, body: Cleanse, detections: Sequence[Detection]) -> tuple[ThreadRow, Placed, dict[str, str]]:
        """Apply the policy to a prompt and what was found in it.

        Returns:
            The thread, which is new if the request named none; the cleansed text; the values of the thread.

        Raises:
            ApiError: the policy blocks the prompt, or the thread is unknown.
        """
        instance = self.instance(body.model_instance_id)
        thread = None if body.thread_id is None else self.thread(body.thread_id)
        blocked = {one.type for one in detections if instance.policy.action_for(one.type) == "block"}
        if blocked:
            names = ", ".join(sorted(blocked))
            raise ApiError(403, "POLICY_BLOCKED", f"The policy blocks this prompt: it holds {names}.")
        with self.store.transaction():
            tokens = Tokens({} if thread is None else self.store.values_of(thread.id))
            hidden = [one for one in detections if instance.policy.action_for(one.type) != "allow"]
            placed = cleansed(body.text, hidden, tokens)
            # The name of a new thread shows in lists: it comes from the cleansed text.
            thread = thread or self.new_thread(instance, short_title(placed.text))
            self.store.keep_values(thread.id, tokens.new)
        return thread, placed, tokens.values

    async def submit(self, body: Cleanse, detections: Sequence[Detection]) -> Answered:
        """Cleanse a prompt, let the engine answer it, and store the chat. The engine sees placeholders only.

        Raises:
            ApiError: the policy blocks the prompt, or the engine failed.
        """
        started = now_z()
        thread, prompt, values = self.cleanse(body, detections)
        instance = self.instance(body.model_instance_id)
        raw = await self._answer(instance, thread, prompt.text)
        answer = hydrated(raw, values).text
        chat = ChatRow(0, thread.id, body.text, prompt.text, raw, answer, started, now_z())
        with self.store.transaction():
            chat_id = self.store.add_chat(chat)
        return Answered(thread, chat_id, prompt, raw, values)

    async def _answer(self, instance: LiminalInstance, thread: ThreadRow, prompt: str) -> str:
        new = Message("user", prompt)
        history: list[Message] = [Message("system", instance.instructions)] if instance.instructions else []
        for chat in self.store.chats.all(thread_id=thread.id, oldest_first=True):
            history += (Message("user", chat.cleansed_input), Message("assistant", chat.raw_output))
        request = RunRequest(
            response_id=new_id(),
            thread_id=f"liminal-{thread.id}",
            tenant_id="liminal",
            user_id=None,
            messages=(*history, new),
            input_messages=(new,),
        )
        try:
            result = await (instance.engine or self._engine).run(request, SilentReport())
        except EngineError as error:
            raise ApiError(502, error.code, error.message) from error
        return result.output_text or ""


class Call(app.Call):
    """A request with a session, and the gateway that answers it."""

    def __init__(self, service: Service, request: Request, path: Mapping[str, str], session: str) -> None:
        super().__init__(request, path)
        self.service = service
        self.session = session

    def reply(self, data: Any) -> Response:
        """Return a reply with the envelope, and with a new session where the settings say so."""
        session = self.service.sessions.open() if self.service.settings.renew_cookie else None
        return enveloped(data, session)


def enveloped(data: Any, session: str | None = None) -> Response:
    """Return a reply with the envelope, which sets the session cookie if there is a session."""
    reply = Response(written({"data": data}), media_type="application/json")
    if session is not None:
        reply.headers["set-cookie"] = f"session={session}; Path=/; HttpOnly"
    return reply


def refused(error: ApiError) -> Any:
    """Return the body of a refusal, as the gateway writes it."""
    if isinstance(error, InvalidRequest):
        places = "; ".join(f"{'.'.join(map(str, part['loc'][1:]))}: {part['msg']}" for part in error.errors)
        return {"statusCode": error.status, "message": places, "code": error.code}
    return {"statusCode": error.status, "message": error.message, "code": error.code}


def _located(finding: FindingIn, text: str) -> Detection:
    """Return the span of a client's finding: at its offsets, in code points or UTF-16 units, or where its text is."""
    units = text.encode("utf-16-le", "surrogatepass")[: 2 * finding.start]
    for start in (finding.start, len(units.decode("utf-16-le", "replace")), text.find(finding.text)):
        if finding.text and start >= 0 and text[start : start + len(finding.text)] == finding.text:
            return Detection(finding.type, start, start + len(finding.text), 1.0, finding.custom_term)
    raise ApiError(400, "INVALID_FINDING", f"The text does not hold the finding of type {finding.type}.")
