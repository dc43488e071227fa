from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import (
    ClosedError,
    HistoryCorrupt,
    HistoryError,
    HistoryKeyError,
    HistoryLocked,
    HistoryVersionError,
)
from edge_rerank.history.crypto import SealingKey
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
CANARIES = {
    "user": "canary-user-7731",
    "text": "canary text of an item",
    "id": "canary-item-42",
    "category": "Canary Category",
    "query": "canary query words",
    "ranking": "canary-ranking",
}


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}", f"text {n}"), timestamp=1000.0 + n)
        for n in range(start, start + count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed history file with ten events of alice's and five of bob's."""
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        for user, count in (("alice", 10), ("bob", 5)):
            store.set_consent(user, "personalisation", True)
            store.append(user, clicks(count))
    return path


def edit(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def read_all(path: Path) -> dict[str, int]:
    with HistoryStore.open(path, KEY) as store:
        return {user: len(store.load(user)) for user in ("alice", "bob")}


@pytest.mark.parametrize(
    ("key", "associated_data", "ciphertext"),
    [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (
            3,
            b"c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
        ),
    ],
)
def test_published_vectors(key: int, associated_data: bytes, ciphertext: str) -> None:
    """The two vectors of https://c2sp.org/XAES-256-GCM (one for each half of the mask)."""
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    sealed = SealingKey(bytes([key]) * 32).encrypt(nonce, b"XAES-256-GCM", associated_data)
    assert sealed.hex() == ciphertext


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    events = [
        Event("search", query="tea pots", timestamp=5, id="e1"),
        Event(
            "view",
            Item("i", "a text", ["A", "B"], 3.0, vector=[0.5, 0.25]),
            timestamp=7.9,
            dwell_s=12.5,
            scroll=0.5,
            ranking="r",
            position=3,
        ),
        Event("rating", Item("i"), timestamp=6, value=4.0),
    ]
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        assert store.append("alice", events).duplicates == 0
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        search, rating, view = store.load("alice")
    assert (search.query, search.id, rating.value) == ("tea pots", "e1", 4.0)
    assert (view.timestamp, view.dwell_s, view.scroll, view.position) == (7.0, 12.5, 0.5, 3)
    assert view.item == Item("i", "a text", ["A", "B"], 3.0)
    assert view.item is not None
    assert view.item.vector is not None
    assert view.item.vector.tolist() == [0.5, 0.25]


def test_nothing_readable_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    statements: list[str] = []
    store = HistoryStore.open(path, KEY)
    store._vault.file.db.conn.set_trace_callback(statements.append)
    store.set_consent(CANARIES["user"], "personalisation", True)
    item = Item(CANARIES["id"], CANARIES["text"], [CANARIES["category"]])
    store.append(CANARIES["user"], [Event("click", item, timestamp=5, ranking=CANARIES["ranking"])])
    store.append(CANARIES["user"], [Event("search", query=CANARIES["query"], timestamp=6)])
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}  # while it is open
    store.close()
    files["closed"] = path.read_bytes()
    assert len(files["me.db-wal"]) > 0
    for canary in CANARIES.values():
        for form in (canary.encode(), canary.encode("utf-16-le"), canary.encode().hex().encode()):
            for name, content in files.items():
                assert form not in content, (name, canary)
            assert not any(form.decode("latin-1") in statement for statement in statements)


ALICE = (
    "(SELECT pseudonym FROM people WHERE number ="
    " (SELECT key >> 34 FROM events WHERE (key >> 2 & 4294967295) = 10))"
)
BOB = f"(SELECT pseudonym FROM people EXCEPT SELECT {ALICE})"


def key(person: str, seq: int) -> str:
    """Of somebody's event, in SQL."""
    return f"(((SELECT number FROM people WHERE pseudonym = {person}) << 34) | ({seq} << 2))"


