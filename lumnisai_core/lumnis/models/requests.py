"""What callers send: agent settings, model choices and attached files. Unknown fields are refused."""

# Annotations are not postponed here: pydantic would have to compile every one of them at import.
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from lumnisai_core.lumnis.models.enums import AgentMode, ModelType

__all__ = ["AgentConfig", "FileAttachment", "ModelOverrides"]

ModelName = Annotated[str, StringConstraints(pattern=r"^[^:\s]+:\S+$")]


class RequestModel(BaseModel):
    """Base of what is checked before it is sent. Only fields that were given go out."""

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
    """How the agent of one run works. What is left out follows the platform's defaults.

    Attributes:
        orchestrator_model_type: Kind of model that leads the run (platform default ``REASONING_MODEL``).
        planner_model_type: Kind of model that plans (platform default ``SMART_MODEL``).
        coordinator_model_type: Kind of model that coordinates (platform default ``REASONING_MODEL``).
        orchestrator_model_name: ``provider:model``; wins over the kind. Likewise the other names.
        use_cognitive_tools: Whether thinking tools may be used (platform default true).
        enable_task_validation: Whether results of sub-agents are checked (platform default true).
        generate_comprehensive_output: Whether a long report is written at the end (platform default false).
        agent_mode: One agent, several, or the platform's choice (platform default ``auto``).
        skill_ids: The only skills the run may use.
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
        """Quick answers: a small coordinator model, no thinking tools, no checks, no long report."""
        preset: dict[str, Any] = {
            "coordinator_model_name": "openai:gpt-4o-mini",
            "use_cognitive_tools": False,
            "enable_task_validation": False,
            "generate_comprehensive_output": False,
        }
        return cls(**{**preset, **overrides})

    @classmethod
    def deep_reasoning(cls, **overrides: Any) -> Self:
        """Hard problems: reasoning models lead and plan, results are checked."""
        preset: dict[str, Any] = {
            "coordinator_model_name": "openai:o3",
            "planner_model_type": ModelType.REASONING_MODEL,
            "use_cognitive_tools": True,
            "enable_task_validation": True,
            "generate_comprehensive_output": False,
        }
        return cls(**{**preset, **overrides})

    @classmethod
    def comprehensive_report(cls, **overrides: Any) -> Self:
        """Long reports: a reasoning coordinator, checked results, comprehensive output."""
        preset: dict[str, Any] = {
            "coordinator_model_type": ModelType.REASONING_MODEL,
            "use_cognitive_tools": True,
            "enable_task_validation": True,
            "generate_comprehensive_output": True,
        }
        return cls(**{**preset, **overrides})

    @classmethod
    def with_skills(cls, skill_ids: Sequence[str], **overrides: Any) -> Self:
        """Restrict the run to these skills."""
        return cls(skill_ids=skill_ids, **overrides)


class FileAttachment(RequestModel):
    """A file for a run, by URI or artifact id. Local paths are refused: upload the file first.

    Attributes:
        name: File name to show.
        uri: ``artifact_...`` or a URI with one of the schemes http, https, s3, gs, gcs, file, ftp, ftps, blob, data.
        mime_type: Media type, if known.
        size_bytes: Size in bytes, if known.
    """

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None
