"""The tables of the history file and how they change.

Migrations are numbered from 1 and never edited once released; ``PRAGMA user_version`` holds
the number of the last one applied. Sizes are checked by SQLite itself, so that a value that
is not sealed cannot be inserted by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_rerank.errors import HistoryVersionError
from edge_rerank.history.crypto import SEALED_SIZES

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x65727231
"""``PRAGMA application_id``: "err1" in ASCII; tells a history file from other databases."""

_SIZES = ", ".join(str(size) for size in SEALED_SIZES)

MIGRATIONS: tuple[str, ...] = (
    f"""
    CREATE TABLE meta (
        name TEXT PRIMARY KEY CHECK (name IN ('store', 'root')),
        value BLOB NOT NULL
            CHECK (CASE name WHEN 'store' THEN length(value) = 16
                ELSE length(value) IN ({_SIZES}) END)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outer_keys (
        id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
        commitment BLOB NOT NULL CHECK (length(commitment) = 32)
    ) STRICT;
    CREATE TABLE wrapped_keys (
        owner BLOB NOT NULL CHECK (length(owner) = 16),
        id INTEGER NOT NULL CHECK (id BETWEEN 1 AND 4294967295),
        outer_id INTEGER NOT NULL REFERENCES outer_keys (id),
        wrapped BLOB NOT NULL CHECK (length(wrapped) IN ({_SIZES})),
        PRIMARY KEY (owner, id, outer_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE people (
        pseudonym BLOB PRIMARY KEY CHECK (length(pseudonym) = 16),
        head BLOB NOT NULL CHECK (length(head) IN ({_SIZES}))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        person BLOB NOT NULL REFERENCES people (pseudonym),
        seq INTEGER NOT NULL CHECK (seq > 0),
        content_tag BLOB NOT NULL CHECK (length(content_tag) = 16),
        id_tag BLOB CHECK (length(id_tag) = 16),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES})),
        PRIMARY KEY (person, seq),
        UNIQUE (person, content_tag),
        UNIQUE (person, id_tag)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE notes (
        name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES}))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY CHECK (seq > 0),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES}))
    ) STRICT;
    """,
    # Data keys under bucket keys, these in rings: see migration.py for what is in them.
    f"""
    DROP TABLE wrapped_keys;
    CREATE TABLE wrapped_keys (
        owner BLOB NOT NULL CHECK (length(owner) = 16),
        id INTEGER NOT NULL CHECK (id BETWEEN 1 AND 4294967295),
        wrapped BLOB NOT NULL CHECK (length(wrapped) IN ({_SIZES})),
        PRIMARY KEY (owner, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rings (
        id INTEGER NOT NULL CHECK (id BETWEEN 1 AND 4294967295),
        outer_id INTEGER NOT NULL CHECK (outer_id BETWEEN 0 AND 4294967295),
        wrapped BLOB NOT NULL CHECK (length(wrapped) IN ({_SIZES})),
        PRIMARY KEY (id, outer_id)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE people ADD COLUMN
        epoch INTEGER NOT NULL DEFAULT 1 CHECK (epoch BETWEEN 1 AND 4294967295);
    """,
)
VERSION = len(MIGRATIONS)


def check_version(version: int) -> None:
    """See that this package can read the file.

    Raises:
        HistoryVersionError: when the file is newer than this package.
    """
    if version > VERSION:
        raise HistoryVersionError(
            f"the file has schema version {version}, this edge-rerank reads up to {VERSION}"
        )


def migrate(db: Database) -> None:
    """Bring the file to :data:`VERSION`, in one transaction that is already open."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            if statement.strip():
                db.execute(statement)
    if version < VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")
