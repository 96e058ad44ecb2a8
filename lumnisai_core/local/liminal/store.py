"""Stored data of the privacy gateway: threads, chats, and the map of placeholders, which is kept nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple

from lumnisai_core.local.liminal.shapes import ChatRow, ThreadRow
from lumnisai_core.local.store.database import Database, Table

#: The tables, as steps of the service's database.
STEPS = (
    """
CREATE TABLE liminal_threads (
    id INTEGER PRIMARY KEY, model_instance TEXT NOT NULL, name TEXT NOT NULL, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE liminal_chats (
    id INTEGER PRIMARY KEY, thread_id INTEGER NOT NULL, raw_input TEXT NOT NULL, cleansed_input TEXT NOT NULL,
    raw_output TEXT NOT NULL, hydrated_output TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX liminal_chats_by_thread ON liminal_chats (thread_id);
CREATE TABLE liminal_placeholders (
    thread_id INTEGER NOT NULL, token TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (thread_id, token)
) WITHOUT ROWID;
""",
)


class Store:
    """The tables of the privacy gateway in the service's database."""

    def __init__(self, database: Database) -> None:
        self._sql = database.sql
        self._reader = database.reader
        self.transaction = database.transaction
        self.threads = Table(database, "liminal_threads", ThreadRow)
        self.chats = Table(database, "liminal_chats", ChatRow)

    def add_thread(self, model_instance: str, name: str, moment: str) -> ThreadRow:
        """Store a new thread."""
        values = (model_instance, name, moment, moment)
        query = "INSERT INTO liminal_threads (model_instance, name, created_at, updated_at) VALUES (?, ?, ?, ?)"
        return ThreadRow(int(self._sql.execute(query, values).lastrowid or 0), *values)

    def all_threads(self) -> list[tuple[ThreadRow, list[ChatRow]]]:
        """Return all threads with their chats, oldest first, from any thread of the program."""
        with self._reader() as sql:
            threads = self.threads.all(sql, oldest_first=True)
            chats: dict[int, list[ChatRow]] = {thread.id: [] for thread in threads}
            for chat in self.chats.all(sql, oldest_first=True):
                chats.get(chat.thread_id, []).append(chat)
        return [(thread, chats[thread.id]) for thread in threads]

    def add_chat(self, chat: ChatRow) -> int:
        """Store a prompt and its answer under a new id, which is returned."""
        query = "INSERT INTO liminal_chats VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
        chat_id = int(self._sql.execute(query, astuple(chat)[1:]).lastrowid or 0)
        self.threads.change({"id": chat.thread_id}, updated_at=chat.updated_at)
        return chat_id

    def values_of(self, thread_id: int) -> dict[str, str]:
        """Return the values of a thread by their placeholders, in the order in which they came up."""
        query = "SELECT token, value FROM liminal_placeholders WHERE thread_id = ?"
        return dict(self._sql.execute(query, (thread_id,)).fetchall())

    def keep_values(self, thread_id: int, values: Mapping[str, str]) -> None:
        """Store new placeholders of a thread."""
        rows = [(thread_id, token, value) for token, value in values.items()]
        self._sql.executemany("INSERT INTO liminal_placeholders VALUES (?, ?, ?)", rows)
