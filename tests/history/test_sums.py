"""The sums of leaves: one person among many is compared with the root without all the others."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault import root
from edge_rerank.history.vault.people import People
from edge_rerank.history.vault.retention import DAY_S, Retention
from edge_rerank.history.vault.root import Leaves, bucket_of, leaf_of, leaf_range
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import Reader

NEIGHBOURS = 40
START = 1_800_000_000.0


def click(number: int) -> Event:
    return Event("click", Item(f"i{number}"), timestamp=1000.0 + number)


class Place:
    """A history whose sums of leaves are kept, with people that share a bucket, two a leaf."""

    def __init__(self, folder: Path) -> None:
        self.path, self.key, self.now = folder / "me.db", KeyFile.create(folder / "key"), START
        with self.open() as store:
            pseudonym = store._vault.people.pseudonym
            self.victim = "user 0"
            self.pseudonym = pseudonym(self.victim)
            self.bucket = bucket_of(self.pseudonym)
            self.neighbours: list[str] = []
            self.twin = self.other = ""
            for user in map("user {}".format, itertools.count(1)):
                if leaf_of(pseudonym(user)) == leaf_of(self.pseudonym):
                    self.twin = user
                elif bucket_of(pseudonym(user)) != self.bucket:
                    self.other = self.other or user
                elif len(self.neighbours) < NEIGHBOURS:
                    self.neighbours.append(user)
                if self.twin and len(self.neighbours) == NEIGHBOURS:
                    break
            self.everyone = (self.victim, self.twin, self.other, *self.neighbours)
            for user in self.everyone:
                store.append(user, [click(1)])

    def open(self) -> HistoryStore:
        return HistoryStore.open(
            self.path, self.key, retention=Retention(20, None), _clock=lambda: self.now
        )

    def run(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement, values)
        connection.close()

    def get(self, statement: str, *values: object) -> bytes:
        with sqlite3.connect(self.path) as connection:
            found = bytes(connection.execute(statement, values).fetchone()[0])
        connection.close()
        return found

    def head(self) -> bytes:
        return self.get("SELECT head FROM people WHERE pseudonym = ?", self.pseudonym)

    def put_head(self, head: bytes) -> None:
        self.run("UPDATE people SET head = ? WHERE pseudonym = ?", head, self.pseudonym)

    def sums(self, bucket: int | None = None) -> bytes:
        return self.get(
            "SELECT sealed FROM sums WHERE bucket = ?", self.bucket if bucket is None else bucket
        )

    def put_sums(self, sealed: bytes) -> None:
        self.run("UPDATE sums SET sealed = ? WHERE bucket = ?", sealed, self.bucket)

    def kept(self) -> int:
        """How many buckets' sums are in the file; all of them are right."""
        reader = Reader(self.path, self.key.load())
        assert reader.root_holds()
        count = reader.fine_sums()
        reader.db.close()
        return count


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(root, "FINE_FROM", 0)
    return Place(tmp_path)


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pseudonyms of the heads that are added up from now on."""
    seen: list[bytes] = []
    whole: Callable[..., int] = People._hash

    def hash_(self: People, pseudonym: bytes, head: bytes, epoch: int) -> int:
        seen.append(pseudonym)
        return whole(self, pseudonym, head, epoch)

    monkeypatch.setattr(People, "_hash", hash_)
    return seen


def test_finding_and_writing_somebody_adds_up_a_leaf_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = hashed(monkeypatch)
    with place.open() as store:
        assert store.count(place.victim) == 1
        assert len(seen) == 2
        store.append(place.victim, [click(2)])
        assert len(seen) == 4  # the head before and the one behind
        store.append(place.neighbours[0], [click(2)])
        assert {leaf_of(one) for one in seen[4:]} == {
            leaf_of(store._vault.people.pseudonym(place.neighbours[0]))
        }
    with place.open() as store:
        assert store.verify().ok
    assert place.kept() == 2


def test_leaves_divide_their_buckets() -> None:
    for leaf in range(4096):
        first, last = leaf_range(leaf)
        assert leaf_of(first) == leaf_of(last) == leaf
        assert bucket_of(first) == bucket_of(last) == leaf // 64
        before = int.from_bytes(leaf_range(leaf - 1)[1], "big") if leaf else -1
        assert int.from_bytes(first, "big") == before + 1
    assert Leaves((1, 2, 0), 2).shifted(1, -5, 1).total == (1 - 3) % (1 << 128)


@pytest.mark.parametrize("with_sums", [False, True])
@pytest.mark.parametrize("what", ["put back", "removed", "exchanged"])
def test_what_was_put_back_beside_its_sums_shows(place: Place, what: str, with_sums: bool) -> None:
    """An older head, and with it the sums of then; the other leaves of the bucket are served."""
    head, sums = place.head(), place.sums()
    with place.open() as store:
        store.append(place.victim, [click(2)])
        twin = store._vault.people.pseudonym(place.twin)
    if what == "put back":
        place.put_head(head)
    elif what == "removed":
        place.run(
            "DELETE FROM events WHERE key >> 34 = (SELECT number FROM people WHERE pseudonym = ?)",
            place.pseudonym,
        )
        place.run("DELETE FROM people WHERE pseudonym = ?", place.pseudonym)
    else:
        place.put_head(place.get("SELECT head FROM people WHERE pseudonym = ?", twin))
    if with_sums:
        place.put_sums(sums)
    for user in (place.victim, place.twin):
        with place.open() as store:
            if what == "exchanged" and user == place.twin:  # its own record is not in doubt
                assert store.count(user) == 1
                continue
            with pytest.raises(HistoryCorrupt):
                store.count(user)
            with pytest.raises(HistoryCorrupt):
                store.append(user, [click(9)])
    with place.open() as store:
        assert store.count(place.other) == 1
        assert not store.verify().ok
    if not with_sums:
        with place.open() as store:
            assert store.append(place.neighbours[0], [click(2)]).stored
            with pytest.raises(HistoryCorrupt):
                store.count(place.victim)


BROKEN: dict[str, Callable[[Place], None]] = {
    "put back": lambda place: place.put_sums(place.older),  # type: ignore[attr-defined]
    "of another bucket": lambda place: place.put_sums(place.sums(place.elsewhere)),  # type: ignore[attr-defined]
    "one bit": lambda place: place.put_sums(place.sums()[:-1] + bytes([place.sums()[-1] ^ 1])),
    "zeros": lambda place: place.put_sums(bytes(len(place.sums()))),
}


@pytest.mark.parametrize("mend", ["repair", "quarantine"])
@pytest.mark.parametrize("what", BROKEN)
def test_sums_that_say_nothing_hold_nobody_up(place: Place, what: str, mend: str) -> None:
    place.older = place.sums()  # type: ignore[attr-defined]
    with place.open() as store:
        place.elsewhere = bucket_of(store._vault.people.pseudonym(place.other))  # type: ignore[attr-defined]
        store.append(place.neighbours[0], [click(2)])
    BROKEN[what](place)
    with place.open() as store:
        assert {store.count(user) for user in place.everyone} == {1, 2}
        assert store.verify().findings == (
            "sums over people were changed: repair() makes them anew",
        )
        getattr(store, mend)()
        assert store.verify().ok
        assert {store.count(user) for user in place.everyone} == {1, 2}
        assert store.append(place.victim, [click(3)]).stored
    assert place.kept() == 2


def test_sums_that_are_gone_come_back_with_the_next_write(place: Place) -> None:
    place.run("DELETE FROM sums")
    with place.open() as store:
        assert store.verify().ok
        assert store.count(place.victim) == 1
        store.write_note("budget", b"1")
    assert place.kept() == 2


def test_sums_are_kept_of_many_people_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "FINE_FROM", NEIGHBOURS + 2)
    with place.open() as store:
        store.append(place.other, [click(2)])
        store.append(place.victim, [click(2)])
    assert place.kept() == 0
    monkeypatch.setattr(root, "FINE_FROM", NEIGHBOURS + 1)
    with place.open() as store:
        store.append(place.victim, [click(3)])
    assert place.kept() == 1
    with place.open() as store:
        store.erase(place.victim)
    assert place.kept() == 0


def test_sums_follow_whatever_is_done(place: Place) -> None:
    def fail(_: object) -> dict[str, bytes]:
        raise RuntimeError

    with place.open() as store:
        with pytest.raises(RuntimeError):
            store.append(place.victim, [click(2)], states=fail)
        store.append(place.victim, [click(3)])
        assert store.verify().ok
    assert place.kept() == 2
    with place.open() as store:
        store.rotate_person_key(place.victim)
        store.erase(place.twin)
        store.append("somebody new", [click(1)])
    assert place.kept() in (2, 3)
    with place.open() as store:
        assert store.rekey().people == len(place.everyone)
        assert store.verify().ok
    assert place.kept() > 10  # everybody has another pseudonym
    place.now += 30 * DAY_S
    with place.open() as store:
        store.expire()
        assert not any(map(store.count, place.everyone))
        assert store.verify().ok
    assert place.kept() > 10


def test_damage_in_one_leaf_is_told_from_a_removal_in_another(place: Place) -> None:
    """Where only whole buckets are compared, whoever is missing beside damage may be gone."""
    place.put_head(bytes(len(place.head())))
    with place.open() as store:
        with pytest.raises(HistoryCorrupt):
            store.count(place.victim)
        leaves = {leaf_of(store._vault.people.pseudonym(u)): u for u in place.neighbours}
        stranger = next(
            user
            for user in map("stranger {}".format, range(100_000))
            if leaf_of(store._vault.people.pseudonym(user)) in leaves
        )
        assert store.count(stranger) == 0
        assert store.append(stranger, [click(1)]).stored
        assert store.erase(place.victim).key_rotated
        assert store.verify().ok
    with place.open() as store:
        store.write_note("budget", b"1")
        assert store.verify().ok