TAMPERING: dict[str, tuple[str, ...]] = {
    "a row is dropped": (
        f"DELETE FROM hints WHERE seq = 4 AND person ="
        f" (SELECT number FROM people WHERE pseudonym = {ALICE})",
        f"DELETE FROM events WHERE key = {key(ALICE, 4)}",
    ),
    "the last row is dropped": (f"DELETE FROM events WHERE key = {key(ALICE, 10)}",),
    "two rows are exchanged": (
        f"UPDATE events SET key = key + 396 WHERE key = {key(ALICE, 1)}",
        f"UPDATE events SET key = key - 4 WHERE key = {key(ALICE, 2)}",
        f"UPDATE events SET key = key - 392 WHERE key = {key(ALICE, 100)}",
    ),
    "a row is given to another person": (
        f"UPDATE events SET key = {key(BOB, 6)} WHERE key = {key(ALICE, 10)}",
    ),
    "a sealed value is changed": (
        f"UPDATE events SET sealed = zeroblob(length(sealed)) WHERE key = {key(ALICE, 3)}",
    ),
    "a ciphertext is changed": (
        "UPDATE events SET sealed = CAST(substr(sealed, 1, 40) || x'00' || substr(sealed, 42)"
        " AS BLOB)"
        f" WHERE key = {key(ALICE, 3)}",
    ),
    "a key id is changed": (
        "UPDATE events SET sealed = CAST(substr(sealed, 1, 2) || x'00000002' || substr(sealed, 7)"
        " AS BLOB)"
        f" WHERE key = {key(ALICE, 3)}",
    ),
    "a duplicate's mark is changed": (
        f"UPDATE events SET content_tag = randomblob(16) WHERE key = {key(ALICE, 3)}",
    ),
    "a duplicate is not found any more": ("DELETE FROM hints WHERE seq = 10",),
    "a duplicate is looked for in vain": ("UPDATE hints SET hint = randomblob(4) WHERE seq = 10",),
    "a hint is added": (
        f"INSERT INTO hints SELECT number, randomblob(4), 3 FROM people WHERE pseudonym = {BOB}",
    ),
    "a part is added": (f"INSERT INTO parts VALUES ({key(ALICE, 3)}, zeroblob(1005))",),
    "a part of no event is added": (
        f"INSERT INTO parts VALUES ({key(ALICE, 77)}, zeroblob(1005))",
    ),
    "somebody else's events are taken for a person's": (
        f"UPDATE people SET number = 0 WHERE pseudonym = {BOB}",
        "UPDATE people SET number = (SELECT number + 1 FROM people WHERE number > 0)"
        " WHERE number > 0",
        "UPDATE people SET number = (SELECT number - 1 FROM people WHERE number > 0)"
        " WHERE number = 0",
    ),
    "a head is replaced": (
        f"UPDATE people SET head = (SELECT head FROM people WHERE pseudonym = {BOB})",
    ),
    "a person is removed": (
        f"DELETE FROM people WHERE pseudonym = {BOB}",
        "DELETE FROM events WHERE key >> 34 NOT IN (SELECT number FROM people)",
    ),
    "a person's key is removed": (f"DELETE FROM wrapped_keys WHERE owner = {BOB}",),
    "two people change names": (
        f"UPDATE people SET pseudonym = zeroblob(16) WHERE pseudonym = {BOB}",
        f"UPDATE people SET pseudonym = (SELECT value FROM meta WHERE name = 'store')"
        f" WHERE pseudonym = {ALICE}",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_detected(path: Path, what: str) -> None:
    control = path.with_name("control.db")
    shutil.copy(path, control)
    edit(path, *TAMPERING[what])
    with pytest.raises(HistoryCorrupt):
        read_all(path)
    assert read_all(control) == {"alice": 10, "bob": 5}


def test_an_earlier_head_is_detected(path: Path) -> None:
    """A replay: rows and head of one person as they were an hour ago."""
    with sqlite3.connect(path) as connection:
        (head,) = connection.execute(
            f"SELECT head FROM people WHERE pseudonym = {ALICE}"
        ).fetchone()
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        store.append("alice", clicks(1, start=50))
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE people SET head = ? WHERE pseudonym = {ALICE}", [head])
        connection.execute("DELETE FROM events WHERE (key >> 2 & 4294967295) = 11")
    connection.close()
    with pytest.raises(HistoryCorrupt):
        read_all(path)


def test_unsealed_values_cannot_be_inserted(path: Path) -> None:
    for column, value in (("sealed", b"plain"), ("sealed", "text"), ("content_tag", b"short")):
        with pytest.raises(sqlite3.IntegrityError), sqlite3.connect(path) as connection:
            connection.execute(f"UPDATE events SET {column} = ?", [value])
        connection.close()


def test_a_wrong_key_changes_not_a_byte(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, bytes(reversed(KEY)))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert read_all(path) == {"alice": 10, "bob": 5}


def test_the_file_belongs_to_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_process_is_told_within_a_second(path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from edge_rerank.errors import HistoryLocked\n"
        "from edge_rerank.history.vault.store import HistoryStore\n"
        "start = time.perf_counter()\n"
        "try:\n"
        "    HistoryStore.open(Path(sys.argv[1]), bytes(range(32)))\n"
        "except HistoryLocked:\n"
        "    print(time.perf_counter() - start)\n"
    )
    with HistoryStore.open(path, KEY):
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
        )
        with pytest.raises(HistoryLocked):
            HistoryStore.open(path, KEY)
    assert float(done.stdout) < 1.0
    assert read_all(path) == {"alice": 10, "bob": 5}


def test_other_files_are_refused_unchanged(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other.db"
    edit(other, "CREATE TABLE t (x)")
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    for file in (other, text):
        before = file.read_bytes()
        with pytest.raises(HistoryCorrupt):
            HistoryStore.open(file, KEY)
        assert file.read_bytes() == before
    edit(path, "PRAGMA user_version = 99")
    with pytest.raises(HistoryVersionError, match="schema version 99"):
        HistoryStore.open(path, KEY)


def test_an_old_copy_yields_nothing_after_erasure(tmp_path: Path) -> None:
    path, copy = tmp_path / "me.db", tmp_path / "old.db"
    source = KeyFile.create(tmp_path / "key")
    with HistoryStore.open(path, source) as store:
        store.append("alice", clicks(10))
        store.append("bob", clicks(3))
    shutil.copy(path, copy)
    with HistoryStore.open(path, source) as store:
        receipt = store.erase("alice")
        assert (receipt.events, receipt.key_rotated) == (10, True)
        assert store.load("alice") == ()
        assert len(store.load("bob")) == 3
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(copy, source)
    with HistoryStore.open(path, source) as store:
        assert len(store.load("bob")) == 3


def test_a_key_that_the_host_holds_is_rotated_by_the_host(path: Path) -> None:
    new = bytes(range(1, 33))
    with HistoryStore.open(path, KEY) as store:
        assert not store.erase("bob").key_rotated
        store.rotate_key(new)
        store.append("alice", clicks(1, start=20))
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, KEY)
    with HistoryStore.open(path, new) as store:
        assert len(store.load("alice")) == 11


@pytest.mark.parametrize("erasing", [True, False])
@pytest.mark.parametrize("after", ["wrapping", "source"])
def test_a_rotation_that_was_cut_off_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, erasing: bool
) -> None:
    """Cut off after everything was wrapped twice, and after the source took the new key."""
    source = KeyFile.create(tmp_path / "key")
    former = source.load()
    path = tmp_path / "me.db"
    store = HistoryStore.open(path, source)
    store.append("alice", clicks(4))
    store.append("bob", clicks(2))

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    target: tuple[object, str] = (
        (source, "replace") if after == "wrapping" else (store._vault, "keep_outer")
    )
    monkeypatch.setattr(*target, cut)
    with pytest.raises(KeyboardInterrupt):
        store.erase("bob") if erasing else store.rotate_key()
    monkeypatch.undo()
    store._vault.file.abandon()
    with HistoryStore.open(path, source) as again:
        assert len(again.load("alice")) == 4
        assert len(again.load("bob")) == (0 if erasing else 2)
    if after == "source":
        with pytest.raises(HistoryKeyError):
            HistoryStore.open(path, former)


