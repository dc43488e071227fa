"""kill -9 at random moments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.conftest import FULL

KILLS = {
    "append": 1000 if FULL else 40,
    "rotate": 150 if FULL else 16,
    "reseal": 120 if FULL else 10,
    "rekey": 120 if FULL else 10,
}
ARCHIVE = {"append": 0, "rotate": 2000} | dict.fromkeys(
    ("reseal", "rekey"), 20_000 if FULL else 2000
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", KILLS)
def test_nothing_acknowledged_is_lost(
    run_script: Callable[..., str], tmp_path: Path, mode: str
) -> None:
    found = json.loads(
        run_script("script_killed.py", mode, tmp_path, KILLS[mode], 1, ARCHIVE[mode])
    )
    assert found["kills"] == KILLS[mode]
    assert found["acknowledged"] > KILLS[mode]  # or the children never got to work
    assert (found["lost"], found["unreadable"]) == (0, 0)
    assert mode != "rotate" or found["rotations"] > KILLS[mode] / 10
    # Most of the kills fell into a rotation, which the next opening, or call, ended.
    assert mode not in {"reseal", "rekey"} or found["interrupted"] > KILLS[mode] / 3
