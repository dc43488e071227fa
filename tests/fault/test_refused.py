"""Disk full, quota used up, file system gone read-only: at every write there is."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.conftest import FULL

EVERY = 1 if FULL else 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EIO"])
def test_acknowledged_events_survive_and_work_goes_on(
    run_script: Callable[..., str], faults_library: Path, tmp_path: Path, name: str
) -> None:
    found = json.loads(
        run_script(
            "script_refused.py", tmp_path, getattr(errno, name), EVERY, preload=faults_library
        )
    )
    assert found["steps"] > 100 / EVERY
    assert found["refusals"] >= found["steps"] - 1
    assert (found["lost"], found["stuck"], found["untyped"]) == (0, 0, 0)


@pytest.mark.parametrize("name", ["ENOSPC", "EROFS"])
def test_ranking_goes_on_and_says_what_it_lacks(
    run_script: Callable[..., str], faults_library: Path, tmp_path: Path, name: str
) -> None:
    found = json.loads(
        run_script("script_ranked.py", tmp_path, getattr(errno, name), preload=faults_library)
    )
    assert found == {
        "recorded before": 1,
        "ranked before": [3, True, []],
        "recorded without space": "refused",
        "ranked without space": [3, True, []],  # what is in memory and on disk can be read
        "ranked half a day later": [3, True, []],
        "ranked when retention is due": [3, False, ["history-unavailable"]],
        "ranked afterwards": [3, True, []],
        "recorded afterwards": 1,
        "events": 2,
    }
