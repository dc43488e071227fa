"""The snapshot in memory is what SQLite itself would make of file and log."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest

from edge_rerank.compliance import snapshot
from edge_rerank.compliance.snapshot import read_snapshot
from edge_rerank.errors import HistoryCorrupt, HistoryLocked
from edge_rerank.history.vault.wal import checksum

FRAME = 24 + 512


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A file, and a log of several commits over an earlier round, ending in an open transaction."""
    work = tmp_path / "work"
    work.mkdir()
    connection = sqlite3.connect(work / "db", isolation_level=None)
    for statement in (
        "PRAGMA page_size = 512",
        "PRAGMA journal_mode = WAL",
        "PRAGMA cache_size = 4",
        "CREATE TABLE t (a, b)",
    ):
        connection.execute(statement)
    rows = [(number, os.urandom(200)) for number in range(40)]
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    for number in range(5):
        connection.execute("UPDATE t SET b = ? WHERE a = ?", (os.urandom(300), number))
    connection.execute("DELETE FROM t WHERE a > 20")
    connection.execute("VACUUM")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)  # spills into the log
    kept = tmp_path / "db"
    for suffix in ("", "-wal"):
        shutil.copy(f"{work / 'db'}{suffix}", f"{kept}{suffix}")
    connection.close()
    return kept


def as_sqlite_reads(path: Path) -> list[str]:
    """Through a copy: SQLite would change what it reads."""
    copy = path.parent / "copy"
    copy.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy / 'db'}{suffix}")
    connection = sqlite3.connect(copy / "db")
    content = list(connection.iterdump())
    connection.close()
    shutil.rmtree(copy)
    return content


def as_we_read(path: Path) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(read_snapshot(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    content = list(connection.iterdump())
    connection.close()
    return content


def test_a_log_cut_off_anywhere(crashed: Path) -> None:
    log = Path(f"{crashed}-wal")
    whole = log.read_bytes()
    assert len(whole) > 60 * FRAME
    seen = set()
    for end in [
        *range(32, len(whole) + 1, FRAME),
        0,
        20,
        31,
        len(whole) - 1,
        len(whole) - FRAME // 2,
    ]:
        log.write_bytes(whole[:end])
        content = as_we_read(crashed)
        assert content == as_sqlite_reads(crashed), end
        seen.add(tuple(content))
    assert len(seen) >= 5


def test_a_log_changed_anywhere(crashed: Path) -> None:
    log = Path(f"{crashed}-wal")
    whole = log.read_bytes()
    for at in range(0, len(whole), 1_003):
        log.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert as_we_read(crashed) == as_sqlite_reads(crashed), at


def resummed(log: bytearray) -> bytes:
    """The log with the sums that its header and its first frame should have."""
    sums = checksum((0, 0), bytes(log[:24]), "<")
    log[24:32] = struct.pack(">2I", *sums)
    sums = checksum(sums, bytes(log[32:40] + log[56 : 32 + FRAME]), "<")
    log[48:56] = struct.pack(">2I", *sums)
    return bytes(log[: 32 + FRAME])


def test_a_log_made_by_hand_asks_for_no_memory(crashed: Path) -> None:
    log = Path(f"{crashed}-wal")
    made = bytearray(log.read_bytes())
    made[3] = 0x82  # sums in little endian
    made[32:40] = struct.pack(">2I", 0xFFFFFFFF, 0xFFFFFFFF)
    log.write_bytes(resummed(made))
    with pytest.raises(HistoryCorrupt, match="log"):
        read_snapshot(crashed)
    made[8:12] = struct.pack(">I", 7)
    log.write_bytes(resummed(made))
    assert read_snapshot(crashed)[100:] == crashed.read_bytes()[100:]


def test_a_file_that_changes_while_it_is_read_is_read_again(
    crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3]
    content = as_we_read(crashed)

    def changing(path: Path, content: bytes) -> bool:
        left[0] -= 1
        return left[0] <= 0

    monkeypatch.setattr(snapshot, "_same", changing)
    assert as_we_read(crashed) == content
    left[0] = 10**6
    with pytest.raises(HistoryLocked):
        read_snapshot(crashed)
