"""Keys of list rules: what of an item is capped, spread or decays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from edge_rerank.types import FieldValue, Item

CATEGORY, SUBCATEGORY = "category", "subcategory"
"""Keys that are no fields: the first, most general category of an item, and its last."""


@cache
def key_reader(key: str) -> Callable[[Item], FieldValue]:
    """Reads the value that an item has of a key, ``None`` where it has none."""
    if key == CATEGORY:
        return lambda item: item.categories[0] if item.categories else None
    if key == SUBCATEGORY:
        return lambda item: item.categories[-1] if item.categories else None

    def field(item: Item) -> FieldValue:
        value = item.fields.get(key)
        return value if value == value else None  # noqa: PLR0124 - NaN is no value

    return field


def values_of(key: str, items: Sequence[Item], rows: Iterable[int]) -> list[FieldValue]:
    """The values of a key that some of the items have, in the order of ``rows``."""
    if key == CATEGORY:
        return [found[0] if (found := items[row].categories) else None for row in rows]
    read = key_reader(key)
    return [read(items[row]) for row in rows]
