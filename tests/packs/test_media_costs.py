"""Operators of pictures and sounds: sizes as onnxruntime makes them, and bombs refused."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from edge_rerank._media import MAX_RATE, MIN_RATE
from edge_rerank.inference.session import Session
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import Cost, Feeds, _Bound, check_cost
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.onnx_wire import Malformed, Message
from edge_rerank.packs.specs import MAX_SIDE
from tests.packs.graphs import whole
from tests.packs.hostile import FLOAT, field, model, node, tensor, value
from tests.packs.media_graphs import attribute, picture_model, sound_model, weights

PICTURE: Feeds = {
    "image": (
        Size(1, [Symbol("height", 1, MAX_SIDE)]),
        Size(1, [Symbol("width", 1, MAX_SIDE)]),
        Size(3),
    )
}
SOUND: Feeds = {
    "samples": (Size(1, [Symbol("samples", 1, 10 * MAX_RATE)]),),
    "rate": Size(1, [Symbol("rate", MIN_RATE, MAX_RATE)]),
}


def one(*nodes: bytes, shape: list[int], tensors: tuple[bytes, ...] = ()) -> bytes:
    """A graph from ``x``, float32, to ``y``."""
    body = b"".join(field(1, one) for one in nodes) + field(2, "g")
    body += b"".join(field(5, one) for one in tensors)
    body += field(11, value("x", FLOAT, list(shape)))
    body += field(12, value("y", FLOAT, [f"d{at}" for at in range(8)][:1]))
    return model(body)


def cost(*nodes: bytes, shape: list[int], tensors: tuple[bytes, ...] = ()) -> Cost:
    raw = one(*nodes, shape=shape, tensors=tensors)
    check_model(raw)
    return check_cost(raw, {"x": tuple(map(Size, shape))})


def sized(raw: bytes, feeds: Feeds, name: str = "y") -> list[int]:
    """Upper bounds of a tensor's axes."""
    bound = _Bound(1 << 40, feeds)
    for graph in Message("model", memoryview(raw)).messages(7, "graph"):
        bound.follow(graph)
    return [size.high for size in bound._tensors[name].shape]


KERNEL = weights("k", [8, 4, 3, 3])
SIZED: dict[str, tuple[list[bytes], list[int], tuple[bytes, ...]]] = {
    "a convolution": ([node("Conv", ["x", "k"], ["y"])], [1, 4, 9, 12], (KERNEL,)),
    "with steps and edges": (
        [
            node(
                "Conv",
                ["x", "k"],
                ["y"],
                attribute("strides", [2, 3]),
                attribute("pads", [1, 0, 1, 2]),
                attribute("dilations", [1, 2]),
            )
        ],
        [1, 4, 9, 12],
        (KERNEL,),
    ),
    "as large as the input": (
        [
            node(
                "Conv",
                ["x", "k"],
                ["y"],
                attribute("auto_pad", "SAME_UPPER"),
                attribute("strides", [2, 2]),
            )
        ],
        [1, 4, 9, 12],
        (KERNEL,),
    ),
    "in groups": (
        [node("Conv", ["x", "k"], ["y"], attribute("group", 4))],
        [1, 4, 9, 9],
        (weights("k", [8, 1, 3, 3]),),
    ),
    "of a sound": ([node("Conv", ["x", "k"], ["y"])], [2, 4, 50], (weights("k", [8, 4, 5]),)),
    "a mean of windows": (
        [
            node(
                "AveragePool",
                ["x"],
                ["y"],
                attribute("kernel_shape", [3, 3]),
                attribute("strides", [2, 2]),
                attribute("ceil_mode", 1),
            )
        ],
        [1, 4, 10, 11],
        (),
    ),
    "the largest of windows": (
        [node("MaxPool", ["x"], ["y"], attribute("kernel_shape", [2, 2]))],
        [1, 4, 10, 11],
        (),
    ),
    "a mean of all": ([node("GlobalAveragePool", ["x"], ["y"])], [1, 4, 10, 11], ()),
    "edges": ([node("Pad", ["x", "p"], ["y"])], [1, 4], (whole("p", [0, 2, 1, 3]),)),
    "edges taken off": ([node("Pad", ["x", "p"], ["y"])], [3, 4], (whole("p", [0, -2, -1, 0]),)),
    "another size": (
        [
            node(
                "Resize",
                ["x", "", "", "s"],
                ["y"],
                attribute("mode", "linear"),
                attribute("antialias", 1),
            )
        ],
        [1, 3, 40, 50],
        (whole("s", [1, 3, 16, 16]),),
    ),
    "another size along some axes": (
        [node("Resize", ["x", "", "", "s"], ["y"], attribute("axes", [2, 3]))],
        [1, 3, 40, 50],
        (whole("s", [16, 8]),),
    ),
    "spectra": (
        [node("STFT", ["x", "step", "", "length"], ["y"])],
        [1, 100, 1],
        (whole("step", [8], scalar=True), whole("length", [16], scalar=True)),
    ),
    "all of a spectrum": (
        [node("STFT", ["x", "step", "w"], ["y"], attribute("onesided", 0))],
        [1, 100, 1],
        (whole("step", [8], scalar=True), weights("w", [15])),
    ),
}


