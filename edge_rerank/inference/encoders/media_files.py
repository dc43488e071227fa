"""Files of pictures and sounds: opened as bytes, and known by what is in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import Picture, Sound
from edge_rerank.errors import InvalidItem

KEY = 16


@contextmanager
def opened(file: bytes | Path, name: str) -> Iterator[BinaryIO]:
    """A file's bytes to read from.

    Args:
        file: its bytes, or its path, which has to be that of a regular file.
        name: what the item calls it.

    Raises:
        InvalidItem: when there is none, or it cannot be opened or read.
    """
    if isinstance(file, bytes):
        yield BytesIO(file)
        return
    try:
        # Opening a pipe would wait for somebody to write to it.
        with open(file, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InvalidItem(f"{name}: expected a regular file, got something else")
            yield stream
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidItem):
            raise
        came = type(error).__name__
        raise InvalidItem(f"{name}: expected a file that can be read, got {came}") from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def media_key(value: Picture | Sound) -> bytes:
    """By which caches know a picture or sound: a BLAKE2b hash of 16 bytes.

    Of arrays and bytes it is one of what is in them; of a path, of the path with the size and the
    time of the last change of what lies there.

    Raises:
        InvalidItem: when nothing lies there.
    """
    if isinstance(value, Path):
        try:
            found = value.stat()
        except (OSError, ValueError) as error:
            came = type(error).__name__
            raise InvalidItem(f"expected a file that can be read, got {came}") from None
        told = f"path {found.st_size} {found.st_mtime_ns} {value.absolute()}"
        return _hashed(told.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return _hashed(b"bytes", value)
    if isinstance(value, tuple):
        samples, rate = value
        return _hashed(f"sound {rate}".encode(), _bytes(samples))
    return _hashed(f"picture {value.shape}".encode(), _bytes(value))


def _bytes(array: NDArray[np.generic]) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B")


def _hashed(*parts: bytes | memoryview) -> bytes:
    digest = blake2b(digest_size=KEY)
    for part in parts:
        digest.update(part)
    return digest.digest()
