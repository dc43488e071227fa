"""The tables of the history file and how they change.

Migrations are numbered from 1 and never edited once released; ``PRAGMA user_version`` holds
the number of the last one applied. Sizes are checked by SQLite itself, so that a value that
is not sealed cannot be inserted by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_rerank.errors import HistoryVersionError
from edge_rerank.history._primitives import SEALED_SIZES

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x65727231
"""``PRAGMA application_id``: "err1" in ASCII; tells a history file from other databases."""

_SIZES = ", ".join(str(size) for size in SEALED_SIZES)

MIGRATIONS: tuple[str, ...] = (
    f"""
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
            CHECK (CASE name
                WHEN 'store' THEN length(value) = 16
                WHEN 'commitment' THEN length(value) = 32
                WHEN 'next_commitment' THEN length(value) = 32
                ELSE length(value) IN ({_SIZES}) END)
    ) STRICT;
    CREATE TABLE people (
        id INTEGER PRIMARY KEY,
        pseudonym BLOB NOT NULL UNIQUE CHECK (length(pseudonym) = 32),
        wrapped_key BLOB NOT NULL CHECK (length(wrapped_key) IN ({_SIZES})),
        head BLOB NOT NULL CHECK (length(head) IN ({_SIZES}))
    ) STRICT;
    CREATE TABLE events (
        person INTEGER NOT NULL REFERENCES people (id),
        seq INTEGER NOT NULL CHECK (seq > 0),
        content_tag BLOB NOT NULL CHECK (length(content_tag) = 16),
        id_tag BLOB CHECK (length(id_tag) = 16),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES})),
        PRIMARY KEY (person, seq),
        UNIQUE (person, content_tag),
        UNIQUE (person, id_tag)
    ) STRICT;
    """,
)
VERSION = len(MIGRATIONS)


def migrate(db: Database) -> None:
    """Bring the file to :data:`VERSION`, in one transaction that is already open.

    Raises:
        HistoryVersionError: when the file is newer than this package.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise HistoryVersionError(
            f"the file has schema version {version}, this edge-rerank reads up to {VERSION}"
        )
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            if statement.strip():
                db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
