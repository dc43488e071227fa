"""What a thief of file and key can do with the new file: before a rekey a lot, after it nothing.

The thief here works with the second reader's cryptography alone, and tries every key that the
old copy yields on every sealed value of the new file.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt, HistoryError, HistoryKeyError, HistoryUnavailable
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import HeldKey, KeyFile, KeySource
from edge_rerank.history.vault import rekey, root
from edge_rerank.history.vault.anchor import AnchorCallback
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.rekey import begin_epoch
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import (
    MODULUS,
    Reader,
    derive,
    imprint,
    keyed_hash,
    number_of,
    open_sealed,
    seal,
)

NEW = bytes(range(1, 33))
PEOPLE = ("alice", "bob", "carol", "dave")
TABLES = ("rings", "wrapped_keys", "people", "events", "states", "notes", "audit", "sums")


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}", f"text {n}"), timestamp=1000.0 + n, id=f"e{n}")
        for n in range(start, start + count)
    ]


def fill(store: HistoryStore) -> None:
    for user in PEOPLE:
        store.set_consent(user, "personalisation", True)
        store.append(user, clicks(6))
        store.set_state(user, "head", user.encode())
    store.write_note("budget", b"7")


def use_on(store: HistoryStore) -> None:
    """What happens after the theft."""
    store.erase("bob")
    for user in ("alice", "carol", "erin"):
        store.set_consent(user, "aggregates", True)
        store.append(user, [Event("search", query=f"secret of {user}", timestamp=5000)])
        store.set_state(user, "head", f"learnt of {user}".encode())
    store.write_note("budget", b"8")


@dataclass
class Thief:
    """What an old copy and its key yield, and what can be done with it."""

    store: bytes
    keys: set[bytes]
    buckets: list[bytes]
    names: bytes
    pseudonyms: set[bytes] = field(default_factory=set)
    tag_keys: dict[str, bytes] = field(default_factory=dict)
    data_keys: dict[str, dict[int, bytes]] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, copy: Path, key: bytes) -> Thief:
        reader = Reader(copy, key)
        own = cls(reader.store, {key}, [], reader.newest.names)
        for ring in reader.rings.values():
            own.secrets.append(ring.secret)
            own.keys |= {ring.secret, ring.names, *ring.buckets}
            own.keys |= {
                ring.key(purpose)
                for purpose in (b"root", b"audit", b"notes", b"sums", b"ring", b"heads", b"anchor")
            }
            own.buckets += ring.buckets
            for user in PEOPLE:
                own.pseudonyms.add(ring.pseudonym(user))
                own.data_keys[user] = reader.unwrap(ring.pseudonym(user))
                own.keys |= set(own.data_keys[user].values())
                own.tag_keys[user] = bytes.fromhex(reader.person(user)[0]["tag_key"])
                own.keys.add(own.tag_keys[user])
        reader.db.close()
        return own

    def opened(self, path: Path) -> list[str]:
        """Names of the tables whose sealed values open under any key of the thief's."""
        found = []
        for table, sealed, subject, seq in sealed_values(path):
            for key in self.keys:
                try:
                    open_sealed(key, sealed, self.store, table.encode(), subject, seq)
                except InvalidTag:
                    continue
                found.append(table)
        return found

    def recognised(self, path: Path) -> int:
        """How many of the people, and of their events, can be told to be in the file."""
        with sqlite3.connect(path) as db:
            owners = {
                owner
                for query in (
                    "SELECT pseudonym FROM people",
                    "SELECT owner FROM wrapped_keys",
                    "SELECT person FROM states",
                )
                for (owner,) in db.execute(query)
            }
            tags = {tag for (tag,) in db.execute("SELECT content_tag FROM events")}
            tags |= {tag for (tag,) in db.execute("SELECT id_tag FROM events")}
        db.close()
        guesses = {
            keyed_hash(key, message).to_bytes(16, "big")
            for key in self.tag_keys.values()
            for event in clicks(6)
            for message in (
                b"id:" + str(event.id).encode(),
                b"content:"
                + json.dumps(
                    ["click", int(event.timestamp or 0), event.item and event.item.id]
                ).encode(),
            )
        }
        return len(owners & self.pseudonyms) + len(tags & guesses)

    def plant(self, path: Path) -> bool:
        """Add a search of alice's and reset the privacy budget, every sum made to fit.

        Returns:
            Whether the file was changed; it is not where nothing opens.
        """
        with sqlite3.connect(path) as db:
            changed = self._plant(db)
        db.close()
        return changed

    def _plant(self, db: sqlite3.Connection) -> bool:
        (sealed,) = db.execute("SELECT value FROM meta WHERE name = 'root'").fetchone()
        secret, data_key = self.secrets[0], self.data_keys["alice"][1]
        try:
            root = json.loads(
                open_sealed(derive(secret, b"root"), sealed, self.store, b"meta", b"root")
            )
        except InvalidTag:
            return False
        alice = derive(self.names, b"user", b"alice")[:16]
        (head,) = db.execute("SELECT head FROM people WHERE pseudonym = ?", [alice]).fetchone()
        fields = json.loads(open_sealed(data_key, head, self.store, b"people", alice))
        seq = fields["last_seq"] + 1
        content = json.dumps([1, 9, "search", 9, None, None, None, "planted", *[None] * 4]).encode()
        row = seal(data_key, 1, content, self.store, b"events", alice, seq)
        tag = bytes(range(16))
        place = seq.to_bytes(8, "big") + tag + bytes(16)
        added = keyed_hash(derive(self.tag_keys["alice"], b"rows"), place + imprint(row))
        fields["sum"] = f"{(int(fields['sum'], 16) + added) % MODULUS:x}"
        fields |= {"last_seq": seq, "count": fields["count"] + 1}
        new_head = seal(data_key, 1, json.dumps(fields).encode(), self.store, b"people", alice, 0)
        note = seal(derive(secret, b"notes"), 1, b"0", self.store, b"notes", b"budget", 0)
        sums = base64.b64decode(root["sums"])
        at, heads = alice[0] // 4 * 16, derive(secret, b"heads")
        moved = int.from_bytes(sums[at : at + 16], "big")
        moved -= keyed_hash(heads, alice + imprint(head))
        moved += keyed_hash(heads, alice + imprint(new_head))
        sums = sums[:at] + (moved % MODULUS).to_bytes(16, "big") + sums[at + 16 :]
        root["sums"] = base64.b64encode(sums).decode()
        root["notes"] = f"{keyed_hash(derive(secret, b'notes sum'), b'budget' + imprint(note)):x}"
        new_root = json.dumps(root).encode()
        sealed = seal(derive(secret, b"root"), 1, new_root, self.store, b"meta", b"root", 0)
        (number,) = db.execute("SELECT number FROM people WHERE pseudonym = ?", [alice]).fetchone()
        db.execute("INSERT INTO events VALUES (?, ?, NULL, ?)", [number << 34 | seq << 2, tag, row])
        db.execute("INSERT INTO hints VALUES (?, ?, ?)", [number, tag[:4], seq])
        db.execute("UPDATE people SET head = ? WHERE pseudonym = ?", [new_head, alice])
        db.execute("UPDATE notes SET sealed = ? WHERE name = 'budget'", [note])
        db.execute("UPDATE meta SET value = ? WHERE name = 'root'", [sealed])
        db.execute("DELETE FROM sums")  # whole buckets are added up then
        return True


