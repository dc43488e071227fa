"""``batch``: each row once, whatever is killed, and nothing of another question mixed in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.batch import BatchRanker
from edge_rerank.evaluation.invented import invented_items
from edge_rerank_export.cli import EXIT_USAGE, main

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

from edge_rerank_export.fleet.batch import job

pytestmark = pytest.mark.slow

ITEMS = invented_items(12)
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalogue and 40 people in two files."""
    folder = tmp_path_factory.mktemp("shop")
    with (folder / "items.jsonl").open("w", encoding="utf-8") as stream:
        for item in ITEMS:
            stream.write(json.dumps({"id": item.id, "text": item.text}) + "\n")
    (folder / "people").mkdir()
    for part in range(2):
        rows = [person(20 * part + number) for number in range(20)]
        pq.write_table(pa.Table.from_pylist(rows), folder / "people" / f"{part}.parquet")
    return folder


def person(number: int) -> dict[str, Any]:
    liked = [ITEMS[number % 12].id, ITEMS[(5 * number + 1) % 12].id]
    return {
        "person": f"p{number}",
        "history": liked,
        "types": ["click", "like"],
        "timestamps": [NOW - 60.0, NOW - 30.0],
        "candidates": [item.id for item in ITEMS] if number != 7 else ["gone"],
    }


def command(shop: Path, out: Path, *more: str) -> list[str]:
    return [
        "batch",
        *("--in", str(shop / "people"), "--out", str(out), "--items", str(shop / "items.jsonl")),
        *("--now", str(NOW), "--rows", "4", *more),
    ]


def read(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


@pytest.fixture(scope="module")
def finished(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A whole run's parts, and what it told."""
    out, said = tmp_path_factory.mktemp("finished") / "out", StringIO()
    with redirect_stdout(said):
        assert main(command(shop, out, "--json")) == 0
    return out, json.loads(said.getvalue())


def test_every_row_is_ranked_once_and_in_order(
    shop: Path, finished: tuple[Path, dict[str, Any]]
) -> None:
    out, told = finished
    assert (told["rows"], told["marked"], told["before"]) == (40, 1, 0)
    assert told["per_second"] > 0
    rows = read(out)
    assert [row["person"] for row in rows] == [f"p{number}" for number in range(40)]
    assert rows[7]["ids"] is None
    assert rows[7]["error"].startswith("ids: expected those of the catalogue")
    expected = BatchRanker(shop / "items.jsonl", now=NOW, vectors=out / "_vectors")
    one = expected({name: [value] for name, value in person(11).items()})
    assert rows[11]["ids"] == one["ids"][0]
    assert rows[11]["scores"] == one["scores"][0]
    expected.close()
    for file in out.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def test_why_rows_are_not_ranked_is_said_and_none_is_an_error(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(shop, tmp_path / "out")) == 0
    told = " ".join(capsys.readouterr())
    assert "1 rows could not be ranked, as ids: expected those of the catalogue" in told
    milliseconds = [{**person(0), "timestamps": [NOW * 1000, NOW * 1000 + 9]}] * 3
    (tmp_path / "people").mkdir()
    pq.write_table(pa.Table.from_pylist(milliseconds), tmp_path / "people" / "a.parquet")
    (tmp_path / "items.jsonl").write_bytes((shop / "items.jsonl").read_bytes())
    assert main(command(tmp_path, tmp_path / "none")) == 2
    assert "3 rows could not be ranked, as timestamp: " in " ".join(capsys.readouterr())


def test_a_run_goes_on_where_another_was_killed(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    started = subprocess.Popen(
        [sys.executable, "-m", "edge_rerank.export", *command(shop, out)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not list(out.glob("part-*")):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    done = {file.name: file.stat().st_mtime_ns for file in out.glob("part-*")}
    first = min(done)
    (out / "part-000009.parquet").write_bytes((out / first).read_bytes()[:100])  # cut off
    assert main(command(shop, out, "--resume", "--workers", "2")) == 0
    assert (out / first).stat().st_mtime_ns == done[first]
    assert [row["person"] for row in read(out)] == [f"p{number}" for number in range(40)]
    assert not list(out.glob("_part*"))


def test_workers_that_are_killed_are_replaced(shop: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, "-m", "edge_rerank.export", *command(shop, out, "--workers", "2")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    killed = 0
    while running.poll() is None:
        if killed < 2 and len(list(out.glob("part-*"))) > 2 * killed:
            with suppress(psutil.NoSuchProcess):  # one that was killed before may just be going
                workers = [
                    one
                    for one in psutil.Process(running.pid).children()
                    if "spawn_main" in " ".join(one.cmdline())
                ]
                if workers:
                    workers[-1].kill()
                    killed += 1
        time.sleep(0.01)
    assert running.returncode == 0, running.stderr.read() if running.stderr else ""
    assert killed == 2
    assert [row["person"] for row in read(out)] == [f"p{number}" for number in range(40)]


def test_workers_leave_when_the_driver_is_gone(shop: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, "-m", "edge_rerank.export", *command(shop, out)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not list(out.glob("part-*")):
        time.sleep(0.01)
    children = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    assert children
    _, left = psutil.wait_procs(children, timeout=30)
    assert not left


def test_another_question_is_refused(
    shop: Path, finished: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = finished
    assert main(command(shop, out)) == EXIT_USAGE
    assert "or --resume" in capsys.readouterr().err.replace("\n", " ")
    assert main(command(shop, out, "--top-k", "3", "--resume")) == EXIT_USAGE
    assert "found something else" in capsys.readouterr().err.replace("\n", " ")
    assert main(command(shop, out, "--resume")) == 0


def test_an_input_without_a_column_or_that_is_none(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = tmp_path / "in.parquet"
    pq.write_table(pa.table({"person": [1]}), lacking)
    arguments = command(shop, tmp_path / "out")
    arguments[2] = str(lacking)
    assert main(arguments) == EXIT_USAGE
    assert "expected a column history" in capsys.readouterr().err.replace("\n", " ")
    lacking.write_bytes(b"no table")
    assert main(arguments) == EXIT_USAGE
    assert "expected Parquet" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out" / "part-000000.parquet").exists()


def test_a_worker_that_always_dies_ends_the_run(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_rerank_export.fleet.batch import local

    monkeypatch.setattr(local, "_rank", dies)
    monkeypatch.setattr(local, "MOST_LOST", 2)
    assert main(command(shop, tmp_path / "out")) == EXIT_USAGE
    assert "workers died 2 times" in capsys.readouterr().err.replace("\n", " ")


def dies(*_: object) -> None:
    os._exit(1)


def test_a_process_that_is_killed_while_it_reads_the_items_is_replaced(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "died"
    monkeypatch.setenv("DIE_ONCE", str(marker))
    assert job._prepared(DiesOnce(shop / "items.jsonl")) == "prepared"
    assert marker.exists()


def test_what_always_dies_while_it_reads_the_items_is_one_line(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "BatchRanker", Dies)
    monkeypatch.setattr(job, "MOST_LOST", 2)
    assert main(command(shop, tmp_path / "out")) == EXIT_USAGE
    assert "what reads the items died 2 times" in capsys.readouterr().err.replace("\n", " ")


class Dies(BatchRanker):
    """One that no process survives."""

    def prepare(self) -> str:
        os._exit(1)


class DiesOnce(BatchRanker):
    """One that the first process does not survive."""

    def prepare(self) -> str:
        marker = Path(os.environ["DIE_ONCE"])
        if marker.exists():
            return "prepared"
        marker.touch()
        os._exit(1)
