"""Choices for a call or a run: scope, agent settings, models, attached files. Unknown fields are refused."""

# No postponed annotations here: pydantic would have to compile each of them at import.
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["AgentConfig", "AgentMode", "FileAttachment", "ModelOverrides", "ModelType", "Scope"]

ModelName = Annotated[str, StringConstraints(pattern=r"^[^:\s]+:\S+$")]

_QUICK = {"use_cognitive_tools": False, "enable_task_validation": False, "generate_comprehensive_output": False}
_THOROUGH = {"use_cognitive_tools": True, "enable_task_validation": True, "generate_comprehensive_output": False}


class Scope(StrEnum):
    """Whether a call works on the data of one user or of the whole tenant."""

    USER = "user"
    TENANT = "tenant"


class ModelType(StrEnum):
    """The five purposes that a model can be chosen for."""

    CHEAP_MODEL = "CHEAP_MODEL"
    FAST_MODEL = "FAST_MODEL"
    SMART_MODEL = "SMART_MODEL"
    REASONING_MODEL = "REASONING_MODEL"
    VISION_MODEL = "VISION_MODEL"


class AgentMode(StrEnum):
    """Whether one agent or several work on a run."""

    AUTO = "auto"
    SINGLE_AGENT = "single_agent"
    MULTI_AGENT = "multi_agent"


class RequestModel(BaseModel):
    """Base of models that are validated before sending. Only fields that were set are sent."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True, defer_build=True
    )


class ModelOverrides(RequestModel):
    """Models for one run, each as ``provider:model_name``, such as ``openai:gpt-4o``."""

    cheap_model: ModelName | None = None
    fast_model: ModelName | None = None
    smart_model: ModelName | None = None
    reasoning_model: ModelName | None = None
    vision_model: ModelName | None = None


class AgentConfig(RequestModel):
    """Settings of the agent for one run. The platform has a default for each field.

    Attributes:
        orchestrator_model_type: Kind of model that orchestrates the run (platform default ``REASONING_MODEL``).
        planner_model_type: Kind of model that plans (platform default ``SMART_MODEL``).
        coordinator_model_type: Kind of model that coordinates (platform default ``REASONING_MODEL``).
        orchestrator_model_name: ``provider:model``; overrides the kind. The same holds for the other names.
        use_cognitive_tools: Whether the agent may use thinking tools (platform default true).
        enable_task_validation: Whether results of sub-agents are validated (platform default true).
        generate_comprehensive_output: Whether the answer is a long report (platform default false).
        agent_mode: ``single_agent``, ``multi_agent`` or the platform's choice (platform default ``auto``).
        skill_ids: Skills that the run may use, and no others.
    """

    orchestrator_model_type: ModelType | None = None
    planner_model_type: ModelType | None = None
    coordinator_model_type: ModelType | None = None
    orchestrator_model_name: ModelName | None = None
    planner_model_name: ModelName | None = None
    coordinator_model_name: ModelName | None = None
    final_response_model_name: ModelName | None = None
    fast_model_name: ModelName | None = None
    use_cognitive_tools: bool | None = None
    enable_task_validation: bool | None = None
    generate_comprehensive_output: bool | None = None
    agent_mode: AgentMode | None = None
    skill_ids: Sequence[str] | None = None

    @classmethod
    def fast_execution(cls, **overrides: Any) -> Self:
        """Preset for quick answers: a small coordinator model, no thinking tools, no validation, no long report."""
        return cls(**{"coordinator_model_name": "openai:gpt-4o-mini", **_QUICK, **overrides})

    @classmethod
    def deep_reasoning(cls, **overrides: Any) -> Self:
        """Preset for hard problems: reasoning models coordinate and plan, results are validated."""
        models = {"coordinator_model_name": "openai:o3", "planner_model_type": ModelType.REASONING_MODEL}
        return cls(**{**models, **_THOROUGH, **overrides})

    @classmethod
    def comprehensive_report(cls, **overrides: Any) -> Self:
        """Preset for long reports: a reasoning coordinator, validated results, comprehensive output."""
        report = {"coordinator_model_type": ModelType.REASONING_MODEL, "generate_comprehensive_output": True}
        return cls(**{**_THOROUGH, **report, **overrides})

    @classmethod
    def with_skills(cls, skill_ids: Sequence[str], **overrides: Any) -> Self:
        """Allow only these skills."""
        return cls(skill_ids=skill_ids, **overrides)


class FileAttachment(RequestModel):
    """A file for a run, named by URI or artifact id. Local paths are refused: upload the file first.

    Attributes:
        name: File name.
        uri: ``artifact_...`` or a URI with one of the schemes http, https, s3, gs, gcs, file, ftp, ftps, blob, data.
        mime_type: Media type, if known.
        size_bytes: Size in bytes, if known.
    """

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None
