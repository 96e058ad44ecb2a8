"""Stored data of the application backend: accounts, documents, e-mails, files and images."""

# ruff: noqa: S608 - statements are built from conditions of this module, never from values

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lumnisai_core.local.lumi.shapes import CodeKind, DocumentRow, FileRow, ImageRow, LumiMail, UserRow
from lumnisai_core.local.store.database import Database, Table

#: The tables, as steps of the service's database.
STEPS = (
    """
CREATE TABLE lumi_users (
    id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, user_name TEXT NOT NULL, password TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE lumi_tokens (hash BLOB PRIMARY KEY, user_id TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX lumi_tokens_by_user ON lumi_tokens (user_id);
CREATE TABLE lumi_codes (
    email TEXT NOT NULL, kind TEXT NOT NULL, hash BLOB NOT NULL, expires_at REAL NOT NULL, tries INTEGER NOT NULL,
    PRIMARY KEY (email, kind)
) WITHOUT ROWID;
CREATE TABLE lumi_documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, id TEXT NOT NULL, owner TEXT, data TEXT NOT NULL,
    UNIQUE (collection, id)
);
CREATE INDEX lumi_documents_in_order ON lumi_documents (collection, seq);
CREATE INDEX lumi_documents_by_owner ON lumi_documents (collection, owner, seq);
CREATE TABLE lumi_mails (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE lumi_files (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, mime_type TEXT NOT NULL, size INTEGER NOT NULL, owner TEXT,
    created_at TEXT NOT NULL
);
CREATE TABLE lumi_images (
    id TEXT PRIMARY KEY, chat_id TEXT NOT NULL, content TEXT NOT NULL, file_id TEXT, polls INTEGER NOT NULL,
    created_at TEXT NOT NULL
);
""",
)

_DOCUMENT = "SELECT seq, id, owner, data FROM lumi_documents WHERE collection = ?"
#: SQLite takes at most 32,766 values in a statement, in old versions 999.
_AT_ONCE = 500


