"""Symbolic sizes: how large a tensor of a model can become for what the runtime feeds it.

An axis is a whole number, or a product of symbols that each lie within bounds. Products that
cancel are kept exact, so that a tensor whose shape is computed from its own shape, as exporters
write it, does not grow in the analysis; whatever is not exact becomes a new symbol within bounds
that hold for every input. So a bound is never too low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

_MAX_SYMBOLS = 12


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A number that is not known before a model runs.

    Attributes:
        name: equal names stand for equal numbers.
        low, high: bounds.
        partner: name of a symbol that is small where this one is large; empty for none.
        joint: bound of the product of the two, where there is a partner.
    """

    name: str
    low: int
    high: int
    partner: str = ""
    joint: int = 0


class Size:
    """A number times symbols: an axis, or a number that a graph computes from axes.

    Attributes:
        factor: the number.
        symbols: in the order of their names, one for each time that it is a factor.
        low, high: bounds of the product.
    """

    __slots__ = ("factor", "high", "low", "symbols")

    def __init__(self, factor: int, symbols: Iterable[Symbol] = ()) -> None:
        self.factor = factor
        self.symbols = tuple(sorted(symbols)) if factor else ()
        self.low, self.high = _bounds(self.factor, self.symbols)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[int, tuple[Symbol, ...]]:
        """What equal sizes have in common."""
        return self.factor, self.symbols

    @property
    def exact(self) -> int | None:
        """The number, if it is known."""
        return None if self.symbols else self.factor


Shape: TypeAlias = tuple[Size, ...]


def _bounds(factor: int, symbols: tuple[Symbol, ...]) -> tuple[int, int]:
    low = high = factor
    for symbol in symbols:
        ends = (low * symbol.low, low * symbol.high, high * symbol.low, high * symbol.high)
        low, high = min(ends), max(ends)
    if low < 0 or not any(symbol.partner for symbol in symbols):
        return low, high
    counts = Counter(symbols)
    by_name = {symbol.name: symbol for symbol in symbols}
    high = factor
    for symbol in list(counts):
        partner = by_name.get(symbol.partner)
        together = min(counts[symbol], counts[partner]) if partner else 0
        if partner and together:
            counts[symbol] -= together
            counts[partner] -= together
            high *= min(symbol.joint, symbol.high * partner.high) ** together
    for symbol, count in counts.items():
        high *= symbol.high**count
    return low, high


ZERO, ONE = Size(0), Size(1)


class Sizes:
    """Arithmetic of sizes; equal questions get the same new symbol."""

    def __init__(self) -> None:
        self._new: dict[tuple[object, ...], Size] = {}
        self._sums: dict[Size, tuple[Size, Size]] = {}

    def within(self, why: tuple[object, ...], low: int, high: int) -> Size:
        """A new symbol within bounds, the same for the same ``why``; exact if they are one."""
        if low >= high:
            return Size(high)
        if why not in self._new:
            self._new[why] = Size(1, [Symbol(f"~{len(self._new)}", low, high)])
        return self._new[why]

    def times(self, one: Size, other: Size) -> Size:
        """The product."""
        made = Size(one.factor * other.factor, one.symbols + other.symbols)
        if len(made.symbols) > _MAX_SYMBOLS:
            return self.within(("times", *made.key), made.low, made.high)
        return made

    def product(self, sizes: Iterable[Size]) -> Size:
        """The product of several."""
        whole = ONE
        for size in sizes:
            whole = self.times(whole, size)
        return whole

    def plus(self, one: Size, other: Size, sign: int = 1) -> Size:
        """The sum, or with a ``sign`` of -1 the difference."""
        if other.factor == 0:
            return one
        if one.symbols == other.symbols:
            return Size(one.factor + sign * other.factor, one.symbols)
        if one.factor == 0 and sign > 0:
            return other
        if sign < 0 and (rest := self._rest(one, other)) is not None:
            return rest
        ends = (sign * other.low, sign * other.high)
        made = self.within(("plus", sign, one, other), one.low + min(ends), one.high + max(ends))
        if sign > 0:
            self._sums[made] = one, other
        return made

    def _rest(self, whole: Size, part: Size) -> Size | None:
        """What a sum is without one of its two parts, if it is a sum of it."""
        one, other = self._sums.get(whole, (ZERO, ZERO))
        return other if part == one else one if part == other else None

    def over(self, one: Size, other: Size) -> Size:
        """The whole part of a quotient of numbers ≥ 0; ``other`` is at least 1 where it is used."""
        rest = Counter(one.symbols)
        rest.subtract(Counter(other.symbols))
        exact = other.factor > 0 and one.factor % other.factor == 0
        if exact and all(count >= 0 for count in rest.values()):
            return Size(one.factor // other.factor, rest.elements())
        low = one.low // max(other.high, 1) if one.low > 0 else 0
        return self.within(("over", one, other), low, one.high // max(other.low, 1))

    def larger(self, one: Size, other: Size) -> Size:
        """The maximum."""
        if one == other or one.low >= other.high:
            return one
        if other.low >= one.high:
            return other
        ends = max(one.low, other.low), max(one.high, other.high)
        return self.within(("larger", one, other), *ends)

    def smaller(self, one: Size, other: Size) -> Size:
        """The minimum."""
        if one == other or one.high <= other.low:
            return one
        if other.high <= one.low:
            return other
        rest = self._rest(one, other)
        if rest is not None and rest.low >= 0:
            return other
        ends = min(one.low, other.low), min(one.high, other.high)
        return self.within(("smaller", one, other), *ends)

    def either(self, one: Size, other: Size) -> Size:
        """One of the two, it is not known which."""
        if one == other:
            return one
        ends = min(one.low, other.low), max(one.high, other.high)
        return self.within(("either", one, other), *ends)

    def same(self, one: Size, other: Size) -> Size:
        """1 where the two are equal, 0 where they are not."""
        if one == other:
            return ONE
        if one.high < other.low or other.high < one.low:
            return ZERO
        return self.within(("same", one, other), 0, 1)

    def broadcast(self, shapes: Iterable[Shape]) -> Shape:
        """The shape of several arrays combined element by element."""
        shapes = list(shapes)
        rank = max(map(len, shapes))
        axes = []
        for axis in range(-rank, 0):
            sizes = {shape[axis] for shape in shapes if len(shape) >= -axis}
            axes.append(self._common(sizes))
        return tuple(axes)

    def _common(self, sizes: set[Size]) -> Size:
        known = [size.factor for size in sizes if size.exact is not None]
        if known and max(known) > 1:
            return Size(max(known))  # the others are this or 1, or the operator refuses them
        rest = sorted((size for size in sizes if size != ONE), key=lambda size: str(size.key))
        if not rest:
            return ONE
        common = rest[0]
        for size in rest[1:]:
            ends = min(common.low, size.low), max(common.high, size.high)
            common = self.within(("broadcast", common, size), *ends)
        return common
