"""Search for the products whose inputs have to be finer than eight bits.

Where int8 as it is keeps the order, none has to. Otherwise what each group of products costs is
measured: how much the scores' error falls when it alone has coarse inputs no more, for which few
lists do. The groups that cost most for their share of the work become fine, as many as it takes.
Nothing in it is random, and the number of measurements is known before the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from pathlib import Path

from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.products import matrices_of, resolve_copies

NONE, ALL = "", "."
"""Patterns of no product and of every."""

MAX_GROUPS = 12
"""Groups of a small model: as many measurements are made to order them."""

_GROUP_WEIGHTS = 1_500_000_000
"""Groups times weights, which bounds the time that a large model takes."""

_MIN_GROUPS = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a model with some fine inputs does.

    Attributes:
        tau: mean Kendall τ of its lists to those of float32.
        error: mean squared difference of its scores to those of float32.
    """

    tau: float
    error: float


@dataclass(frozen=True, slots=True)
class ProductGroup:
    """Products that are fine together.

    Attributes:
        names: of one product for each of their inputs.
        weights: in all their matrices.
    """

    names: tuple[str, ...]
    weights: int


def product_groups(source: Path) -> tuple[ProductGroup, ...]:
    """The products of a float32 ONNX file: neighbours of one kind in at most so many groups.

    Products with one input are together. Of one kind are those whose names differ in numbers.
    """
    graph = onnx_file.load(source).graph
    resolve_copies(graph)
    matrices = matrices_of(graph)
    inputs: dict[str, ProductGroup] = {}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in matrices:
            known = inputs.get(node.input[0], ProductGroup((node.name,), 0))
            count = prod(matrices[node.input[1]].dims)
            inputs[node.input[0]] = ProductGroup(known.names, known.weights + count)
    kinds: dict[str, list[ProductGroup]] = {}
    for group in inputs.values():
        kinds.setdefault(re.sub(r"_?\d+", "#", group.names[0]), []).append(group)
    weights = sum(group.weights for group in inputs.values())
    most = max(_MIN_GROUPS, min(MAX_GROUPS, _GROUP_WEIGHTS // max(weights, 1)))
    each = max(1, most // max(len(kinds), 1))
    return tuple(merged for kind in kinds.values() for merged in _merged(kind, each))


def _merged(groups: Sequence[ProductGroup], most: int) -> list[ProductGroup]:
    """Neighbours together, so that there are no more than ``most``."""
    size = ceil(len(groups) / most)
    return [_together(groups[first : first + size]) for first in range(0, len(groups), size)]


def _together(groups: Sequence[ProductGroup]) -> ProductGroup:
    names = tuple(name for group in groups for name in group.names)
    return ProductGroup(names, sum(group.weights for group in groups))


def most_measurements(groups: int) -> int:
    """How many measurements :func:`find_fine` makes at most."""
    return 3 + groups + ceil(log2(max(groups, 2)))


def find_fine(
    groups: Sequence[ProductGroup],
    measure: Callable[[str, bool], Measured],
    wanted: float,
    *,
    progress: Update = lambda _done, _total: None,
) -> str:
    """The pattern of the fewest products that have to be fine.

    Args:
        groups: see :func:`product_groups`.
        measure: of the model in which products of a pattern are fine, see
            :func:`~edge_rerank_export.quantize.integers.quantize`; on all lists, or on a few.
        wanted: the least τ.
        progress: called with (measurements done, measurements at most).

    Returns:
        ``NONE`` where none has to be; ``ALL`` where even that does not do.
    """
    done, total = 0, most_measurements(len(groups))

    def measured(pattern: str, *, few: bool = False) -> Measured:
        nonlocal done
        found = measure(pattern, few)
        done += 1
        progress(done, total)
        return found

    if measured(NONE).tau >= wanted or not groups:
        return NONE
    if measured(ALL).tau < wanted:
        return ALL
    # What is left of the error when one group alone is fine; for its work, the least first.
    plain = measured(NONE, few=True).error
    gains = [plain - measured(pattern_of([group]), few=True).error for group in groups]
    order = sorted(
        range(len(groups)), key=lambda place: (-gains[place] / groups[place].weights, place)
    )
    fewest, enough = 1, len(groups)
    while fewest < enough:
        middle = (fewest + enough) // 2
        if measured(pattern_of([groups[place] for place in order[:middle]])).tau >= wanted:
            enough = middle
        else:
            fewest = middle + 1
    if enough == len(groups):
        return ALL
    return pattern_of([groups[place] for place in order[:enough]])


def pattern_of(groups: Sequence[ProductGroup]) -> str:
    """A regular expression of the products of ``groups`` and of no other."""
    names = sorted(name for group in groups for name in group.names)
    return f"^({'|'.join(map(re.escape, names))})$"
