"""Principal axes of item vectors, as packs carry them."""

from __future__ import annotations

import numpy as np

from edge_rerank.packs.array_files import write_array
from edge_rerank_export.train.history.axes import principal_axes


def vectors(count: int = 300, dim: int = 8, seed: int = 0) -> np.ndarray:
    """Unit rows that differ most along their third number, then along their first."""
    rng = np.random.default_rng(seed)
    spread = np.full(dim, 0.05)
    spread[[2, 0]] = 1.0, 0.4
    rows = rng.normal(size=(count, dim)) * spread + 0.3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_largest_variance_comes_first_and_columns_are_orthonormal() -> None:
    axes = principal_axes([vectors()], seed=0, count=3).astype(np.float64)
    assert axes.shape == (8, 3)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=5e-3)
    assert np.abs(axes[:, 0]).argmax() == 2
    spread = (vectors() @ axes).std(axis=0)
    assert (np.diff(spread) < 0).all()
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()


def test_equal_vectors_give_equal_bytes_and_unread_texts_are_left_out() -> None:
    some = vectors()
    blank = np.concatenate([some, np.zeros((50, 8), dtype=np.float32)])
    first, again = (principal_axes([one], seed=0) for one in (some, blank))
    assert write_array(first) == write_array(again)


def test_a_large_data_set_does_not_decide_for_a_small_one() -> None:
    large, small = vectors(9_000), vectors(4_000, seed=1)[:, ::-1]
    both = principal_axes([large, small], seed=0, count=2)
    # The third number of the one and the sixth of the other vary alike.
    assert {int(np.abs(column).argmax()) for column in both.T} == {2, 5}


def test_without_a_text_that_was_read_the_axes_say_nothing() -> None:
    axes = principal_axes([np.zeros((5, 8), dtype=np.float32)], seed=0, count=3)
    assert axes.shape == (8, 3)
    assert not axes.any()
