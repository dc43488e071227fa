"""Writing tables: a reader finds the old ones whole, or the new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Tables
from edge_rerank.errors import DataError
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge_rerank.ranking.signals.pairs import PairTable
from edge_rerank.tables import folder as writing
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.folder import write_tables
from edge_rerank.tables.pairs import count_pairs

COUNTED = {"people": 2, "choices": 4, "items": 2}


def write(folder: Path, *, people: int = 2) -> Tables:
    path = np.array([0, 1])
    return write_tables(
        folder,
        {
            "together": count_pairs(["a", "b"], [path] * people).table,
            "record": count_items(["a", "b"], path, np.array([1.0, 2.0]), []),
        },
        name="shop",
        made=5 + people,
        counted=COUNTED,
        settings={"min_people": 1.0},
    )


def people_in(tables: Tables) -> int:
    table = PairTable.from_bytes(tables.read(tables.manifest.tables["together"]))
    return int(table._arrays["people"][0])


def test_they_are_read_again_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "tables"
    tables = write(folder)
    assert tables == Tables.open(folder)
    assert people_in(tables) == 2
    assert tables.manifest.made == 7
    assert (tables.manifest.people, tables.manifest.choices, tables.manifest.items) == (2, 4, 2)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_newer_ones_take_the_places_of_older_ones(tmp_path: Path) -> None:
    before = write(tmp_path)
    (tmp_path / SIGNATURE_NAME).write_bytes(bytes(64))
    after = write(tmp_path, people=3)
    assert people_in(Tables.open(tmp_path)) == 3
    assert people_in(before) == 2
    # Neither old files nor a signature of something else are left.
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {MANIFEST_NAME, *after.manifest.tables.values()}


def preceded(function: Callable[..., object], before: Callable[[], None]) -> Callable[..., object]:
    def call(*arguments: object, **names: object) -> object:
        before()
        return function(*arguments, **names)

    return call


def test_whatever_fails_the_folder_has_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename and every removal is refused in turn."""
    write(tmp_path)
    found = []
    while True:
        refuse_at = len(found)
        calls = iter(range(100))

        def refuses(at: int = refuse_at, calls: Iterator[int] = calls) -> None:
            if next(calls) == at:
                raise OSError("refused")

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink"):
                patch.setattr(Path, name, preceded(getattr(Path, name), refuses))
            try:
                write(tmp_path, people=3)
            except DataError as error:
                assert "cannot be written: OSError" in str(error)
            else:
                break
        found.append(people_in(Tables.open(tmp_path)))
        write(tmp_path)
    assert sorted(found) == found
    assert set(found) == {2, 3}
    assert people_in(write(tmp_path, people=4)) == 4


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(DataError, match="expected a folder of tables"):
        write(tmp_path)
    (tmp_path / "thesis.txt").rename(tmp_path / MANIFEST_NAME)
    with pytest.raises(DataError, match="expected a folder of tables"):
        write(tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_text() == "dear"
    with pytest.raises(DataError, match="expected a folder of tables"):
        write(tmp_path / MANIFEST_NAME)


def test_a_table_that_nobody_would_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_TABLE_BYTES", 10)
    with pytest.raises(DataError, match="at most 10 bytes"):
        write(tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
