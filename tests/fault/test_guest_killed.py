"""kill -9 while a visitor is served: nothing of them is on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.conftest import FULL

KILLS = {"session": 100} | ({"server": 100} if FULL else {})
"""The server as such is killed twice in test_guests."""


@pytest.mark.slow
@pytest.mark.parametrize("mode", KILLS)
def test_no_byte_of_a_guest_is_on_the_disk(
    run_script: Callable[..., str], tmp_path: Path, mode: str
) -> None:
    found = json.loads(run_script("script_guest.py", mode, tmp_path, KILLS[mode], 1))
    assert found["kills"] == KILLS[mode]
    assert found["acknowledged"] >= KILLS[mode]  # or they were killed before they did anything
    assert found["found"] == []
    assert found["control"] == ["control"]
    assert found["files"] == 0 or mode == "server"  # the token, and the file that leads to the page
