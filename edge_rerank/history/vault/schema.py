"""The tables of the history file and how they change.

Migrations are numbered from 1 and never edited once released; ``PRAGMA user_version`` holds
the number of the last one applied. Sizes are checked by SQLite itself, so that a value that
is not sealed cannot be inserted by mistake.

Whoever can write the file can plant triggers, views and indexes in it without any key, and
SQLite would run them. So nothing is asked of a file before its schema is, row by row, what the
migrations make.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from edge_rerank.errors import HistoryCorrupt, HistoryVersionError
from edge_rerank.history.crypto import SEALED_SIZES

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x65727231
"""``PRAGMA application_id``: "err1" in ASCII; tells a history file from other databases."""

_SIZES = ", ".join(str(size) for size in SEALED_SIZES)

PART_BYTES = 1005
"""Of a long sealed event lie in a row of their own: the longest of which four fit into a page of
4 KB, with all that SQLite puts around them."""

_REMAINDERS = ", ".join(str(size % PART_BYTES) for size in SEALED_SIZES)

_FORMER = f"""
    FROM former_events JOIN people ON pseudonym = person
    WHERE number > 0 AND typeof(seq) = 'integer' AND seq BETWEEN 1 AND 4294967295
        AND typeof(content_tag) = 'blob' AND length(content_tag) = 16
        AND (id_tag IS NULL OR typeof(id_tag) = 'blob' AND length(id_tag) = 16)
        AND typeof(sealed) = 'blob' AND length(sealed) IN ({_SIZES})"""


_MOST_PARTS = max(SEALED_SIZES) // PART_BYTES
_MOVED = ";".join(
    (
        "INSERT INTO events SELECT (number << 34) | (seq << 2), content_tag, id_tag,"
        f" substr(sealed, 1, length(sealed) % {PART_BYTES}) {_FORMER}",
        *(
            f"INSERT INTO parts SELECT (number << 34) | (seq << 2) | {place}, substr(sealed,"
            f" length(sealed) % {PART_BYTES} + {1 + place * PART_BYTES}, {PART_BYTES})"
            f" {_FORMER} AND length(sealed) >= {(place + 1) * PART_BYTES}"
            for place in range(_MOST_PARTS)
        ),
        f"INSERT INTO hints SELECT number, substr(content_tag, 1, 4), seq {_FORMER}",
        "INSERT OR IGNORE INTO hints SELECT number, substr(id_tag, 1, 4), seq"
        f" {_FORMER} AND id_tag IS NOT NULL",
        "DROP TABLE former_events",
    )
)
"""Statements that bring the events of version 4 into the tables of version 5."""

_NUMBERED = """
    ALTER TABLE people ADD COLUMN
        number INTEGER NOT NULL DEFAULT 0 CHECK (number BETWEEN 0 AND 268435455);
    UPDATE people SET number = place
        FROM (SELECT pseudonym AS owner, row_number() OVER (ORDER BY pseudonym) AS place
            FROM people)
        WHERE pseudonym = owner AND typeof(head) = 'blob' AND typeof(epoch) = 'integer'
            AND epoch > 0;
    CREATE UNIQUE INDEX people_numbers ON people (number) WHERE number > 0;
    ALTER TABLE events RENAME TO former_events;
"""
"""What gives people of version 4 their numbers, and puts their events aside."""

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
    # Small states of a person, such as what the host knows of somebody beside the events.
    f"""
    CREATE TABLE states (
        person BLOB NOT NULL REFERENCES people (pseudonym),
        seq INTEGER NOT NULL CHECK (seq > 0),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES})),
        PRIMARY KEY (person, seq)
    ) STRICT, WITHOUT ROWID;
    """,
    # What the leaves of a bucket of many people add up to.
    f"""
    CREATE TABLE sums (
        bucket INTEGER PRIMARY KEY CHECK (bucket BETWEEN 0 AND 63),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES}))
    ) STRICT;
    """,
    # Events by a number of the person, in pieces that fill pages: see eventtables.py. Numbers
    # that tell nothing are given in the order of the pseudonyms. What has become of another type
    # or size by damage is passed over, and missed when its person is looked at.
    _NUMBERED
    + f"""
    CREATE TABLE events (
        key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 3 = 0),
        content_tag BLOB NOT NULL CHECK (length(content_tag) = 16),
        id_tag BLOB CHECK (length(id_tag) = 16),
        sealed BLOB NOT NULL CHECK (length(sealed) IN ({_REMAINDERS}))
    ) STRICT;
    CREATE TABLE parts (
        key INTEGER PRIMARY KEY CHECK (key > 0),
        part BLOB NOT NULL CHECK (length(part) = {PART_BYTES})
    ) STRICT;
    CREATE TABLE hints (
        person INTEGER NOT NULL CHECK (person BETWEEN 1 AND 268435455),
        hint BLOB NOT NULL CHECK (length(hint) = 4),
        seq INTEGER NOT NULL CHECK (seq BETWEEN 1 AND 4294967295),
        PRIMARY KEY (person, hint, seq)
    ) STRICT, WITHOUT ROWID;
    """
    + _MOVED,
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


def check_objects(db: Database, version: int) -> None:
    """See that the file has the tables and indexes of its version and nothing else.

    Raises:
        HistoryCorrupt: when anything was added, changed or taken away.
    """
    expected = _objects(version)
    rows = db.execute(_OBJECTS).fetchmany(len(expected) + 1)
    if len(rows) != len(expected) or {_normal(row) for row in rows} != expected:
        raise HistoryCorrupt(
            "the file's schema is not a history's: a trigger, view, table or index was added, "
            "changed or taken away"
        )


_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"

_Object = tuple[object, object, object, str | None]


@cache
def _objects(version: int) -> frozenset[_Object]:
    """What ``sqlite_master`` holds after the first ``version`` migrations."""
    connection = sqlite3.connect(":memory:")
    try:
        for script in MIGRATIONS[:version]:
            connection.executescript(script)
        return frozenset(_normal(row) for row in connection.execute(_OBJECTS))
    finally:
        connection.close()


def _normal(row: tuple[object, object, object, object]) -> _Object:
    """A row of ``sqlite_master`` with its SQL's white space made equal."""
    kind, name, table, sql = row
    return kind, name, table, None if sql is None else " ".join(str(sql).split())


def migrate(execute: Callable[[str], sqlite3.Cursor]) -> None:
    """Bring the file to :data:`VERSION`, in one transaction that is already open."""
    version = execute("PRAGMA user_version").fetchone()[0]
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            if statement.strip():
                execute(statement)
    if version < VERSION:
        execute(f"PRAGMA user_version = {VERSION}")
