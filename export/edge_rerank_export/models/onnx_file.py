"""ONNX files of any size: weights in the file while it can hold them, beside it where not.

Above :data:`INLINE_BYTES` the weights of ``model.onnx`` lie in ``model.onnx.data``, laid out as the
runtime wants them, see :mod:`edge_rerank.packs.external_data`. Between :func:`load` and
:func:`save` they stay where they are, and are read one by one: a model takes no more memory than
what was changed of it.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank._files import reason_of
from edge_rerank.packs.external_data import ALIGNMENT, Model
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.files import data_file

INLINE_BYTES = 4 * 530_000_000
"""Of weights in one file: it ends at 2 GiB, nodes included."""

SMALLEST = 1024
"""Bytes of a tensor that may lie beside a model; the runtime follows the numbers of small ones."""

_CHUNK = 16 << 20


def load(path: Path) -> onnx.ModelProto:
    """An ONNX file, the weights beside it left there; :func:`array_of` reads them.

    Raises:
        UnsupportedModel: when it has weights somewhere else than beside it.
    """
    model = onnx.load(str(path), load_external_data=False)
    for tensor in _tensors(model.graph):
        if _is_external(tensor):
            location = _place(tensor)["location"]
            if PurePath(location).name != location:
                raise UnsupportedModel("model: expected its weights in it or beside it")
            _put(tensor, location=str(path.absolute().parent / location))
    return model


def array_of(tensor: TensorProto) -> NDArray[Any]:
    """The values of a tensor of :func:`load`; those outside the file are read where they are used.

    Raises:
        UnsupportedModel: when the file with them is missing or shorter than it should be.
    """
    if not _is_external(tensor):
        return numpy_helper.to_array(tensor)
    place = _place(tensor)
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return _mapped(place, np.dtype(kind), tuple(tensor.dims))


def save(model: onnx.ModelProto, target: Path, *, inline_bytes: int = INLINE_BYTES) -> None:
    """Write a model, and its weights beside it where they are too many.

    Args:
        model: its tensors may lie in another file, see :func:`load`.
        target: the ONNX file to write, which ``model`` was not loaded from.
        inline_bytes: weights up to which there is one file.
    """
    initializers = model.graph.initializer
    large = sum(map(_size, initializers)) > inline_bytes
    take_in(model, below=SMALLEST if large else None)
    if not large:
        onnx.save(model, str(target))
        return
    place = data_file(target)
    outside = [tensor for tensor in initializers if _size(tensor) >= SMALLEST]
    with place.open("wb") as stream:
        for tensor in outside:
            _write(tensor, stream, place)
    for tensor in outside:
        _put(tensor, location=place.name)
    target.write_bytes(model.SerializeToString())
    for tensor in outside:
        _put(tensor, location=str(place.absolute()))


def settle(path: Path, *, inline_bytes: int = INLINE_BYTES) -> None:
    """Lay a file that an exporter wrote, whatever lies beside it, out as :func:`save` does."""
    model = load(path)
    places = {Path(_place(one)["location"]) for one in _tensors(model.graph) if _is_external(one)}
    if not places and sum(map(_size, model.graph.initializer)) <= inline_bytes:
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        save(model, whole, inline_bytes=inline_bytes)
        for place in places:
            place.unlink()
        _take_out(whole, path)


def copy(source: Path, target: Path) -> None:
    """Copy an ONNX file with what lies beside it."""
    model = load(source)
    outside = [tensor for tensor in _tensors(model.graph) if _is_external(tensor)]
    if not outside:
        shutil.copyfile(source, target)
        return
    if len({_place(tensor)["location"] for tensor in outside}) != 1:
        save(model, target, inline_bytes=0)
        return
    shutil.copyfile(_place(outside[0])["location"], data_file(target))
    for tensor in outside:
        _put(tensor, location=data_file(target).name)
    target.write_bytes(model.SerializeToString())


def remove(path: Path) -> None:
    """Delete an ONNX file with what lies beside it."""
    path.unlink()
    data_file(path).unlink(missing_ok=True)


@contextmanager
def new_model(path: Path) -> Iterator[Path]:
    """A draft of an ONNX file that becomes ``path``, with what lies beside it, at the end.

    Raises:
        RecipeError: when there is a file already.
    """
    path = path.absolute()
    for one in (path, data_file(path)):
        if one.exists():
            raise RecipeError(f"out: expected no file there yet, found {one.name}")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        _take_out(draft, path)


def read(path: Path) -> Model:
    """An ONNX file for a session, with what lies beside it."""
    return in_memory(load(path))


def in_memory(model: onnx.ModelProto) -> Model:
    """A model for a session; what lies outside of it is read once.

    Raises:
        UnsupportedModel: when that lies in several files.
    """
    outside = [tensor for tensor in _tensors(model.graph) if _is_external(tensor)]
    places = {_place(tensor)["location"] for tensor in outside}
    if not outside:
        return Model(model.SerializeToString())
    if len(places) != 1:
        raise UnsupportedModel("model: expected its weights in it or in one file beside it")
    place = Path(places.pop())
    for tensor in outside:
        _put(tensor, location=place.name)
    graph = model.SerializeToString()
    for tensor in outside:
        _put(tensor, location=str(place))
    return Model(graph, place.read_bytes(), place.name)


def check(path: Path) -> None:
    """Have the onnx package check a file, shapes and all.

    Raises:
        onnx.checker.ValidationError: when it is no model.
    """
    onnx.checker.check_model(str(path), full_check=True)


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def take_in(model: onnx.ModelProto, *, below: int | None = None) -> None:
    """Put into a model what lies outside of it; ``below`` so many bytes, where that is given."""
    of_graph = len(model.graph.initializer)
    for number, tensor in enumerate(_tensors(model.graph)):
        # What belongs to a node is never left outside.
        if _is_external(tensor) and (below is None or number >= of_graph or _size(tensor) < below):
            tensor.CopyFrom(numpy_helper.from_array(np.array(array_of(tensor)), tensor.name))


def _place(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _put(tensor: TensorProto, **members: str | int) -> None:
    """Change what is said of where a tensor lies."""
    said: dict[str, str | int] = {**_place(tensor), **members}
    del tensor.external_data[:]
    for key in ("location", "offset", "length"):
        if key in said:
            tensor.external_data.add(key=key, value=str(said[key]))


def _size(tensor: TensorProto) -> int:
    """Bytes of a tensor's values, wherever they lie."""
    kind: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    size: int = math.prod(tensor.dims) * kind.itemsize
    return size


