"""Sketches of lists by the names of what they show and what they were made of."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.learning.coverage import Offer, Sketch, hashed


def sketch_of(
    shown: Sequence[str], offered: Sequence[str], categories: Sequence[str], kinds: Sequence[str]
) -> Sketch:
    """Of a list: ids there and of all candidates, categories there and of all candidates."""
    return Sketch.of(shown, categories, Offer.of(hashed(offered), hashed(kinds)))