def sealed_values(path: Path) -> list[tuple[str, bytes, bytes, int]]:
    """Every sealed value of a file: table, value, subject, sequence number."""
    with sqlite3.connect(path) as db:
        found: list[tuple[str, bytes, bytes, int]] = [
            ("meta", value, b"root", 0)
            for (value,) in db.execute("SELECT value FROM meta WHERE name = 'root'")
        ]
        for query, table in (
            ("SELECT wrapped, x'', id FROM rings", "rings"),
            ("SELECT wrapped, owner, id FROM wrapped_keys", "wrapped_keys"),
            ("SELECT head, pseudonym, 0 FROM people", "people"),
            (
                "SELECT sealed, pseudonym, key >> 2 & 4294967295 FROM events JOIN people"
                " ON key >> 34 = number",
                "events",
            ),
            ("SELECT sealed, person, seq FROM states", "states"),
            ("SELECT sealed, CAST(name AS BLOB), 0 FROM notes", "notes"),
            ("SELECT sealed, x'', seq FROM audit", "audit"),
            ("SELECT sealed, x'', bucket FROM sums", "sums"),
        ):
            found += [(table, *row) for row in db.execute(query)]
    db.close()
    assert {one[0] for one in found} == {"meta", *TABLES}
    return found


def copy_of(path: Path, target: Path) -> Path:
    """The file as whoever syncs the folder sees it, with its write-ahead log."""
    target.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, target / file.name)
    return target / path.name


