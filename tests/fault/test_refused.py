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
