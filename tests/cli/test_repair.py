from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile

from .conftest import EVENTS, Run


@pytest.fixture
def damaged(run: Run, tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history in which one bit of one record is flipped."""
    path, key = tmp_path / "me.db", tmp_path / "me.key"
    assert (
        run(
            "import", EVENTS, "--history", path, "--key-file", key, "--user", "robin", "--consent"
        ).code
        == 0
    )
    with sqlite3.connect(path) as connection:
        pseudonym, head = connection.execute("SELECT pseudonym, head FROM people").fetchone()
        head = head[:100] + bytes([head[100] ^ 1]) + head[101:]
        connection.execute("UPDATE people SET head = ? WHERE pseudonym = ?", [head, pseudonym])
    connection.close()
    return "--history", path, "--key-file", key


def test_repair(run: Run, damaged: tuple[object, ...]) -> None:
    assert run("audit", "verify", *damaged).code == 1
    result = run("audit", "repair", *damaged)
    assert (result.code, result.err) == (0, "")
    assert "put right: the data of 1 people" in result.out
    assert run("audit", "verify", *damaged).code == 0
    assert json.loads(run("audit", "repair", *damaged, "--json").out) == {"people": 0, "events": 0}


def test_quarantine(run: Run, damaged: tuple[object, ...], tmp_path: Path) -> None:
    result = run("audit", "quarantine", *damaged)
    assert result.code == 2
    assert "--yes" in result.err
    result = run("audit", "quarantine", *damaged, "--yes", "--json")
    assert (result.code, json.loads(result.out)["people"]) == (0, 1)
    with History.open(tmp_path / "me.db", KeyFile(tmp_path / "me.key")) as history:
        assert history.verify().ok


def test_what_repair_cannot_put_right_fails_the_check(
    run: Run, damaged: tuple[object, ...], tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "me.db") as connection:
        connection.execute("DELETE FROM wrapped_keys")
    connection.close()
    result = run("audit", "repair", *damaged)
    assert result.code == 1
    assert "still damaged" in result.err


def test_what_the_log_has_lost_is_left_to_the_host(
    run: Run, damaged: tuple[object, ...], tmp_path: Path
) -> None:
    live, path, key = tmp_path / "me.db", tmp_path / "copy.db", KeyFile(tmp_path / "me.key")
    assert run("audit", "repair", *damaged).code == 0
    with History.open(live, key) as history:
        for user in ("ada", "bob", "carol"):
            history.consent(user, True)
        for suffix in ("", "-wal"):
            shutil.copy(f"{live}{suffix}", f"{path}{suffix}")
    log = bytearray(Path(f"{path}-wal").read_bytes())
    log[200] ^= 1
    Path(f"{path}-wal").write_bytes(log)
    copied = ("--history", path, "--key-file", tmp_path / "me.key")
    refused = run("audit", "repair", *copied)
    assert refused.code == 2
    assert "accept_loss" in refused.err
    assert run("audit", "repair", *copied, "--accept-loss").code == 0
    assert run("audit", "verify", *copied).code == 0