@pytest.fixture(autouse=True)
def sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of leaves are kept of few people, too."""
    monkeypatch.setattr(root, "FINE_FROM", 0)


@pytest.fixture(params=["key file", "held by the host"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> KeySource:
    if request.param == "key file":
        return KeyFile.create(tmp_path / "key")
    return HeldKey(bytes(range(32)))


@pytest.fixture
def theft(tmp_path: Path, source: KeySource) -> tuple[Path, Thief]:
    """A history in use, and who has a copy of it, the key, and sees each later state."""
    path = tmp_path / "store" / "me.db"
    path.parent.mkdir()
    with HistoryStore.open(path, source) as store:
        fill(store)
    return path, Thief.of(copy_of(path, tmp_path / "stolen"), source.load())


def key_after(source: KeySource) -> bytes:
    return source.load() if source.replaceable else NEW


def test_another_outer_key_alone_does_not_heal(
    theft: tuple[Path, Thief], source: KeySource
) -> None:
    """What SECURITY.md says of rotate_key(), and the proof that the attacks below work."""
    path, thief = theft
    with HistoryStore.open(path, source) as store:
        store.rotate_key(None if source.replaceable else NEW)
    with HistoryStore.open(path, key_after(source)) as store:
        use_on(store)
    assert {"meta", "people", "events", "notes", "audit"} <= set(thief.opened(path))
    assert thief.recognised(path) > 0
    assert thief.plant(path)
    with HistoryStore.open(path, key_after(source)) as store:
        assert "planted" in {event.query for event in store.load("alice")}
        assert store.read_note("budget") == b"0"
        assert store.verify().ok


def test_after_a_rekey_nothing_opens_and_nobody_is_recognised(
    theft: tuple[Path, Thief], source: KeySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, thief = theft
    stolen = source.load()
    monkeypatch.setattr(rekey, "STEP", 3)
    numbers = itertools.count()
    seen: list[Path] = []

    def watch(done: int, total: int) -> None:
        assert 0 <= done <= total
        seen.append(copy_of(path, tmp_path / f"seen {next(numbers)}"))

    with HistoryStore.open(path, source) as store:
        before = {user: store.load(user) for user in PEOPLE}
        receipt = store.rekey(None if source.replaceable else NEW, progress=watch)
        assert (receipt.people, receipt.events) == (4, 24)
        assert receipt.begun_at <= receipt.at
        assert not receipt.resumed
        assert {user: store.load(user) for user in PEOPLE} == before
        assert store.read_note("budget") == b"7"
        assert not store.append("alice", clicks(6)).stored  # the marks of duplicates hold
        use_on(store)
        assert store.verify().ok
        assert not (store.rekeying or (source.replaceable and store.rotation_due))
        actions = [entry.action for entry in store.audit_log()]
        assert AuditAction.REKEYED in actions
    assert thief.opened(path) == []
    assert thief.recognised(path) == 0
    assert not thief.plant(path)
    # Nor do the states in between help, with the key that was stolen or with the last one.
    assert len(seen) > 4
    for copy in seen:
        for key in (stolen, source.load()) if source.replaceable else (stolen,):
            with pytest.raises(HistoryKeyError):
                HistoryStore.open(copy, key)
    with HistoryStore.open(path, key_after(source)) as store:
        assert store.load("alice")[:6] == before["alice"]
        assert store.load("bob") == ()


Forgery = Callable[[sqlite3.Connection, sqlite3.Connection, Thief], None]


def _root(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    value = old.execute("SELECT value FROM meta WHERE name = 'root'").fetchone()
    new.execute("UPDATE meta SET value = ? WHERE name = 'root'", value)


def _own_root(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    (value,) = old.execute("SELECT value FROM meta WHERE name = 'root'").fetchone()
    key = derive(thief.secrets[0], b"root")
    root = json.loads(open_sealed(key, value, thief.store, b"meta", b"root"))
    root["generation"] += 1000
    for number in (1, 2):
        sealed = seal(key, number, json.dumps(root).encode(), thief.store, b"meta", b"root", 0)
        new.execute("UPDATE meta SET value = ? WHERE name = 'root'", [sealed])


def _ring(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    (number, wrapped) = old.execute("SELECT id, wrapped FROM rings").fetchone()
    new.execute("INSERT INTO rings VALUES (?, 0, ?)", [number, wrapped])


def _own_ring(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    content = thief.secrets[0] + thief.names + b"".join(thief.buckets)
    sealed = seal(derive(thief.secrets[0], b"ring"), 2, content, thief.store, b"rings", b"", 1)
    new.execute("INSERT INTO rings VALUES (1, 0, ?)", [sealed])


def _event(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    """For every person of the new file, under the keys that alice had."""
    content = json.dumps([1, 9, "search", 9, None, None, None, "planted", *[None] * 4]).encode()
    found = new.execute("SELECT pseudonym, (number << 34) | (99 << 2) FROM people").fetchall()
    for person, key in found:
        for number in (1, 2):
            sealed = seal(
                thief.data_keys["alice"][1], number, content, thief.store, b"events", person, 99
            )
            new.execute(
                "INSERT OR REPLACE INTO events VALUES (?, randomblob(16), NULL, ?)",
                [key, sealed],
            )


def _person(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    for epoch in (1, 2):
        new.execute("DELETE FROM people WHERE pseudonym IN (SELECT pseudonym FROM people)")
        for table in ("people", "wrapped_keys"):
            for row in old.execute(f"SELECT * FROM {table}").fetchall():
                marks = ", ".join("?" * len(row))
                values = [*row[:-1], epoch] if table == "people" else row
                new.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)


def _note(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    for number in (1, 2):
        key = derive(thief.secrets[0], b"notes")
        sealed = seal(key, number, b"0", thief.store, b"notes", b"budget", 0)
        new.execute("UPDATE notes SET sealed = ?", [sealed])


def _entry(new: sqlite3.Connection, old: sqlite3.Connection, thief: Thief) -> None:
    last, sealed = new.execute("SELECT seq, sealed FROM audit ORDER BY seq DESC").fetchone()
    entry = dict.fromkeys(("subject", "purpose", "count"))
    entry |= {"seq": last, "at": 1, "action": "created"}
    entry |= {"previous": hashlib.sha256(sealed).hexdigest()}
    for number in (1, 2):
        key = derive(thief.secrets[0], b"audit")
        forged = seal(key, number, json.dumps(entry).encode(), thief.store, b"audit", b"", last)
        new.execute("UPDATE audit SET sealed = ? WHERE seq = ?", [forged, last])


FORGERIES: dict[str, Forgery] = {
    "the old root": _root,
    "a root of one's own": _own_root,
    "the old ring": _ring,
    "a ring of one's own": _own_ring,
    "an event": _event,
    "the old people": _person,
    "the privacy budget": _note,
    "an audit entry": _entry,
}


@pytest.mark.parametrize("what", FORGERIES)
def test_after_a_rekey_nothing_can_be_forged(
    theft: tuple[Path, Thief], source: KeySource, tmp_path: Path, what: str
) -> None:
    path, thief = theft
    with HistoryStore.open(path, source) as store:
        store.rekey(None if source.replaceable else NEW)
        use_on(store)
        events = {user: store.load(user) for user in PEOPLE}
    old = sqlite3.connect(tmp_path / "stolen" / "me.db")
    with sqlite3.connect(path) as new:
        FORGERIES[what](new, old, thief)
        assert new.total_changes > 0
    new.close()
    old.close()
    try:
        with HistoryStore.open(path, key_after(source)) as store:
            assert not store.verify().ok
            for user in PEOPLE:
                try:
                    assert store.load(user) == events[user]
                except HistoryCorrupt:
                    continue
    except HistoryCorrupt:
        pass


class Cut(BaseException):
    """Stands for the end of the process."""


def cut_at(monkeypatch: pytest.MonkeyPatch, number: int, *, before: bool) -> None:
    """End the process at a transaction, before or after it is on disk."""
    count = itertools.count()
    whole = HistoryFile.transaction

    def transaction(self: HistoryFile) -> Any:
        place = next(count)
        if place != number:
            return whole(self)
        if before:
            raise Cut
        return Ended(whole(self))

    class Ended:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __enter__(self) -> None:
            self.inner.__enter__()

        def __exit__(self, *error: Any) -> None:
            self.inner.__exit__(*error)
            raise Cut

    monkeypatch.setattr(HistoryFile, "transaction", transaction)


@pytest.mark.parametrize("before", [True, False])
def test_cut_off_anywhere_it_goes_on(
    theft: tuple[Path, Thief],
    source: KeySource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
) -> None:
    path, thief = theft
    monkeypatch.setattr(rekey, "STEP", 5)
    first = source.load()
    whole, finished = copy_of(path, tmp_path / "whole"), False
    anchor = tmp_path / "anchor"
    number = resumed = 0
    while not finished:
        shutil.copy(whole, path)
        anchor.unlink(missing_ok=True)
        if source.replaceable:
            source.replace(first)
        store = HistoryStore.open(path, source, anchor=anchor)
        events = {user: store.load(user) for user in PEOPLE}
        with monkeypatch.context() as patch:
            cut_at(patch, number, before=before)
            try:
                store.rekey(None if source.replaceable else NEW)
                finished = True
            except Cut:
                pass
        store._vault.file.abandon()
        for key in (source,) if source.replaceable else (first, NEW):
            try:
                opened = HistoryStore.open(path, key, anchor=anchor)
            except HistoryKeyError:
                continue
            with opened as again:
                assert {user: again.load(user) for user in PEOPLE} == events
                assert again.verify().ok
                again.append("alice", clicks(1, start=100))
                receipt = again.rekey(None if source.replaceable else bytes(range(2, 34)))
                resumed += receipt.resumed
                assert again.load("alice")[:6] == events["alice"]
                assert again.verify().ok
                assert not again.rekeying
        assert (thief.opened(path), thief.recognised(path)) == ([], 0)
        path.with_name("me.db-wal").unlink(missing_ok=True)
        number += 1
    assert number > 6
    assert resumed >= number / 3


def test_an_anchor_that_cannot_be_written_is_never_taken_for_a_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it fails: what it saved last must still be known when the file is opened again."""
    monkeypatch.setattr(rekey, "STEP", 5)
    source = KeyFile.create(tmp_path / "key")
    with HistoryStore.open(tmp_path / "whole.db", source) as store:
        fill(store)
    whole, first = (tmp_path / "whole.db").read_bytes(), source.load()
    for failing in itertools.count():
        path, kept = tmp_path / f"{failing}.db", list[bytes]()
        path.write_bytes(whole)
        source.replace(first)

        def save(state: bytes, kept: list[bytes] = kept, failing: int = failing) -> None:
            if len(kept) > failing:
                raise OSError
            kept.append(state)

        def last(kept: list[bytes] = kept) -> bytes | None:
            return kept[-1] if kept else None

        with (
            HistoryStore.open(path, source, anchor=AnchorCallback(last, save)) as store,
            suppress(HistoryUnavailable),
        ):
            store.rekey()
        whole_way = len(kept) <= failing
        with HistoryStore.open(path, source, anchor=AnchorCallback(last, kept.append)) as store:
            store.rekey()
            assert store.verify().ok
        if whole_way:
            break
    assert failing > 6


