"""Stored data of the observability service: sessions, events, payloads, prompts, datasets."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local.lucidic.summary import Summary
from lumnisai_core.local.store.database import Database, Table
from lumnisai_core.local.web.json_text import Json
from lumnisai_core.local.web.shapes import Object

#: The tables, as steps of the service's database. Positions of events in a session and its changes have no gaps, so
#: that any page of a list and everything after a change are found by an index.
STEPS = (
    """
CREATE TABLE lucidic_sessions (
    session_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, session_name TEXT NOT NULL, task TEXT, tags TEXT NOT NULL,
    experiment_id TEXT, datasetitem_id TEXT, checkpoint_id TEXT, evaluators TEXT NOT NULL,
    production_monitoring INTEGER NOT NULL, is_finished INTEGER NOT NULL, is_successful INTEGER,
    is_successful_reason TEXT, session_eval REAL, session_eval_reason TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, finished_at TEXT, event_count INTEGER NOT NULL, error_count INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL, changes INTEGER NOT NULL
);
CREATE INDEX lucidic_sessions_by_time ON lucidic_sessions (created_at);
CREATE INDEX lucidic_sessions_by_agent ON lucidic_sessions (agent_id, created_at);
CREATE INDEX lucidic_sessions_by_experiment ON lucidic_sessions (experiment_id);
CREATE INDEX lucidic_sessions_by_item ON lucidic_sessions (datasetitem_id);
CREATE TABLE lucidic_events (
    event_id TEXT PRIMARY KEY, client_event_id TEXT NOT NULL, client_parent_event_id TEXT, session_id TEXT NOT NULL,
    type TEXT NOT NULL, occurred_at TEXT NOT NULL, duration REAL, received_at TEXT NOT NULL,
    needs_blob INTEGER NOT NULL, name TEXT NOT NULL, error TEXT, input_tokens INTEGER, output_tokens INTEGER,
    cost REAL, position INTEGER NOT NULL, change INTEGER NOT NULL, tags TEXT NOT NULL, metadata TEXT NOT NULL,
    screenshots TEXT,
    payload TEXT NOT NULL
);
CREATE INDEX lucidic_events_by_client_id ON lucidic_events (client_event_id, session_id);
CREATE INDEX lucidic_events_by_position ON lucidic_events (session_id, position);
CREATE INDEX lucidic_events_by_change ON lucidic_events (session_id, change);
CREATE INDEX lucidic_events_by_type ON lucidic_events (session_id, type);
CREATE TABLE lucidic_payloads (event_id TEXT PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE lucidic_evaluations (
    session_id TEXT NOT NULL, name TEXT, description TEXT, result TEXT NOT NULL, result_type TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX lucidic_evaluations_by_session ON lucidic_evaluations (session_id);
CREATE TABLE lucidic_experiments (
    experiment_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, experiment_name TEXT NOT NULL, description TEXT NOT NULL,
    tags TEXT NOT NULL, evaluator_names TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE lucidic_prompts (
    agent_id TEXT NOT NULL, prompt_name TEXT NOT NULL, version INTEGER NOT NULL, prompt_content TEXT NOT NULL,
    description TEXT, metadata TEXT NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (agent_id, prompt_name, version)
);
CREATE TABLE lucidic_prompt_labels (
    agent_id TEXT NOT NULL, prompt_name TEXT NOT NULL, label TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (agent_id, prompt_name, label)
) WITHOUT ROWID;
CREATE TABLE lucidic_datasets (
    dataset_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT, tags TEXT NOT NULL,
    suggested_flag_config TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, UNIQUE (agent_id, name)
);
CREATE TABLE lucidic_items (
    datasetitem_id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
    tags TEXT NOT NULL, input TEXT NOT NULL, expected_output TEXT, metadata TEXT, flag_overrides TEXT,
    created_at TEXT NOT NULL
);
CREATE INDEX lucidic_items_by_dataset ON lucidic_items (dataset_id, created_at);
CREATE TABLE lucidic_tools (
    agent_id TEXT NOT NULL, name TEXT NOT NULL, tool TEXT NOT NULL, PRIMARY KEY (agent_id, name)
) WITHOUT ROWID;
""",
    # Positions among the events of one type in a session have no gaps either.
    """
ALTER TABLE lucidic_events ADD COLUMN type_position INTEGER NOT NULL DEFAULT 0;
UPDATE lucidic_events SET type_position = numbered.place FROM (
    SELECT event_id AS id, row_number() OVER (PARTITION BY session_id, type ORDER BY position) - 1 AS place
    FROM lucidic_events
) AS numbered WHERE event_id = numbered.id;
DROP INDEX lucidic_events_by_type;
CREATE INDEX lucidic_events_by_type ON lucidic_events (session_id, type, type_position);
CREATE TABLE lucidic_types (
    session_id TEXT NOT NULL, type TEXT NOT NULL, event_count INTEGER NOT NULL, PRIMARY KEY (session_id, type)
) WITHOUT ROWID;
INSERT INTO lucidic_types SELECT session_id, type, count(*) FROM lucidic_events GROUP BY session_id, type;
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A stored session, with sums over its events."""

    session_id: str
    agent_id: str
    session_name: str
    task: str | None
    tags: Json[list[str]]
    experiment_id: str | None
    datasetitem_id: str | None
    checkpoint_id: str | None
    evaluators: Json[list[str]]
    production_monitoring: bool
    is_finished: bool = False
    is_successful: bool | None = None
    is_successful_reason: str | None = None
    session_eval: float | None = None
    session_eval_reason: str | None = None
    created_at: str
    updated_at: str
    finished_at: str | None = None
    event_count: int = 0
    error_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A stored event. Its payload is a preview if the whole one is among the payloads or still to come."""

    event_id: str
    client_event_id: str
    client_parent_event_id: str | None
    session_id: str
    type: str
    occurred_at: str
    duration: float | None
    received_at: str
    needs_blob: bool
    name: str
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    position: int
    type_position: int
    change: int
    tags: Json[list[str]]
    metadata: Json[Object]
    screenshots: Json[list[Any]] | None
    payload: Json[Object]

    @property
    def summary(self) -> Summary:
        """What lists and sums show of the payload."""
        return Summary(self.name, self.error, self.input_tokens, self.output_tokens, self.cost)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """An event as the tree of its session shows it."""

    event_id: str
    client_event_id: str
    client_parent_event_id: str | None
    type: str
    name: str
    occurred_at: str
    duration: float | None
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    change: int


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """The whole payload of an event."""

    event_id: str
    payload: Json[Object]


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """A stored result of an evaluation."""

    session_id: str
    name: str | None
    description: str | None
    result: Json[Any]
    result_type: str
    created_at: str


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """A stored experiment."""

    experiment_id: str
    agent_id: str
    experiment_name: str
    description: str
    tags: Json[list[str]]
    evaluator_names: Json[list[str]]
    created_at: str


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A stored version of a prompt."""

    agent_id: str
    prompt_name: str
    version: int
    prompt_content: str
    description: str | None
    metadata: Json[Object]
    created_at: str


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label of a prompt, and the version that has it."""

    agent_id: str
    prompt_name: str
    label: str
    version: int


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A stored dataset."""

    dataset_id: str
    agent_id: str
    name: str
    description: str | None
    tags: Json[list[str]]
    suggested_flag_config: Json[Any] | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A stored item of a dataset."""

    datasetitem_id: str
    dataset_id: str
    name: str
    description: str | None
    tags: Json[list[str]]
    input: Json[Any]
    expected_output: Json[Any] | None
    metadata: Json[Any] | None
    flag_overrides: Json[Any] | None
    created_at: str


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A stored description of an agent's tool."""

    agent_id: str
    name: str
    tool: Json[Object]


def _contains(*columns: str) -> str:
    joined = " || char(10) || ".join(f"coalesce({column}, '')" for column in columns)
    return f"({joined}) LIKE ? ESCAPE '\\'"


class Store:
    """The tables of the observability service in the service's database."""

    def __init__(self, database: Database) -> None:
        self._sql = database.sql
        self.transaction = database.transaction
        self.whole = database.whole
        session_texts = ("session_name", "task", "tags", "session_id", "agent_id", "experiment_id")
        self.sessions = Table(
            database, "lucidic_sessions", SessionRow, conditions={"search": _contains(*session_texts)}
        )
        #: Events in the order of their arrival; `ordered` ones are those of one session.
        self.events = Table(
            database,
            "lucidic_events",
            EventRow,
            # With a plus, as a filter only: the order of arrival is that of the rows.
            conditions={"agent_id": "+session_id IN (SELECT session_id FROM lucidic_sessions WHERE agent_id = ?)"},
        )
        self.ordered = Table(
            database, "lucidic_events", EventRow, "position", conditions={"from_position": "position >= ?"}
        )
        self.of_type = Table(
            database, "lucidic_events", EventRow, "type_position", conditions={"from_position": "type_position >= ?"}
        )
        whole = "(SELECT payload FROM lucidic_payloads WHERE event_id = lucidic_events.event_id)"
        self.nodes = Table(
            database,
            "lucidic_events",
            NodeRow,
            "change",
            conditions={
                "after": "change > ?",
                "until": "change <= ?",
                "search": _contains("type", "name", "payload", "tags", "metadata", whole),
            },
        )
        self.payloads = Table(database, "lucidic_payloads", PayloadRow)
        self.evaluations = Table(database, "lucidic_evaluations", EvaluationRow)
        self.experiments = Table(database, "lucidic_experiments", ExperimentRow)
        self.prompts = Table(database, "lucidic_prompts", PromptRow, "version")
        self.labels = Table(database, "lucidic_prompt_labels", LabelRow, "label")
        self.datasets = Table(database, "lucidic_datasets", DatasetRow)
        self.items = Table(database, "lucidic_items", ItemRow)
        self.tools = Table(database, "lucidic_tools", ToolRow, "name")

    def count_items(self, sql: sqlite3.Connection, agent_id: str | None) -> dict[str, int]:
        """Return the number of items of each dataset of an agent, or of all, that has some."""
        query = """
            SELECT dataset_id, count(*) FROM lucidic_items WHERE ?1 IS NULL
            OR dataset_id IN (SELECT dataset_id FROM lucidic_datasets WHERE agent_id = ?1) GROUP BY dataset_id
        """
        return dict(sql.execute(query, (agent_id,)).fetchall())

    def count_events(self, sql: sqlite3.Connection, agent_id: str | None, kind: str | None) -> int:
        """Return the number of events of an agent, or of all; those of a type if one is named."""
        of_agent = "(?1 IS NULL OR agent_id = ?1)"
        query = f"SELECT coalesce(sum(event_count), 0) FROM lucidic_sessions WHERE {of_agent} AND ?2 IS NULL"  # noqa: S608
        if kind is not None:
            query = f"""
                SELECT coalesce(sum(event_count), 0) FROM lucidic_types
                WHERE type = ?2 AND session_id IN (SELECT session_id FROM lucidic_sessions WHERE {of_agent})
            """  # noqa: S608
        return int(sql.execute(query, (agent_id, kind)).fetchone()[0])

    def count_of_type(self, session_id: str, kind: str) -> int:
        """Return the number of events of a type in a session."""
        query = "SELECT event_count FROM lucidic_types WHERE session_id = ? AND type = ?"
        found = self._sql.execute(query, (session_id, kind)).fetchone()
        return 0 if found is None else int(found[0])

    def count_type(self, session_id: str, kind: str, more: int) -> None:
        """Count events of a type more or less in a session."""
        query = (
            "INSERT INTO lucidic_types VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET event_count = event_count + excluded.event_count"
        )
        self._sql.execute(query, (session_id, kind, more))

    def change_type(self, event: EventRow, kind: str) -> int:
        """Move an event from its type to another one; return its position there, where it belongs by its arrival."""
        moved = "UPDATE lucidic_events SET type_position = type_position + ? WHERE session_id = ? AND type = ? AND "
        place = self._sql.execute(
            "SELECT count(*) FROM lucidic_events WHERE session_id = ? AND type = ? AND position < ?",
            (event.session_id, kind, event.position),
        ).fetchone()[0]
        self._sql.execute(f"{moved} type_position > ?", (-1, event.session_id, event.type, event.type_position))
        self._sql.execute(f"{moved} type_position >= ?", (1, event.session_id, kind, place))
        self.count_type(event.session_id, event.type, -1)
        self.count_type(event.session_id, kind, 1)
        return int(place)

    def count(self, session: SessionRow, old: Summary | None, new: Summary, moment: str) -> int:
        """Count a new or changed event in its session; return the number of the change."""
        before = old or Summary("")
        self.sessions.change(
            {"session_id": session.session_id},
            event_count=session.event_count + (old is None),
            error_count=session.error_count + (new.error is not None) - (before.error is not None),
            input_tokens=session.input_tokens + (new.input_tokens or 0) - (before.input_tokens or 0),
            output_tokens=session.output_tokens + (new.output_tokens or 0) - (before.output_tokens or 0),
            cost=round(session.cost + (new.cost or 0) - (before.cost or 0), 12),
            updated_at=moment,
            changes=session.changes + 1,
        )
        return session.changes + 1
