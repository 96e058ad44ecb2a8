"""Bindings: a model with keywords, a config, retries or fallbacks, which keeps them when tools or schemas are added.

LangChain's own binding hands ``bind_tools`` and ``with_structured_output`` to the bare model, which loses what was
bound: a run would be for another user.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ClassVar, Self, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableSequence
from langchain_core.runnables.config import merge_configs
from pydantic import ConfigDict

from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.calls import from_config
from lumnisai_integrations.langchain.lumnis.function_calling import ToolLike, bound_tools, tool_keywords
from lumnisai_integrations.langchain.lumnis.settings import LumnisSettings
from lumnisai_integrations.langchain.lumnis.structured import Schema, structured_chain

_Step = Runnable[Any, Any]
_Change = Callable[[Any], _Step]


class LumnisBinding(RunnableBinding[Any, Any]):  # type: ignore[no-redef] # its field named kwargs
    """A binding whose methods beyond those of runnables get its keywords, too."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    @classmethod
    def lc_id(cls) -> list[str]:
        """Return the id of LangChain's own binding, so that a saved one can be loaded."""
        return [*cls.get_lc_namespace(), "RunnableBinding"]

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Self:
        """Return the same with more of a config; what is configurable is added, not replaced."""
        added = merge_configs(config, cast("RunnableConfig", kwargs))
        return self.model_copy(update={"config": merge_configs(self.config, added)})

    def with_fallbacks(self, fallbacks: Sequence[_Step], **kwargs: Any) -> Self:  # type: ignore[override] # a binding
        """Return the same with others that take over when it fails."""
        from langchain_core.runnables.fallbacks import RunnableWithFallbacks  # noqa: PLC0415 - slow

        bound = RunnableWithFallbacks[Any, Any](runnable=self, fallbacks=fallbacks, **kwargs)
        return type(self)(bound=bound, kwargs={}, config={})

    def configurable_fields(self, **kwargs: Any) -> Self:
        """Return the same with fields of the model that a config may set."""
        return self._around(_first_model(self.bound, lambda model: _unbound(model.configurable_fields(**kwargs))))

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name.startswith("_") or not callable(found):
            return found
        parameters = inspect.signature(found).parameters
        if all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
            return found
        # The framework merges a config only into methods that take one.
        of_config = {} if "config" in parameters else from_config(self.config.get("configurable") or {})
        keywords = {**of_config, **self.kwargs}

        @wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            return found(*args, **{**keywords, **kwargs})

        return call

    def _around(self, bound: _Step) -> Self:
        return self.model_copy(update={"bound": bound})


class AgentBinding(LumnisBinding):  # type: ignore[no-redef] # as above
    """A :class:`LumnisRunnable` with keywords and a config, which reach its other methods as fields."""

    def __getattr__(self, name: str) -> Any:
        bound: Any = self.bound
        if name.startswith("_") or not isinstance(bound, LumnisSettings):
            return super().__getattr__(name)
        keywords = {**from_config(self.config.get("configurable") or {}), **self.kwargs}
        fields = {_FIELD_NAMES.get(key, key): value for key, value in keywords.items()}
        configured = bound.model_copy(update={key: value for key, value in fields.items() if hasattr(bound, key)})
        return getattr(RunnableBinding[Any, Any](bound=cast("_Step", configured), config=self.config), name)


_FIELD_NAMES = {"model": "model_name", "api_key": "lumnis_api_key"}