@pytest.mark.parametrize("case", SIZED)
def test_sizes_are_those_that_onnxruntime_makes(case: str) -> None:
    nodes, shape, tensors = SIZED[case]
    raw = one(*nodes, shape=shape, tensors=tensors)
    made = Session(lambda: Model(raw)).run({"x": np.ones(shape, np.float32)})[0]
    assert sized(raw, {"x": tuple(map(Size, shape))}) == [*made.shape]
    cost(*nodes, shape=shape, tensors=tensors)


def test_windows_that_are_bounded_alone_lie_within_what_onnxruntime_makes() -> None:
    kernel = attribute("kernel_shape", [3])
    raw = one(node("MaxPool", ["x"], ["y"], kernel), shape=[1, 1, 0])
    feeds: Feeds = {"x": (Size(1), Size(1), Size(1, [Symbol("length", 1, 20)]))}
    assert sized(raw, feeds) == [1, 1, 18]


@pytest.mark.parametrize("rate", [4_000, 22_050, 192_000])
def test_a_number_that_is_fed_bounds_a_size(rate: int) -> None:
    """Samples at another rate: as many as the rates say, and no more than the longest sound."""
    raw = sound_model(rate=16_000, seconds=10)
    assert sized(raw, SOUND, "resampled") == [1, 1, 160_000]
    check_model(raw)
    bound = check_cost(raw, SOUND)
    assert bound.work_s < 2
    made = Session(lambda: Model(raw)).run(
        {"samples": np.ones(rate, np.float32), "rate": np.array(rate)}
    )
    assert made[0].shape == (1, 4)


def test_a_number_that_is_fed_without_bounds_is_refused() -> None:
    with pytest.raises(Malformed, match=r"Resize|Div"):
        check_cost(sound_model(rate=16_000, seconds=10), {**SOUND, "rate": ()})


@pytest.mark.parametrize("shape", [(1, 1), (1, 1024), (1024, 1), (1024, 1024), (300, 200)])
def test_a_picture_of_any_size_is_within_its_bound(shape: tuple[int, int]) -> None:
    raw = picture_model()
    check_model(raw)
    assert check_cost(raw, PICTURE).peak_bytes < 256 << 20
    made = Session(lambda: Model(raw)).run({"image": np.ones((*shape, 3), np.uint8)})[0]
    assert made.shape == (1, 4)


