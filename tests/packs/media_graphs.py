"""Tiny models of pictures and sounds, which resize and resample as real ones do."""

from __future__ import annotations

import numpy as np

from tests.packs.graphs import whole
from tests.packs.hostile import FLOAT, INT64, field, model, node, tensor, value

UINT8 = 2


def attribute(name: str, number: int | str | list[int]) -> bytes:
    """A number, several, or a word, of a node."""
    if isinstance(number, int):
        return field(5, field(1, name) + field(3, number) + field(20, 2))
    if isinstance(number, str):
        return field(5, field(1, name) + field(4, number) + field(20, 3))
    return field(5, field(1, name) + b"".join(field(8, one) for one in number) + field(20, 7))


def weights(name: str, shape: list[int], *, seed: int = 0) -> bytes:
    """A constant of float32, random for a seed."""
    numbers = np.random.default_rng(seed).normal(size=shape).astype("<f4")
    return tensor(name, shape, FLOAT, numbers.tobytes())


def _model(nodes: list[bytes], tensors: list[bytes], inputs: list[bytes]) -> bytes:
    body = b"".join(field(1, one) for one in nodes) + field(2, "g")
    body += b"".join(field(5, one) for one in tensors)
    body += b"".join(field(11, one) for one in inputs)
    return model(body + field(12, value("vector", FLOAT, [1, 4])))


def _unit(name: str) -> list[bytes]:
    """Nodes that make ``vector`` of a row, of length 1."""
    return [
        node("ReduceL2", [name, "last"], ["norm"], attribute("keepdims", 1)),
        node("Div", [name, "norm"], ["vector"]),
    ]


def picture_model(side: int = 8) -> bytes:
    """The mean colours of a picture of ``side`` x ``side``, and a one, as a vector of 4."""
    return _model(
        [
            node("Cast", ["image"], ["numbers"], attribute("to", FLOAT)),
            node("Unsqueeze", ["numbers", "first"], ["batch"]),
            node("Transpose", ["batch"], ["channels"], attribute("perm", [0, 3, 1, 2])),
            node(
                "Resize",
                ["channels", "", "", "sizes"],
                ["small"],
                attribute("mode", "linear"),
                attribute("antialias", 1),
            ),
            node("GlobalAveragePool", ["small"], ["means"]),
            node("Flatten", ["means"], ["row"]),
            node("Concat", ["row", "one"], ["four"], attribute("axis", 1)),
            *_unit("four"),
        ],
        [
            whole("first", [0]),
            whole("last", [1]),
            whole("sizes", [1, 3, side, side]),
            tensor("one", [1, 1], FLOAT, np.float32(1).tobytes()),
        ],
        [value("image", UINT8, ["height", "width", 3])],
    )


def sound_model(rate: int = 16_000, seconds: int = 10) -> bytes:
    """The mean of random bands of a sound at ``rate``, as a vector of 4."""
    return _model(
        [
            node("Shape", ["samples"], ["shape"]),
            node("Gather", ["shape", "zero"], ["count"]),
            node("Mul", ["count", "wanted"], ["product"]),
            node("Div", ["product", "rate"], ["there"]),
            node("Min", ["there", "most"], ["few"]),
            node("Max", ["few", "least"], ["length"]),
            node("Unsqueeze", ["length", "first"], ["size"]),
            node("Concat", ["ones", "size"], ["sizes"], attribute("axis", 0)),
            node("Unsqueeze", ["samples", "two"], ["channel"]),
            node(
                "Resize",
                ["channel", "", "", "sizes"],
                ["resampled"],
                attribute("mode", "linear"),
                attribute("antialias", 1),
            ),
            node("Conv", ["resampled", "bands"], ["banded"], attribute("strides", [8])),
            node("Abs", ["banded"], ["loud"]),
            node("GlobalAveragePool", ["loud"], ["means"]),
            node("Flatten", ["means"], ["row"]),
            node("Add", ["row", "little"], ["four"]),
            *_unit("four"),
        ],
        [
            whole("zero", [0], scalar=True),
            whole("wanted", [rate], scalar=True),
            whole("most", [rate * seconds], scalar=True),
            whole("least", [16], scalar=True),
            whole("first", [0]),
            whole("last", [1]),
            whole("two", [0, 1]),
            whole("ones", [1, 1]),
            weights("bands", [4, 1, 16]),
            tensor("little", [1, 1], FLOAT, np.float32(1e-6).tobytes()),
        ],
        [value("samples", FLOAT, ["samples"]), value("rate", INT64, [])],
    )
