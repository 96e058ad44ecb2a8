"""Stored data of the agent platform: a table for each resource, and methods that span several of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path
from typing import Any

from lumnisai_core.local.lumnis.shapes.mcp_servers import Server
from lumnisai_core.local.lumnis.shapes.model_preferences import Preference
from lumnisai_core.local.lumnis.shapes.runs import Feedback, Thread
from lumnisai_core.local.lumnis.shapes.skills import Skill, Usage
from lumnisai_core.local.lumnis.shapes.users import ApiKeyMode, User
from lumnisai_core.local.lumnis.store.files import Files
from lumnisai_core.local.lumnis.store.rows import ArtifactRow, ConnectionRow, KeyRow, RunRow, TenantRow
from lumnisai_core.local.lumnis.store.schema import STEPS
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.store.table import Table
from lumnisai_core.local.web.ids import ago, now, tenant_id_of

_IDEMPOTENCY_LIFETIME = timedelta(hours=24)


class Store:
    """The service's database, held by one service at a time.

    Args:
        path: the file; made when missing.
        durable: whether the file must stay whole when the machine crashes; stored data survives a killed process in
            any case.
        further: steps of the tables of other platforms, which share the file.
    """

    def __init__(self, path: Path, *, durable: bool = True, further: Sequence[str] = ()) -> None:
        self.database = database = Database(path, (*STEPS, *further), durable=durable)
        self._db = database.sql
        self.close = database.close
        self.transaction = database.transaction
        self.threads = Table(database, "threads", Thread)
        self.runs = Table(database, "runs", RunRow)
        self.users = Table(database, "users", User)
        self.keys = Table(database, "keys", KeyRow)
        self.preferences = Table(database, "preferences", Preference)
        self.feedback = Table(database, "feedback", Feedback)
        self.artifacts = Table(database, "artifacts", ArtifactRow)
        self.servers = Table(database, "servers", Server)
        self.skills = Table(database, "skills", Skill)
        self.usages = Table(database, "usages", Usage)
        self.connections = Table(database, "connections", ConnectionRow)
        self.files = Files(database)
        self._db.execute("DELETE FROM idempotency WHERE created_at <= ?", (ago(_IDEMPOTENCY_LIFETIME),))

    # Tenants

    def tenant(self, key_hash: str, name: str | None = None) -> TenantRow:
        """Return the tenant of a hashed key, made on first sight: its own, or the one of that name."""
        known = self._tenant("key_hash", key_hash)
        tenant_id = tenant_id_of(key_hash if name is None else f"tenant:{name}")
        if known is None or (name is not None and known.id != tenant_id):
            new = TenantRow(tenant_id, name or "Local tenant", now(), "platform", None)
            known = self._tenant("id", tenant_id) or new
            query = """
                INSERT OR REPLACE INTO tenants (key_hash, id, name, created_at, api_key_mode, updated_at)
                VALUES (?, ?, ?, ?, ?, ?)
            """
            self._db.execute(query, (key_hash, *astuple(known)))
        return known

    def tenant_now(self, tenant: TenantRow) -> TenantRow:
        """Return a tenant as it is now."""
        return self._tenant("id", tenant.id) or tenant

    def _tenant(self, column: str, value: str) -> TenantRow | None:
        query = f"SELECT id, name, created_at, api_key_mode, updated_at FROM tenants WHERE {column} = ?"  # noqa: S608
        found = self._db.execute(query, (value,)).fetchone()
        return None if found is None else TenantRow(*found)

    def set_key_mode(self, tenant_id: str, mode: ApiKeyMode) -> None:
        """Choose whose keys a tenant's runs use."""
        self._db.execute("UPDATE tenants SET api_key_mode = ?, updated_at = ? WHERE id = ?", (mode, now(), tenant_id))

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

    def open_runs(self) -> list[RunRow]:
        """Return the runs of every tenant that have not ended, oldest first."""
        return [run for status in ("queued", "in_progress") for run in self.runs.all(status=status, oldest_first=True)]

    def earlier_turns(self, run: RunRow) -> list[tuple[str, str | None, str]]:
        """Return messages (JSON), answer and request (JSON) of the thread's succeeded runs before this one."""
        query = """
            SELECT input_messages, output_text, request FROM runs WHERE thread_id = ? AND status = 'succeeded'
            AND rowid < (SELECT rowid FROM runs WHERE response_id = ?) ORDER BY rowid
        """
        return self._db.execute(query, (run.thread_id, run.response_id)).fetchall()

    def update_run(self, response_id: str, **values: str | None) -> None:
        """Store new values of the named columns."""
        self.runs.change({"response_id": response_id}, **values)

    def end_run(self, run: RunRow, title: str | None, left: Iterable[ArtifactRow], **values: str | None) -> None:
        """Store the end of a run with its artifacts; a thread without a title gets that of the run."""
        with self.transaction():
            for artifact in left:
                self.artifacts.add(artifact)
            self.update_run(run.response_id, **values)
            self._db.execute(
                "UPDATE threads SET title = coalesce(title, ?), updated_at = ? WHERE thread_id = ?",
                (title, values["completed_at"], run.thread_id),
            )

    def _delete_runs(self, where: str, *values: Any) -> None:
        """Delete runs and everything that belongs to them."""
        chosen = f"SELECT response_id FROM runs WHERE {where}"  # noqa: S608 - texts of this file
        for table in ("feedback", "artifacts", "usages", "runs"):
            self._db.execute(f"DELETE FROM {table} WHERE response_id IN ({chosen})", values)  # noqa: S608

    # Users

    def delete_user(self, tenant_id: str, user_id: str) -> list[str]:
        """Delete a user and everything that is theirs; return the ids of their files."""
        owner: dict[str, Any] = {"tenant_id": tenant_id, "user_id": user_id}
        with self.transaction():
            self._delete_runs("tenant_id = ? AND user_id = ?", tenant_id, user_id)
            for thread in self.threads.all(**owner):
                self._delete_runs("thread_id = ?", thread.thread_id)
            for table in (self.threads, self.feedback, self.servers, self.skills, self.usages, self.connections):
                table.remove(**owner)
            files = self.files.delete_of_user(tenant_id, user_id)
            self.users.remove(tenant_id=tenant_id, id=user_id)
        return files

    # Integrations

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

    # Idempotency keys

    def remembered(self, tenant_id: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and reply of the request that came with this key in the last 24 hours."""
        query = "SELECT fingerprint, reply FROM idempotency WHERE tenant_id = ? AND key = ? AND created_at > ?"
        row: tuple[str, str] | None = self._db.execute(query, (tenant_id, key, ago(_IDEMPOTENCY_LIFETIME))).fetchone()
        return row

    def remember(self, tenant_id: str, key: str, fingerprint: str, reply: str) -> None:
        """Keep the reply to a request that came with a key."""
        values = (tenant_id, key, fingerprint, reply, now())
        self._db.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", values)
