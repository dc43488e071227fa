"""Random small graphs, most of them hostile: any operator on any tensor, with sizes of any kind."""

from __future__ import annotations

import random
import struct

from edge_rerank.packs.onnx_rules import MICROSOFT, PLAIN
from tests.packs.hostile import FLOAT, INT64, field, graph, model, node, tensor

SIZES = [0, 1, 1, 1, 2, 2, 3, 4, 8, 16, 64, 1000, 2**16, 2**20, 2**31, 2**40, 2**62, -1, -1, -2]
"""What a shape in a graph may ask for."""

_ONE = ["Abs", "Erf", "Exp", "Neg", "Sigmoid", "Softmax", "Sqrt", "Tanh", "Identity", "Log"]
_TWO = ["Add", "Div", "Max", "Mul", "Pow", "Sub", "Less", "Mod"]


def whole(name: str, values: list[int], *, scalar: bool = False) -> bytes:
    """A constant of int64."""
    wrapped = [(value + 2**63) % 2**64 - 2**63 for value in values]
    raw = struct.pack(f"<{len(values)}q", *wrapped)
    return tensor(name, [] if scalar else [len(values)], INT64, raw)


def attribute(name: str, value: int | list[int]) -> bytes:
    """A number, or several, of a node."""
    if isinstance(value, int):
        return field(5, field(1, name) + field(3, value) + field(20, 2))
    return field(5, field(1, name) + b"".join(field(8, one) for one in value) + field(20, 7))


class _Random:
    """A graph in the making."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ranks = {"w": 2, "one": 2, "rows": 3, "vector0": 2}
        self.tensors = [
            tensor("w", [8, 4], FLOAT, struct.pack("<32f", *range(32))),
            tensor("one", [1, 1], FLOAT, struct.pack("<f", 1.0)),
            whole("axes", [1]),
        ]
        self.nodes = [
            node("Gather", ["w", "input_ids"], ["rows"]),
            node("ReduceMean", ["rows", "axes"], ["vector0"], attribute("keepdims", 0)),
        ]

    def constant(self, values: list[int], *, scalar: bool = False) -> str:
        name = f"k{len(self.tensors)}"
        self.tensors.append(whole(name, values, scalar=scalar))
        return name

    def sizes(self, count: int) -> list[int]:
        large = self.rng.randrange(count) if self.rng.random() < 0.5 else -1
        return [self.rng.choice(SIZES if at == large else [1, 1, 2, 4]) for at in range(count)]

    def add(self, operator: str, inputs: list[str], rank: int, *extra: bytes) -> str:
        name = f"x{len(self.nodes)}"
        domain = "" if operator in PLAIN else "com.microsoft"
        self.nodes.append(node(operator, inputs, [name], *extra, domain=domain))
        self.ranks[name] = rank
        return name

    def step(self) -> None:
        """One more node, or a few, on what is there."""
        rng = self.rng
        name = rng.choice(list(self.ranks)[-5:])
        rank = self.ranks[name]
        kind = rng.randrange(16)
        if kind < 2:
            self.add(rng.choice(_ONE), [name], rank)
        elif kind < 4:
            other = rng.choice(list(self.ranks))
            self.add(rng.choice(_TWO), [name, other], max(rank, self.ranks[other]))
        elif kind < 6:
            count = rng.choice([2, 3])
            self.add("Expand", [name, self.constant(self.sizes(count))], max(rank, count))
        elif kind == 6:
            self.add("Tile", [name, self.constant(self.sizes(max(rank, 1)))], rank)
        elif kind == 7:
            wanted = [rng.choice([-1, 0, 1, 4]), rng.choice([1, 4, -1, 2**20])]
            self.add("Reshape", [name, self.constant(wanted)], 2)
        elif kind == 8:
            order = rng.sample(range(rank), rank)
            self.add("Transpose", [name], rank, attribute("perm", order))
        elif kind == 9:
            self.add("Concat", [name] * rng.randrange(1, 9), rank, attribute("axis", 0))
        elif kind == 10:
            other = rng.choice([one for one, axes in self.ranks.items() if axes > 1])
            self.add("MatMul", [name, other], max(rank, self.ranks[other]))
        elif kind == 11:
            self.add("Unsqueeze", [name, self.constant([rng.choice([0, -1])])], rank + 1)
        elif kind == 12:
            keep = attribute("keepdims", 1)
            self.add("ReduceMax", [name, self.constant([rng.choice([0, -1])])], rank, keep)
        elif kind == 13:  # a shape that is computed from a shape
            shape = self.add("Shape", [name], 1)
            factor = self.constant([rng.choice(SIZES)])
            shape = self.add(rng.choice(["Mul", "Add", "Sub", "Div"]), [shape, factor], 1)
            self.add(rng.choice(["ConstantOfShape", "Expand"]), [shape], rank)
            if rng.random() < 0.7:
                self.nodes.pop()
                self.add("Expand", ["one", shape], max(rank, 2))
        elif kind == 14:
            bounds = [self.constant([rng.choice([0, 1, -1, -(2**40)])]) for _ in range(2)]
            self.add("Slice", [name, *bounds, self.constant([0])], rank)
        else:
            options = [attribute(one, rng.choice(some)) for one, some in _ATTRIBUTES.items()]
            inputs = rng.choices([*self.ranks, "input_ids", "axes"], k=rng.choice([1, 2, 3]))
            self.add(rng.choice([*PLAIN, *MICROSOFT]), inputs, rank, *rng.sample(options, 2))


def random_model(seed: int) -> bytes:
    """A model of up to a dozen steps, the last of which adds to its output."""
    made = _Random(seed)
    for _ in range(made.rng.randrange(1, 10)):
        made.step()
    last = list(made.ranks)[-1]
    top = made.add("ReduceMax", [last], 0, attribute("keepdims", 0))
    made.nodes.append(node("Add", ["vector0", top], ["vector"]))
    body = graph(nodes=tuple(made.nodes), tensors=tuple(made.tensors))
    return model(body, domains=("com.microsoft",))


def damaged(raw: bytes, seed: int) -> bytes:
    """The same with up to three bytes changed."""
    rng = random.Random(seed)
    changed = bytearray(raw)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


_ATTRIBUTES: dict[str, list[int | list[int]]] = {
    "axis": [0, 1, -1, 5],
    "keepdims": [0, 1],
    "to": [1, 6, 7, 9, 10, 11],
    "perm": [[1, 0], [0, 2, 1], [2, 1, 0]],
    "axes": [[0], [1], [-1]],
    "allowzero": [1],
    "start": [0, 1, -1],
    "end": [1, -1],
    "num_outputs": [2, 3],
    "batch_dims": [1],
    "transA": [1],
    "transB": [1],
    "num_heads": [1, 2, 2**31],
    "K": [4, 2**31],
    "N": [4, 2**31],
    "block_size": [16, 32],
    "bits": [4, 8],
}
