"""Files of older schema versions, written by the code that had them, open and are as they were.

``files/version_N.db.gz`` was closed in peace, with its anchor beside it; ``version_N_cut.db.gz``
was left while both the outer key and alice's data key were being replaced, and
``version_2_rekeyed.db.gz`` and those of later versions in the middle of a rekey. Version 4 also has
carol, whose four events are padded to 256, 1,024, 2,048 and 4,096 bytes.
"""

from __future__ import annotations

import gzip
import itertools
import shutil
import sqlite3
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt, HistoryKeyError
from edge_rerank.history.vault import root, schema
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import Reader

FILES = Path(__file__).parent / "files"
KEY, NEW, OTHER = (bytes(range(n, n + 32)) for n in range(3))


def clicks(count: int) -> list[Event]:
    return [
        Event("click", Item(f"i{n}", f"text {n}"), timestamp=1000.0 + n, id=f"e{n}")
        for n in range(count)
    ]


def unpack(name: str, folder: Path) -> Path:
    path = folder / "me.db"
    path.write_bytes(gzip.decompress((FILES / name).read_bytes()))
    path.chmod(0o600)
    shutil.copy(FILES / f"{name[:9]}.anchor", folder / "anchor")
    return path


def version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def expect_all(store: HistoryStore) -> None:
    assert store.load("alice") == tuple(clicks(10))
    assert store.load("bob") == tuple(clicks(5))
    assert store.has_consent("alice", "personalisation")
    assert not store.is_paused("alice")
    assert store.is_paused("bob")
    assert store.read_note("budget") == b"3"
    actions = [entry.action.value for entry in store.audit_log()]
    assert actions[:4] == ["created", "consent-granted", "consent-granted", "paused"]
    assert not store.append("alice", clicks(10)).stored
    assert store.verify().ok


@pytest.mark.parametrize("anchored", [True, False])
def test_everything_is_there_and_is_rekeyed(tmp_path: Path, anchored: bool) -> None:
    path = unpack("version_1.db.gz", tmp_path)
    anchor = tmp_path / "anchor" if anchored else None
    assert version(path) == 1
    with sqlite3.connect(path) as connection:
        wrapped = [one for (one,) in connection.execute("SELECT wrapped FROM wrapped_keys")]
    connection.close()
    for _ in range(2):
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            expect_all(store)
    assert version(path) == schema.VERSION
    # What the outer key wrapped itself is in no file any more.
    assert len(wrapped) == 3
    for file in tmp_path.iterdir():
        assert not any(one[6:] in file.read_bytes() for one in wrapped)
    reader = Reader(path, KEY)
    assert len(reader.person("alice")[1]) == 10
    assert reader.root_holds()
    assert len(reader.audit()) == 4
    reader.db.close()
    with HistoryStore.open(path, KEY, anchor=tmp_path / "anchor") as store:
        assert store.rekey(NEW).people == 2
        expect_all(store)
    with HistoryStore.open(path, NEW, anchor=anchor) as store:
        expect_all(store)


@pytest.mark.parametrize("anchored", [True, False])
def test_a_file_without_states_takes_them(tmp_path: Path, anchored: bool) -> None:
    path = unpack("version_2.db.gz", tmp_path)
    anchor = tmp_path / "anchor" if anchored else None
    assert version(path) == 2
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        expect_all(store)
        assert store.state("alice", "head") is None
        store.set_state("alice", "head", b"learnt")
    assert version(path) == schema.VERSION
    with HistoryStore.open(path, KEY, anchor=tmp_path / "anchor") as store:
        expect_all(store)
        assert store.state("alice", "head") == b"learnt"
    reader = Reader(path, KEY)
    assert reader.state("alice", "head") == b"learnt"
    assert reader.root_holds()
    reader.db.close()


@pytest.mark.parametrize("anchored", [True, False])
def test_a_file_without_sums_of_leaves_is_added_up(
    tmp_path: Path, anchored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "FINE_FROM", 0)
    path = unpack("version_3.db.gz", tmp_path)
    anchor = tmp_path / "anchor" if anchored else None
    assert version(path) == 3
    HistoryStore.open(path, KEY, anchor=anchor).close()
    assert version(path) == schema.VERSION
    reader = Reader(path, KEY)
    assert reader.fine_sums() == 2  # alice and bob have a bucket each
    assert reader.root_holds()
    assert reader.state("alice", "head") == b"learnt"
    reader.db.close()
    with HistoryStore.open(path, KEY, anchor=tmp_path / "anchor") as store:
        expect_all(store)
        assert store.state("alice", "head") == b"learnt"


LONG = [
    Event("click", Item(f"i{n}", "茶" * 300 * n), timestamp=2000.0 + n, id=f"e{n}")
    for n in range(4)
]


