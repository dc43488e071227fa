"""Groups of what can be worked out together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def places_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Places of equal keys, from 0 and rising, the key that comes first first."""
    groups: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return list(groups.values())