def test_the_connection_is_set_as_the_format_says(tmp_path: Path) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "secure_delete": 1,
        "temp_store": 2,  # MEMORY
        "trusted_schema": 0,
        "cell_size_check": 1,
        "foreign_keys": 1,
        "locking_mode": "exclusive",
    }
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        file = store._vault.file
        assert {name: file.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted


def test_what_sqlite_quotes_is_not_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    HistoryStore.open(path, KEY).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE Canary' WHERE name = 'notes'"
        )
    connection.close()
    with pytest.raises(sqlite3.Error, match="notes"), sqlite3.connect(path) as connection:
        connection.execute("SELECT * FROM events")
    connection.close()
    with pytest.raises(HistoryCorrupt) as caught:
        HistoryStore.open(path, KEY)
    assert "notes" not in str(caught.value)


def test_the_newest_events_are_those_that_arrived_last(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        newest = store.load("alice", limit=3)
    assert [event.item.id for event in newest if event.item] == ["i7", "i8", "i9"]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.load("alice"),
        lambda store: store.append("alice", clicks(1)),
        lambda store: store.set_consent("alice", "p", True),
        lambda store: store.erase("alice"),
    ],
)
def test_after_close(call: Callable[[HistoryStore], object]) -> None:
    store = HistoryStore.open(None, None)
    store.close()
    store.close()
    with pytest.raises(ClosedError):
        call(store)


def test_every_truncation_is_detected(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(0, len(whole), 4096):
        path.write_bytes(whole[:size])
        if size == 0:  # an empty file is a new one
            assert read_all(path) == {"alice": 0, "bob": 0}
            continue
        with pytest.raises(HistoryError):
            read_all(path)


def test_who_was_asked_for_last_is_let_go_with_their_erasure() -> None:
    with HistoryStore.open(None, None) as store:
        people = store._vault.people
        for user in ("ann", "nobody"):
            store.set_consent("ann", "personalisation", True)
            assert store.has_consent("ann", "personalisation")
            assert not store.has_consent("bob", "personalisation")
            name = people.name(user)
            assert people.name("bob") != name == people.name(user)
            store.erase(user)
            assert people._asked is None


def test_a_file_that_is_no_database_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("what somebody wrote\n" * 300)
    with pytest.raises(HistoryCorrupt, match="SQLITE_NOTADB: another program's file, or its begin"):
        HistoryStore.open(path, KEY)
    assert path.read_text().startswith("what somebody wrote")
