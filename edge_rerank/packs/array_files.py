"""Array files of packs: ``.npy`` and ``.npz``, whose sizes are checked before they are unpacked.

A zip of 8 MB can unpack to 8 GiB, and a header of 128 bytes can ask for as much. What an archive
says of itself, what its arrays say of themselves and what is really there have to agree, and to
stay within a bound that grows with the file.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid

UNPACKED_BYTES, UNPACKED_A_BYTE = 32 << 20, 32
"""Of all arrays of a file together. Tables of real catalogues unpack to 2 to 6 times their file."""

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def read_array(raw: bytes, kind: type, *, what: str) -> NDArray[Any]:
    """The array of an ``.npy`` file.

    Args:
        raw: the file.
        kind: expected dtype.
        what: names it, for errors.

    Raises:
        PackInvalid: when it is something else.
    """
    try:
        return _array(io.BytesIO(raw), len(raw), kind)
    except Exception as error:  # numpy raises many kinds
        raise PackInvalid(f"{what}: not readable: {type(error).__name__}") from error


def read_arrays(raw: bytes, kinds: Mapping[str, type], *, what: str) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file, of one dimension each.

    Args:
        raw: the file.
        kinds: names and dtypes of its arrays.
        what: names it, for errors.

    Raises:
        PackInvalid: when it is something else, or unpacks to more than a file of its size may.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {name: archive.getinfo(f"{name}.npy") for name in kinds}
            _check_members(members.values(), len(raw), what)
            arrays = {}
            for name, kind in kinds.items():
                # Reading ends at the size that the archive states.
                with archive.open(members[name]) as stream:
                    arrays[name] = _array(stream, members[name].file_size, kind)
    except PackInvalid:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise PackInvalid(f"{what}: not readable: {type(error).__name__}") from error
    for name, array in arrays.items():
        if array.ndim != 1:
            raise PackInvalid(f"{what}: {name}: expected one row of {kinds[name].__name__}")
    return arrays


def _check_members(members: Iterable[zipfile.ZipInfo], size: int, what: str) -> None:
    members = list(members)
    most = UNPACKED_BYTES + UNPACKED_A_BYTE * size
    if sum(member.file_size for member in members) > most:
        raise PackInvalid(f"{what}: unpacks to more than a file of its size may")
    if not all(member.compress_type in _METHODS for member in members):
        raise PackInvalid(f"{what}: packed in a way that is not read")


def write_array(array: NDArray[Any]) -> bytes:
    """An array as an ``.npy`` file; equal arrays give equal bytes."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def write_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """All arrays as an ``.npz`` file; equal arrays give equal bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _array(stream: IO[bytes], size: int, kind: type) -> NDArray[Any]:
    """An array, from a stream that holds ``size`` bytes and nothing but it."""
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, turned, dtype = read(stream)
    if dtype != np.dtype(kind):
        raise ValueError("another type")
    wanted = math.prod(shape) * dtype.itemsize
    # An archive's stream says where it is, as files do.
    if min(shape, default=0) < 0 or wanted != size - stream.tell():
        raise ValueError("another size")
    content = stream.read(wanted)
    if len(content) != wanted or stream.read(1):
        raise ValueError("another length")
    array = np.frombuffer(content, dtype).copy()
    return array.reshape(shape, order="F" if turned else "C")
