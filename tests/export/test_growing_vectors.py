"""Vectors in a file that grows: what was written stays, and what is not whole is made anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_rerank.errors import DataError
from edge_rerank_export.train.growing_vectors import GrowingVectors

KEYS = [bytes([number]) * 16 for number in range(6)]
VECTORS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
RECORD = 16 + 4 * 4 + 8


def opened(path: Path, *, encoder: str = "model") -> GrowingVectors:
    return GrowingVectors(path, encoder=encoder, dim=4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with four of the vectors."""
    kept = opened(tmp_path / "v")
    kept.add(KEYS[:2], VECTORS[:2])
    kept.add(KEYS[2:4], VECTORS[2:4])
    return tmp_path / "v"


def test_vectors_are_there_in_the_next_run_to_the_bit(path: Path) -> None:
    kept = opened(path)
    assert [key in kept for key in KEYS] == [True] * 4 + [False] * 2
    assert kept.of([KEYS[3], KEYS[0], KEYS[3]]).tobytes() == VECTORS[[3, 0, 3]].tobytes()
    assert kept.of([]).shape == (0, 4)
    assert path.stat().st_mode & 0o777 == 0o600


def test_new_ones_are_appended_and_nothing_is_written_again(path: Path) -> None:
    before = path.read_bytes()
    kept = opened(path)
    kept.add(KEYS[4:], VECTORS[4:])
    after = path.read_bytes()
    assert after.startswith(before)
    assert len(after) == len(before) + 2 * RECORD
    assert opened(path).of(KEYS).tobytes() == VECTORS.tobytes()


@pytest.mark.parametrize("missing", [1, RECORD - 1, RECORD + 1])
def test_what_was_cut_off_is_made_anew(path: Path, missing: int) -> None:
    path.write_bytes(path.read_bytes()[:-missing])
    kept = opened(path)
    whole = 4 - -(-missing // RECORD)
    assert [key in kept for key in KEYS[:4]] == [place < whole for place in range(4)]
    kept.add(KEYS[whole:], VECTORS[whole:])
    assert opened(path).of(KEYS).tobytes() == VECTORS.tobytes()


def test_what_was_changed_and_all_after_it_is_made_anew(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2 * RECORD - 10] ^= 1
    path.write_bytes(content)
    assert [key in opened(path) for key in KEYS[:4]] == [True, False, False, False]


def test_vectors_of_another_encoder_are_not_taken(path: Path) -> None:
    assert KEYS[0] not in opened(path, encoder="another")


def test_something_else_in_its_place_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"dear diary")
    with pytest.raises(DataError, match="expected a file of vectors that grows"):
        opened(tmp_path / "v")
    assert (tmp_path / "v").read_bytes() == b"dear diary"


def test_a_folder_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be kept"):
        opened(tmp_path / "none" / "v")
