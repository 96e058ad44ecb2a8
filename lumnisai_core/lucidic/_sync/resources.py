# Generated from lumnisai_core/lucidic/_async/resources.py by `make sync`; edit that file.
"""Prompts, experiments, feature flags and evaluations of Lucidic, each call a request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core.exceptions import FeatureFlagError, ValidationError
from lumnisai_core.lucidic import calls
from lumnisai_core.lucidic.config import NO_RETRY, Settings
from lumnisai_core.lucidic.prompts import Prompt, PromptCache, checked_ttl, filled

#: Stands for a default that was not passed, because None is a default too.
NO_DEFAULT: Any = object()


class Experiments(Resource[Settings]):
    """Experiments: groups of sessions to compare."""

    def create(
        self,
        experiment_name: str,
        *,
        description: str = "",
        tags: Iterable[str] | None = None,
        LLM_boolean_evaluators: Iterable[str] | None = None,  # noqa: N803 - the product's name
        LLM_numeric_evaluators: Iterable[str] | None = None,  # noqa: N803 - the product's name
    ) -> str:
        """Create an experiment. Sessions join it by its id.

        Args:
            experiment_name: Its name.
            description: What is compared.
            tags: Tags to find it by.
            LLM_boolean_evaluators: Names of evaluators whose result is yes or no.
            LLM_numeric_evaluators: Names of evaluators whose result is a number.

        Returns:
            The id of the experiment.
        """
        evaluators = [*(LLM_boolean_evaluators or ()), *(LLM_numeric_evaluators or ())]
        call = calls.create_experiment(self._settings.agent_id, experiment_name, evaluators, description, tags)
        return self._send(call)


class Evals(Resource[Settings]):
    """Evaluations: results of your own judges."""

    def create(
        self,
        result: bool | float | str,
        *,
        session_id: str,
        name: str | None = None,
        description: str | None = None,
    ) -> None:
        """Submit the result of an evaluation of a session.

        Args:
            result: Yes or no, a number, or a text.
            session_id: The session.
            name: What was judged.
            description: Why the result is what it is.
        """
        self._send(calls.create_eval(session_id, result, name, description))


class Prompts(Resource[Settings]):
    """Prompts: texts with variables, by name and label."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        super().__init__(transport, settings)
        self._cache = PromptCache()

    def get(
        self,
        prompt_name: str,
        variables: Mapping[str, object] | None = None,
        *,
        label: str = "production",
        cache_ttl: float = 0,
    ) -> Prompt:
        """Return a prompt with its variables filled in.

        Args:
            prompt_name: Its name.
            variables: Values for ``{{name}}`` in the text; a variable without a value stays as it is.
            label: The version to read.
            cache_ttl: Seconds that a copy read earlier may be old. 0 reads the prompt anew and stores nothing, -1
                accepts a copy of any age.

        Returns:
            A string with the attributes ``raw_content``, ``content`` and ``metadata``.

        Raises:
            PromptError: No prompt has this name and label.
        """
        checked_ttl(cache_ttl)
        prompt = self._cache.get(prompt_name, label, cache_ttl, time.monotonic())
        if prompt is None:
            prompt = self._send(calls.get_prompt(self._settings.agent_id, prompt_name, label))
            self._cache.put(prompt_name, label, prompt, cache_ttl, time.monotonic())
        return filled(prompt, variables)

    def update(
        self,
        prompt_name: str,
        prompt_content: str,
        *,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        labels: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Store a new version of a prompt.

        Args:
            prompt_name: Its name.
            prompt_content: Its text.
            description: What it is for.
            metadata: Anything to keep with it.
            labels: Labels of this version.

        Returns:
            The metadata of the new version.
        """
        call = calls.update_prompt(self._settings.agent_id, prompt_name, prompt_content, description, metadata, labels)
        stored = self._transport.send(call, policy=NO_RETRY)  # each request would make a version
        self._cache.forget(prompt_name)
        return stored

    def update_metadata(
        self, prompt_name: str, metadata: Mapping[str, Any], *, label: str = "production"
    ) -> dict[str, Any]:
        """Change the metadata of a prompt.

        Args:
            prompt_name: Its name.
            metadata: The new metadata.
            label: The version to change.

        Returns:
            The metadata as it is stored.
        """
        call = calls.update_prompt_metadata(self._settings.agent_id, prompt_name, label, metadata)
        stored = self._send(call)
        self._cache.forget(prompt_name, label)
        return stored


class FeatureFlags(Resource[Settings]):
    """Feature flags: values to switch an application with. They are read anew each time."""

    def get(
        self,
        flag_name: str,
        default: Any = NO_DEFAULT,
        *,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Any:
        """Return the value of a feature flag.

        Args:
            flag_name: Its name.
            default: Value if the flag does not exist.
            context: What the service may decide by, such as a user's plan.
            session_id: The session for which it is evaluated.

        Raises:
            FeatureFlagError: The flag does not exist, and no default was passed.
        """
        sent = None if default is NO_DEFAULT else default
        call = calls.get_flag(self._settings.agent_id, flag_name, sent, context, session_id)
        try:
            value = self._send(call)
        except FeatureFlagError:
            value = None
        if value is not None:
            return value
        if default is NO_DEFAULT:
            raise FeatureFlagError(f"No feature flag has the name {flag_name!r}: create it, or pass default=.")
        return default

    def get_bool(self, flag_name: str, default: Any = NO_DEFAULT, **known: Any) -> bool:
        """Return a flag that is true or false; arguments of :meth:`get`.

        Args:
            flag_name: Its name.
            default: Value if the flag does not exist.
            known: ``context`` and ``session_id``.
        """
        return bool(_of_type(flag_name, self.get(flag_name, default, **known), bool))

    def get_number(self, flag_name: str, default: Any = NO_DEFAULT, **known: Any) -> float:
        """Return a flag that is a number; arguments of :meth:`get`.

        Args:
            flag_name: Its name.
            default: Value if the flag does not exist.
            known: ``context`` and ``session_id``.
        """
        value: float = _of_type(flag_name, self.get(flag_name, default, **known), int, float)
        return value

    def get_string(self, flag_name: str, default: Any = NO_DEFAULT, **known: Any) -> str:
        """Return a flag that is a text; arguments of :meth:`get`.

        Args:
            flag_name: Its name.
            default: Value if the flag does not exist.
            known: ``context`` and ``session_id``.
        """
        return str(_of_type(flag_name, self.get(flag_name, default, **known), str))


def _of_type(flag_name: str, value: Any, *kinds: type) -> Any:
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return value
    expected = " or ".join(kind.__name__ for kind in kinds)
    raise ValidationError(f"The feature flag {flag_name!r} must be {expected}, not {value!r}.")
