# Generated from lumnisai_core/liminal/_async/resources.py by `make sync`; edit that file.
"""What can be called at Liminal: model instances, threads and prompts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport._sync.stream import Stream
from lumnisai_core._transport.lines import JsonLines
from lumnisai_core.exceptions import LumnisAIError, TransportError, TruncatedStreamError
from lumnisai_core.liminal import calls
from lumnisai_core.liminal.calls import Findings
from lumnisai_core.liminal.config import LiminalService, without_causes
from lumnisai_core.liminal.models import (
    AnalyzeResponse,
    CleanseResponse,
    HydrateResponse,
    ModelInstance,
    StreamResponseChunk,
    SubmitResponse,
    Thread,
)


class Llm(Resource[LiminalService]):
    """Model instances: the models that can be called, each under a policy."""

    def get_available_model_instances(self) -> list[ModelInstance]:
        """List all model instances that the user may call."""
        return self._send(calls.list_model_instances())

    def get_model_instance(self, model_instance_name: str) -> ModelInstance:
        """Return a model instance by its name.

        Args:
            model_instance_name: Name in the admin dashboard, in the same case.

        Raises:
            ModelInstanceUnknownError: No model instance has this name, or it is not connected to a model.
        """
        return calls.named(self.get_available_model_instances(), model_instance_name)


class Threads(Resource[LiminalService]):
    """Threads: conversations with a model instance."""

    def create(self, model_instance_id: int, name: str) -> Thread:
        """Create a thread.

        Args:
            model_instance_id: The model instance to talk to.
            name: Name of the thread; it is stored as it is, so keep personal data out of it.
        """
        return self._send(calls.create_thread(model_instance_id, name))

    def get_available(self) -> list[Thread]:
        """List all threads that API clients have made."""
        return self._send(calls.list_threads())

    def get_by_id(self, thread_id: int) -> Thread:
        """Return a thread with its chats.

        Args:
            thread_id: Id of the thread.

        Raises:
            NotFoundError: There is no such thread for this user.
        """
        return self._send(calls.get_thread(thread_id))


class Prompt(Resource[LiminalService]):
    """Prompts: analyzed, cleansed, submitted, hydrated."""

    def analyze(self, model_instance_id: int, prompt: str) -> AnalyzeResponse:
        """Detect the sensitive spans of a prompt.

        Args:
            model_instance_id: The model instance, whose policy names the action of each finding.
            prompt: The text.
        """
        return self._send(calls.analyze(model_instance_id, prompt))

    def cleanse(
        self,
        model_instance_id: int,
        prompt: str,
        *,
        thread_id: int | None = None,
        findings: Findings | None = None,
    ) -> CleanseResponse:
        """Replace the sensitive spans of a prompt by placeholders.

        Args:
            model_instance_id: The model instance whose policy is applied.
            prompt: The text.
            thread_id: The thread that keeps the values; without one, they cannot be put back.
            findings: The findings to apply. Default: those of a new analysis.

        Raises:
            PolicyBlockedError: The policy refuses the prompt.
        """
        return self._send(calls.cleanse(model_instance_id, prompt, thread_id, findings))

    def hydrate(self, model_instance_id: int, prompt: str, *, thread_id: int | None = None) -> HydrateResponse:
        """Put the original values back into a text.

        Args:
            model_instance_id: The model instance.
            prompt: A text with placeholders.
            thread_id: The thread that keeps the values.
        """
        return self._send(calls.hydrate(model_instance_id, prompt, thread_id))

    def submit(
        self,
        model_instance_id: int,
        prompt: str,
        *,
        thread_id: int | None = None,
        findings: Findings | None = None,
    ) -> SubmitResponse:
        """Cleanse a prompt, call the model, and put the original values into its answer.

        Args:
            model_instance_id: The model instance to call.
            prompt: The text.
            thread_id: The thread to continue. Default: a new one, named in the answer.
            findings: The findings to apply. Default: those of a new analysis.

        Raises:
            PolicyBlockedError: The policy refuses the prompt.
        """
        return self._send(calls.submit(model_instance_id, prompt, thread_id, findings))

    def stream(
        self,
        model_instance_id: int,
        prompt: str,
        *,
        thread_id: int | None = None,
        findings: Findings | None = None,
    ) -> Stream[StreamResponseChunk]:
        """Submit a prompt and stream the answer, piece by piece.

        Nothing is sent before the first piece is requested. Leaving the ``with`` block closes the connection. The
        stream does not name its thread: create one first to continue it.

        Args:
            model_instance_id: The model instance to call.
            prompt: The text.
            thread_id: The thread to continue. Default: a new one.
            findings: The findings to apply. Default: those of a new analysis.

        Returns:
            An iterator that is a context manager too.

        Raises:
            PolicyBlockedError: The policy refuses the prompt.
            TruncatedStreamError: The answer broke off.
        """
        call = calls.stream(model_instance_id, prompt, thread_id, findings)
        return Stream(_whole(self._transport.stream(call, JsonLines)))


def _whole(chunks: Stream[StreamResponseChunk]) -> Generator[StreamResponseChunk, None]:
    """Yield the pieces of an answer, and check that its end is among them."""
    finished = False
    with closing(chunks):
        while True:
            try:
                chunk = next(chunks, None)
            except LumnisAIError as error:
                if finished and isinstance(error, TransportError):
                    return  # the answer was complete
                without_causes(error)
                raise
            if chunk is None:
                break
            finished = finished or chunk.finish_reason is not None
            yield chunk
    if not finished:
        raise TruncatedStreamError("The streamed answer ended without its last piece: it is not complete.")
