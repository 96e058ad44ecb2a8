"""Calls of Lucidic: arguments checked and written as requests, answers read as models. Pure."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from lumnisai_core._transport import answer
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import changes, not_none, page_query, path, text
from lumnisai_core._transport.wire import WireModel
from lumnisai_core.exceptions import TransportError, ValidationError
from lumnisai_core.lucidic.models import Dataset, DatasetItem, EventRecord, SessionRecord
from lumnisai_core.lucidic.payloads import string_list
from lumnisai_core.lucidic.prompts import Prompt

ModelT = TypeVar("ModelT", bound=WireModel)


def _value(name: str, *, required: bool = True) -> Callable[[Any], Any]:
    """Read one field of an object."""

    def read(data: Any) -> Any:
        value = data.get(name) if isinstance(data, Mapping) else None
        if value is None and required:
            raise TransportError(f"The answer has no {name}: is the base URL that of the service?")
        return value

    return read


def _rows(kind: type[ModelT], *names: str) -> Callable[[Any], list[ModelT]]:
    """Read a list, bare or under one of these names."""
    read = answer.models(kind)

    def rows(data: Any) -> list[ModelT]:
        if isinstance(data, Mapping):
            data = next((data[name] for name in ("results", *names) if name in data), [])
        return read(data)

    return rows


# Sessions


def session_body(
    *,
    session_id: str,
    agent_id: str,
    session_name: str | None = None,
    task: str | None = None,
    tags: Iterable[str] | None = None,
    experiment_id: str | None = None,
    datasetitem_id: str | None = None,
    evaluators: Iterable[str] | None = None,
    production_monitoring: bool = False,
) -> dict[str, Any]:
    """Return the body of the creation of a session; empty values are left out.

    Raises:
        ValidationError: A value cannot be sent.
    """
    optional = {
        "task": task,
        "tags": string_list("tags", tags),
        "experiment_id": experiment_id,
        "datasetitem_id": datasetitem_id,
        "evaluators": string_list("evaluators", evaluators),
        "production_monitoring": production_monitoring or None,
    }
    return {
        "session_id": text("session_id", session_id),
        "session_name": session_name or "Unnamed Session",
        "agent_id": agent_id,
        **{name: value for name, value in optional.items() if value},
    }


def create_session(body: Mapping[str, Any]) -> Call[str | None]:
    """Create or resume a session; the id is the client's, so the request can be repeated."""
    return Call("POST", "/initsession", _value("session_id", required=False), body=body, idempotent=True)


def session_changes(
    *,
    task: str | None = None,
    tags: Iterable[str] | None = None,
    session_eval: float | None = None,
    session_eval_reason: str | None = None,
    is_successful: bool | None = None,
    is_successful_reason: str | None = None,
    is_finished: bool | None = None,
) -> dict[str, Any]:
    """Return the changes of a session, without those that are None.

    Raises:
        ValidationError: The score is not a number.
    """
    if session_eval is not None and (isinstance(session_eval, bool) or not isinstance(session_eval, int | float)):
        raise ValidationError(f"session_eval must be a number, not {session_eval!r}.")
    return not_none(
        task=task,
        tags=string_list("tags", tags),
        session_eval=session_eval,
        session_eval_reason=session_eval_reason,
        is_successful=is_successful,
        is_successful_reason=is_successful_reason,
        is_finished=is_finished,
    )


def update_session(session_id: str, body: Mapping[str, Any]) -> Call[None]:
    """Update or end a session."""
    body = {"session_id": text("session_id", session_id), **changes("session", **body)}
    return Call("PUT", "/updatesession", answer.nothing, body=body)


def get_session(session_id: str) -> Call[SessionRecord]:
    """Read a session."""
    return Call("GET", path("/sessions/{}", session_id), answer.model(SessionRecord))


def list_sessions(agent_id: str, experiment_id: str | None, limit: int, offset: int) -> Call[list[SessionRecord]]:
    """List sessions, newest first."""
    query = {"agent_id": agent_id, "experiment_id": experiment_id, **page_query(limit=limit, offset=offset)}
    return Call("GET", "/sessions", _rows(SessionRecord, "sessions"), query=query)


