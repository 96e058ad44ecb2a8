"""Experiments, prompts and feature flags of the module-level calls: one request each, through the client of init()."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lumnisai_core.lucidic._sync.resources import NO_DEFAULT
from lumnisai_core.lucidic.prompts import Prompt
from lumnisai_core.lucidic.tracing import tracing


def create_experiment(
    experiment_name: str,
    *,
    LLM_boolean_evaluators: Iterable[str] | None = None,  # noqa: N803 - the product's name
    LLM_numeric_evaluators: Iterable[str] | None = None,  # noqa: N803 - the product's name
    description: str = "",
    tags: Iterable[str] | None = None,
    api_key: str | None = None,
    agent_id: str | None = None,
) -> str:
    """Create an experiment. Sessions join it with ``init(experiment_id=...)``.

    Args:
        experiment_name: Its name.
        LLM_boolean_evaluators: Names of evaluators whose result is yes or no.
        LLM_numeric_evaluators: Names of evaluators whose result is a number.
        description: What is compared.
        tags: Tags to find it by.
        api_key: The API key. Default: that of ``init()``, then ``LUCIDIC_API_KEY``.
        agent_id: The agent. Default: that of ``init()``, then ``LUCIDIC_AGENT_ID``.

    Returns:
        The id of the experiment.
    """
    owner = tracing()
    client = owner.client_for(api_key=api_key, agent_id=agent_id) if api_key or agent_id else owner.client()
    return client.experiments.create(
        experiment_name,
        LLM_boolean_evaluators=LLM_boolean_evaluators,
        LLM_numeric_evaluators=LLM_numeric_evaluators,
        description=description,
        tags=tags,
    )


def get_prompt(
    prompt_name: str,
    variables: Mapping[str, object] | None = None,
    cache_ttl: float = 0,
    label: str = "production",
) -> Prompt:
    """Return a prompt with its variables filled in.

    Args:
        prompt_name: Its name.
        variables: Values for ``{{name}}`` in the text; a variable without a value stays as it is.
        cache_ttl: Seconds that a copy read earlier may be old. 0 reads the prompt anew and stores nothing, -1 accepts
            a copy of any age.
        label: The version to read.

    Returns:
        A string with the attributes ``raw_content``, ``content`` and ``metadata``.

    Raises:
        PromptError: No prompt has this name and label.
    """
    return tracing().client().prompts.get(prompt_name, variables, label=label, cache_ttl=cache_ttl)


def get_feature_flag(flag_name: str, default: Any = NO_DEFAULT, *, context: Mapping[str, Any] | None = None) -> Any:
    """Return the value of a feature flag.

    Args:
        flag_name: Its name.
        default: Value if the flag does not exist.
        context: What the service may decide by, such as a user's plan.

    Raises:
        FeatureFlagError: The flag does not exist, and no default was passed.
    """
    return tracing().client().feature_flags.get(flag_name, default, context=context)