def test_without_its_anchor_a_history_is_not_rekeyed(tmp_path: Path) -> None:
    path, source, anchor = tmp_path / "me.db", KeyFile.create(tmp_path / "key"), tmp_path / "anchor"
    with HistoryStore.open(path, source, anchor=anchor, new=True) as store:
        fill(store)
    with HistoryStore.open(path, source) as store:
        with pytest.raises(HistoryUnavailable, match="has an anchor"):
            store.rekey()
        assert not store.rekeying
    with HistoryStore.open(path, source, anchor=anchor) as store:
        begin_epoch(store._vault)
    with HistoryStore.open(path, source) as store:  # carried on, but not to its end
        for _ in range(20):
            store.tend()
        assert store.rekeying
    with HistoryStore.open(path, source, anchor=anchor) as store:
        store.tend()
        store.rekey()
    with HistoryStore.open(path, source, anchor=anchor) as store:
        assert store.verify().ok


def test_use_goes_on_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekey, "STEP", 10)
    source = KeyFile.create(tmp_path / "key")
    users = [f"user {n}" for n in range(60)]
    with HistoryStore.open(tmp_path / "me.db", source) as store:
        for user in users:
            store.append(user, clicks(3))
        done, added = threading.Event(), dict.fromkeys(users, 0)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for user in itertools.cycle(users[:50]):
                    if done.is_set():
                        return
                    store.append(user, clicks(1, start=1000 + added[user]))
                    added[user] += 1
                    assert len(store.load(user)) == 3 + added[user]
                    assert sum(1 for _ in store.everyone()) >= len(users) - 3
            except BaseException as error:
                failures.append(error)

        def steps(at: int, total: int) -> None:
            if at < total // 2 and len(gone) < 3:
                gone.append(users[-1 - len(gone)])
                store.erase(gone[-1])

        gone: list[str] = []
        worker = threading.Thread(target=work)
        worker.start()
        store.rekey(progress=steps)
        done.set()
        worker.join()
        assert not failures
        assert len(gone) == 3
        assert sum(added.values()) > 0
        for user in users:
            assert store.count(user) == (0 if user in gone else 3 + added[user])
        assert store.verify().ok
        epochs = store._vault.file.execute("SELECT DISTINCT epoch FROM people").fetchall()
        assert epochs == [(2,)]