BOMBS: dict[str, Callable[[], Cost]] = {
    "a picture of a billion": lambda: cost(
        node("Resize", ["x", "", "", "s"], ["y"]),
        shape=[1, 3, 8, 8],
        tensors=(whole("s", [1, 3, 20_000, 20_000]),),
    ),
    "wide between narrow and low": lambda: cost(
        node("Resize", ["x", "", "", "s"], ["y"], attribute("antialias", 1)),
        shape=[1, 1, 60_000, 1],
        tensors=(whole("s", [1, 1, 1, 60_000]),),
    ),
    "edges of a billion": lambda: cost(
        node("Pad", ["x", "p"], ["y"]), shape=[1, 4], tensors=(whole("p", [0, 2**30, 0, 2**30]),)
    ),
    "edges of a convolution": lambda: cost(
        node("Conv", ["x", "k"], ["y"], attribute("pads", [20_000] * 4)),
        shape=[1, 4, 9, 9],
        tensors=(KERNEL,),
    ),
    "windows laid out": lambda: cost(
        node("Conv", ["x", "k"], ["y"], attribute("pads", [64] * 4)),
        shape=[1, 1, 200, 200],
        tensors=(weights("k", [1, 1, 129, 129]),),
    ),
    "products": lambda: cost(
        *(
            node("Conv", [f"x{at}" if at else "x", "k"], [f"x{at + 1}"], attribute("pads", [8] * 4))
            for at in range(12)
        ),
        node("Identity", ["x12"], ["y"]),
        shape=[1, 32, 100, 100],
        tensors=(weights("k", [32, 32, 17, 17]),),
    ),
    "windows of windows": lambda: cost(
        node(
            "AveragePool",
            ["x"],
            ["y"],
            attribute("kernel_shape", [999, 999]),
            attribute("pads", [500] * 4),
        ),
        shape=[1, 1, 999, 999],
    ),
    "spectra at every sample": lambda: cost(
        node("STFT", ["x", "step", "", "length"], ["y"]),
        shape=[1, 160_000, 1],
        tensors=(whole("step", [1], scalar=True), whole("length", [8_191], scalar=True)),
    ),
    "bands of bands": lambda: cost(
        node("MelWeightMatrix", ["b", "l", "r", "lo", "hi"], ["m"]),
        node("Identity", ["m"], ["y"]),
        shape=[1],
        tensors=(
            whole("b", [2**20], scalar=True),
            whole("l", [2**20], scalar=True),
            whole("r", [16_000], scalar=True),
            tensor("lo", [], FLOAT, struct.pack("<f", 1.0)),
            tensor("hi", [], FLOAT, struct.pack("<f", 9.0)),
        ),
    ),
    "a window of a billion": lambda: cost(
        node("HannWindow", ["l"], ["y"]), shape=[1], tensors=(whole("l", [2**31], scalar=True),)
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match="than a model of its size needs"):
        BOMBS[name]()


WRONG: dict[str, Callable[[], Cost]] = {
    "factors": lambda: cost(
        node("Resize", ["x", "", "f"], ["y"]), shape=[1, 1, 8, 8], tensors=(weights("f", [4]),)
    ),
    "a fit": lambda: cost(
        node(
            "Resize",
            ["x", "", "", "s"],
            ["y"],
            attribute("keep_aspect_ratio_policy", "not_smaller"),
        ),
        shape=[1, 1, 8, 8],
        tensors=(whole("s", [1, 1, 4, 4]),),
    ),
    "a part": lambda: cost(
        node(
            "Resize",
            ["x", "r", "", "s"],
            ["y"],
            attribute("coordinate_transformation_mode", "tf_crop_and_resize"),
        ),
        shape=[1, 1, 8, 8],
        tensors=(whole("s", [1, 1, 4, 4]), weights("r", [1])),
    ),
    "an axis twice": lambda: cost(
        node("Resize", ["x", "", "", "s"], ["y"], attribute("axes", [2, 2])),
        shape=[1, 1, 8, 8],
        tensors=(whole("s", [4, 4]),),
    ),
    "no step": lambda: cost(
        node("MaxPool", ["x"], ["y"], attribute("kernel_shape", [2]), attribute("strides", [0])),
        shape=[1, 1, 8],
    ),
    "edges below zero": lambda: cost(
        node("MaxPool", ["x"], ["y"], attribute("kernel_shape", [2]), attribute("pads", [-1, 0])),
        shape=[1, 1, 8],
    ),
    "no kernel": lambda: cost(node("AveragePool", ["x"], ["y"]), shape=[1, 1, 8]),
    "a kernel of other axes": lambda: cost(
        node("Conv", ["x", "k"], ["y"]), shape=[1, 4, 9], tensors=(KERNEL,)
    ),
    "a kernel that is computed": lambda: cost(
        node("NonZero", ["x"], ["n"]), node("Conv", ["x", "n"], ["y"]), shape=[2, 9]
    ),
    "groups of a part": lambda: cost(
        node("Conv", ["x", "k"], ["y"], attribute("group", 3)),
        shape=[1, 12, 9, 9],
        tensors=(KERNEL,),
    ),
    "edges of half an axis": lambda: cost(
        node("Pad", ["x", "p"], ["y"]), shape=[1, 4], tensors=(whole("p", [0, 2, 1]),)
    ),
    "spectra without a step": lambda: cost(
        node("STFT", ["x", "step", "", "length"], ["y"]),
        shape=[1, 100, 1],
        tensors=(whole("step", [0], scalar=True), whole("length", [16], scalar=True)),
    ),
    "a window of another length": lambda: cost(
        node("STFT", ["x", "step", "w", "length"], ["y"]),
        shape=[1, 100, 1],
        tensors=(
            whole("step", [8], scalar=True),
            whole("length", [16], scalar=True),
            weights("w", [8]),
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_bounded_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match=r"expected|depends|whole groups|not known"):
        WRONG[name]()


def test_whole_numbers_of_windows_are_of_their_own_type() -> None:
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("ConvInteger", ["q", "k"], ["i"]),
        node("Cast", ["i"], ["y"], attribute("to", FLOAT)),
    ]
    kernel = tensor("k", [8, 4, 3, 3], 2, bytes(8 * 4 * 9))
    raw = one(*nodes, shape=[1, 4, 9, 9], tensors=(kernel,))
    bound = _Bound(1 << 20, {"x": tuple(map(Size, [1, 4, 9, 9]))})
    for graph in Message("model", memoryview(raw)).messages(7, "graph"):
        bound.follow(graph)
    assert bound._tensors["i"].kind == 6
    made = Session(lambda: Model(raw)).run({"x": np.ones((1, 4, 9, 9), np.float32)})[0]
    assert sized(raw, {"x": tuple(map(Size, [1, 4, 9, 9]))}) == [*made.shape]
