"""Keys of list rules: what of an item is capped, spread or decays."""

from __future__ import annotations

from collections.abc import Callable
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
