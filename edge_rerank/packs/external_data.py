"""External data of ONNX models: weights that lie in a file beside the graph, and are checked bytes.

A file of protocol buffers ends at 2 GiB. What is larger has its tensors elsewhere, as
https://github.com/onnx/onnx/blob/main/docs/ExternalData.md describes it, and a graph then says from
which file, from where and how many bytes. Here that file is one that the pack's manifest names, it
is read once and hashed like any other, and onnxruntime is given its bytes, never a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_rerank.packs.onnx_wire import Malformed, Message

ALIGNMENT = 64
"""Where a tensor may begin: at multiples of a cache line, which all types of elements fit in."""

EXTERNAL = 1
"""``TensorProto.DataLocation`` of a tensor that lies elsewhere."""

_MEMBERS = {"location", "offset", "length"}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX model as bytes.

    Attributes:
        graph: the ONNX file.
        data: what lies beside it; empty where all is in the graph.
        location: the name that the graph has for ``data``; empty likewise.
    """

    graph: bytes
    data: bytes | bytearray = b""
    location: str = ""

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.graph) + len(self.data)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a tensor lies: bytes from ``start`` to before ``end``."""

    start: int
    end: int


def is_external(tensor: Message) -> bool:
    """Whether a tensor lies, or says that it lies, outside of the graph."""
    return 13 in tensor or tensor.integer(14) != 0


def extent_of(tensor: Message, location: str) -> Extent:
    """Where an external tensor lies in the file called ``location``.

    Raises:
        Malformed: when it lies in another, or does not say where in exactly one way.
    """
    said: dict[str, str] = {}
    for entry in tensor.messages(13, "entry"):
        name = entry.text(1)
        if name in said:
            raise Malformed("external data that is described twice")
        said[name] = entry.text(2)
    if tensor.integer(14) != EXTERNAL or said.keys() != _MEMBERS:
        raise Malformed("external data without location, offset and length alone")
    if not location or said["location"] != location:
        raise Malformed("data outside the file")
    if not (_NUMBER.fullmatch(said["offset"]) and _NUMBER.fullmatch(said["length"])):
        raise Malformed("external data at a place that is no number")
    start = int(said["offset"])
    if start % ALIGNMENT:
        raise Malformed(f"external data at a place that is no multiple of {ALIGNMENT}")
    return Extent(start, start + int(said["length"]))


def check_extents(extents: list[Extent], size: int) -> None:
    """Compare where tensors lie with a file of ``size`` bytes, and with each other.

    Raises:
        Malformed: when one reaches beyond its end, or into another.
    """
    end = 0
    for extent in sorted(extents, key=lambda one: (one.start, one.end)):
        if extent.start < end:
            raise Malformed("external data of two tensors in one place")
        end = extent.end
    if end > size:
        raise Malformed("external data beyond the end of its file")
