"""The runnable: an agent in chains and graphs, with the whole run as its output and updates as its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypedDict, Unpack, cast
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, StringPromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableSerializable
from langchain_core.runnables.config import ensure_config

from lumnisai_core import FeedbackCreated, FeedbackType, ResponseObject, ResponseStatus, RunUpdate
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.binding import AgentBinding
from lumnisai_integrations.langchain.lumnis.calls import (
    KnownRun,
    LumnisInput,
    RunCall,
    from_config,
    model_name_of,
    run_of_input,
    start_of_input,
)
from lumnisai_integrations.langchain.lumnis.convert import convert_out
from lumnisai_integrations.langchain.lumnis.listeners import async_progress_callback, progress_callback
from lumnisai_integrations.langchain.lumnis.settings import LumnisSettings


class FeedbackOptions(TypedDict, total=False):
    """Options of feedback; :meth:`LumnisRunnable.send_feedback` describes them."""

    feedback_type: FeedbackType | str
    user_id: str | UUID | None
    progress_id: str | None
    tool_call_id: str | None
    tool_args_update: Mapping[str, Any] | None


class LumnisRunnable(LumnisSettings, RunnableSerializable[LumnisInput, RunUpdate | ResponseObject]):
    """An agent on the Lumnis platform as a runnable, for chains and graphs that need more than a message.

    The output is the whole run, a :class:`lumnisai_core.ResponseObject`: text, structured response, artifacts, progress
    and ids. The input is a text, messages, a prompt value, or a dict (or graph state) with ``messages``; all of them
    start a new run. ``{"response_id": ...}`` picks up an existing run.

    ``stream`` yields updates as :class:`lumnisai_core.RunUpdate`, and last the same ``ResponseObject`` that ``invoke``
    returns, so that the next step of a chain gets the same either way. Updates also reach callbacks as the custom event
    ``lumnis_progress``, and inside a LangGraph node ``stream_mode="custom"`` as ``{"lumnis_progress": ...}``. Leaving
    a call early stops the run on the service.

    ``user_id``, ``scope`` and every field from ``model_name`` on are also keywords of calls
    (``runnable.invoke(..., thread_id=...)``, ``runnable.bind(...)``); ``thread_id`` and ``user_id`` can also be set as
    ``lumnis_thread_id`` and ``lumnis_user_id`` in ``config["configurable"]``. The call wins over the config, the config
    over the field.

    Nothing is sent and no connection is opened before the first call. A runnable may be shared by threads and event
    loops, copied and pickled; a pickle does not hold the API key.

    The fields are those of :class:`ChatLumnis`, with the same defaults, without ``streaming`` and ``stop``. The object
    of a ``response_format`` is in ``structured_response``.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
    """

    @property
    def InputType(self) -> Any:  # noqa: N802 - the framework's name
        """Type of the input in schemas and graphs."""
        return str | StringPromptValue | ChatPromptValueConcrete | list[AnyMessage] | dict[str, Any]

    @property
    def OutputType(self) -> type[ResponseObject]:  # noqa: N802 - the framework's name
        """Type of the output in schemas and graphs."""
        return ResponseObject

    # Running

    def invoke(self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any) -> ResponseObject:
        """Run an agent, or pick up a run, and return the whole run when it has an answer.

        Raises:
            ValidationError: The input or a parameter is not valid; nothing was sent.
            RunFailedError: The run failed.
            RunCancelledError: The run was cancelled.
            RunTimeoutError: ``run_timeout`` has passed. The run continues: :meth:`resume`.
            LumnisAIError: The service cannot be reached or refuses.
        """
        return cast("ResponseObject", self._call_with_config(self._run, input, config, **kwargs))

    async def ainvoke(self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any) -> ResponseObject:
        """Do the same in asyncio."""
        return cast("ResponseObject", await self._acall_with_config(self._arun, input, config, **kwargs))

    def stream(
        self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[RunUpdate | ResponseObject]:
        """Run an agent, or pick up a run, and yield its updates, then the whole run."""
        yield from self._transform_stream_with_config(iter([input]), self._updates, config, **kwargs)

    async def astream(
        self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[RunUpdate | ResponseObject]:
        """Do the same in asyncio."""

        async def inputs() -> AsyncIterator[LumnisInput]:
            yield input

        updates = self._atransform_stream_with_config(inputs(), self._aupdates, config, **kwargs)
        try:
            async for update in updates:
                yield update
        finally:
            await cast("Any", updates).aclose()

    def _run(
        self, value: LumnisInput, run_manager: CallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> ResponseObject:
        with model_errors():
            run = self._run_of_input(value, config, kwargs)
            client, listener = self._client(), progress_callback(run_manager)
            if isinstance(run, KnownRun):
                return client.responses.wait(run.response_id, on_progress=listener, **run.parameters)
            return run.turn.answered_by(
                lambda sent: client.invoke(sent.messages, on_progress=listener, **run.parameters_for(sent)),
                client,
                run.parameters,
            )

    async def _arun(
        self, value: LumnisInput, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> ResponseObject:
        with model_errors():
            run = self._run_of_input(value, config, kwargs)
            client, listener = self._aclient(), async_progress_callback(run_manager)
            if isinstance(run, KnownRun):
                return await client.responses.wait(run.response_id, on_progress=listener, **run.parameters)
            return await run.turn.aanswered_by(
                lambda sent: client.invoke(sent.messages, on_progress=listener, **run.parameters_for(sent)),
                client,
                run.parameters,
            )

    def _updates(
        self,
        inputs: Iterator[LumnisInput],
        run_manager: CallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> Iterator[RunUpdate | ResponseObject]:
        with model_errors():
            run = self._run_of_input(next(inputs), config, kwargs)
            client, listener = self._client(), progress_callback(run_manager)
            with (
                client.responses.following(run.response_id, on_progress=listener, **run.parameters)
                if isinstance(run, KnownRun)
                else run.turn.updates_by(
                    lambda sent: client.invoke(
                        sent.messages, stream=True, on_progress=listener, **run.parameters_for(sent)
                    ),
                    client,
                    run.parameters,
                )
            ) as updates:
                for update in updates:
                    yield from _items_of(update)

    async def _aupdates(
        self,
        inputs: AsyncIterator[LumnisInput],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[RunUpdate | ResponseObject]:
        with model_errors():
            run = self._run_of_input(await anext(inputs), config, kwargs)
            client, listener = self._aclient(), async_progress_callback(run_manager)
            async with (
                client.responses.following(run.response_id, on_progress=listener, **run.parameters)
                if isinstance(run, KnownRun)
                else run.turn.aupdates_by(
                    lambda sent: client.invoke(
                        sent.messages, stream=True, on_progress=listener, **run.parameters_for(sent)
                    ),
                    client,
                    run.parameters,
                )
            ) as updates:
                async for update in updates:
                    for item in _items_of(update):
                        yield item

    def _run_of_input(
        self, value: LumnisInput, config: RunnableConfig, keywords: Mapping[str, Any]
    ) -> RunCall | KnownRun:
        self._warn_of_ignored(keywords)
        return run_of_input(self.__dict__, value, config.get("configurable"), keywords)

    # Runs that outlive a call

    def start(self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any) -> ResponseObject:
        """Start a run and return at once with its ids, without waiting for it.

        A graph node that is executed again, for instance after an interrupt, gets the same run. Elsewhere pass an
        ``idempotency_key``: the same key and the same question give the same run.

        Raises:
            ValidationError: The input or a parameter is not valid; nothing was sent.
            LumnisAIError: The service cannot be reached or refuses.
        """
        return cast("ResponseObject", self._call_with_config(self._start, input, config, **kwargs))

    async def astart(self, input: LumnisInput, config: RunnableConfig | None = None, **kwargs: Any) -> ResponseObject:
        """Do the same in asyncio."""
        return cast("ResponseObject", await self._acall_with_config(self._astart, input, config, **kwargs))

    def _start(self, value: LumnisInput, **kwargs: Any) -> ResponseObject:
        with model_errors():
            self._warn_of_ignored(kwargs)
            run = start_of_input(self.__dict__, value, ensure_config().get("configurable"), kwargs)
            client = self._client()
            return run.turn.answered_by(
                lambda sent: client.responses.create(sent.messages, **run.parameters_for(sent)),
                client,
                run.parameters,
            )

    async def _astart(self, value: LumnisInput, **kwargs: Any) -> ResponseObject:
        with model_errors():
            self._warn_of_ignored(kwargs)
            run = start_of_input(self.__dict__, value, ensure_config().get("configurable"), kwargs)
            client = self._aclient()
            return await run.turn.aanswered_by(
                lambda sent: client.responses.create(sent.messages, **run.parameters_for(sent)),
                client,
                run.parameters,
            )

    def resume(self, response_id: str | UUID, config: RunnableConfig | None = None, **kwargs: Any) -> ResponseObject:
        """Wait for the end of an existing run, such as one of :meth:`start` or one that outlasted ``run_timeout``.

        Args:
            response_id: Id of the run.
            config: Callbacks and other settings of the call.
            **kwargs: ``run_timeout``, ``progress_interval``, ``cancel_on_interrupt``, ``show_progress``.

        Raises:
            NotFoundError: There is no such run.
            RunError: It failed, was cancelled, or takes longer than ``run_timeout``.
        """
        return self.invoke({"response_id": response_id}, config, **kwargs)

    async def aresume(
        self, response_id: str | UUID, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ResponseObject:
        """Do the same in asyncio."""
        return await self.ainvoke({"response_id": response_id}, config, **kwargs)

    # Composition. These return bindings that keep what was bound for the methods below; the framework's lose it.

    def bind(self, **kwargs: Any) -> AgentBinding:
        """Return the runnable with keywords for each call."""
        return AgentBinding(bound=cast("Runnable[Any, Any]", self), kwargs=kwargs, config={})

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> AgentBinding:
        """Return the runnable with a config for each call."""
        return self.bind().with_config(config, **kwargs)

    # Graphs and feedback

    def as_node(self) -> Runnable[Any, dict[str, list[AIMessage]]]:
        """Return a LangGraph node that answers the ``messages`` of its state and adds the answer to them.

        The message has the id of the run; ``response_metadata`` names the run and its thread.
        """
        return self | RunnableLambda(self._message_update)

    def _message_update(self, output: RunUpdate | ResponseObject) -> dict[str, list[AIMessage]]:
        response = cast("ResponseObject", output)  # the last element of a stream
        structured = response.structured_response is not None
        message = convert_out(response, model_name=model_name_of(self.__dict__, {}), structured=structured)
        return {"messages": [message]}

    def send_feedback(
        self,
        response_id: str | UUID,
        feedback_text: str,
        config: RunnableConfig | None = None,
        **options: Unpack[FeedbackOptions],
    ) -> FeedbackCreated:
        """Send feedback to a run while it works, for instance a human's answer to an interrupt.

        Each call sends it again: in a graph node, call it after ``interrupt()``, which a node passes only once.

        Args:
            response_id: Id of the run.
            feedback_text: The feedback, 1 to 5000 characters.
            config: May name the user as ``lumnis_user_id``. Default: that of the surrounding chain or graph.
            **options: ``feedback_type`` is ``suggestion`` (default), ``correction`` or ``guidance``; ``user_id`` is the
                user who sends the feedback, by default that of the config, then of the runnable; ``progress_id`` and
                ``tool_call_id`` are the progress entry and the tool call it is about; ``tool_args_update`` are new
                arguments for that tool call.

        Raises:
            ValidationError: The text or the combination of arguments is not valid; nothing was sent.
            ConflictError: The run is over. A new run can continue its thread.
            NotFoundError: There is no such run.
        """
        options["user_id"] = options.get("user_id") or self._user_of(config)
        with model_errors():
            return self._client().responses.create_feedback(str(response_id), feedback_text, **options)

    async def asend_feedback(
        self,
        response_id: str | UUID,
        feedback_text: str,
        config: RunnableConfig | None = None,
        **options: Unpack[FeedbackOptions],
    ) -> FeedbackCreated:
        """Do the same in asyncio."""
        options["user_id"] = options.get("user_id") or self._user_of(config)
        with model_errors():
            return await self._aclient().responses.create_feedback(str(response_id), feedback_text, **options)

    def _user_of(self, config: RunnableConfig | None) -> str | UUID | None:
        of_config: str | UUID | None = from_config(ensure_config(config).get("configurable") or {}).get("user_id")
        return of_config or self.user_id


def _items_of(update: RunUpdate) -> list[RunUpdate | ResponseObject]:
    if update.response is None:
        return [update]
    # The stream of a run that did not succeed raises next.
    return [update.response] if update.response.status == ResponseStatus.SUCCEEDED else []
