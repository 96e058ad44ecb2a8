"""Models of Liminal: model instances, threads with their chats, findings, placeholders and answers.

Their texts hold personal data, so neither ``repr`` nor a notebook shows them: only ids, types and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)
from pydantic.alias_generators import to_camel

from lumnisai_core._transport.wire import Items, Timestamp, WireModel


class PrivateModel(WireModel):
    """A model that shows some of its fields only, wherever it is shown."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel)

    #: The fields that may be shown.
    _repr_fields: ClassVar[tuple[str, ...]] = ("id",)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return self._display_fields().items()

    def _display_fields(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self._repr_fields}


class ModelConnection(PrivateModel):
    """The model behind a model instance.

    Attributes:
        model: Name of the model at its provider.
        provider_key: The provider, such as ``openai``.
        credentials: What the service sends of the credentials, usually nothing.
    """

    _repr_fields = ("id", "model", "provider_key")

    id: int
    model_instance_id: int | None = None
    model: str = ""
    provider_key: str = ""
    credentials: dict[str, str] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


def _as_list(value: object) -> object:
    # Releases before 2024.8 sent one object.
    return [] if value is None else [value] if isinstance(value, Mapping) else value


class ModelInstance(PrivateModel):
    """A model that can be called under a policy.

    Attributes:
        name: Name in the admin dashboard; it need not be unique.
        policy_group_id: The policy applied to prompts.
        model_connections: The models behind it; without one, the instance cannot be used.
    """

    _repr_fields = ("id", "name", "policy_group_id")

    id: int
    name: str = ""
    instructions: str = ""
    policy_group_id: int | None = None
    trainer_thread_id: int | None = None
    user_id: int | None = None
    model_connections: Annotated[list[ModelConnection], BeforeValidator(_as_list)] = Field(
        default_factory=list, validation_alias=AliasChoices("modelConnections", "modelConnection", "model_connections")
    )
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


class Chat(PrivateModel):
    """One prompt of a thread and its answer.

    Attributes:
        raw_input: The prompt as it was sent.
        cleansed_input: The prompt with placeholders, as the model received it.
        raw_output: The model's answer, with placeholders.
        hydrated_output: The answer with the original values.
    """

    _repr_fields = ("id", "thread_id", "status", "created_at")

    id: int
    thread_id: int | None = None
    raw_input: str = Field("", validation_alias=AliasChoices("rawInput", "input", "raw_input"))
    cleansed_input: str = Field(
        "", validation_alias=AliasChoices("cleansedInput", "deidentifiedInput", "cleansed_input")
    )
    raw_output: str = Field("", validation_alias=AliasChoices("rawOutput", "llmOutput", "raw_output"))
    hydrated_output: str = Field("", validation_alias=AliasChoices("hydratedOutput", "output", "hydrated_output"))
    status: str = ""
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


class Thread(PrivateModel):
    """A conversation with a model instance, with its chats, oldest first."""

    _repr_fields = ("id", "model_instance_id", "created_at")

    id: int
    model_instance_id: int | None = None
    user_id: int | None = None
    name: str = ""
    source: str = ""
    type: str = ""
    chats: Items[Chat] = Field(default_factory=list)
    model_instance: ModelInstance | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