def _mapped(place: dict[str, str], kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        offset = int(place.get("offset", 0))
        return np.memmap(place["location"], kind, mode="r", offset=offset, shape=shape)
    except (OSError, ValueError) as error:
        raise UnsupportedModel(
            f"model: the weights beside it cannot be read: {reason_of(error)}"
        ) from error


def _write(tensor: TensorProto, stream: IO[bytes], place: Path) -> None:
    """Put a tensor's values at the end of a file, and say so in it."""
    stream.write(bytes(-stream.tell() % ALIGNMENT))
    start = stream.tell()
    if _is_external(tensor):
        values = array_of(tensor).reshape(-1).view(np.uint8)
        for at in range(0, len(values), _CHUNK):
            stream.write(values[at : at + _CHUNK].data)
    elif tensor.HasField("raw_data"):
        stream.write(tensor.raw_data)
    else:
        stream.write(numpy_helper.to_array(tensor).tobytes())
    for member in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
        tensor.ClearField(member)
    tensor.ClearField("uint64_data")
    tensor.data_location = TensorProto.EXTERNAL
    _put(tensor, location=str(place.absolute()), offset=start, length=stream.tell() - start)


def _take_out(draft: Path, path: Path) -> None:
    """Move a model that is whole to its place, the weights first."""
    if data_file(draft).exists():
        data_file(draft).replace(data_file(path))
    draft.replace(path)