class Store:
    """The tables of the application backend in the service's database."""

    def __init__(self, database: Database) -> None:
        self._sql = database.sql
        self.transaction = database.transaction
        self.users = Table(database, "lumi_users", UserRow)
        self.files = Table(database, "lumi_files", FileRow)
        self.images = Table(database, "lumi_images", ImageRow)

    # Tokens and codes

    def add_token(self, hashed: bytes, user_id: str, expires_at: float, now: float) -> None:
        """Store a token's hash; forget those that have expired."""
        self._sql.execute("DELETE FROM lumi_tokens WHERE expires_at <= ?", (now,))
        self._sql.execute("INSERT INTO lumi_tokens VALUES (?, ?, ?)", (hashed, user_id, expires_at))

    def user_of_token(self, hashed: bytes, now: float) -> UserRow | None:
        """Return whose token has a hash, unless it has expired."""
        query = "SELECT user_id FROM lumi_tokens WHERE hash = ? AND expires_at > ?"
        found = self._sql.execute(query, (hashed, now)).fetchone()
        return None if found is None else self.users.one(id=found[0])

    def remove_tokens(self, user_id: str | None = None) -> None:
        """Forget the tokens of a user, or of all."""
        self._sql.execute("DELETE FROM lumi_tokens WHERE user_id = coalesce(?, user_id)", (user_id,))

    def keep_code(self, email: str, kind: CodeKind, hashed: bytes, expires_at: float) -> None:
        """Store a code's hash in place of an earlier one."""
        query = "INSERT OR REPLACE INTO lumi_codes VALUES (?, ?, ?, ?, 0)"
        self._sql.execute(query, (email, kind, hashed, expires_at))

    def code(self, email: str, kind: CodeKind, now: float) -> tuple[bytes, int] | None:
        """Return the hash of a code and how often a wrong one was tried, unless it has expired."""
        query = "SELECT hash, tries FROM lumi_codes WHERE email = ? AND kind = ? AND expires_at > ?"
        found: tuple[bytes, int] | None = self._sql.execute(query, (email, kind, now)).fetchone()
        return found

    def count_try(self, email: str, kind: CodeKind) -> None:
        """Note that a wrong code was tried."""
        self._sql.execute("UPDATE lumi_codes SET tries = tries + 1 WHERE email = ? AND kind = ?", (email, kind))

    def remove_code(self, email: str, kind: CodeKind) -> None:
        """Forget a code."""
        self._sql.execute("DELETE FROM lumi_codes WHERE email = ? AND kind = ?", (email, kind))

    # Documents

    def add_document(self, collection: str, document_id: str, owner: str | None, data: str) -> None:
        """Store a new document; sqlite3.IntegrityError if its id is taken."""
        query = "INSERT INTO lumi_documents (collection, id, owner, data) VALUES (?, ?, ?, ?)"
        self._sql.execute(query, (collection, document_id, owner, data))

    def document(self, collection: str, document_id: str) -> DocumentRow | None:
        """Return a document."""
        found = self._sql.execute(f"{_DOCUMENT} AND id = ?", (collection, document_id)).fetchone()
        return None if found is None else DocumentRow(*found)

    def slices(self, collection: str, owner: str | None) -> Iterator[list[str]]:
        """Yield the JSON of documents in the order of their creation, some at a time; with an owner, theirs only.

        Documents that come while somebody reads are left out.
        """
        last = int(self._sql.execute("SELECT coalesce(max(seq), 0) FROM lumi_documents").fetchone()[0])
        owned, values = _owned(owner)
        query = f"SELECT seq, data FROM lumi_documents WHERE collection = ? AND seq > ? AND seq <= ? {owned}"
        reached = 0
        while found := self._sql.execute(
            f"{query} ORDER BY seq LIMIT {_AT_ONCE}", (collection, reached, last, *values)
        ).fetchall():
            reached = found[-1][0]
            yield [data for _, data in found]

    def page(self, collection: str, owner: str | None, limit: int, skip: int) -> tuple[list[str], int]:
        """Return the JSON of a page of documents in the order of their creation, and how many there are in all."""
        owned, values = _owned(owner)
        where = f"FROM lumi_documents WHERE collection = ? {owned}"
        total = int(self._sql.execute(f"SELECT count(*) {where}", (collection, *values)).fetchone()[0])
        query = f"SELECT data {where} ORDER BY seq LIMIT ? OFFSET ?"
        return [data for (data,) in self._sql.execute(query, (collection, *values, limit, skip))], total

    def slices_by_id(self, collection: str, ids: Sequence[str]) -> Iterator[list[str]]:
        """Yield the JSON of documents by their ids, in that order, without those that are gone; some at a time."""
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            marks = ", ".join("?" for _ in some)
            query = f"SELECT id, data FROM lumi_documents WHERE collection = ? AND id IN ({marks})"
            found = dict(self._sql.execute(query, (collection, *some)).fetchall())
            yield [found[one] for one in some if one in found]

    def change_document(self, seq: int, data: str) -> None:
        """Store new JSON for a document."""
        self._sql.execute("UPDATE lumi_documents SET data = ? WHERE seq = ?", (data, seq))

    def remove_document(self, seq: int) -> None:
        """Delete a document."""
        self._sql.execute("DELETE FROM lumi_documents WHERE seq = ?", (seq,))

    def collections(self) -> dict[str, int]:
        """Return how many documents each collection has, by name."""
        query = "SELECT collection, count(*) FROM lumi_documents GROUP BY collection ORDER BY collection"
        return dict(self._sql.execute(query).fetchall())

    # E-mails

    def add_mail(self, mail: LumiMail) -> None:
        """Store an e-mail under a new number."""
        values = {name: value for name, value in asdict(mail).items() if name != "id"}
        self._sql.execute("INSERT INTO lumi_mails (data) VALUES (?)", (json.dumps(values),))

    def mails(self, newest: int = -1) -> list[LumiMail]:
        """Return the e-mails, oldest first; at most so many of the newest ones."""
        query = "SELECT id, data FROM lumi_mails ORDER BY id DESC LIMIT ?"
        found = [(number, json.loads(data)) for number, data in self._sql.execute(query, (newest,))]
        return [
            LumiMail(number, **{**values, "to": (*values["to"],), "reply_to": (*values["reply_to"],)})
            for number, values in reversed(found)
        ]


def _owned(owner: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if owner is None else ("AND owner = ?", (owner,))
