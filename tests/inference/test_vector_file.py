"""Vectors of a catalogue between processes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Item, RankingEngine
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.inference.encoders.cache import text_keys
from edge_rerank.inference.encoders.vector_file import MAGIC, VectorFile, write_vectors

TEXTS = ["a red lamp", "a teapot", ""]
KEYS = text_keys(TEXTS)
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)
ITEMS = [Item(str(n), text) for n, text in enumerate(TEXTS)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.vectors"
    write_vectors(path, KEYS, VECTORS, encoder="pack")
    return path


def opened(path: Path, *, encoder: str = "pack", dim: int = 4) -> VectorFile | None:
    return VectorFile.open(path, encoder=encoder, dim=dim)


def test_what_was_written_is_read(file: Path) -> None:
    found = opened(file)
    assert found is not None
    assert list(found.keys) == KEYS
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.rows([KEYS[2], b"x" * 16, KEYS[0]]).tolist() == [2, -1, 0]
    assert not found.vectors.flags.writeable
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600


def test_no_vectors_are_written_and_read(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v", [], np.zeros((0, 4), dtype=np.float32), encoder="pack")
    found = opened(tmp_path / "v")
    assert found is not None
    assert found.vectors.shape == (0, 4)


def test_those_of_another_encoder_are_none(file: Path, tmp_path: Path) -> None:
    assert opened(file, encoder="other") is None
    assert opened(file, dim=5) is None
    assert opened(tmp_path / "none") is None


@pytest.mark.parametrize("at", [len(MAGIC), len(MAGIC) + 9, 40, 80, -1])
def test_a_changed_byte_is_noticed(file: Path, at: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)
    assert opened(file) is None


@pytest.mark.parametrize("left", [len(MAGIC), 50, 100, 175])
def test_what_was_cut_off_is_noticed(file: Path, left: int) -> None:
    file.write_bytes(file.read_bytes()[:left])
    assert opened(file) is None


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "photo.png"
    mine.write_bytes(b"something of mine")
    with pytest.raises(DataError, match="expected a file of vectors, or none"):
        opened(mine)
    with RankingEngine.open() as engine, pytest.raises(DataError):
        engine.prepare(ITEMS, vectors=mine)
    assert mine.read_bytes() == b"something of mine"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with RankingEngine.open() as engine:
        with pytest.raises(DataError, match="cannot be written: No such file or directory"):
            engine.prepare(ITEMS, vectors=tmp_path / "no" / "file")
        with pytest.raises(InvalidRequest, match="vectors: expected a path or None, got int"):
            engine.prepare(ITEMS, vectors=5)  # type: ignore[arg-type]


def test_the_next_process_reads_no_text_again(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.vectors"
    encoded: list[int] = []

    def ranked(items: list[Item]) -> list[tuple[str, float]]:
        with RankingEngine.open() as engine:
            encode = engine._encoder.encode
            engine._encoder.encode = (  # type: ignore[method-assign]
                lambda texts, **_: encoded.append(len(texts)) or encode(texts)
            )
            catalogue = engine.prepare(items, vectors=path)
            return [(one.item.id, one.score) for one in engine.rank(catalogue, query="lamp")]

    with RankingEngine.open() as engine:
        plain = [(one.item.id, one.score) for one in engine.rank(ITEMS, query="lamp")]
    assert ranked(ITEMS) == plain
    first = sum(encoded)
    encoded.clear()
    assert ranked(ITEMS) == plain
    assert first - sum(encoded) >= 2  # what unrelated texts and queries need is read each time
    again = sum(encoded)
    encoded.clear()
    more = [ITEMS[1], Item("new", "a green novel"), ITEMS[0]]
    ranked(more)
    assert sum(encoded) == again + 1
    found = VectorFile.open(path, encoder=engine.pack.digest, dim=384)
    assert found is not None
    assert list(found.keys) == text_keys(item.text for item in more)
