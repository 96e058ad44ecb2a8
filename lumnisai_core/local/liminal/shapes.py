"""Requests and replies of the privacy gateway, and the rows of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from lumnisai_core.local.web.shapes import Object, Shape

_Offset = Annotated[int, Field(ge=0, le=2**31)]
_Key = Annotated[int, Field(ge=0, le=2**62)]


class CamelShape(Shape):
    """A request whose fields are in camel case."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel)


class FindingIn(CamelShape):
    """A finding that a client sends back."""

    start: _Offset
    end: _Offset
    text: str = Field(repr=False)
    type: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,60}$")
    custom_term: str | None = Field(None, repr=False)


class CreateThread(CamelShape):
    """Body of `POST /threads`."""

    name: str = Field(min_length=1, max_length=1000)
    model_instance_id: _Key
    source: Literal["sdk"]


class ListThreads(Shape):
    """Query of `GET /threads`."""

    source: str = "sdk"


class ThreadPath(CamelShape):
    """Path of `GET /threads/{threadId}`."""

    thread_id: _Key


class Analyze(CamelShape):
    """Body of `POST /prompts/analyze`, and what all bodies with a text have."""

    model_instance_id: _Key
    source: Literal["sdk"]
    text: str = Field(repr=False)


class Hydrate(Analyze):
    """Body of `POST /prompts/hydrate`."""

    thread_id: _Key | None = None


class Cleanse(Hydrate):
    """Body of `POST /prompts/cleanse`."""

    findings: list[FindingIn] | None = None


class Submit(Cleanse):
    """Body of `POST /prompts/submit`."""

    is_streaming: bool = False


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A stored thread."""

    id: int
    model_instance: str
    name: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A stored prompt and its answer."""

    id: int
    thread_id: int
    raw_input: str
    cleansed_input: str
    raw_output: str
    hydrated_output: str
    created_at: str
    updated_at: str


def chat_reply(chat: ChatRow) -> Object:
    """Return a chat as clients see it."""
    return {
        "id": chat.id,
        "threadId": chat.thread_id,
        "rawInput": chat.raw_input,
        "cleansedInput": chat.cleansed_input,
        "rawOutput": chat.raw_output,
        "hydratedOutput": chat.hydrated_output,
        "status": "active",
        "createdAt": chat.created_at,
        "updatedAt": chat.updated_at,
        "deletedAt": None,
    }
