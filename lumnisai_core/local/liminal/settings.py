"""Settings of the embedded gateway: model instances, their policies, detectors and sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from lumnisai_core.local.engines.base import Engine
from lumnisai_core.local.liminal.detection import Detection, Detector, resolved, terms_in
from lumnisai_core.local.liminal.patterns import PatternDetector

Action = Literal["redact", "mask", "allow", "block"]


@dataclass(frozen=True, slots=True)
class LiminalPolicy:
    """What is done with personal data.

    Args:
        actions: actions by type, such as `{"URL": "allow", "CREDIT_CARD": "block"}`: `redact` and `mask` replace the
            value by a placeholder, `allow` leaves it, `block` refuses the prompt.
        default: action of all other types.
        custom_terms: terms of your own to find, in any case, as type `CUSTOM_TERM`.

    Raises:
        ValueError: an action is not one of the four, or a term is blank.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    default: Action = "redact"
    custom_terms: Sequence[str] = ()

    def __post_init__(self) -> None:
        for action in (self.default, *self.actions.values()):
            if action not in get_args(Action):
                raise ValueError(f"a policy's action must be one of {', '.join(get_args(Action))}, got {action!r}")
        if isinstance(self.custom_terms, str) or not all(term.strip() for term in self.custom_terms):
            raise ValueError("custom_terms must be a list of non-empty strings")

    def action_for(self, kind: str) -> Action:
        """Return the action of a type."""
        return self.actions.get(kind, self.default)


@dataclass(frozen=True, slots=True)
class LiminalInstance:
    """A model instance: a model under a policy.

    Args:
        name: its name, by which clients look it up.
        policy: its policy.
        engine: answers its prompts; default: the engine of the service.
        model: name of the model, as clients see it.
        instructions: system message in front of each conversation.
    """

    name: str = "House Chat"
    policy: LiminalPolicy = field(default_factory=LiminalPolicy)
    engine: Engine | None = None
    model: str = "house-chat-1"
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class LiminalSettings:
    """The embedded privacy gateway, for `LocalLumnis(liminal=...)`.

    Args:
        instances: the model instances; the first one is `local.liminal.model_instance`.
        detectors: what finds personal data; their findings are merged.
        token: environment token to log in with; default: a fresh random one.
        session_lifetime: seconds after which a session is refused with 401.
        renew_cookie: set a new session cookie with every answer.

    Raises:
        ValueError: there is no instance, two have one name, or a value is not usable.
    """

    instances: Sequence[LiminalInstance] = (LiminalInstance(),)
    detectors: Sequence[Detector] = field(default_factory=lambda: (PatternDetector(),))
    token: str | None = field(default=None, repr=False)
    session_lifetime: float = 3600.0
    renew_cookie: bool = False

    def __post_init__(self) -> None:
        names = [instance.name for instance in self.instances]
        if not names or len({*names}) < len(names) or not all(name.strip() for name in names):
            raise ValueError("instances must be a list of model instances with different, non-empty names")
        if wrong := [detector for detector in self.detectors if not isinstance(detector, Detector)]:
            raise ValueError(f"a detector must have a method detect(text), got {type(wrong[0]).__name__}")
        if not self.session_lifetime > 0:
            raise ValueError(f"session_lifetime must be a positive number of seconds, got {self.session_lifetime!r}")
        if self.token is not None and not self.token.strip():
            raise ValueError("token must be a non-empty string")

    def detected(self, text: str, policy: LiminalPolicy) -> list[Detection]:
        """Find the sensitive spans of a text, in order and without overlaps."""
        found = [found for detector in self.detectors for found in detector.detect(text)]
        if wrong := [one for one in found if not 0 <= one.start < one.end <= len(text)]:
            raise ValueError(f"a detector found a {wrong[0].type} outside the text, at {wrong[0].start}")
        named = [one._replace(type=_type_name(one.type)) for one in found]
        return resolved(text, [*named, *terms_in(text, policy.custom_terms)])


def _type_name(kind: str) -> str:
    """Return a detector's type as a placeholder can have it: in capitals, digits and underscores, first a letter."""
    name = re.sub(r"[^A-Z0-9]+", "_", kind.upper()).strip("_")
    return name if name[:1].isalpha() else f"TYPE_{name}"
