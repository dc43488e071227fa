"""The lock on an open history holds, whatever else the process does with the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryKeyError, HistoryLocked, HistoryUnavailable
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
OPENED_ELSEWHERE = """
import sys
from pathlib import Path
from edge_rerank.errors import HistoryLocked
from edge_rerank.history.vault.store import HistoryStore
try:
    HistoryStore.open(Path(sys.argv[1]), bytes(range(32))).close()
except HistoryLocked as error:
    print(error)
"""
KILLED = """
import os, sys
from pathlib import Path
from edge_rerank.history.vault.store import HistoryStore
store = HistoryStore.open(Path(sys.argv[1]), bytes(range(32)))
os.kill(os.getpid(), 9)
"""


def run(script: str, path: Path) -> tuple[int, str]:
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
    return done.returncode, done.stdout.strip() + done.stderr.strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "me.db"


def test_a_host_that_reads_the_file_itself_does_not_give_the_lock_away(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        for file in path.parent.iterdir():  # a backup of the folder: POSIX drops locks here
            file.read_bytes()
        assert run(OPENED_ELSEWHERE, path) == (0, "another process has the history file open")
        assert store.append("alice", [Event("click", Item("1"), timestamp=1)]).stored
    assert run(OPENED_ELSEWHERE, path) == (0, "")
    with HistoryStore.open(path, KEY) as store:
        assert store.count("alice") == 1


def test_a_second_opening_in_the_same_process_is_told_so(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with HistoryStore.open(path, KEY):
        for name in (path, link):
            with pytest.raises(HistoryLocked, match="this process has"):
                HistoryStore.open(name, KEY)
    for name in (path, link):
        HistoryStore.open(name, KEY).close()


def test_the_lock_leaves_nothing_behind(path: Path) -> None:
    HistoryStore.open(path, KEY).close()
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, KEY[::-1])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_killed_process_holds_nothing(path: Path) -> None:
    assert run(KILLED, path)[0] == -signal.SIGKILL
    HistoryStore.open(path, KEY).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_in_the_place_of_the_lock_is_not_followed(path: Path) -> None:
    target = path.with_name("somebody's")
    path.with_name("me.db-lock").symlink_to(target)
    with pytest.raises(HistoryUnavailable, match="locked"):
        HistoryStore.open(path, KEY)
    assert not target.exists()
    assert not path.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
@pytest.mark.parametrize("dangling", [True, False])
def test_a_history_behind_a_link_is_private(path: Path, dangling: bool) -> None:
    link, before = path.with_name("link.db"), os.umask(0o022)
    try:
        if not dangling:
            HistoryStore.open(path, KEY).close()
        link.symlink_to(path)
        with HistoryStore.open(link, KEY) as store:
            store.append("alice", [Event("click", Item("1"), timestamp=1)])
            modes = {file.name: file.lstat().st_mode & 0o777 for file in path.parent.iterdir()}
        del modes["link.db"]
        assert set(modes) == {"me.db", "me.db-wal", "me.db-lock"}
        assert set(modes.values()) == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize("empty", [True, False])
def test_a_history_that_others_could_read_is_made_private(path: Path, empty: bool) -> None:
    if empty:
        path.touch()
    else:  # as a copy that was put back often is
        HistoryStore.open(path, KEY).close()
    path.chmod(0o644)
    with HistoryStore.open(path, KEY) as store:
        store.append("alice", [Event("click", Item("1"), timestamp=1)])
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes) >= {"me.db", "me.db-wal"}
    assert set(modes.values()) == {0o600}


def test_a_file_that_is_not_ours_keeps_its_mode(path: Path) -> None:
    HistoryStore.open(path, KEY).close()
    path.chmod(0o644)
    with pytest.raises(HistoryKeyError):
        HistoryStore.open(path, bytes(32))
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_said_in_words(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        store._vault.file.execute("PRAGMA max_page_count = 1")  # as many as there are
        with pytest.raises(HistoryUnavailable, match="SQLITE_FULL: the disk is full; make room"):
            for second in range(1000):
                store.append("alice", [Event("click", Item("1"), timestamp=second)])
