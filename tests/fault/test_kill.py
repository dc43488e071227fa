"""kill -9 at random moments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.conftest import FULL

KILLS = {"append": 1000 if FULL else 60, "rotate": 150 if FULL else 25}


@pytest.mark.slow
@pytest.mark.parametrize("mode", KILLS)
def test_nothing_acknowledged_is_lost(
    run_script: Callable[..., str], tmp_path: Path, mode: str
) -> None:
    found = json.loads(run_script("script_killed.py", mode, tmp_path, KILLS[mode], 1))
    assert found["kills"] == KILLS[mode]
    assert found["acknowledged"] > KILLS[mode]  # or the children never got to work
    assert (found["lost"], found["unreadable"]) == (0, 0)
    assert mode != "rotate" or found["rotations"] > KILLS[mode] / 10