def test_little_by_little_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekey, "STEP", 20)
    path, source = tmp_path / "me.db", KeyFile.create(tmp_path / "key")
    store = HistoryStore.open(path, source)
    for n in range(120):
        store.append(f"user {n}", clicks(1))
    with monkeypatch.context() as patch:
        cut_at(patch, 6, before=False)
        with pytest.raises(Cut):
            store.rekey()
    store._vault.file.abandon()
    before = source.load()
    with HistoryStore.open(path, source) as again:
        assert again.rekeying
        calls = 0
        while again.rekeying:
            again.tend()
            calls += 1
        assert 3 <= calls <= 20
        assert again.verify().ok
        assert again.audit_log()[-2].action is AuditAction.REKEYED
        assert not again.rotation_due
    assert source.load() != before


def test_somebody_damaged_is_left_behind_and_it_ends_once_that_is_erased(tmp_path: Path) -> None:
    path, source = tmp_path / "me.db", KeyFile.create(tmp_path / "key")
    with HistoryStore.open(path, source) as store:
        fill(store)
        alice = store._vault.people.pseudonym("alice")
    with sqlite3.connect(path) as connection:
        connection.execute(
            "DELETE FROM events WHERE key ="
            " (SELECT (number << 34) | (3 << 2) FROM people WHERE pseudonym = ?)",
            [alice],
        )
    connection.close()
    with HistoryStore.open(path, source) as store:
        with pytest.raises(HistoryCorrupt, match="1 damaged records were left behind"):
            store.rekey()
        assert store.rekeying
        assert [len(store.load(user)) for user in PEOPLE[1:]] == [6, 6, 6]
        store.tend()
        store.erase("alice")
        receipt = store.rekey()
        assert (receipt.people, receipt.resumed) == (0, True)
        assert store.verify().ok


