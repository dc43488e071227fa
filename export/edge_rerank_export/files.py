"""Files that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.errors import RecipeError


def write_whole(path: Path, text: str) -> None:
    """Write a text file in place of whatever is there."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def kept_array(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array in a file of numpy's, made and kept where there is none.

    Args:
        path: says by its name what the array is of: what it holds is taken as it is.
        make: gives the array; what it raises leaves no file.
    """
    if path.is_file():
        found: NDArray[Any] = np.load(path, allow_pickle=False)
        return found
    made = make()
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as stream:
        np.save(stream, made, allow_pickle=False)
    draft.replace(path)
    return made


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A draft that becomes ``path`` when the block ends without an error.

    Raises:
        RecipeError: when there is a file already.
    """
    path = path.absolute()
    if path.exists():
        raise RecipeError(f"out: expected no file there yet, found {path.name}")
    draft = path.with_name(f".{path.name}.part")
    try:
        yield draft
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.rename(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A draft that becomes the folder ``path`` when the block ends without an error.

    Raises:
        RecipeError: when something is there already.
    """
    path = path.absolute()
    if path.exists():
        raise RecipeError(f"out: expected nothing there yet, found {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as work:
        draft = Path(work) / "new"
        draft.mkdir()
        yield draft
        draft.rename(path)


def made_folder(path: Path) -> Path:
    """The folder ``path``, made if it is not there.

    Raises:
        RecipeError: when it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"--out: expected a folder, got {type(error).__name__}") from error
    return path


def data_file(model: Path) -> Path:
    """Where the weights of the ONNX file ``model`` lie if they are not in it."""
    return model.with_name(f"{model.name}.data")


def existing_model(path: Path) -> Path:
    """The ONNX file ``path``.

    Raises:
        RecipeError: when there is none.
    """
    if not path.is_file():
        raise RecipeError(f"model: expected an ONNX file, found none at {path.name}")
    return path