@pytest.mark.parametrize("name", ["version_4.db.gz", "version_4_cut.db.gz"])
def test_long_events_are_cut_into_parts(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    anchor = None if "cut" in name else tmp_path / "anchor"
    assert version(path) == 4
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        expect_all(store)
        assert store.load("carol") == tuple(LONG)
        assert not store.append("carol", LONG).stored
    assert version(path) == schema.VERSION
    reader = Reader(path, KEY)
    assert [one[4][0] for one in reader.person("carol")[1]] == ["i0", "i1", "i2", "i3"]
    assert reader.db.execute("SELECT count(*) FROM parts").fetchone() == (7,)
    assert reader.root_holds()
    reader.db.close()
    numbers = [number for (number,) in select(path, "SELECT number FROM people")]
    assert len(set(numbers) - {0}) == 3
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        store.rekey(NEW)
        assert store.load("carol") == tuple(LONG)
    renamed = {number for (number,) in select(path, "SELECT number FROM people")}
    assert len(renamed - set(numbers)) == 3  # a thief of before finds nobody by the number


@pytest.mark.parametrize(
    "damage",
    ["SET sealed = 'text' WHERE", "SET content_tag = 5 WHERE", "SET sealed = x'00' WHERE"],
)
def test_a_damaged_event_is_one_persons(tmp_path: Path, damage: str) -> None:
    """A value of another type or size would have no place in the new tables."""
    path = unpack("version_4.db.gz", tmp_path)
    with sqlite3.connect(path) as connection:
        schema_of = "SELECT sql FROM sqlite_schema WHERE name = 'events'"
        (sql,) = connection.execute(schema_of).fetchone()
        lax = sql[: sql.rindex(")") + 1] + " WITHOUT ROWID"
        change = "UPDATE sqlite_schema SET sql = ? WHERE name = 'events'"
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change, [lax])
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE events {damage} seq = 10")  # alice's last
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change, [sql])
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        assert store.load("bob") == tuple(clicks(5))
        with pytest.raises(HistoryCorrupt):
            store.load("alice")
        assert store.quarantine().events == 1
        assert store.load("alice") == tuple(clicks(9))
        assert store.verify().ok


def select(path: Path, sql: str) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("name", [f"version_{n}_rekeyed.db.gz" for n in (2, 3, 4)])
def test_a_rekey_of_an_older_version_goes_on(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    with HistoryStore.open(path, KEY) as store:
        assert store.rekeying
        expect_all(store)
        store.rekey(NEW)
        expect_all(store)
    with HistoryStore.open(path, NEW) as store:
        expect_all(store)


@pytest.mark.parametrize("key", [KEY, NEW])
@pytest.mark.parametrize("name", [f"version_{n}_cut.db.gz" for n in (1, 2, 3, 4)])
def test_what_was_cut_off_is_finished(tmp_path: Path, key: bytes, name: str) -> None:
    path = unpack(name, tmp_path)
    with HistoryStore.open(path, key) as store:
        expect_all(store)
        assert store._vault.root.resealing == 0
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, NEW if key is KEY else KEY)
    with HistoryStore.open(path, key) as store:
        expect_all(store)


@pytest.mark.parametrize("name", [f"version_{n}.db.gz" for n in (1, 2, 3, 4)])
def test_a_wrong_key_changes_nothing(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    before = path.read_bytes()
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, OTHER)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [f"version_{n}{cut}.db.gz" for n in (1, 2, 3, 4) for cut in ("", "_cut")],
)
def test_cut_off_at_any_statement_it_begins_again(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before each that may write: what only reads leaves the file as the one before it."""

    class Cut(BaseException):
        pass

    whole, many = HistoryFile.execute, HistoryFile.execute_many
    left: set[tuple[bytes, ...]] = set()
    for number in itertools.count():
        path = unpack(name, tmp_path)
        path.with_name("me.db-wal").unlink(missing_ok=True)
        count = itertools.count()

        def execute(self: HistoryFile, *arguments: object) -> sqlite3.Cursor:
            reads = str(arguments[0]).lstrip().startswith("SELECT")
            if not reads and next(count) == number:  # noqa: B023 - called within this turn alone
                raise Cut
            return whole(self, *arguments)  # type: ignore[arg-type]

        def execute_many(self: HistoryFile, *arguments: object) -> None:
            if next(count) == number:  # noqa: B023
                raise Cut
            many(self, *arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(HistoryFile, "execute", execute)
            patch.setattr(HistoryFile, "execute_many", execute_many)
            try:
                store = HistoryStore.open(path, KEY)
            except Cut:
                pass
            else:
                store.close()
                break
        # Cut in the middle of a transaction, the files are those from before it, to the last bit.
        files = (path, path.with_name("me.db-wal"))
        found = tuple(file.read_bytes() if file.exists() else b"" for file in files)
        if found in left:
            continue
        left.add(found)
        with HistoryStore.open(path, KEY) as store:
            expect_all(store)
    assert number > (30 if "_1" in name else 10)


def test_a_damaged_log_stays_damaged_and_closes_nothing(tmp_path: Path) -> None:
    path = unpack("version_1.db.gz", tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit SET sealed = zeroblob(length(sealed)) WHERE seq = 2")
    connection.close()
    for _ in range(2):
        with HistoryStore.open(path, KEY) as store:
            assert store.load("alice") == tuple(clicks(10))
            with pytest.raises(HistoryCorrupt, match="audit"):
                store.audit_log()
            assert not store.verify().ok


def test_a_damaged_key_is_one_persons(tmp_path: Path) -> None:
    path = unpack("version_1.db.gz", tmp_path)
    with HistoryStore.open(path, KEY) as store:
        alice = store._vault.people.pseudonym("alice")
    path = unpack("version_1.db.gz", tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE wrapped_keys SET wrapped = zeroblob(length(wrapped)) WHERE owner = ?", [alice]
        )
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        assert store.load("bob") == tuple(clicks(5))
        with pytest.raises(HistoryCorrupt):
            store.load("alice")