def test_what_the_caller_is_told(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "me.db", bytes(range(32))) as store:
        fill(store)
        for key in (None, b"short"):
            with pytest.raises(HistoryKeyError):
                store.rekey(key)
        assert not store.rekeying
    with History.open(tmp_path / "me.db", bytes(range(32))) as history:
        receipt = history.rekey(NEW)
        assert json.loads(receipt.to_json())["people"] == 4
        assert not history.rekeying
    with pytest.raises(HistoryError):
        HistoryStore.open(tmp_path / "me.db", bytes(range(32)))


def test_the_marks_of_events_that_had_to_be_cut_do_not_stop_it(tmp_path: Path) -> None:
    """Two searches that differ where they were cut off have one content when they are read."""
    long = "\x01" * 490
    with HistoryStore.open(tmp_path / "me.db", bytes(range(32))) as store:
        store.append(
            "alice",
            [
                Event("search", Item("i" * 400), query=long + end, timestamp=5, id="\x01" * 100)
                for end in "ab"
            ],
        )
        before = store.load("alice")
        store.rekey(NEW)
        assert store.load("alice") == before
        assert store.verify().ok


def test_numbers_of_epochs_are_read_from_headers() -> None:
    assert number_of(b"\1\1\0\0\1\2" + bytes(40)) == 258
