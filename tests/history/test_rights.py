from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import (
    ConsentRequired,
    HistoryCorrupt,
    HistoryKeyError,
    HistoryRolledBack,
    HistoryUnavailable,
    InvalidRequest,
    RecordingPaused,
)
from edge_rerank.history.history import PERSONALISATION, History
from edge_rerank.history.keys.sources import HeldKey, KeyCallback, KeyFile
from edge_rerank.history.personal_data import SCHEMA, PersonalData, read_export
from edge_rerank.history.vault import expiry
from edge_rerank.history.vault.anchor import AnchorCallback
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.retention import DAY_S, Retention
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import Reader, open_sealed

KEY = bytes(range(32))
NEW = bytes(range(1, 33))
YEAR_S = 365 * DAY_S
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}", f"text {n}"), timestamp=1000.0 + n)
        for n in range(start, start + count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        for user, count in (("alice", 10), ("bob", 5)):
            store.set_consent(user, PERSONALISATION, True)
            store.append(user, clicks(count))
    return path


def conforms(value: Any, schema: Any) -> bool:
    """As much of JSON Schema as the export uses."""
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema.get("type", [])
    names = {str: "string", bool: "boolean", dict: "object", list: "array", type(None): "null"}
    kind = names.get(type(value), "number")
    if kind == "number" and isinstance(value, int) and "number" not in kinds:
        kind = "integer"
    if kind not in ([kinds] if isinstance(kinds, str) else kinds):
        return False
    if isinstance(value, list):
        return all(conforms(one, schema["items"]) for one in value)
    if isinstance(value, dict) and "properties" in schema:
        return set(value) == set(schema["required"]) and all(
            conforms(one, schema["properties"][name]) for name, one in value.items()
        )
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        return all(conforms(one, schema["additionalProperties"]) for one in value.values())
    return True


class TestAccess:
    def test_everything_as_json_that_fits_its_schema(self, path: Path) -> None:
        full = Event(
            "view",
            Item("v", "a text", ["A"], 2.0, vector=[0.5, -1.0]),
            timestamp=5,
            dwell_s=3,
            scroll=0.5,
            query="q",
            value=1.0,
            ranking="r",
            position=2,
            id="e",
        )
        with HistoryStore.open(path, KEY) as store:
            store.append("alice", [full, Event("search", query="tea", timestamp=6)])
            data = PersonalData.of(store.access("alice"))
        document = json.loads(data.to_json())
        assert document["schema"] == SCHEMA
        assert conforms(document, SCHEMA)
        assert not conforms({**document, "more": 1}, SCHEMA)
        assert len(document["events"]) == 12
        assert document["consents"][PERSONALISATION]["granted"] is True
        assert [entry["action"] for entry in document["audit"]] == ["consent-granted", "accessed"]
        assert "alice" not in data.to_json()
        again, attributes = read_export(data.to_json())
        assert again == tuple(stored.event for stored in data.events)
        assert attributes == {}
        assert again[10].item is not None
        assert again[10].item.vector is not None
        assert again[10].item.vector.tolist() == [0.5, -1.0]
        assert "12" in repr(data)
        assert "tea" not in repr(data)

    def test_of_a_stranger_is_empty_and_makes_nothing(self, path: Path) -> None:
        with HistoryStore.open(path, KEY) as store:
            before = store.audit_log()
            assert store.access("nobody").events == ()
            assert conforms(json.loads(PersonalData.of(store.access("nobody")).to_json()), SCHEMA)
            assert store.audit_log() == before

    def test_is_imported_again(self, path: Path, tmp_path: Path) -> None:
        with HistoryStore.open(path, KEY) as store:
            text = PersonalData.of(store.access("alice")).to_json()
            before = store.load("alice")
        with History.open(tmp_path / "other.db", NEW) as other:
            with pytest.raises(ConsentRequired):
                other.restore(text, user="a")
            other.consent("a", True)
            assert other.restore(text, user="a") == 10
            assert other.restore(text, user="a") == 0
            assert other.audit_log()[-1].action is AuditAction.RESTORED
            assert other.all_events("a") == before
            for bad in ("", "[]", "{}", '{"format": 1}', "[" * 100_000, text.replace("click", "?")):
                with pytest.raises(InvalidRequest):
                    other.restore(bad, user="a")


def test_what_is_read_to_be_seen_is_noted_and_ranking_writes_nothing(path: Path) -> None:
    with Reranker.open(history=path, key=KEY) as reranker:
        history = reranker.history
        reads: list[tuple[AuditAction, int | None]] = []

        def noted() -> list[tuple[AuditAction, int | None]]:
            entries = [(entry.action, entry.count) for entry in history.audit_log()]
            fresh = entries[len(reads) :]
            reads.extend(fresh)
            return fresh

        noted()
        assert reranker.profile("alice").events == 10
        assert noted() == [(AuditAction.READ, 10)]
        assert len(history.all_events("bob")) == 5
        assert noted() == [(AuditAction.READ, 5)]
        history.access("alice")
        assert noted() == [(AuditAction.ACCESSED, 10)]
        reranker.profile("nobody")
        generation = history.verify().generation
        for _ in range(3):
            reranker.rank([Item("x", "a text"), Item("y", "another")], user="alice")
            history.events("alice")
            history.consents("alice")
        assert noted() == []
        assert history.verify().generation == generation
        subjects = {entry.subject for entry in history.access("alice").audit}
        assert len(subjects) == 1
        actions = [entry.action for entry in history.access("alice").audit]
        assert actions.count(AuditAction.READ) == 1


def test_what_cannot_be_noted_is_not_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with Reranker.open(history=path, key=KEY) as reranker:
        monkeypatch.setattr(reranker.history._store._vault.audit, "add", full)
        for read in (reranker.profile, reranker.history.all_events, reranker.history.access):
            with pytest.raises(HistoryUnavailable):
                read("alice")
        assert len(reranker.history.events("alice")) == 10


def test_one_event_is_removed(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        stored = store.access("alice").events[3]
        sealed = store._vault.file.execute(
            "SELECT sealed FROM events WHERE key = 4 * (? - 10) +"
            " (SELECT key FROM events WHERE (key >> 2 & 4294967295) = 10)",
            (stored.record,),
        ).fetchone()[0]
        assert store.remove_event("alice", stored.record)
        assert not store.remove_event("alice", stored.record)
        assert not store.remove_event("nobody", 1)
        assert stored.event not in store.load("alice")
        for file in path.parent.iterdir():
            assert sealed[6:] not in file.read_bytes()
        assert store.append("alice", [stored.event]).stored  # it is no duplicate any more
    with HistoryStore.open(path, KEY) as store:
        assert len(store.load("alice")) == 10
        assert store.verify().ok


def test_of_a_long_event_that_is_removed_no_part_is_left(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        text = "a text that fills two parts, and some of a third. " * 20
        store.append("alice", [Event("click", Item("long", text), timestamp=5.0)])
        parts = store._vault.file.execute("SELECT part FROM parts").fetchall()
        assert len(parts) == 2
        (record,) = (
            one.record
            for one in store.access("alice").events
            if one.event.item == Item("long", text[:1000])
        )
        assert store.remove_event("alice", record)
        assert not store._vault.file.execute("SELECT 1 FROM parts").fetchall()
        for file in path.parent.iterdir():
            assert not any(part in file.read_bytes() for (part,) in parts)
        assert store.verify().ok


@pytest.mark.parametrize("record", [-1, 0, 1 << 32, 1 << 40])
def test_a_number_of_no_event_reaches_nobody_elses(path: Path, record: int) -> None:
    """Keys hold a person's number above an event's."""
    with HistoryStore.open(path, KEY) as store:
        assert not store.remove_event("alice", record)
        assert [store.count(user) for user in ("alice", "bob")] == [10, 5]


def test_consent_by_purpose_and_pause(path: Path) -> None:
    with History.open(path, KEY) as history:
        history.consent("alice", True, "aggregates")
        history.consent("alice", False, PERSONALISATION)
        assert history.consents("alice") == {"aggregates": True, PERSONALISATION: False}
        assert history.events("alice") == ()
        with pytest.raises(ConsentRequired):
            history.record(clicks(1, start=50), user="alice")
        history.consent("alice", True, PERSONALISATION)
        history.pause("alice")
        assert len(history.events("alice")) == 10
        with pytest.raises(RecordingPaused):
            history.record(clicks(1, start=50), user="alice")
        history.resume("alice")
        assert history.record(clicks(1, start=50), user="alice") == 1
        for bad in ("", "a b", "ä", "x" * 65, 5):
            with pytest.raises(InvalidRequest):
                history.consent("alice", True, bad)  # type: ignore[arg-type]
        for n in range(14):
            history.consent("alice", True, f"{n}" + "x" * 62)
        with pytest.raises(InvalidRequest, match="at most 16"):
            history.consent("alice", True, "one-more")
        actions = [entry.action.value for entry in history.audit_log()]
        assert actions[3:8] == [
            "consent-granted",
            "consent-withdrawn",
            "consent-granted",
            "paused",
            "resumed",
        ]


def sealed_rows(store: HistoryStore) -> list[bytes]:
    rows = store._vault.file.execute("SELECT sealed FROM events").fetchall()
    assert rows
    return [sealed for (sealed,) in rows]


class TestRetention:
    def open(self, path: Path, clock: Clock, retention: Retention | None) -> HistoryStore:
        return HistoryStore.open(path, KEY, retention=retention, _clock=clock)

    def test_by_count(self, tmp_path: Path) -> None:
        with HistoryStore.open(tmp_path / "a.db", KEY, retention=Retention(None, 5)) as store:
            assert store.append("alice", clicks(4)).expired == 0
            assert store.append("alice", clicks(4, start=4)).expired == 3
            assert [e.item.id for e in store.load("alice") if e.item] == [
                *("i3", "i4", "i5", "i6", "i7"),
            ]
            assert store.verify().ok

    def test_by_age_also_of_people_who_never_come_back(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(30, None)) as store:
            store.append("alice", clicks(3))
            store.append("bob", clicks(2))
            clock.now += 20 * DAY_S
            store.append("alice", clicks(3, start=10))
            clock.now += 11 * DAY_S
            store.tend()
            assert (store.count("alice"), store.count("bob")) == (3, 0)
            assert store.audit_log()[-1].action is AuditAction.EXPIRED
            assert store.audit_log()[-1].count == 5
        clock.now += 25 * DAY_S
        with self.open(path, clock, None) as store:  # the file knows its retention
            assert store.retention == Retention(30, None)
            assert store.count("alice") == 0
            assert store.verify().ok

    def test_many_people_are_swept_a_few_at_a_time(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        users = [f"user {n}" for n in range(600)]
        with self.open(path, clock, Retention(30, None)) as store:
            for user in users:
                store.append(user, clicks(1))
            clock.now += 31 * DAY_S
            left, calls = [600], 0
            while left[-1]:
                store.tend()
                left.append(sum(store.count(user) for user in users))
                calls += 1
            assert 3 <= calls <= 600 / 128 + 1
            assert max(before - after for before, after in pairwise(left)) < 128 + 30
            assert store.overdue() == 0
            assert store.verify().ok
            for _ in range(600 // 128 + 1):  # turns in which nobody is left to be seen
                store.tend()
            generation = store.verify().generation
            store.tend()
            assert store.verify().generation == generation

    def test_a_sweep_goes_on_within_a_bucket(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a call costs does not grow with the people of a bucket."""
        monkeypatch.setattr(expiry, "SWEPT_AT_ONCE", 3)
        clock = Clock()
        users = [f"user {n}" for n in range(300)]  # four or five a bucket
        with self.open(tmp_path / "a.db", clock, Retention(30, None)) as store:
            for user in users:
                store.append(user, clicks(1))
            clock.now += 31 * DAY_S
            left = [300]
            while users and len(left) < 300:
                store.tend()
                users = [user for user in users if store.count(user)]
                left.append(len(users))
            assert max(before - after for before, after in pairwise(left)) == 3
            # Someone in the slice in which the last call ended is looked at twice.
            assert len(left) - 1 <= 110

    def test_a_file_that_is_seldom_open_comes_round(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At the same hour of every day it would see the same people, and others never."""
        monkeypatch.setattr(expiry, "SWEPT_AT_ONCE", 8)
        path, clock = tmp_path / "a.db", Clock()
        users = [f"user {n}" for n in range(60)]
        with self.open(path, clock, Retention(30, None)) as store:
            for user in users:
                store.append(user, clicks(1))
        clock.now += 30 * DAY_S
        for _ in range(9):
            clock.now += DAY_S
            self.open(path, clock, None).close()
        with self.open(path, clock, None) as store:
            assert not any(map(store.count, users))

    def test_everyone_is_looked_at_within_a_day(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        users = [f"user {n}" for n in range(200)]
        with self.open(path, clock, Retention(1, None)) as store:
            for user in users:
                store.append(user, clicks(1))
            for _ in range(100):
                clock.now += DAY_S / 50
                store.tend()
            assert not any(map(store.count, users))

    def test_a_clock_ten_years_ahead_drops_nothing(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        clock.now += 10 * YEAR_S
        for day in range(20):
            with self.open(path, clock, None) as store:
                store.append("alice", clicks(1, start=100 + day))
                assert store.count("alice") == 4 + day
            clock.now += DAY_S
        clock.now -= 10 * YEAR_S
        with self.open(path, clock, None) as store:
            assert store.count("alice") == 23
        clock.now += 31 * DAY_S
        with self.open(path, clock, None) as store:
            assert store.count("alice") == 23
        for _ in range(3):
            clock.now += 30 * DAY_S
            with self.open(path, clock, None) as store:
                left = store.count("alice")
        assert left == 0

    def test_a_clock_ten_years_back_keeps_nothing_for_ever(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        clock.now -= 10 * YEAR_S
        with self.open(path, clock, None) as store:
            assert store.count("alice") == 3
        for _ in range(4):
            clock.now += 30 * DAY_S
            with self.open(path, clock, None) as store:
                left = store.count("alice")
        assert left == 0

    @pytest.mark.parametrize("at", [40 * DAY_S, YEAR_S, NOW - 1])
    def test_a_clock_that_was_back_and_is_right_again_drops_nothing(
        self, tmp_path: Path, at: float
    ) -> None:
        """A device without a battery begins in 1970, until the network tells it the time."""
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        for days, left in ((1, 3), (10, 3), (30, 3), (30, 3), (30, 0)):
            for moved in (-at, 60, at + days * DAY_S - 60):
                clock.now += moved
                with self.open(path, clock, None) as store:
                    kept = store.count("alice")
            assert kept == left

    def test_a_file_made_before_the_time_was_known_keeps_what_came_after(
        self, tmp_path: Path
    ) -> None:
        path, clock = tmp_path / "a.db", Clock()
        clock.now = 120.0
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        clock.now = NOW
        for day in range(40):
            with self.open(path, clock, None) as store:
                store.append("alice", clicks(1, start=100 + day))
            clock.now += DAY_S
        with self.open(path, clock, None) as store:
            assert store.count("alice") == 40

    def test_starts_in_the_past_day_after_day_add_up_to_nothing(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        made = clock.now
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        for day in range(1, 80):
            for clock.now in (made, made + 60, made + day * DAY_S):
                with self.open(path, clock, None) as store:
                    assert store.count("alice") == 3

    def test_a_file_that_waits_to_believe_time_that_never_passed_keeps_what_it_has(
        self, tmp_path: Path
    ) -> None:
        """As one that an earlier release left where a clock had been back and was set right."""
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
            with store._vault.write() as change:
                change.root.doubted, change.root.doubted_at = 10 * YEAR_S, int(clock.now)
        for days in (10, 22, 10):
            clock.now += days * DAY_S
            with self.open(path, clock, None) as store:
                assert store.count("alice") == 3

    def test_ten_years_of_absence_are_believed_after_a_month(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "a.db", Clock()
        with self.open(path, clock, Retention(90, None)) as store:
            store.append("alice", clicks(3))
        for step, left in ((10 * YEAR_S, 3), (30 * DAY_S, 3), (2 * DAY_S, 0)):
            clock.now += step
            with self.open(path, clock, None) as store:
                assert store.count("alice") == left

    def test_what_has_expired_is_in_no_file_any_more(self, tmp_path: Path) -> None:
        folder, clock = tmp_path / "store", Clock()
        folder.mkdir()
        with self.open(folder / "a.db", clock, Retention(30, None)) as store:
            store.append("alice", clicks(3))
            sealed = sealed_rows(store)
            for expire in (store.tend, store.expire):
                clock.now += 31 * DAY_S
                expire()
                for file in folder.iterdir():
                    assert not any(row[6:] in file.read_bytes() for row in sealed)
                store.append("alice", clicks(2, start=10))
                sealed = sealed_rows(store)

    @pytest.mark.parametrize("retention", [Retention(30, None), Retention(None, 3)])
    def test_what_expires_inside_append_is_in_no_file_any_more(
        self, tmp_path: Path, retention: Retention
    ) -> None:
        folder, clock = tmp_path / "store", Clock()
        folder.mkdir()
        with self.open(folder / "a.db", clock, retention) as store:
            store.append("alice", clicks(3))
            sealed = sealed_rows(store)
            clock.now += 31 * DAY_S
            assert store.append("alice", clicks(3, start=10)).expired == 3
            for file in folder.iterdir():
                assert not any(row[6:] in file.read_bytes() for row in sealed), file.name

    def test_what_expired_just_before_a_kill_is_gone_when_it_is_opened(
        self, tmp_path: Path
    ) -> None:
        live, folder = tmp_path / "live", tmp_path / "killed"
        live.mkdir()
        with self.open(live / "a.db", Clock(), Retention(None, 3)) as store:
            store.append("alice", clicks(3))
            sealed = sealed_rows(store)
            store._vault.file.empty_log_soon = lambda: None  # type: ignore[method-assign]
            store.append("alice", clicks(3, start=10))
            shutil.copytree(live, folder)
        assert any(row[6:] in (folder / "a.db-wal").read_bytes() for row in sealed)
        with self.open(folder / "a.db", Clock(), None):
            for file in folder.iterdir():
                assert not any(row[6:] in file.read_bytes() for row in sealed), file.name

    @pytest.mark.parametrize("bad", [(0, 1), (-1, 1), (float("nan"), 1), (1, 0), (1, 1.5)])
    def test_malformed(self, bad: tuple[Any, Any]) -> None:
        with pytest.raises(InvalidRequest):
            Retention(*bad)


class TestErasure:
    def test_the_receipt_and_what_is_left(self, tmp_path: Path) -> None:
        path, source = tmp_path / "me.db", KeyFile.create(tmp_path / "key")
        with HistoryStore.open(path, source) as store:
            store.set_consent("alice", PERSONALISATION, True)
            store.append("alice", clicks(10))
            subject = store.access("alice").subject
            receipt = store.erase("alice")
            assert (receipt.events, receipt.key_rotated) == (10, True)
            assert json.loads(receipt.to_json())["subject"] == subject == receipt.subject
            entry = store.audit_log()[(receipt.audit_seq or 0) - 1]
            assert (entry.action, entry.count) == (AuditAction.ERASED, 10)
            store.append("alice", clicks(1))
            assert store.access("alice").subject != subject
            assert store.consents("alice") == {}
            again = store.erase("nobody")
            assert (again.events, again.key_rotated, again.subject) == (0, False, None)

    def test_completed_at_the_next_open(self, tmp_path: Path) -> None:
        keys = [KEY]
        broken = True

        def replace(key: bytes) -> None:
            if broken:
                raise OSError
            keys.append(key)

        source = KeyCallback(lambda: keys[-1], replace)
        with HistoryStore.open(tmp_path / "me.db", source) as store:
            store.append("alice", clicks(3))
            with pytest.raises(HistoryKeyError):
                store.erase("alice")
            assert store.load("alice") == ()
            assert store.rotation_due
        shutil.copy(tmp_path / "me.db", tmp_path / "copy.db")
        broken = False
        with HistoryStore.open(tmp_path / "me.db", source) as store:
            assert not store.rotation_due
        assert len(keys) == 2
        with pytest.raises(HistoryKeyError):
            HistoryStore.open(tmp_path / "copy.db", source)

    @pytest.mark.parametrize("held", [False, True])
    def test_present_key_present_file_and_an_old_copy_open_nothing_of_it(
        self, tmp_path: Path, held: bool
    ) -> None:
        """Whoever opens the present file tries all keys in it on the old copy."""
        path, copy = tmp_path / "me.db", tmp_path / "copy.db"
        source = HeldKey(KEY) if held else KeyFile.create(tmp_path / "key")
        users = [f"user {n}" for n in range(150)]  # so that some share a bucket with user 0
        with HistoryStore.open(path, source) as store:
            for user in users:
                store.append(user, clicks(1))
            store.rotate_person_key(users[1])
        shutil.copy(path, copy)
        with HistoryStore.open(path, source) as store:
            assert store.erase(users[0]).key_rotated is not held
            assert store.rotation_due is held
            if held:
                store.rotate_key(NEW)
            store.rotate_person_key(users[1])
            assert all(store.count(user) == 1 for user in users[1:])
            assert store.verify().ok
            assert not store.rotation_due
        present = Reader(path, NEW if held else source.load())
        old = sqlite3.connect(copy)
        opened = set()
        for owner, number, wrapped in old.execute("SELECT owner, id, wrapped FROM wrapped_keys"):
            for bucket in present.newest.buckets:
                try:
                    open_sealed(bucket, wrapped, present.store, b"wrapped_keys", owner, number)
                except InvalidTag:
                    continue
                opened.add(owner)
        old.close()
        closed = {present.newest.pseudonym(user) for user in users} - opened
        neighbours = {present.newest.pseudonym(user)[0] // 4 for user in users[:2]}
        assert {pseudonym[0] // 4 for pseudonym in closed} == neighbours
        assert {present.newest.pseudonym(user) for user in users[:2]} <= closed

    def test_of_many_people_one_bucket_is_wrapped_anew(self, tmp_path: Path) -> None:
        source = KeyFile.create(tmp_path / "key")
        with HistoryStore.open(tmp_path / "me.db", source) as store:
            with store._vault.write() as change:
                for n in range(640):
                    change.person(f"user {n}", create=True)
            sql = "SELECT owner, wrapped FROM wrapped_keys"
            before = dict(store._vault.file.execute(sql).fetchall())
            gone = store._vault.people.pseudonym("user 5")
            store.erase("user 5")
            after = dict(store._vault.file.execute(sql).fetchall())
            assert set(before) - set(after) == {gone}
            changed = {owner for owner in after if before[owner] != after[owner]}
            assert {owner[0] // 4 for owner in changed} == {gone[0] // 4}
            assert 1 <= len(changed) < 40

    def test_a_neighbours_damaged_key_is_in_nobodys_way(self, tmp_path: Path) -> None:
        path, source = tmp_path / "me.db", KeyFile.create(tmp_path / "key")
        with HistoryStore.open(path, source) as store:
            people = {n: store._vault.people.pseudonym(f"user {n}") for n in range(2000)}
            near = [n for n in people if n and people[n][0] // 4 == people[0][0] // 4][:3]
            assert len(near) == 3
            for n in (0, *near):
                store.append(f"user {n}", clicks(1))
        with sqlite3.connect(path) as connection:
            connection.execute(
                "UPDATE wrapped_keys SET wrapped = CAST(substr(wrapped, 1, 40) || x'00' ||"
                " substr(wrapped, 42) AS BLOB) WHERE owner = ?",
                [people[near[0]]],
            )
        connection.close()
        with HistoryStore.open(path, source) as store:
            assert store.erase("user 0").key_rotated
            assert all(store.count(f"user {n}") == 1 for n in near[1:])
            with pytest.raises(HistoryCorrupt):
                store.count(f"user {near[0]}")

    def test_of_a_person_whose_rows_are_damaged(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM events WHERE (key >> 2 & 4294967295) = 7")
        connection.close()
        with HistoryStore.open(path, KEY) as store:
            with pytest.raises(HistoryCorrupt):
                store.load("alice")
            assert store.erase("alice").events == 9
            assert len(store.load("bob")) == 5
            assert store.verify().ok


def test_what_was_erased_is_in_no_file_any_more(tmp_path: Path) -> None:
    """Though the host holds the key itself, so that no rotation follows and empties the log."""
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        store.append("bob", clicks(2))
        kept = sealed_rows(store)
        store.set_consent("alice", PERSONALISATION, True)
        store.append("alice", clicks(3))
        sealed = [row for row in sealed_rows(store) if row not in kept]
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert all(any(row[6:] in content for content in files) for row in sealed)
        assert store.erase("alice").events == len(sealed) == 3
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert not any(row[6:] in content for row in sealed for content in files)
        assert all(any(row[6:] in content for content in files) for row in kept)


def test_what_the_old_outer_key_wrapped_is_in_no_file_any_more(tmp_path: Path) -> None:
    key, folder = KeyFile.create(tmp_path / "key"), tmp_path / "store"
    folder.mkdir()
    with HistoryStore.open(folder / "me.db", key) as store:
        store.append("alice", clicks(1))
        for rotate in (store.rotate_key, lambda: store._vault.replace_outer(NEW)):
            ((wrapped,),) = store._vault.file.execute("SELECT wrapped FROM rings").fetchall()
            # Longer than a page, so that it lies in the file in pieces.
            pieces = [wrapped[at : at + 64] for at in range(6, len(wrapped) - 64, 64)]

            assert _found(pieces, folder) > len(pieces) / 2
            rotate()
            assert _found(pieces, folder) == 0


def _found(pieces: list[bytes], folder: Path) -> int:
    contents = [file.read_bytes() for file in folder.iterdir()]
    return sum(any(piece in content for content in contents) for piece in pieces)


class TestKeysOfPeople:
    def test_rotation_under_load(self, path: Path) -> None:
        with HistoryStore.open(path, KEY) as store:
            store.append("alice", clicks(3000, start=100))
            old = store._vault.keybook.unwrap(store._vault.people.pseudonym("alice"))
            done = threading.Event()
            added = 0

            def work() -> None:
                nonlocal added
                while not done.is_set():
                    store.append("alice", clicks(1, start=10_000 + added))
                    added += 1
                    assert len(store.load("alice", limit=5)) == 5

            worker = threading.Thread(target=work)
            worker.start()
            store.rotate_person_key("alice")
            done.set()
            worker.join()
            assert store.count("alice") == 3010 + added
            new = store._vault.keybook.unwrap(store._vault.people.pseudonym("alice"))
            assert len(new) == 1
            assert not set(new.values()) & set(old.values())
            assert len(store.append("alice", clicks(3000, start=100)).stored) == 0
            assert store.verify().ok
        with HistoryStore.open(path, KEY) as store:
            assert len(store.load("alice")) == 3010 + added

    def test_cut_off_and_completed(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = HistoryStore.open(path, KEY)
        monkeypatch.setattr("edge_rerank.history.vault.rotation.RESEAL_BATCH", 3)
        batches = 0
        reseal = store._vault.reseal

        def cut(*arguments: Any) -> int:
            nonlocal batches
            batches += 1
            if batches == 3:
                raise KeyboardInterrupt
            return reseal(*arguments)

        monkeypatch.setattr(store._vault, "reseal", cut)
        with pytest.raises(KeyboardInterrupt):
            store.rotate_person_key("alice")
        assert len(store.load("alice")) == 10  # under two keys
        store._vault.file.abandon()
        with HistoryStore.open(path, KEY) as again:
            assert len(again._vault.keybook.unwrap(again._vault.people.pseudonym("alice"))) == 1
            assert len(again.load("alice")) == 10
            assert again.verify().ok


class TestAnchor:
    def test_an_old_copy_is_detected(self, path: Path, tmp_path: Path) -> None:
        anchor, copy = tmp_path / "anchor", tmp_path / "copy.db"
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            assert store.verify().anchored
        shutil.copy(path, copy)
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            store.append("alice", clicks(1, start=50))
        control = path.read_bytes()
        shutil.copy(copy, path)
        before = path.read_bytes()
        with pytest.raises(HistoryRolledBack, match="newer state"):
            HistoryStore.open(path, KEY, anchor=anchor)
        assert path.read_bytes() == before
        with HistoryStore.open(path, KEY) as store:  # without an anchor it passes
            assert store.verify().ok
        path.write_bytes(control)
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            assert len(store.load("alice")) == 11

    def test_a_fork_of_the_same_length_is_detected(self, path: Path, tmp_path: Path) -> None:
        anchor, copy = tmp_path / "anchor", tmp_path / "copy.db"
        with HistoryStore.open(path, KEY, anchor=anchor):
            pass
        shutil.copy(path, copy)
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            store.append("alice", clicks(1, start=50))
        with HistoryStore.open(copy, KEY) as store:
            store.append("alice", clicks(1, start=60))
        with pytest.raises(HistoryRolledBack):
            HistoryStore.open(copy, KEY, anchor=anchor)

    def test_a_lost_or_foreign_anchor(self, path: Path, tmp_path: Path) -> None:
        anchor = tmp_path / "anchor"
        with HistoryStore.open(path, KEY, anchor=anchor):
            pass
        whole = anchor.read_bytes()
        for bad in (b"", whole[:-1], bytes(72), whole[:-1] + bytes([whole[-1] ^ 1])):
            anchor.write_bytes(bad)
            with pytest.raises(HistoryRolledBack, match="not the one"):
                HistoryStore.open(path, KEY, anchor=anchor)
        anchor.unlink()
        with pytest.raises(HistoryRolledBack, match="gone"):
            HistoryStore.open(path, KEY, anchor=anchor)
        with HistoryStore.open(path, KEY) as store:
            store.anchor_to(anchor)
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            assert store.anchored

    def test_one_that_was_cut_off_may_lag_behind(self, path: Path) -> None:
        kept: list[bytes] = []
        anchor = AnchorCallback(lambda: kept[-1] if kept else None, kept.append)
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            store.append("alice", clicks(1, start=50))
        del kept[-1]
        with HistoryStore.open(path, KEY, anchor=anchor) as store:
            assert len(store.load("alice")) == 11

    def test_one_that_fails(self, path: Path) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError

        with HistoryStore.open(path, KEY) as store, pytest.raises(HistoryUnavailable):
            store.anchor_to(AnchorCallback(lambda: None, fail))
        with pytest.raises(InvalidRequest):
            HistoryStore.open(path, KEY, anchor=5)  # type: ignore[arg-type]


AUDIT_EDITS = {
    "last": "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    "first": "DELETE FROM audit WHERE seq = 1",
    "changed": "UPDATE audit SET sealed = zeroblob(length(sealed)) WHERE seq = 2",
    "renumbered": "UPDATE audit SET seq = 9 WHERE seq = 2",
    "repeated": "INSERT INTO audit SELECT 9, sealed FROM audit WHERE seq = 2",
}


@pytest.mark.parametrize("edit", AUDIT_EDITS)
def test_any_edit_of_the_audit_log_shows(path: Path, edit: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(AUDIT_EDITS[edit])
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        with pytest.raises(HistoryCorrupt, match="audit"):
            store.audit_log()
        (finding,) = store.verify().findings
        assert "audit" in finding


def test_an_entry_of_a_copy_that_went_another_way_shows(path: Path, tmp_path: Path) -> None:
    """It is sealed under the same key for the same place, but not after the same entries."""
    fork = tmp_path / "fork.db"
    shutil.copyfile(path, fork)
    place = "(SELECT max(seq) - 1 FROM audit)"
    for file, user in ((path, "carol"), (fork, "dave")):
        with HistoryStore.open(file, KEY) as store:
            for granted in (True, False):
                store.set_consent(user, PERSONALISATION, granted)
    with sqlite3.connect(fork) as connection:
        other = connection.execute(f"SELECT sealed FROM audit WHERE seq = {place}").fetchone()
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        store.audit_log()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE audit SET sealed = ? WHERE seq = {place}", other)
    connection.close()
    with (
        HistoryStore.open(path, KEY) as store,
        pytest.raises(HistoryCorrupt, match="added, moved or removed"),
    ):
        store.audit_log()


NOTE_EDITS = {
    "dropped": "DELETE FROM notes",
    "put back": "UPDATE notes SET sealed = ?",
}


@pytest.mark.parametrize("edit", NOTE_EDITS)
def test_notes_cannot_be_put_back(path: Path, edit: str) -> None:
    with HistoryStore.open(path, KEY) as store:
        store.write_note("budget", b"1")
    with sqlite3.connect(path) as connection:
        old = connection.execute("SELECT sealed FROM notes").fetchone()
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        store.write_note("budget", b"2")
        assert store.read_note("budget") == b"2"
        assert store.read_note("other") is None
    with sqlite3.connect(path) as connection:
        connection.execute(NOTE_EDITS[edit], old if "?" in NOTE_EDITS[edit] else ())
    connection.close()
    with pytest.raises(HistoryCorrupt, match="note"):
        HistoryStore.open(path, KEY)


def test_a_wrong_key_leaves_a_crashed_file_as_it_is(tmp_path: Path) -> None:
    """SQLite would copy the log of a crashed process into the file when it closes."""
    source, crashed = tmp_path / "live", tmp_path / "crashed"
    source.mkdir()
    crashed.mkdir()
    with HistoryStore.open(source / "me.db", KEY) as store:
        store.append("alice", clicks(20))
        for file in source.iterdir():
            shutil.copy(file, crashed)
    before = {file.name: file.read_bytes() for file in crashed.iterdir()}
    assert len(before["me.db-wal"]) > 0
    lost = KeyFile(tmp_path / "no such key")
    for key in (NEW, lost, KeyCallback(lambda: NEW)):
        with pytest.raises(HistoryKeyError):
            HistoryStore.open(crashed / "me.db", key)
        assert {file.name: file.read_bytes() for file in crashed.iterdir()} == before
    with HistoryStore.open(crashed / "me.db", KEY) as store:
        assert len(store.load("alice")) == 20


def test_a_swapped_key_is_no_key(tmp_path: Path) -> None:
    """The keys of two files exchanged; and the commitment of one put into the other."""
    for name, key in (("a", KEY), ("b", NEW)):
        with HistoryStore.open(tmp_path / f"{name}.db", key) as store:
            store.append("alice", clicks(2))
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(tmp_path / "a.db", NEW)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("ATTACH ? AS b", [str(tmp_path / "b.db")])
        connection.execute(
            "UPDATE outer_keys SET commitment = (SELECT commitment FROM b.outer_keys)"
        )
    connection.close()
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(tmp_path / "a.db", NEW)


def test_the_door(tmp_path: Path) -> None:
    path, source = tmp_path / "me.db", KeyFile.create(tmp_path / "key")
    with Reranker.open(
        history=path, key=source, retention=Retention(30, 100), anchor=tmp_path / "anchor", new=True
    ) as reranker:
        reranker.consent("alice", True)
        reranker.record(Event("click", Item("a", "bread")), user="alice")
        reranker.record(Event("click", Item("b", "cheese")), user="alice")
        data = reranker.history.access("alice")
        assert [stored.event.item.id for stored in data.events if stored.event.item] == ["a", "b"]
        assert reranker.history.remove_event("alice", data.events[0].record)
        assert reranker.profile("alice").events == 1
        reranker.history.pause("alice")
        with pytest.raises(RecordingPaused):
            reranker.record(Event("click", Item("c")), user="alice")
        reranker.history.resume("alice")
        assert reranker.history.restore(data.to_json(), user="alice") == 1
        reranker.history.rotate_key()
        found = reranker.history.verify()
        assert (found.ok, found.people, found.events, found.anchored) == (True, 1, 2, True)
        assert reranker.forget("alice").key_rotated
        actions = [entry.action for entry in reranker.history.audit_log()]
        assert actions[-1] is AuditAction.OUTER_KEY_ROTATED
        for bad in (0, -1, True, "1", 2**63):
            with pytest.raises(InvalidRequest):
                reranker.history.remove_event("alice", bad)  # type: ignore[arg-type]
