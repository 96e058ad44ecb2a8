"""Stored data of the agent platform: a table for each resource, and methods that span several of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lumnisai_core.local.lumnis.store import rows
from lumnisai_core.local.lumnis.store.files import Files
from lumnisai_core.local.lumnis.store.rows import ArtifactRow, RunRow, TenantRow
from lumnisai_core.local.store.database import Database, Table, containing
from lumnisai_core.local.web.ids import ago, now, tenant_id_of
from lumnisai_core.local.web.json_text import Json, dumps

_IDEMPOTENCY_LIFETIME = timedelta(hours=24)
#: Runs with what lists show of them; the messages are stored as JSON, the last one is the question.
_SUMMARIES = """(
    SELECT runs.*, runs.rowid AS number, users.email AS user_email,
        substr(json_extract(input_messages, '$[#-1].content'), 1, 200) AS question
    FROM runs LEFT JOIN users ON users.tenant_id = runs.tenant_id AND users.id = runs.user_id
)"""
#: A run has a pattern in its texts or ids; messages that lack it as JSON has it are not parsed.
_CONTAINING = r"""(
    response_id LIKE ? ESCAPE '\' OR thread_id LIKE ? ESCAPE '\' OR response_title LIKE ? ESCAPE '\'
    OR output_text LIKE ? ESCAPE '\' OR user_id IN (SELECT id FROM users WHERE email LIKE ? ESCAPE '\')
    OR input_messages LIKE ? ESCAPE '\'
        AND EXISTS (SELECT 1 FROM json_each(input_messages) WHERE value ->> 'content' LIKE ? ESCAPE '\')
)"""


class Store:
    """The tables of the agent platform in the service's database."""

    def __init__(self, database: Database) -> None:
        self._db = database.sql
        self._reader = database.reader
        self.transaction = database.transaction
        self.whole = database.whole
        self.tenants = Table(database, "tenants", TenantRow, key="key_hash")
        self.threads = Table(database, "threads", rows.Thread)
        self.runs = Table(database, "runs", RunRow)
        self._summaries = Table(
            database,
            _SUMMARIES,
            rows.RunSummary,
            "number",
            conditions={"numbers": "number IN (SELECT value FROM json_each(?))"},
        )
        self.users = Table(database, "users", rows.User)
        self.keys = Table(database, "keys", rows.KeyRow, conditions={"named": "coalesce(key_name, '') = ?"})
        self.preferences = Table(database, "preferences", rows.Preference)
        self.feedback = Table(database, "feedback", rows.Feedback)
        self.artifacts = Table(database, "artifacts", ArtifactRow)
        self.servers = Table(database, "servers", rows.Server)
        self.skills = Table(database, "skills", rows.Skill)
        self.usages = Table(database, "usages", rows.Usage)
        self.connections = Table(database, "connections", rows.ConnectionRow)
        self.files = Files(database)
        self.forget_replies()

    def tenant(self, key_hash: str, name: str | None = None) -> TenantRow:
        """Return the tenant of a hashed key, made on first sight: its own, or the one of that name."""
        known = self.tenants.one(key_hash=key_hash)
        tenant_id = tenant_id_of(key_hash if name is None else f"tenant:{name}")
        if known is None or (name is not None and known.id != tenant_id):
            new = TenantRow(key_hash=key_hash, id=tenant_id, name=name or "Local tenant")
            known = replace(self.tenants.one(id=tenant_id) or new, key_hash=key_hash)
            self.tenants.add(known, "INSERT OR REPLACE")
        return known

    # Threads and runs

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread and its runs."""
        with self.transaction():
            self._delete_runs("thread_id = ?", thread_id)
            self.threads.remove(thread_id=thread_id)

    def add_run(self, run: RunRow) -> None:
        """Store an accepted run and count it in its thread."""
        self.runs.add(run)
        self._db.execute(
            "UPDATE threads SET response_count = response_count + 1, last_response_at = ? WHERE thread_id = ?",
            (run.created_at, run.thread_id),
        )

    def find_runs(self, limit: int, offset: int, **conditions: Any) -> tuple[list[rows.RunSummary], int]:
        """Return a page of the runs that meet the conditions, newest first, and how many there are."""
        where, values = self.runs.where(conditions)
        total = int(self._db.execute(f"SELECT count(*) FROM runs {where}", values).fetchone()[0])  # noqa: S608
        query = f"SELECT rowid FROM runs {where} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?"  # noqa: S608
        found = self._db.execute(query, [*values, limit, offset])
        return self._summaries.all(numbers=dumps([number for (number,) in found])), total

    def search_runs(self, text: str, limit: int, offset: int, **conditions: Any) -> tuple[list[rows.RunSummary], int]:
        """Return those of the runs that contain a text, as `find_runs` does. All are read: to be called in a thread."""
        where, values = self.runs.where(conditions)
        query = f"SELECT rowid FROM runs {where} AND {_CONTAINING} ORDER BY created_at DESC, rowid DESC"  # noqa: S608
        with self._reader() as sql:
            pattern, in_json = containing(text), containing(dumps(text)[1:-1])
            found = sql.execute(query, [*values, *[pattern] * 5, in_json, pattern]).fetchall()
            numbers = dumps([number for (number,) in found[offset : offset + limit]])
            return self._summaries.all(sql, numbers=numbers), len(found)

    def save_progress(self, response_id: str, entries: Mapping[int, str], *, is_reset: bool, title: str | None) -> None:
        """Store new and changed progress entries (JSON) of a run that works, by their positions, and its title."""
        with self.transaction():
            if is_reset:
                self._db.execute("DELETE FROM progress WHERE response_id = ?", (response_id,))
            rows = [(response_id, position, entry) for position, entry in entries.items()]
            self._db.executemany("INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", rows)
            if title is not None:
                self.runs.change({"response_id": response_id}, response_title=title)

    def saved_progress(self, response_id: str) -> Json[Any]:
        """Return the progress entries that are stored one by one, as a list."""
        query = "SELECT entry FROM progress WHERE response_id = ? ORDER BY position"
        return Json(f"[{','.join(entry for (entry,) in self._db.execute(query, (response_id,)))}]")

    def open_runs(self) -> list[RunRow]:
        """Return the runs of every tenant that have not ended, oldest first."""
        return [run for status in ("queued", "in_progress") for run in self.runs.all(status=status, oldest_first=True)]

    def earlier_turns(self, run: RunRow) -> list[tuple[str, str | None, str | None, str]]:
        """Return messages, answer, object and request of the thread's succeeded runs before; all but texts as JSON."""
        query = """
            SELECT input_messages, output_text, structured_response, request FROM runs
            WHERE thread_id = ? AND status = 'succeeded'
            AND rowid < (SELECT rowid FROM runs WHERE response_id = ?) ORDER BY rowid
        """
        return self._db.execute(query, (run.thread_id, run.response_id)).fetchall()

    def end_run(self, run: RunRow, title: str | None, left: Iterable[ArtifactRow], **values: str | None) -> None:
        """Store the end of a run with its artifacts; a thread without a title gets that of the run."""
        with self.transaction():
            for artifact in left:
                self.artifacts.add(artifact)
            self.runs.change({"response_id": run.response_id}, **values)
            self._db.execute("DELETE FROM progress WHERE response_id = ?", (run.response_id,))
            self._db.execute(
                "UPDATE threads SET title = coalesce(title, ?), updated_at = ? WHERE thread_id = ?",
                (title, values["completed_at"], run.thread_id),
            )

    def _delete_runs(self, where: str, *values: Any) -> None:
        """Delete runs and everything that belongs to them."""
        chosen = f"SELECT response_id FROM runs WHERE {where}"  # noqa: S608 - texts of this file
        for table in ("feedback", "artifacts", "usages", "progress", "runs"):
            self._db.execute(f"DELETE FROM {table} WHERE response_id IN ({chosen})", values)  # noqa: S608

    def delete_user(self, tenant_id: str, user_id: str) -> list[str]:
        """Delete a user and everything that is theirs but the pieces of their files; return the ids of these."""
        owner: dict[str, Any] = {"tenant_id": tenant_id, "user_id": user_id}
        # A reply may also name the user, or a thread of the user that a request continued without naming them.
        replies = """
            DELETE FROM replies WHERE tenant_id = ? AND (user_id = ? OR instr(reply, ?) OR json_extract(
                reply, '$.thread_id') IN (SELECT thread_id FROM threads WHERE tenant_id = ? AND user_id = ?))
        """
        with self.transaction():
            self._db.execute(replies, (tenant_id, user_id, user_id, tenant_id, user_id))
            self._delete_runs("tenant_id = ? AND user_id = ?", tenant_id, user_id)
            for thread in self.threads.all(**owner):
                self._delete_runs("thread_id = ?", thread.thread_id)
            files = [file.id for file in self.files.all(**owner)]
            self.files.remove(**owner)
            for table in (self.threads, self.feedback, self.servers, self.skills, self.usages, self.connections):
                table.remove(**owner)
            self.users.remove(tenant_id=tenant_id, id=user_id)
        return files

    # Apps that a tenant has switched off

    def disabled_apps(self, tenant_id: str) -> set[str]:
        """Return the apps a tenant has switched off."""
        found = self._db.execute("SELECT app_name FROM disabled_apps WHERE tenant_id = ?", (tenant_id,))
        return {name for (name,) in found}

    def enable_app(self, tenant_id: str, app_name: str, *, enabled: bool) -> None:
        """Switch an app on or off."""
        query = "DELETE FROM disabled_apps WHERE tenant_id = ? AND app_name = ?"
        if not enabled:
            query = "INSERT OR IGNORE INTO disabled_apps (tenant_id, app_name) VALUES (?, ?)"
        self._db.execute(query, (tenant_id, app_name))

    # Idempotency keys: those of each user are apart, an empty user id is the tenant as a whole

    def remembered(self, tenant_id: str, user_id: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and reply of the request that came with this key in the last 24 hours."""
        query = """
            SELECT fingerprint, reply FROM replies WHERE tenant_id = ? AND user_id = ? AND key = ? AND created_at > ?
        """
        since = ago(_IDEMPOTENCY_LIFETIME)
        row: tuple[str, str] | None = self._db.execute(query, (tenant_id, user_id, key, since)).fetchone()
        return row

    def remember(self, tenant_id: str, user_id: str, key: str, fingerprint: str, reply: str) -> None:
        """Keep the reply to a request that came with a key."""
        values = (tenant_id, user_id, key, fingerprint, reply, now())
        self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)", values)

    def forget_replies(self) -> None:
        """Delete the replies that are too old to be sent again."""
        self._db.execute("DELETE FROM replies WHERE created_at <= ?", (ago(_IDEMPOTENCY_LIFETIME),))
