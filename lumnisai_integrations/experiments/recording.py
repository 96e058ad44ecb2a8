"""Recording of experiments in Lucidic: a session for each trial, with its event and scores, and reading them back."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from lumnisai_core.exceptions import LumnisAIError
from lumnisai_core.lucidic import AsyncClient, Client, EventRecord
from lumnisai_integrations.experiments.calls import Calls, blocking
from lumnisai_integrations.experiments.datasets import Row
from lumnisai_integrations.experiments.ledger import Ledger, Place
from lumnisai_integrations.experiments.plain import digest, plain
from lumnisai_integrations.experiments.trial import Trial

#: Types of the events: the answer of a trial, and scores that came later.
_ANSWER, _SCORES = "function_call", "experiment_scores"

#: Fields of a trial that its event has as metadata; input and answer are the payload.
_METADATA = (
    "variant",
    "row",
    "repeat",
    "expected",
    "structured",
    "scores",
    "reasons",
    "response_id",
    "input_tokens",
    "output_tokens",
)


class Recorder:
    """Records the trials of an experiment. What fails is tried again by the next start and never ends the experiment.

    Args:
        client: A client of Lucidic.
        calls: What makes the calls.
        ledger: Knows what is recorded.
        name: Name of the experiment.
    """

    def __init__(self, client: Client | AsyncClient, calls: Calls, ledger: Ledger, name: str) -> None:
        self._client, self._calls, self._ledger, self._name = client, calls, ledger, name
        self._creating = asyncio.Lock()
        self._has_warned = False

    async def record(self, trial: Trial, row: Row, place: Place, scores: Mapping[str, str]) -> None:
        """Record a trial, or the scores that it has got since.

        Args:
            trial: The trial.
            row: Its row.
            place: Its place in the ledger.
            scores: Its scores with their fingerprints, as texts, by the name of the scorer.
        """
        try:
            await self._record(trial, row, place, scores)
        except LumnisAIError as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"Lucidic has not recorded all trials: {error} Start the experiment again to record the rest.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    async def _record(self, trial: Trial, row: Row, place: Place, scores: Mapping[str, str]) -> None:
        noted = session_note(self._ledger, self._client, place)
        recorded: Mapping[str, str] = noted.get("scores", {})
        new = {name: value for name, value in trial.scores.items() if recorded.get(name) != scores.get(name)}
        session_id = str(uuid5(NAMESPACE_OID, f"{self._ledger.job}/{json.dumps(place)}"))
        if not noted:
            await self._calls.call(
                self._client.sessions.create,
                f"{trial.variant}: {trial.row}",
                session_id=session_id,
                task=self._name,
                tags=[trial.variant],
                experiment_id=await self._experiment_id(),
                datasetitem_id=row.datasetitem_id,
            )
            await self._calls.call(self._client.events.create, **_event(trial, session_id))
        elif new:
            reasons = {name: trial.reasons[name] for name in new if name in trial.reasons}
            await self._calls.call(
                self._client.events.create,
                _SCORES,
                session_id=session_id,
                metadata={"scores": new, "reasons": reasons},
                details="Scores of a later start of the experiment.",
            )
        for name, value in new.items():
            if value is not None:
                reason = trial.reasons.get(name)
                await self._calls.call(
                    self._client.evals.create, value, session_id=session_id, name=name, description=reason
                )
        values = [value for value in trial.scores.values() if value is not None and 0 <= value <= 1]
        await self._calls.call(
            self._client.sessions.end,
            session_id,
            is_successful=trial.error is None,
            is_successful_reason=trial.error,
            session_eval=sum(values) / len(values) if values else None,
        )
        note = {"session_id": session_id, "scores": dict(scores)}
        self._ledger.add_note(_note_name(self._client, place), note)

    async def _experiment_id(self) -> str:
        async with self._creating:
            note = f"lucidic experiment of {self._client.agent_id}"
            known = self._ledger.note(note)
            if known is None:
                known = str(await self._calls.call(self._client.experiments.create, self._name))
                self._ledger.add_note(note, known)
            return str(known)


def session_note(ledger: Ledger, client: Client | AsyncClient | None, place: Place) -> Mapping[str, Any]:
    """Return what is recorded of a place: the session and its scores; empty if nothing is."""
    known = None if client is None else ledger.note(_note_name(client, place))
    return known if isinstance(known, Mapping) else {}


def experiment_id_in(ledger: Ledger, client: Client | AsyncClient) -> str | None:
    """Return the id of the experiment in Lucidic; None if nothing is recorded yet."""
    known = ledger.note(f"lucidic experiment of {client.agent_id}")
    return None if known is None else str(known)


def read_recorded(client: Client | AsyncClient, experiment_id: str) -> list[Trial]:
    """Read the trials of an experiment back from Lucidic.

    Args:
        client: A client of Lucidic.
        experiment_id: Id of the experiment in Lucidic, as in ``Experiment.lucidic_id``.

    Returns:
        The trials, oldest first. Sessions of the experiment that nothing here has recorded are left out.

    Raises:
        LumnisAIError: The service cannot be reached or refuses a request.
    """
    return blocking(lambda: aread_recorded(client, experiment_id))


async def aread_recorded(client: Client | AsyncClient, experiment_id: str) -> list[Trial]:
    """Read the trials of an experiment back from Lucidic; see :func:`read_recorded`."""
    calls = Calls(max_in_flight=1)
    try:
        found = []
        for session in await _all(client, calls, "sessions", experiment_id=experiment_id):
            events = await _all(client, calls, "events", session_id=session.session_id)
            trial = _trial(session.session_id, events)
            if trial is not None:
                found.append(trial)
        return found[::-1]
    finally:
        calls.close()


async def _all(client: Client | AsyncClient, calls: Calls, resource: str, **chosen: Any) -> list[Any]:
    if isinstance(client, AsyncClient):
        return [one async for one in getattr(client, resource).iter(**chosen)]
    return list(await calls.call(lambda: list(getattr(client, resource).iter(**chosen))))


def _event(trial: Trial, session_id: str) -> dict[str, Any]:
    return {
        "type": _ANSWER,
        "session_id": session_id,
        "event_id": str(uuid5(NAMESPACE_OID, session_id)),
        "duration": trial.seconds,
        "metadata": {"trial": {name: plain(getattr(trial, name)) for name in _METADATA}},
        "function_name": trial.variant,
        "arguments": plain(trial.input),
        "return_value": trial.output,
        "error": trial.error,
    }


def _trial(session_id: str, events: list[EventRecord]) -> Trial | None:
    answer = next((one for one in events if one.type == _ANSWER and "trial" in one.metadata), None)
    if answer is None:
        return None
    known: dict[str, Any] = dict(answer.metadata["trial"])
    later = sorted((one for one in events if one.type == _SCORES), key=lambda one: str(one.occurred_at))
    for one in later:
        for name in ("scores", "reasons"):
            known[name] = {**known.get(name, {}), **one.metadata.get(name, {})}
    payload = answer.payload
    return Trial.from_dict(
        {
            **known,
            "input": payload.get("arguments") or {},
            "output": payload.get("return_value"),
            "error": payload.get("error"),
            "seconds": answer.duration,
            "session_id": session_id,
        }
    )


def _note_name(client: Client | AsyncClient, place: Place) -> str:
    return f"lucidic {digest([client.agent_id, place])}"
