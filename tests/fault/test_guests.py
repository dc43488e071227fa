"""What guests brought is nowhere on disk, however the server ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_rerank import History
from tests.fault.conftest import FULL

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("script_guests.py")
KILLS = 100 if FULL else 2

WORDS = "quixotic-marzipan"


@pytest.mark.slow
def test_no_byte_of_a_guest_is_on_disk_after_a_kill(tmp_path: Path) -> None:
    store, home = tmp_path / "store", tmp_path / "home"
    store.mkdir()
    home.mkdir()
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home)}
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(store), WORDS],
            env={**variables, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=home,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline()  # one has come and gone, others are to follow
        time.sleep(0.02 * (kill % 10))
        process.kill()
        process.communicate()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert store / "h.db" in files
        for path in files:
            content = path.read_bytes()
            for spelling in (WORDS.encode(), WORDS.encode("utf-16-le"), WORDS.upper().encode()):
                assert spelling not in content, path.name
    assert not list(home.iterdir())
    with History.open(store / "h.db", bytes(range(32))) as history:
        assert history.verify().people == 1  # nor is one of them in it under seal
