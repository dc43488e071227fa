"""Flipped bits in the history file and its write-ahead log, as a kill left them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt, HistoryError, HistoryRolledBack
from edge_rerank.history.vault.store import HistoryStore
from tests.fault.conftest import FULL

KEY = bytes(range(32))
FLIPS = 2000 if FULL else 60
PEOPLE = ("alice", "bob", "carol")
EVENTS = 30


Answers = dict[str, tuple[tuple[Event, ...], Mapping[str, bool]]]


@dataclass
class Outcome:
    """How many flips were told of, did no harm, and gave a wrong answer without a word;
    and how many events were missing in those answers."""

    told: int = 0
    harmless: int = 0
    wrong: int = 0
    lost: int = 0


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with history, log, lock file and anchor after a kill, 30 events in the log."""
    live, folder = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")
    with HistoryStore.open(live / "me.db", KEY, anchor=live / "anchor", new=True) as store:
        for user in PEOPLE:
            store.set_consent(user, "personalisation", True)
        store._vault.file.empty_log()
        for number in range(EVENTS):
            store.append(PEOPLE[number % 3], [click(number)])
        for file in live.iterdir():
            shutil.copy(file, folder)
    return folder


def click(number: int) -> Event:
    return Event("click", Item(f"i{number}", "text"), timestamp=1000.0 + number)


def copy(folder: Path, target: Path, *, lock: bool) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    if not lock:
        (target / "me.db-lock").unlink()
    return target / "me.db"


def answers(path: Path, anchor: Path | None) -> Answers:
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        return {user: (store.load(user), store.consents(user)) for user in PEOPLE}


def events_in(found: Answers) -> int:
    return sum(len(events) for events, _ in found.values())


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def flips(
    killed: Path, target: Path, count: int, *, lock: bool, anchor: bool, log: bool
) -> Outcome:
    """``count`` flips, in the log alone or in file and log by their sizes."""
    rng = random.Random(1)
    expected = answers(copy(killed, target, lock=True), None)
    sizes = [("me.db-wal", (killed / "me.db-wal").stat().st_size)]
    if not log:
        sizes.append(("me.db", (killed / "me.db").stat().st_size))
    outcome = Outcome()
    for _ in range(count):
        bit = rng.randrange(8 * sum(size for _, size in sizes))
        name = sizes[0][0]
        if bit >= 8 * sizes[0][1]:
            name, bit = sizes[1][0], bit - 8 * sizes[0][1]
        path = copy(killed, target, lock=lock)
        flip(path.with_name(name), bit)
        try:
            found = answers(path, target / "anchor" if anchor else None)
        except HistoryError:
            outcome.told += 1
        else:
            outcome.harmless += found == expected
            outcome.wrong += found != expected
            outcome.lost += EVENTS - events_in(found)
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "anchor"), [(False, True), (True, False)], ids=["anchor", "lock file"]
)
def test_no_flip_gives_a_wrong_answer(
    killed: Path, tmp_path: Path, lock: bool, anchor: bool
) -> None:
    outcome = flips(killed, tmp_path / "it", FLIPS, lock=lock, anchor=anchor, log=False)
    assert outcome.wrong == 0
    assert outcome.told > FLIPS / 4


@pytest.mark.slow
def test_with_neither_a_flip_loses_the_last_transaction_at_most(
    killed: Path, tmp_path: Path
) -> None:
    """As after a power cut: SQLite itself cannot tell damage there from a write cut short."""
    outcome = flips(killed, tmp_path / "it", FLIPS, lock=False, anchor=False, log=True)
    assert outcome.wrong <= FLIPS / 8
    assert outcome.lost == outcome.wrong
    path = copy(killed, tmp_path / "it", lock=False)
    flip(path.with_name("me.db-wal"), 8 * (path.with_name("me.db-wal").stat().st_size - 100))
    assert events_in(answers(path, None)) == EVENTS - 1


def test_what_a_flip_in_the_log_would_lose_is_said_and_left_to_the_host(
    killed: Path, tmp_path: Path
) -> None:
    size = (killed / "me.db-wal").stat().st_size
    for lock, place in ((False, size // 2), (False, 20), (True, size - 100)):
        path = copy(killed, tmp_path / "it", lock=lock)
        flip(path.with_name("me.db-wal"), 8 * place)
        before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        with pytest.raises(HistoryCorrupt, match="accept_loss"):
            answers(path, None)
        assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
        with pytest.raises(HistoryRolledBack):
            HistoryStore.open(path, KEY, anchor=path.with_name("anchor"), accept_loss=True)
        with HistoryStore.open(path, KEY, accept_loss=True) as store:
            assert store.verify().ok
            assert sum(map(store.count, PEOPLE)) < EVENTS
        answers(path, None)


def test_an_old_log_and_a_torn_one_are_no_damage(killed: Path, tmp_path: Path) -> None:
    whole = (killed / "me.db-wal").read_bytes()
    for size in range(len(whole) - 3 * 4096, len(whole), 512):
        path = copy(killed, tmp_path / "it", lock=False)
        path.with_name("me.db-wal").write_bytes(whole[:size])
        answers(path, None)
    path = copy(killed, tmp_path / "it", lock=False)
    with HistoryStore.open(path, KEY) as store:
        vault = store._vault
        for number in range(100, 110):
            store.append("alice", [click(number)])
        vault.file.execute("PRAGMA wal_checkpoint(PASSIVE)")  # the next write begins it anew
        store.append("alice", [click(200)])
        state = {name: path.with_name(name).read_bytes() for name in ("me.db", "me.db-wal")}
    for name, content in state.items():
        path.with_name(name).write_bytes(content)
    assert len(answers(path, None)["alice"][0]) == 21
