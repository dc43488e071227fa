"""Pictures and sounds as an item carries them: arrays, files or their bytes, never an address.

Looked at is the shape of what is handed over; files are read when a pack looks at them, see
:mod:`edge_rerank.inference.encoders.pictures` and :mod:`~edge_rerank.inference.encoders.sounds`.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer, kind_of
from edge_rerank.errors import InvalidItem

Picture: TypeAlias = NDArray[np.uint8] | bytes | Path
"""uint8 of shape (height, width, 3), a file's bytes, or its path."""

Sound: TypeAlias = tuple[NDArray[np.float32], int] | bytes | Path
"""float32 of shape (samples,) with its rate in Hz, a file's bytes, or its path."""

MAX_PIXELS = 40_000_000
"""Of a picture; a telephone's have 12 to 50 million, and nobody looks at more."""

MIN_RATE, MAX_RATE = 4_000, 192_000
"""Hz of a sound."""

_T = TypeVar("_T", bound=np.generic)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})")
_DATA = re.compile(r"data:[^,]*?(;base64)?,", re.IGNORECASE)
_LONGEST_HEAD = 256


def picture_of(value: object) -> Picture:
    """A picture as an item keeps it.

    Args:
        value: uint8 of shape (height, width, 3), red, green and blue, at most 40 million pixels,
            copied if it can be written to; bytes of a file, its path, or a ``data:`` URL.

    Raises:
        InvalidItem: when it is something else; nothing is ever fetched.
    """
    if not isinstance(value, np.ndarray):
        return _file_of(value, "image", "a uint8 array (height, width, 3)")
    if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3 or not value.size:
        raise InvalidItem(
            "image: expected uint8 of shape (height, width, 3), "
            f"got {value.dtype} of shape {value.shape}"
        )
    if value.shape[0] * value.shape[1] > MAX_PIXELS:
        raise InvalidItem(f"image: expected at most {MAX_PIXELS:,} pixels, got more")
    return _kept(value)


def sound_of(value: object) -> Sound:
    """A sound as an item keeps it.

    Args:
        value: a pair of float32 of shape (samples,), one channel from -1 to 1, copied if it can be
            written to, and its rate in Hz, 4,000 to 192,000; bytes of a file, its path, or a
            ``data:`` URL.

    Raises:
        InvalidItem: when it is something else; nothing is ever fetched.
    """
    if not isinstance(value, tuple):
        return _file_of(value, "audio", "a pair (float32 samples, rate in Hz)")
    if len(value) != 2 or not isinstance(value[0], np.ndarray):
        raise InvalidItem("audio: expected a pair (float32 samples, rate in Hz), got another tuple")
    samples, rate = value
    rate = check_integer(rate, "audio rate", InvalidItem, minimum=MIN_RATE, maximum=MAX_RATE)
    if samples.dtype != np.float32 or samples.ndim != 1 or not samples.size:
        raise InvalidItem(
            "audio: expected float32 samples of shape (n,), one channel from -1 to 1, "
            f"got {samples.dtype} of shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise InvalidItem("audio: expected finite samples, got NaN or infinity")
    return _kept(samples), rate


def check_from_text(value: object, name: str) -> None:
    """See that text from another machine holds a ``data:`` URL, or nothing.

    A path would name a file of this machine.

    Args:
        value: of a JSON member.
        name: of the member.

    Raises:
        InvalidItem: when it is something else.
    """
    if value is None or (isinstance(value, str) and _DATA.match(value[:_LONGEST_HEAD])):
        return
    came = "other text" if isinstance(value, str) else kind_of(value)
    raise InvalidItem(f"{name}: expected a data: URL or null, got {came}; nothing is fetched")


def _kept(array: NDArray[_T]) -> NDArray[_T]:
    """An array that nobody writes to any more."""
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array


def _file_of(value: object, name: str, array: str) -> bytes | Path:
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value)
    elif isinstance(value, str) and _SCHEME.match(value):
        value = _data_of(value, name)
    elif isinstance(value, str | Path):
        return Path(value)
    else:
        wanted = f"{array}, bytes, a path, a data: URL or None"
        raise InvalidItem(f"{name}: expected {wanted}, got {kind_of(value)}")
    if not value:
        raise InvalidItem(f"{name}: expected bytes of a file, got none")
    return value


def _data_of(url: str, name: str) -> bytes:
    """The bytes that a ``data:`` URL holds (RFC 2397)."""
    head = _DATA.match(url[:_LONGEST_HEAD])
    if head is None:
        raise InvalidItem(
            f"{name}: expected a path or a data: URL, got another URL; nothing is fetched"
        )
    content = url[head.end() :]
    if head[1] is None:
        return _unquoted(content)
    try:
        return b64decode(_unquoted(content), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidItem(f"{name}: expected a data: URL in base64, got something else") from None


def _unquoted(text: str) -> bytes:
    """The bytes of a text in which %XX stands for one of them (RFC 3986); others stay."""
    raw = text.encode()
    return _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()), raw) if b"%" in raw else raw
