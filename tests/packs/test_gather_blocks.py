"""Tables of four bits that are looked up: what is allowed of them, and that nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import check_cost
from edge_rerank.packs.onnx_wire import Malformed
from tests.packs import hostile as packs
from tests.packs.graphs import attribute
from tests.packs.hostile import FLOAT, graph, model, node, tensor

FLOAT16, UINT8, INT4, UINT4, DOUBLE = 10, 2, 22, 21, 11
ROWS, WIDTH, BLOCK = 8, 64, 32
RNG = np.random.default_rng(0)
INTEGERS = RNG.integers(-8, 8, size=(ROWS, WIDTH))
SCALES = RNG.normal(size=(ROWS, WIDTH // BLOCK)).astype(np.float16)


def nibbles(integers: np.ndarray) -> bytes:
    """Two to a byte, the first in the low half."""
    low, high = integers.reshape(-1)[0::2] & 15, integers.reshape(-1)[1::2] & 15
    return bytes((low | (high << 4)).astype(np.uint8))


def looked_up(
    *extra: bytes,
    table: bytes | None = None,
    scales: bytes | None = None,
    zeros: bytes | None = None,
    indices: str = "input_ids",
    axes: tuple[int, int] = (0, 1),
    block: int = BLOCK,
    **numbers: int,
) -> bytes:
    """A model that looks its tokens up in a table of four bits."""
    values = {"gather_axis": axes[0], "quantize_axis": axes[1], "block_size": block, **numbers}
    tables = [
        table or tensor("table", [ROWS, WIDTH], INT4, nibbles(INTEGERS)),
        scales or tensor("scales", list(SCALES.shape), FLOAT16, SCALES.tobytes()),
        *([] if zeros is None else [zeros]),
    ]
    body = graph(
        nodes=(
            *extra,
            node(
                "GatherBlockQuantized",
                ["table", indices, "scales", *([] if zeros is None else ["zeros"])],
                ["half"],
                *(attribute(name, value) for name, value in values.items()),
                domain="com.microsoft",
            ),
            node("Cast", ["half"], ["rows"], attribute("to", FLOAT)),
            node("ReduceMean", ["rows", "axes"], ["vector"], attribute("keepdims", 0)),
        ),
        tensors=(packs.AXES, packs.WEIGHTS, *tables),
    )
    return model(body, domains=("com.microsoft",))


def check(raw: bytes) -> None:
    check_model(raw)
    check_cost(raw, packs.FEED)


def float_scales(*dims: int) -> bytes:
    return tensor("scales", list(dims), FLOAT, bytes(4 * int(np.prod(dims))))


def four(name: str, *dims: int, kind: int = INT4) -> bytes:
    return tensor(name, list(dims), kind, bytes((int(np.prod(dims)) + 1) // 2))


ALLOWED: dict[str, dict[str, Any]] = {
    "signed": {},
    "unsigned": {"table": four("table", ROWS, WIDTH, kind=UINT4)},
    "scales of float32": {"scales": float_scales(ROWS, 2)},
    "an axis from the end": {"axes": (-2, -1)},
    "zero points": {"zeros": four("zeros", ROWS, 2)},
    "a last block that is not full": {
        "table": four("table", ROWS, 48),
        "scales": float_scales(ROWS, 2),
    },
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_table_of_four_bits_is_allowed(name: str) -> None:
    check(looked_up(**ALLOWED[name]))


REFUSED: dict[str, dict[str, Any]] = {
    "too few scales": {"scales": float_scales(ROWS, 1)},
    "too many scales": {"scales": float_scales(ROWS, 3)},
    "scales of fewer rows": {"scales": float_scales(1, 2)},
    "no scales": {"scales": float_scales(ROWS, 0)},
    "scales in one row": {"scales": float_scales(ROWS * 2)},
    "scales of another type": {"scales": tensor("scales", [ROWS, 2], DOUBLE, bytes(128))},
    "too few zero points": {"zeros": four("zeros", 1, 1)},
    "zero points of another type": {"zeros": four("zeros", ROWS, 2, kind=UINT4)},
    "a table of bytes": {"table": tensor("table", [ROWS, WIDTH], UINT8, bytes(ROWS * WIDTH))},
    "a table of floats": {"table": tensor("table", [ROWS, WIDTH], FLOAT, bytes(2048))},
    "a table of three axes": {
        "table": four("table", 2, 4, WIDTH),
        "scales": float_scales(2, 4, 2),
    },
    "fewer bits than dimensions": {"table": tensor("table", [ROWS, WIDTH], INT4, bytes(255))},
    "a table that is computed": {
        "table": tensor("other", [1], FLOAT, bytes(4)),
        "extra": node("Cast", ["input_ids"], ["table"], attribute("to", INT4)),
    },
    "scales that are computed": {
        "scales": tensor("other", [1], FLOAT, bytes(4)),
        "extra": node("Cast", ["input_ids"], ["scales"], attribute("to", FLOAT)),
    },
    "places that are no whole numbers": {"indices": "w"},
    "columns that are looked up": {"axes": (1, 1)},
    "blocks down the rows": {"axes": (0, 0), "scales": float_scales(1, WIDTH)},
    "an axis out of range": {"axes": (0, 2)},
    "blocks of nothing": {"block": 0},
    "blocks of a negative size": {"block": -32},
    "blocks that are too small": {"block": 8, "scales": float_scales(ROWS, 8)},
    "blocks of no power of two": {"block": 24, "scales": float_scales(ROWS, 3)},
    "eight bits": {"bits": 8},
}


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_table_is_refused(name: str) -> None:
    options = dict(REFUSED[name])
    extra = options.pop("extra", b"")
    with pytest.raises(Malformed):
        check(looked_up(*([extra] if extra else []), **options))


def run(raw: bytes, places: list[int]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    ids = np.array(places, dtype=np.int64)[:, None]
    vectors: np.ndarray = session.run(None, {"input_ids": ids, "attention_mask": ids})[0]
    return vectors


def test_rows_are_their_integers_times_the_scales_of_their_blocks() -> None:
    """What :mod:`edge_rerank_export.quantize.embedding` relies on."""
    steps = SCALES.astype(np.float32).repeat(BLOCK, axis=1)
    got = run(looked_up(), list(range(ROWS)))
    np.testing.assert_allclose(got, INTEGERS * steps, rtol=1e-3)


def test_its_rows_count_as_memory() -> None:
    """A table of a few bytes a row is not free to look up."""
    narrow = check_cost(looked_up(), packs.FEED)
    wide = check_cost(
        looked_up(
            table=four("table", ROWS, 64 * WIDTH), scales=float_scales(ROWS, 128), block=BLOCK
        ),
        packs.FEED,
    )
    assert wide.bytes > 16 * narrow.bytes


@pytest.mark.parametrize("place", [ROWS, -ROWS - 1, 2**40, -(2**63)])
def test_a_place_beside_the_table_reads_no_other_memory(place: int) -> None:
    """onnxruntime 1.20 raises, 1.32 gives a row of zeros."""
    try:
        got = run(looked_up(), [place])
    except RuntimeException:
        return
    assert not got.any()
