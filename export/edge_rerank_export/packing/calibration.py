"""Texts that weights of four bits are rounded on: none of those that packs are verified with."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.evaluation.expectations.catalogue import CHINESE, ENGLISH, Catalogue
from edge_rerank_export.sources.languages import Language


def calibration_texts(languages: Sequence[Language] = ()) -> tuple[str, ...]:
    """Texts of the catalogue that expectations are played on, kinds mixed.

    Args:
        languages: of the model; the texts are English, and Chinese too where it reads Chinese.
    """
    kinds = {*ENGLISH, *(CHINESE if Language.ZH in languages else ())}
    items = Catalogue.shipped().items
    return tuple(item.text for item in items if item.fields.get("kind") in kinds)
