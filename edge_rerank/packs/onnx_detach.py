"""Large weights taken out of an ONNX graph, to lie in bytes beside it while onnxruntime loads it.

onnxruntime copies a graph that it parses, weights and all, and keeps the copy until all of them
have the form in which they are multiplied: a model is then in memory three times. What lies beside
a graph it reads tensor by tensor. The bytes are those of the model that was checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_rerank.packs.external_data import ALIGNMENT, EXTERNAL, Model, is_external
from edge_rerank.packs.onnx_wire import Malformed, Message, bytes_field, integer_field, split
from edge_rerank.packs.onnx_write import Pieces, text_field

LEAST_BYTES = 1 << 16
"""Of a tensor that is taken out. Shapes and axes, which onnxruntime wants to see in the graph, are
smaller, and so is all that is left in the graph together."""

_LOCATION = "weights"
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14


@dataclass(slots=True)
class _Beside:
    """What was taken out: where each tensor begins, and its bytes."""

    size: int = 0
    places: list[tuple[int, memoryview]] = field(default_factory=list)

    def put(self, raw: memoryview) -> int:
        start = -(-self.size // ALIGNMENT) * ALIGNMENT
        self.places.append((start, raw))
        self.size = start + len(raw)
        return start

    def data(self) -> bytearray:
        data = bytearray(self.size)
        # A bytearray itself would make a copy of each first.
        view = memoryview(data)
        for start, raw in self.places:
            view[start : start + len(raw)] = raw
        return data


def detached(model: Model) -> Model:
    """``model`` with its large weights beside it, in bytes of their own.

    Args:
        model: an ONNX file with everything in it; anything else is given back as it came, and so
            is one without large weights.
    """
    if model.location:
        return model
    beside = _Beside()
    parts: Pieces = []
    try:
        for number, _, value, raw in split(memoryview(model.graph)):
            if number == 7 and isinstance(value, memoryview):
                parts += bytes_field(7, *_graph(value, beside))
            else:
                parts.append(raw)
    except Malformed:
        return model
    if not beside.places:
        return model
    return Model(b"".join(parts), beside.data(), _LOCATION)


def _graph(graph: memoryview, beside: _Beside) -> Pieces:
    parts: Pieces = []
    for number, _, value, raw in split(graph):
        if number == 5 and isinstance(value, memoryview) and len(value) >= LEAST_BYTES:
            parts += _tensor(value, raw, beside)
        else:
            parts.append(raw)
    return parts


def _tensor(tensor: memoryview, raw: memoryview, beside: _Beside) -> Pieces:
    message = Message("tensor", tensor)
    data = message.data(_RAW_DATA)
    if len(data) < LEAST_BYTES or is_external(message):
        return [raw]
    parts: Pieces = [kept for number, _, _, kept in split(tensor) if number != _RAW_DATA]
    said = {"location": _LOCATION, "offset": f"{beside.put(data)}", "length": f"{len(data)}"}
    for name, text in said.items():
        parts += bytes_field(_EXTERNAL_DATA, *text_field(1, name), *text_field(2, text))
    return bytes_field(5, *parts, integer_field(_DATA_LOCATION, EXTERNAL))