class Finding(PrivateModel):
    """A sensitive span of a prompt.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        text: The span itself.
        type: Kind of data, such as ``EMAIL_ADDRESS``.
        score: How sure the service is, from 0 to 1.
        score_category: The same in words, such as ``VERY LIKELY``.
        policy_action: What the policy does with it, such as ``redact`` or ``mask``.
        custom_term: The term of a custom list that it matches, or None.
        info_type_name: The same in releases from 2026.7, or None.
    """

    _repr_fields = ("type", "policy_action", "start", "end")

    start: int = 0
    end: int = 0
    text: str = ""
    type: str = ""
    score: int | float = 0
    score_category: str = ""
    policy_action: str = ""
    custom_term: str | None = None
    info_type_name: str | None = None
    _received: dict[str, Any] | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_received(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        finding = handler(data)
        if isinstance(data, Mapping):
            finding._received = dict(data)
        return finding

    def as_received(self) -> dict[str, Any]:
        """Return the JSON object as it came, unknown and missing fields included."""
        return self._received or self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values in some fields."""
        copied = super().model_copy(update=update, deep=deep)
        if copied._received is not None and update:
            copied._received = {**copied._received, **{to_camel(name): value for name, value in update.items()}}
        return copied

    def span_in(self, prompt: str) -> tuple[int, int]:
        """Return the offsets of the span in code points, as Python counts.

        Args:
            prompt: The text that was analyzed. A service that counts UTF-16 units is recognised by ``text``.

        Raises:
            ValueError: The span is not there.
        """
        if prompt[self.start : self.end] == self.text:
            return self.start, self.end
        units = prompt.encode("utf-16-le", "surrogatepass")
        start = len(units[: 2 * self.start].decode("utf-16-le", "replace"))
        if prompt[start : start + len(self.text)] == self.text:
            return start, start + len(self.text)
        raise ValueError(f"The prompt does not hold the {self.type} that was found at {self.start} to {self.end}.")


class AnalyzeResponse(PrivateModel):
    """The findings of a prompt. Pass it on to ``cleanse``, ``submit`` or ``stream`` as it is."""

    findings: Items[Finding] = Field(default_factory=list)
    text: str | None = None

    def _display_fields(self) -> dict[str, object]:
        return {"types": [finding.type for finding in self.findings]}


class Placeholder(PrivateModel):
    """A placeholder in a text, or the value put back in its place.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        entity_type: The placeholder, such as ``PERSON_0``; usually the same as the span, but not always.
        text: The value that was put back, or None in a cleansed text.
    """

    _repr_fields = ("entity_type", "start", "end")

    start: int = 0
    end: int = 0
    entity_type: str = ""
    text: str | None = None


class CleanseResponse(PrivateModel):
    """A prompt with placeholders.

    Attributes:
        text: The prompt with placeholders such as ``PERSON_0``.
        items: The placeholders in it.
        text_hashed: The prompt with opaque tokens; treat it like the prompt itself.
        items_hashed: The tokens in it.
    """

    _repr_fields = ("items",)

    text: str
    items: Items[Placeholder] = Field(default_factory=list)
    text_hashed: str = ""
    items_hashed: Items[Placeholder] = Field(default_factory=list)


class HydrateResponse(PrivateModel):
    """A text with the original values in place of its placeholders."""

    _repr_fields = ("items",)

    text: str
    items: Items[Placeholder] = Field(default_factory=list)


class DeidentifiedToken(PrivateModel):
    """A placeholder and its opaque token."""

    _repr_fields = ("deid_text",)

    deid_text: str = ""
    hash_text: str = ""


class SubmitResponse(PrivateModel):
    """The answer to a prompt.

    Attributes:
        thread_id: The thread it belongs to, which the service has made if there was none.
        chat_id: The stored prompt and answer.
        input_text: The prompt as it was sent.
        deidentified_input_text_data: The prompt with placeholders.
        deidentified_context_history: Placeholders of earlier prompts; empty in releases that do not send them.
        llm_model: The model that answered.
        raw_llm_response_text: The model's answer, with placeholders.
        reidentified_llm_response_text: The answer with the original values.
        reidentified_llm_response_items: The values in it.
    """

    _repr_fields = ("thread_id", "chat_id", "llm_model")

    thread_id: int
    chat_id: int | None = None
    input_text: str = ""
    deidentified_input_text_data: CleanseResponse | None = None
    deidentified_context_history: Items[DeidentifiedToken] = Field(default_factory=list)
    llm_model: str = ""
    raw_llm_response_text: str = Field("", alias="rawLLMResponseText")
    reidentified_llm_response_text: str = Field(alias="reidentifiedLLMResponseText")
    reidentified_llm_response_items: Items[Placeholder] = Field(
        default_factory=list, alias="reidentifiedLLMResponseItems"
    )

    @property
    def answer(self) -> str:
        """The answer with the original values."""
        return self.reidentified_llm_response_text


class StreamResponseChunk(PrivateModel):
    """A piece of a streamed answer, with the original values.

    Attributes:
        content: The piece; pieces carry their own spaces.
        finish_reason: Why the answer ends with this piece, such as ``stop``; None before the end.
    """

    _repr_fields = ("finish_reason",)

    content: str = ""
    finish_reason: str | None = None
