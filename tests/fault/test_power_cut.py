"""Simulated power cuts: what was not synced is dropped, kept or torn, write by write."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_rerank.errors import HistoryError
from edge_rerank.history.vault.store import HistoryStore
from tests.fault.conftest import FULL
from tests.fault.power import cuts, read_recording

KEY = bytes(range(32))
CUTS = 5000 if FULL else 180


@dataclass
class Outcome:
    cuts: int = 0
    lost: int = 0
    unreadable: int = 0


def cut_power(
    run_script: Callable[..., str],
    library: Path,
    tmp_path: Path,
    *synchronous: str,
    enough: float = math.inf,
) -> Outcome:
    """Look at what is found after each cut, until more than ``enough`` was lost or told to be."""
    folder, log = tmp_path / "watched", tmp_path / "recording"
    folder.mkdir()
    run_script("script_recorded.py", folder, log, *synchronous, preload=library)
    outcome = Outcome()
    for files, notes in cuts(read_recording(log), CUTS, seed=1):
        found = tmp_path / "found"
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        for name, content in files.items():
            (found / name).write_bytes(content)
        acknowledged = dict(note.split() for note in notes)
        outcome.cuts += 1
        try:
            with HistoryStore.open(found / "me.db", KEY) as store:
                for user, count in acknowledged.items():
                    kept = [event.item.id for event in store.load(user) if event.item]
                    expected = [f"{user}-{n}" for n in range(int(count))]
                    outcome.lost += kept[: len(expected)] != expected
        except HistoryError:
            outcome.unreadable += 1
        if outcome.lost + outcome.unreadable > enough:
            break
    return outcome


@pytest.mark.slow
def test_nothing_acknowledged_is_lost(
    run_script: Callable[..., str], faults_library: Path, tmp_path: Path
) -> None:
    outcome = cut_power(run_script, faults_library, tmp_path)
    assert outcome == Outcome(cuts=CUTS, lost=0, unreadable=0)


@pytest.mark.slow
def test_weaker_settings_would_lose(
    run_script: Callable[..., str], faults_library: Path, tmp_path: Path
) -> None:
    """The same test with synchronous=NORMAL, to show that it can fail.

    Most of what is lost then is told of, because the lock file knows more than the file.
    """
    enough = CUTS / 20
    outcome = cut_power(run_script, faults_library, tmp_path, "NORMAL", enough=enough)
    assert outcome.lost + outcome.unreadable > enough
