"""Small sealed states of a person: kept, bound to the person, and gone with the person."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_rerank import Event, Item, Retention
from edge_rerank.errors import HistoryCorrupt, InvalidRequest
from edge_rerank.history.history import History
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.rekey import Rekey, begin_epoch
from edge_rerank.history.vault.states import MAX_KIN, MAX_STATE_BYTES
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import Reader

KEY, NEW = (bytes(range(n, n + 32)) for n in range(2))
DAY_S = 24 * 60 * 60
SECRET = b"a state that nobody else may read " * 200


def click(number: int) -> Event:
    return Event("click", Item(f"i{number}", "text"), timestamp=1000.0 + number)


def filled(path: Path | None, **options: object) -> HistoryStore:
    store = HistoryStore.open(path, None if path is None else KEY, **options)  # type: ignore[arg-type]
    for user in ("alice", "bob"):
        store.set_consent(user, "personalisation", True)
        store.append(user, [click(1)])
        store.set_state(user, "head", SECRET)
        store.set_state(user, "other", user.encode())
    return store


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def rows(store: HistoryStore) -> int:
    return int(store._vault.file.execute("SELECT count(*) FROM states").fetchone()[0])


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 8190, MAX_STATE_BYTES])
def test_a_state_is_there_again(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        store.set_state("alice", "head", content)
        assert store.state("alice", "head") == content
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        assert store.state("alice", "head") == content
        assert store.state("alice", "none") is None
        assert store.state("bob", "head") is None
        assert store.verify().ok


def test_the_file_tells_neither_content_nor_name(tmp_path: Path) -> None:
    with filled(tmp_path / "me.db") as store:
        store.set_state("alice", "peculiar_name", b"peculiar content")
        store._vault.file.empty_log()
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert b"peculiar" not in content
            assert SECRET[:16] not in content


def test_one_put_in_place_of_another_leaves_nothing_of_it() -> None:
    with filled(None) as store:
        before = rows(store)
        for number in range(5):
            store.set_state("alice", "head", SECRET + bytes([number]))
        assert store.state("alice", "head") == SECRET + b"\4"
        assert store.state("alice", "other") == b"alice"
        assert rows(store) == before
        assert store.remove_state("alice", "head")
        assert not store.remove_state("alice", "head")
        assert not store.remove_state("nobody", "head")
        assert store.state("alice", "head") is None
        assert rows(store) == before - 2
        assert store.verify().ok


def test_what_was_removed_is_not_in_the_log_either(tmp_path: Path) -> None:
    with filled(tmp_path / "me.db") as store:
        before = [
            bytes(sealed)
            for (sealed,) in store._vault.file.execute("SELECT sealed FROM states").fetchall()
        ]
        for user, name in itertools.product(("alice", "bob"), ("head", "other")):
            store.remove_state(user, name)
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert not any(sealed[6:30] in content for sealed in before)


def test_more_than_fits_is_refused() -> None:
    with filled(None) as store:
        with pytest.raises(ValueError, match="16384 bytes, got 4 and 16385"):
            store.set_state("alice", "head", bytes(MAX_STATE_BYTES + 1))
        for name in ("", "n" * 33):
            with pytest.raises(ValueError, match="1 to 32"):
                store.set_state("alice", name, b"")
        for number in range(6):
            store.set_state("alice", f"n{number}", b"")
        with pytest.raises(ValueError, match="at most 8 states"):
            store.set_state("alice", "one more", b"")
        assert store.state("alice", "head") == SECRET
        assert store.verify().ok


def test_of_states_of_one_family_the_oldest_makes_room(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        for number in range(MAX_KIN):
            store.set_state("alice", f"head.{number}", bytes([number]))
        store.set_state("alice", "head.0", b"again")
        for other in ("feedback", "attributes"):
            store.set_state("alice", other, b"")
        store.set_state("alice", "head.new", b"new")
        held = {state.name for state in store.access("alice").states}
        assert held == {"head.0", "head.2", "head.3", "head.4", "head.5", "head.new"} | {
            "feedback",
            "attributes",
        }
        assert store.state("alice", "head.1") is None
        with pytest.raises(ValueError, match="at most 8 states"):
            store.set_state("alice", "tail.new", b"")
        assert store.verify().ok


def test_events_and_states_that_follow_are_one_transaction(tmp_path: Path) -> None:
    told: list[list[int]] = []

    def states(new: Collection[int]) -> dict[str, bytes]:
        told.append(sorted(new))
        return {"head": bytes(new), "other": SECRET}

    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        store.append("alice", [click(1)])
        before = store._vault.root.generation
        assert len(store.append("alice", [click(1), click(2)], states=states).stored) == 1
        assert store._vault.root.generation == before + 1
        assert (store.state("alice", "head"), store.state("alice", "other")) == (b"\1", SECRET)
        with pytest.raises(ValueError, match="expected a name"):
            store.append("alice", [click(3)], states=lambda _: {"head": b"x", "": b"x"})
        assert store.count("alice") == 2
        assert store.state("alice", "head") == b"\1"
        assert told == [[1]]
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        assert store.state("alice", "head") == b"\1"
        assert store.count("alice") == 2


def test_a_person_sees_name_and_size() -> None:
    with filled(None, _clock=lambda: 50.0) as store:
        held = store.access("alice")
        assert [(one.name, one.size, one.recorded_at) for one in held.states] == [
            ("head", len(SECRET), 50),
            ("other", 5, 50),
        ]


def test_the_export_shows_name_and_size() -> None:
    with History.open() as history:
        history.consent("alice", True)
        history.set_state("alice", "head", b"12345")
        document = json.loads(history.access("alice").to_json())
        (state,) = document["states"]
        assert (state["name"], state["bytes"]) == ("head", 5)
        assert set(state) == set(document["schema"]["properties"]["states"]["items"]["required"])


def test_erasing_takes_the_states_of_that_person_alone(tmp_path: Path) -> None:
    with filled(tmp_path / "me.db") as store:
        store.erase("alice")
        assert store.state("alice", "head") is None
        assert store.state("bob", "head") == SECRET
        assert rows(store) == 3
        store.set_consent("alice", "personalisation", True)
        assert store.state("alice", "head") is None
        assert store.verify().ok


def test_they_survive_every_change_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with filled(path) as store:
        old = store._vault.find("alice").key  # type: ignore[union-attr]
        store.rotate_person_key("alice")
        person = store._vault.find("alice")
        assert person is not None
        assert old is not person.key
        lying = store._vault.states.sealed(person)
        assert {sealed[5] for _, sealed in lying} == {person.key.key_id} == {2}
        assert store.state("alice", "head") == SECRET
        store.rotate_key(NEW)
        store.rekey(KEY)
        for user in ("alice", "bob"):
            assert store.state(user, "head") == SECRET
            assert store.state(user, "other") == user.encode()
        store.set_state("alice", "head", b"new")
        assert store.verify().ok
    reader = Reader(path, KEY)
    assert reader.state("alice", "head") == b"new"
    assert reader.state("bob", "head") == SECRET
    assert reader.root_holds()
    reader.db.close()


def test_they_are_at_hand_while_keys_change() -> None:
    with filled(None) as store:
        vault = store._vault
        alice = vault.find("alice")
        assert alice is not None
        vault.begin_reseal(alice.pseudonym)
        assert store.state("alice", "head") == SECRET
        store.set_state("alice", "other", b"meanwhile")
        store.rotate_person_key("alice")
        assert store.state("alice", "head") == SECRET
        assert store.state("alice", "other") == b"meanwhile"
        begin_epoch(vault)
        work = Rekey(vault)
        while work.step(1):
            assert store.state("alice", "head") == SECRET
            assert store.state("bob", "head") == SECRET
        assert store.verify().ok


def test_what_nobody_set_for_as_long_as_retention_allows_goes() -> None:
    now = [0.0]
    with filled(None, retention=Retention(max_age_days=10), _clock=lambda: now[0]) as store:
        for _ in range(8):
            now[0] += DAY_S
            store.tend()
        store.set_state("bob", "head", b"fresh")
        assert store.overdue() == 0
        for _ in range(3):
            now[0] += DAY_S
        assert store.expire() == 5  # two events, and three states
        assert store.state("alice", "head") is None
        assert store.state("bob", "other") is None
        assert store.state("bob", "head") == b"fresh"
        assert rows(store) == 1
        assert store.verify().ok
        assert store.overdue() == 0


CHANGES = {
    "a part is gone": "DELETE FROM states WHERE person = ? AND seq = 1",
    "the last part is gone": "DELETE FROM states WHERE person = ? AND seq = 2",
    "a part is another's": (
        "UPDATE states SET sealed = (SELECT sealed FROM states AS other"
        " WHERE other.person <> states.person AND other.seq = 1) WHERE person = ?"
        " AND seq = 1"
    ),
    "two parts have changed places": (
        "UPDATE states SET sealed = (SELECT sealed FROM states AS other"
        " WHERE other.person = states.person AND other.seq = 3 - states.seq)"
        " WHERE person = ? AND seq < 3"
    ),
    "a part is zeros": (
        "UPDATE states SET sealed = zeroblob(length(sealed)) WHERE person = ? AND seq = 2"
    ),
    "a part has another number": "UPDATE states SET seq = 9 WHERE person = ? AND seq = 2",
}


def pseudonym(path: Path, user: str) -> bytes:
    with HistoryStore.open(path, KEY) as store:
        return store._vault.people.pseudonym(user)


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_noticed_and_is_one_persons(tmp_path: Path, what: str) -> None:
    path = tmp_path / "me.db"
    filled(path).close()
    alice = pseudonym(path, "alice")
    with opened(path) as connection:
        connection.execute(CHANGES[what], [alice] * CHANGES[what].count("?"))
    with HistoryStore.open(path, KEY) as store:
        with pytest.raises(HistoryCorrupt):
            store.state("alice", "head")
        with pytest.raises(HistoryCorrupt):
            store.access("alice")
        assert store.load("alice")
        assert store.state("alice", "other") == b"alice"
        assert store.state("bob", "head") == SECRET
        assert not store.verify().ok
        store.quarantine()
        assert store.state("alice", "head") is None
        assert store.state("alice", "other") == b"alice"
        assert store.count("alice") == 1
        assert store.verify().ok
    with HistoryStore.open(path, KEY) as store:
        assert store.verify().ok


def test_an_older_state_put_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    filled(path).close()
    alice = pseudonym(path, "alice")
    with opened(path) as connection:
        older = connection.execute(
            "SELECT seq, sealed FROM states WHERE person = ? ORDER BY seq LIMIT 2", [alice]
        ).fetchall()
    with HistoryStore.open(path, KEY) as store:
        store.set_state("alice", "head", SECRET.upper())
    with opened(path) as connection:
        for (_, sealed), seq in zip(older, (4, 5), strict=True):
            connection.execute(
                "UPDATE states SET sealed = ? WHERE person = ? AND seq = ?", [sealed, alice, seq]
            )
    with HistoryStore.open(path, KEY) as store, pytest.raises(HistoryCorrupt, match="state"):
        store.state("alice", "head")


def test_a_part_that_nobody_put_there_is_found(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    filled(path).close()
    with opened(path) as connection:
        connection.execute("INSERT INTO states SELECT person, 77, sealed FROM states WHERE seq = 3")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "INSERT INTO states SELECT zeroblob(16), seq, sealed FROM states GROUP BY seq"
        )
    with HistoryStore.open(path, KEY) as store:
        findings = store.verify().findings
        assert any("belong to nobody" in one for one in findings)
        assert any("a state of a person was added" in one for one in findings)
        store.quarantine()
        assert store.verify().ok
        assert store.state("alice", "head") == SECRET


def test_a_flipped_bit_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    filled(path).close()
    with opened(path) as connection:
        ((person, sealed),) = connection.execute(
            "SELECT person, sealed FROM states WHERE seq = 3 LIMIT 1"
        ).fetchall()
        flipped = bytearray(sealed)
        flipped[100] ^= 4
        connection.execute(
            "UPDATE states SET sealed = ? WHERE person = ? AND seq = 3", [flipped, person]
        )
    with HistoryStore.open(path, KEY) as store:
        assert not store.verify().ok
        assert store.repair().people == 1
        assert store.verify().ok
        for user in ("alice", "bob"):
            assert store.state(user, "other") == user.encode()


@pytest.mark.parametrize("way", ["set", "remove"])
def test_cut_off_at_any_statement_it_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    class Cut(BaseException):
        pass

    def change(store: HistoryStore) -> None:
        if way == "set":
            store.set_state("alice", "head", SECRET.upper())
        else:
            store.remove_state("alice", "head")

    wanted = SECRET.upper() if way == "set" else None
    whole: Callable[..., sqlite3.Cursor] = HistoryFile.execute
    many: Callable[..., None] = HistoryFile.execute_many
    seen = set()
    for number in itertools.count():
        path = tmp_path / f"{number}.db"
        filled(path).close()
        count = itertools.count()

        def execute(self: HistoryFile, *arguments: object) -> sqlite3.Cursor:
            if next(count) == number:  # noqa: B023 - called within this turn alone
                raise Cut
            return whole(self, *arguments)

        def execute_many(self: HistoryFile, *arguments: object) -> None:
            if next(count) == number:  # noqa: B023
                raise Cut
            many(self, *arguments)

        done = False
        with HistoryStore.open(path, KEY) as store:
            with monkeypatch.context() as patch:
                patch.setattr(HistoryFile, "execute", execute)
                patch.setattr(HistoryFile, "execute_many", execute_many)
                try:
                    change(store)
                    done = True
                except Cut:
                    pass
            found = store.state("alice", "head")
        with HistoryStore.open(path, KEY) as store:
            assert store.state("alice", "head") == found
            assert found in (SECRET, wanted)
            assert store.state("alice", "other") == b"alice"
            assert store.verify().ok
        seen.add(found)
        if done:
            break
    assert found == wanted
    assert seen == {SECRET, wanted}
    assert number > 5


def test_without_consent_nothing_is_kept_and_nothing_is_told() -> None:
    with History.open() as history:
        assert not history.set_state("alice", "head", b"x")
        history.consent("alice", True)
        assert history.state("alice", "head") is None
        assert history.set_state("alice", "head", b"x")
        assert history.state("alice", "head") == b"x"
        history.pause("alice")
        assert not history.set_state("alice", "head", b"y")
        assert history.state("alice", "head") == b"x"
        history.resume("alice")
        history.consent("alice", False)
        assert history.state("alice", "head") is None
        assert not history.set_state("alice", "head", b"y")
        assert [one.name for one in history.access("alice").states] == ["head"]
        assert history.set_state("alice", "head", None)
        assert history.access("alice").states == ()
        history.consent("alice", True)
        history.set_state("alice", "head", b"z")
        history.forget("alice")
        history.consent("alice", True)
        assert history.state("alice", "head") is None
        for user in ("", None):
            with pytest.raises(InvalidRequest):
                history.state(user, "head")  # type: ignore[arg-type]
            with pytest.raises(InvalidRequest):
                history.set_state(user, "head", b"")  # type: ignore[arg-type]
