"""Files of the toolchain: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_rerank_export.files import kept_array


def test_an_array_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "some.npy"
    made = kept_array(path, lambda: np.arange(3, dtype=np.float16))
    again = kept_array(path, lambda: np.zeros(3))
    assert again.dtype == np.float16
    assert again.tolist() == made.tolist() == [0.0, 1.0, 2.0]
    assert [one.name for one in tmp_path.iterdir()] == ["some.npy"]


def test_a_run_that_was_broken_off_leaves_no_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(stream: object, array: object, **options: object) -> None:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(np, "save", broken)
        kept_array(tmp_path / "some.npy", lambda: np.ones(2))

    assert kept_array(tmp_path / "some.npy", lambda: np.ones(2)).tolist() == [1.0, 1.0]