class ModelBinding(LumnisBinding):  # type: ignore[no-redef] # as above
    """A chat model with keywords, config, retries, fallbacks or alternatives, all of which it keeps."""

    def bind_tools(self, tools: Sequence[ToolLike], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with these tools instead; see :meth:`ChatLumnis.bind_tools`."""
        if _has_other_models(self.bound):
            return self._around(_each_model(self.bound, lambda model: model.bind_tools(tools, **kwargs)))
        return self.bind(**tool_keywords(tools, **kwargs))

    def with_structured_output(self, schema: Schema | None, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Return a chain that answers with objects or tool calls; see :meth:`ChatLumnis.with_structured_output`."""
        if _has_other_models(self.bound):
            bound: _Step = _each_model(self.bound, lambda model: model.with_structured_output(schema, **kwargs))
            return StructuredChain(**{**self.__dict__, "bound": bound})
        with model_errors():
            if kwargs.get("tools"):
                kwargs["tools"] = bound_tools(kwargs["tools"])
            about = {name: kwargs.pop(name, default) for name, default in _OPTIONS.items()}
            model = self.model_copy(update={"config": {}, "config_factories": []})
            chain = structured_chain(model.bind, schema, parameters=kwargs, **about)
        return StructuredChain(**{**self.__dict__, "bound": chain, "kwargs": {}})

    def with_fallbacks(self, fallbacks: Sequence[_Step], **kwargs: Any) -> Self:  # type: ignore[override] # as above
        """Return the model with others that take over when it fails, also while it streams.

        LangChain takes the first chunk of a stream for success. So chunks of progress are held back; callbacks still
        get the progress. ``bind(stream_progress=True)`` before this keeps the chunks.
        """
        if "stream_progress" in self.kwargs:
            return super().with_fallbacks(fallbacks, **kwargs)
        first: Self = self.bind(stream_progress=False)  # type: ignore[assignment] # of this class
        return first.with_fallbacks(fallbacks, **kwargs)

    def configurable_alternatives(self, which: Any, **kwargs: Any) -> ModelBinding:
        """Return the model with alternatives that a config may choose."""
        return ModelBinding(
            bound=cast("_Step", super().configurable_alternatives(which, **kwargs)), kwargs={}, config={}
        )


#: Options of ``with_structured_output`` with their defaults.
_OPTIONS: Mapping[str, Any] = {"method": "json_schema", "include_raw": False, "strict": None}


class StructuredChain(LumnisBinding):  # type: ignore[no-redef] # as above
    """A chat model and the parser of a schema, to which tools can be added."""

    def bind_tools(self, tools: Sequence[ToolLike], **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Return the chain with tools that the agent may call first; see :meth:`ChatLumnis.bind_tools`."""

        def offering(chain: Any) -> _Step:
            if not isinstance(chain, RunnableSequence):
                return cast("_Step", chain.bind_tools(tools, **kwargs))
            model, *others = chain.steps
            return RunnableSequence(model.bind(**tool_keywords(tools, **kwargs)), *others)

        return self._around(_each_model(self.bound, offering))


def _is_a(runnable: object, name: str) -> bool:
    """Whether it is of a class of this name, one that is loaded only where it is used, as it is slow to import."""
    return any(kind.__name__ == name for kind in type(runnable).__mro__)


def _has_other_models(runnable: Any) -> bool:
    if _is_a(runnable, "RunnableRetry"):
        return _has_other_models(runnable.bound)
    return _is_a(runnable, "RunnableWithFallbacks") or _is_a(runnable, "RunnableConfigurableAlternatives")


def _each_model(runnable: Any, change: _Change) -> _Step:
    """Return the same composition with each of its models changed."""

    def changed(one: Any) -> Any:
        return _each_model(one, change) if isinstance(one, Runnable) else lambda: _each_model(one(), change)

    if _is_a(runnable, "RunnableRetry"):
        return cast("_Step", runnable.model_copy(update={"bound": changed(runnable.bound)}))
    if _is_a(runnable, "RunnableWithFallbacks"):
        others = [changed(one) for one in runnable.fallbacks]
        update = {"runnable": changed(runnable.runnable), "fallbacks": others}
        return cast("_Step", runnable.model_copy(update=update))
    if _is_a(runnable, "RunnableConfigurableAlternatives"):
        alternatives = {name: changed(one) for name, one in runnable.alternatives.items()}
        update = {"default": changed(runnable.default), "alternatives": alternatives}
        return cast("_Step", runnable.model_copy(update=update))
    return change(runnable)


def _first_model(runnable: Any, change: _Change) -> _Step:
    """Return the same composition with the model that is tried first changed."""
    if isinstance(runnable, RunnableSequence):
        return RunnableSequence(_first_model(runnable.first, change), *runnable.steps[1:])
    for kind, place in _PLACES.items():
        if _is_a(runnable, kind):
            return cast("_Step", runnable.model_copy(update={place: _first_model(getattr(runnable, place), change)}))
    return change(runnable)


#: Where compositions have the model that is tried first.
_PLACES: Mapping[str, str] = {
    "LumnisBinding": "bound",
    "RunnableRetry": "bound",
    "RunnableWithFallbacks": "runnable",
    "RunnableConfigurableAlternatives": "default",
}


def _unbound(runnable: Any) -> _Step:
    is_plain = isinstance(runnable, LumnisBinding) and _is_a(runnable.bound, "RunnableConfigurableFields")
    return cast("_Step", runnable.bound if is_plain else runnable)
