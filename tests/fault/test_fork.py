"""fork(): the child is refused, and the parent goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()"),
]

CALLS = 100


def test_every_call_in_a_child_is_refused_and_the_parent_loses_nothing(
    run_script: Callable[..., str], tmp_path: Path
) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    assert json.loads(run_script("script_forked.py", folder, CALLS)) == {
        "calls": CALLS,
        "refused": CALLS,
        "other": {},
        "children that ended badly": 0,
        "whole": True,
        "events": CALLS,
        "events after a kill": CALLS,
    }
