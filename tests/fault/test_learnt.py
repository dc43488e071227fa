"""kill -9 at random moments of learning: events and what they taught are never apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.conftest import FULL

KILLS = 200 if FULL else 12


@pytest.mark.slow
def test_no_acknowledged_lesson_is_lost(run_script: Callable[..., str], tmp_path: Path) -> None:
    found = json.loads(run_script("script_learnt.py", tmp_path, KILLS, 1))
    assert found["kills"] == KILLS
    assert found["events"] >= found["acknowledged"] > 2 * KILLS  # or they never got to work
    assert (found["lost"], found["apart"], found["unread"]) == (0, 0, 0)
