"""Nodes of an ONNX graph, with what is known of their tensors before the model runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edge_rerank.packs.onnx_sizes import ONE, Shape, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed

FLOAT, UINT8, INT32, INT64, BOOL, FLOAT16, UINT4, INT4 = 1, 2, 6, 7, 9, 10, 21, 22
"""Types of elements, by ``TensorProto.DataType``."""

MAX_VALUES = 64
"""Numbers of a tensor that are followed: a shape has eight."""

MAX_RANK = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a tensor before a model runs.

    Attributes:
        kind: type of an element, by ``TensorProto.DataType``.
        shape: bounds of its axes.
        values: its numbers, where they are followed: integers and booleans of at most one axis.
        constant: whether it does not depend on any input.
    """

    kind: int
    shape: Shape
    values: tuple[Size, ...] | None = None
    constant: bool = False

    @property
    def elements(self) -> int:
        """Most elements it may have."""
        return Size(
            math.prod(size.factor for size in self.shape),
            [symbol for size in self.shape for symbol in size.symbols],
        ).high


class Node:
    """One node, with what is known of its inputs.

    Attributes:
        operator, domain: its kind.
        outputs: how many it has.
        numbers, lists, texts: its attributes of integers, of several, and of words.
        tensor: of an attribute, if there is one.
    """

    def __init__(
        self,
        operator: str,
        inputs: Sequence[Tensor | None],
        outputs: int,
        *,
        numbers: dict[str, int],
        lists: dict[str, list[int]],
        texts: dict[str, str],
        tensor: Tensor | None,
    ) -> None:
        self.operator = operator
        self.outputs = outputs
        self.numbers = numbers
        self.lists = lists
        self.texts = texts
        self.tensor = tensor
        self._inputs = inputs

    def has(self, place: int) -> bool:
        """Whether there is an input at ``place``."""
        return place < len(self._inputs) and self._inputs[place] is not None

    def input(self, place: int) -> Tensor:
        """The input at ``place``, which has to be there."""
        found = self._inputs[place] if place < len(self._inputs) else None
        if found is None:
            raise Malformed(f"{self.operator}: an input is missing")
        return found

    @property
    def given(self) -> list[Tensor]:
        """The inputs that are there."""
        return [one for one in self._inputs if one is not None]

    def axis(self, rank: int) -> int:
        """The attribute ``axis``, from the beginning; 0 where it is missing."""
        return self.place(self.numbers.get("axis", 0), rank)

    def place(self, axis: int, rank: int) -> int:
        """``axis`` from the beginning."""
        if not -rank <= axis < max(rank, 1):
            raise Malformed(f"{self.operator}: an axis out of range")
        return axis % rank if rank else 0

    def known(self, place: int) -> tuple[Size, ...]:
        """The numbers of an input that a size depends on."""
        values = self.input(place).values
        if values is None:
            raise Malformed(f"{self.operator}: a size that depends on data")
        return values

    def only(self, place: int) -> Size:
        """The one number of an input that a size depends on."""
        values = self.known(place)
        if len(values) != 1:
            raise Malformed(f"{self.operator}: expected a single number")
        return values[0]

    def exactly(self, place: int, name: str) -> list[int] | None:
        """Numbers that are an input of newer operators and an attribute of older ones."""
        if not self.has(place):
            return self.lists.get(name)
        values = [value.exact for value in self.known(place)]
        if None in values:
            raise Malformed(f"{self.operator}: {name} that depend on data")
        return [value for value in values if value is not None]


Rule: TypeAlias = Callable[[Node, Sizes], list[Tensor]]


def tensors(kind: int, shape: Sequence[Size], values: Sequence[Size] | None = None) -> list[Tensor]:
    """The one output of a node, with its numbers where they are followed."""
    return [Tensor(kind, tuple(shape), _followed(kind, len(shape), values))]


def _followed(kind: int, rank: int, values: Sequence[Size] | None) -> tuple[Size, ...] | None:
    """Values, or ``None`` where they may have wrapped or are not followed."""
    if values is None or kind not in {INT32, INT64, BOOL} or rank > 1 or len(values) > MAX_VALUES:
        return None
    limit = 2**31 if kind == INT32 else 2**63
    if any(value.low < -limit or value.high >= limit for value in values):
        return None
    return tuple(values)


def without(shape: Shape, gone: set[int], *, keep: int) -> list[Size]:
    """A shape without some axes, or with 1 in their places."""
    return [ONE if at in gone else size for at, size in enumerate(shape) if keep or at not in gone]