# Events


def create_event(body: Mapping[str, Any]) -> Call[EventRecord]:
    """Create an event; the id is the client's, so the request can be repeated."""
    return Call("POST", "/events", answer.model(EventRecord), body=body, idempotent=True)


def upload(blob_url: str, content: bytes) -> Call[None]:
    """Upload the whole payload of a large event, compressed, to its own address."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return Call(
        "PUT",
        "",
        answer.nothing,
        content=gzip.compress(content),
        headers=headers,
        base_url=blob_url,
        authorised=False,
        whole_answer=True,
    )


def update_event(event_id: str, payload: Mapping[str, Any]) -> Call[None]:
    """Replace the preview of a large event by its payload, where the service offers no upload."""
    body = {"payload": payload, "needs_blob": False}
    return Call("PUT", path("/events/{}", event_id), answer.nothing, body=body)


def get_event(event_id: str) -> Call[EventRecord]:
    """Read an event."""
    return Call("GET", path("/events/{}", event_id), answer.model(EventRecord))


def list_events(session_id: str | None, kind: str | None, limit: int, offset: int) -> Call[list[EventRecord]]:
    """List events, newest first."""
    query = {"session_id": session_id, "type": kind, **page_query(limit=limit, offset=offset)}
    return Call("GET", "/events", _rows(EventRecord, "events"), query=query)


# Experiments and evaluations


def create_experiment(
    agent_id: str,
    experiment_name: str,
    evaluator_names: Iterable[str],
    description: str,
    tags: Iterable[str] | None,
) -> Call[str]:
    """Create an experiment."""
    body = {
        "agent_id": agent_id,
        "experiment_name": text("experiment_name", experiment_name),
        "description": description,
        "tags": string_list("tags", tags) or [],
        "evaluator_names": string_list("evaluators", evaluator_names),
    }
    return Call("POST", "/createexperiment", _value("experiment_id"), body=body)


def create_eval(session_id: str, result: bool | float | str, name: str | None, description: str | None) -> Call[None]:
    """Submit the result of an evaluation."""
    kinds = {bool: "boolean", int: "number", float: "number", str: "string"}
    kind = next((kind for known, kind in kinds.items() if isinstance(result, known)), None)
    if kind is None:
        raise ValidationError(f"result must be a bool, a number or a string, not {result!r}.")
    body = {"session_id": text("session_id", session_id), "result": result, "result_type": kind}
    return Call("POST", "/sdk/evals", answer.nothing, body={**body, **not_none(name=name, description=description)})


# Prompts


def get_prompt(agent_id: str, prompt_name: str, label: str) -> Call[Prompt]:
    """Read a prompt."""
    query = {"prompt_name": text("prompt_name", prompt_name), "label": text("label", label), "agent_id": agent_id}

    def read(data: Any) -> Prompt:
        metadata = data.get("metadata")
        return Prompt(str(_value("prompt_content")(data)), None, metadata if isinstance(metadata, dict) else None)

    return Call("GET", "/sdk/prompts", read, query=query)


def update_prompt(
    agent_id: str,
    prompt_name: str,
    prompt_content: str,
    description: str | None,
    metadata: Mapping[str, Any] | None,
    labels: Iterable[str] | None,
) -> Call[dict[str, Any]]:
    """Store a new version of a prompt."""
    optional = not_none(description=description, metadata=metadata, labels=string_list("labels", labels))
    name, content = text("prompt_name", prompt_name), text("prompt_content", prompt_content)
    body = {"agent_id": agent_id, "prompt_name": name, "prompt_content": content, **optional}
    return Call("PUT", "/sdk/prompts", _metadata, body=body)


def update_prompt_metadata(
    agent_id: str, prompt_name: str, label: str, metadata: Mapping[str, Any]
) -> Call[dict[str, Any]]:
    """Change the metadata of a prompt."""
    name, label = text("prompt_name", prompt_name), text("label", label)
    body = {"agent_id": agent_id, "prompt_name": name, "label": label, "metadata": metadata}
    return Call("PATCH", "/sdk/prompts", _metadata, body=body)


def _metadata(data: Any) -> dict[str, Any]:
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    return metadata if isinstance(metadata, dict) else {}


# Datasets


def list_datasets(agent_id: str) -> Call[list[Dataset]]:
    """List the datasets of an agent."""
    return Call("GET", "/sdk/datasets", _rows(Dataset, "datasets"), query={"agent_id": agent_id})


def get_dataset(dataset_id: str) -> Call[Dataset]:
    """Read a dataset with its items."""
    query = {"dataset_id": text("dataset_id", dataset_id)}
    return Call("GET", "/getdataset", answer.model(Dataset), query=query)


def create_dataset(agent_id: str, name: str, **optional: Any) -> Call[str]:
    """Create a dataset."""
    body = {"agent_id": agent_id, "name": text("name", name), **not_none(**optional)}
    return Call("POST", "/sdk/datasets/create", _value("dataset_id"), body=body)


def update_dataset(dataset_id: str, **known: Any) -> Call[None]:
    """Change a dataset."""
    body = {"dataset_id": text("dataset_id", dataset_id), **changes("dataset", **known)}
    return Call("PUT", "/sdk/datasets/update", answer.nothing, body=body)


def delete_dataset(dataset_id: str) -> Call[None]:
    """Delete a dataset with its items."""
    query = {"dataset_id": text("dataset_id", dataset_id)}
    return Call("DELETE", "/sdk/datasets/delete", answer.nothing, query=query)


def create_item(dataset_id: str, name: str, input: Mapping[str, Any], **optional: Any) -> Call[str]:  # noqa: A002
    """Add an item to a dataset."""
    known = {"dataset_id": text("dataset_id", dataset_id), "name": text("name", name), "input": _object(input)}
    body = {**known, **not_none(**optional)}
    return Call("POST", "/sdk/datasets/items/create", _value("datasetitem_id"), body=body)


def get_item(datasetitem_id: str) -> Call[DatasetItem]:
    """Read an item of a dataset."""
    return Call("GET", "/sdk/datasets/items/get", answer.model(DatasetItem), query=_item(datasetitem_id))


def update_item(datasetitem_id: str, **known: Any) -> Call[None]:
    """Change an item of a dataset."""
    body = {**_item(datasetitem_id), **changes("dataset item", **known)}
    return Call("PUT", "/sdk/datasets/items/update", answer.nothing, body=body)


def delete_item(datasetitem_id: str) -> Call[None]:
    """Delete an item of a dataset."""
    return Call("DELETE", "/sdk/datasets/items/delete", answer.nothing, query=_item(datasetitem_id))


def list_item_sessions(datasetitem_id: str) -> Call[list[SessionRecord]]:
    """List the sessions that were run for an item."""
    query = _item(datasetitem_id)
    return Call("GET", "/sdk/datasets/items/sessions", _rows(SessionRecord, "sessions"), query=query)


def _item(datasetitem_id: str) -> dict[str, str]:
    return {"datasetitem_id": text("datasetitem_id", datasetitem_id)}


def _object(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationError(f"input must be an object, such as {{'question': ...}}, not {value!r}.")
    return value


# Feature flags


def get_flag(
    agent_id: str, flag_name: str, default: Any, context: Mapping[str, Any] | None, session_id: str | None
) -> Call[Any]:
    """Evaluate a feature flag: plainly, or for a context or a session."""
    name, read = text("flag_name", flag_name), _value("value", required=False)
    if context is None and session_id is None:
        return Call("GET", "/featureflags", read, query={"flag_name": name, "agent_id": agent_id})
    body = {"flag_name": name, "context": dict(context or {}), "default": default}
    if session_id is not None:
        return Call("POST", "/evaluatefeatureflag", read, body={"session_id": session_id, **body}, idempotent=True)
    return Call("POST", "/evaluatefeatureflagstateless", read, body={"agent_id": agent_id, **body}, idempotent=True)
