"""Damage in one person's data: the others are served, recorded, exported, erased, and expire."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.retention import DAY_S, Retention
from edge_rerank.history.vault.root import bucket_of
from edge_rerank.history.vault.store import HistoryStore

EVENTS = 4
START = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}", "a long text " * 80 * (n == 1)), timestamp=1000.0 + n)
        for n in range(start, start + count)
    ]


class Place:
    """A history of many people, of whom one shares a bucket with others."""

    def __init__(self, folder: Path) -> None:
        self.path, self.key, self.clock = folder / "me.db", KeyFile.create(folder / "key"), Clock()
        with self.open() as store:

            def bucket(user: str) -> int:
                return bucket_of(store._vault.people.pseudonym(user))

            def same(user: str) -> bool:
                return bucket(user) == bucket(self.victim)

            names = [f"user {n}" for n in range(2000)]
            self.victim = names.pop(0)
            self.pseudonym = store._vault.people.pseudonym(self.victim)
            self.neighbour = next(filter(same, names))
            elsewhere = [user for user in names if not same(user)]
            self.others, self.stranger = [self.neighbour, *elsewhere[:8]], elsewhere[9]
            for user in (self.victim, *self.others):
                store.set_consent(user, "personalisation", True)
                store.append(user, clicks(EVENTS))
                store.set_state(user, "head", b"learnt")

    def open(self) -> HistoryStore:
        retention = Retention(20, None)
        return HistoryStore.open(self.path, self.key, retention=retention, _clock=self.clock)

    def flip(self, table: str, column: str, bit: int) -> None:
        """Flip one bit of the victim's first row, from the end if negative."""
        mine = {
            "people": "pseudonym = ?",
            "wrapped_keys": "owner = ?",
            "events": "key >> 34 = (SELECT number FROM people WHERE pseudonym = ?)",
            "parts": "key >> 34 = (SELECT number FROM people WHERE pseudonym = ?)",
        }[table]
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(
                f"SELECT {column} FROM {table} WHERE {mine}", [self.pseudonym]
            ).fetchall()
            value = bytearray(rows[0][0])
            value[bit // 8] ^= 1 << bit % 8
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {mine} AND {column} = ?",
                [bytes(value), self.pseudonym, rows[0][0]],
            )
        connection.close()

    def run(self, statement: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(statement, [self.pseudonym])
        connection.close()


DAMAGE = {
    "a bit of the record's nonce": lambda place: place.flip("people", "head", 8 * 10),
    "a bit of the record": lambda place: place.flip("people", "head", 8 * 100),
    "a bit of the record's tag": lambda place: place.flip("people", "head", -1),
    "a bit of the data key": lambda place: place.flip("wrapped_keys", "wrapped", 8 * 50),
    "a bit of an event": lambda place: place.flip("events", "sealed", 8 * 100),
    "a bit of an event's nonce": lambda place: place.flip("events", "sealed", 8 * 20),
    "a bit of a part of an event": lambda place: place.flip("parts", "part", 8 * 20),
    "the record is zeros": lambda place: place.run(
        "UPDATE people SET head = zeroblob(length(head)) WHERE pseudonym = ?"
    ),
    "the record is of an unknown epoch": lambda place: place.run(
        "UPDATE people SET epoch = 77 WHERE pseudonym = ?"
    ),
    "the data key is gone": lambda place: place.run("DELETE FROM wrapped_keys WHERE owner = ?"),
    "an event is gone": lambda place: place.run(
        "DELETE FROM events WHERE key ="
        " (SELECT (number << 34) | (2 << 2) FROM people WHERE pseudonym = ?)"
    ),
}
BITS = [what for what in DAMAGE if what.startswith("a bit")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("what", DAMAGE)
def test_the_others_are_served_for_a_month_and_the_damage_is_told(place: Place, what: str) -> None:
    DAMAGE[what](place)
    for day in (0, 10, 30):
        place.clock.now = START + day * DAY_S
        with place.open() as store:
            with pytest.raises(HistoryCorrupt):
                store.load(place.victim)
            for user in place.others:
                assert store.has_consent(user, "personalisation")
                assert len(store.append(user, clicks(1, start=1000 + day)).stored) == 1
            wanted = {0: 5, 10: 6, 30: 2}[day]  # after 20 days they expire
            assert {len(store.load(user)) for user in place.others} == {wanted}
            assert {len(store.access(user).events) for user in place.others} == {wanted}
            store.expire()
            assert not store.verify().ok
            assert store.overdue() <= 1
    with place.open() as store:
        actions = [entry.action for entry in store.audit_log()]
        assert AuditAction.DAMAGE_FOUND in actions
        assert actions.count(AuditAction.EXPIRED) > 0
        store.append(place.stranger, clicks(2))
        receipt = store.erase(place.neighbour)
        assert (receipt.events, receipt.key_rotated) == (2, True)
        left = store.erase(place.victim)
        assert left.key_rotated
        assert left.events >= EVENTS - 1
        assert store.load(place.neighbour) == ()
        assert store.verify().ok
        store.append(place.victim, clicks(1))
    with place.open() as store:
        assert store.verify().ok
        assert store.count(place.victim) == 1


@pytest.mark.parametrize("what", DAMAGE)
def test_quarantine_takes_out_the_damage_alone(place: Place, what: str) -> None:
    DAMAGE[what](place)
    with place.open() as store:
        taken = store.quarantine()
        assert taken.people >= 1
        assert 1 <= taken.events <= EVENTS
        assert store.verify().ok
        assert {store.count(user) for user in place.others} == {EVENTS}
        assert store.count(place.victim) == EVENTS - taken.events
        assert store.audit_log()[-1].action is AuditAction.QUARANTINED
        again = store.quarantine()
        assert (again.people, again.events) == (0, 0)
    with place.open() as store:
        assert store.verify().ok
        assert len(store.load(place.victim)) == EVENTS - taken.events


@pytest.mark.parametrize("what", BITS)
def test_repair_finds_the_flipped_bit(place: Place, what: str) -> None:
    with place.open() as store:
        before = {user: store.load(user) for user in (place.victim, *place.others)}
    DAMAGE[what](place)
    with place.open() as store:
        mended = store.repair()
        assert (mended.people, mended.events) == (1, int("event" in what))
        assert store.verify().ok
        assert {user: store.load(user) for user in before} == before
        assert store.audit_log()[-1].action is AuditAction.REPAIRED
        assert store.repair().people == 0


def test_what_nobody_damaged_is_neither_repaired_nor_taken_out(place: Place) -> None:
    with place.open() as store:
        generation = store.verify().generation
        for do in (store.repair, store.quarantine):
            mended = do()
            assert (mended.people, mended.events) == (0, 0)
        assert {store.count(user) for user in place.others} == {EVENTS}
        assert store.verify().generation <= generation + 2


def test_somebody_missing_beside_damage_is_no_stranger(place: Place) -> None:
    """Damage keeps the root from vouching for a bucket: who is not in it may have been taken."""
    DAMAGE["the record is zeros"](place)
    with place.open() as store:
        neighbour = store._vault.people.pseudonym(place.neighbour)
    with sqlite3.connect(place.path) as connection:
        connection.execute(
            "DELETE FROM events WHERE key >> 34 = (SELECT number FROM people WHERE pseudonym = ?)",
            [neighbour],
        )
        connection.execute("DELETE FROM people WHERE pseudonym = ?", [neighbour])
    connection.close()
    with place.open() as store, pytest.raises(HistoryCorrupt, match="may be gone"):
        store.load(place.neighbour)
