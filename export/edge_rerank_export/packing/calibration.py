"""Texts that weights of four bits are rounded on: none of those that packs are verified with."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.evaluation.expectations.catalogue import CHINESE, ENGLISH, Catalogue
from edge_rerank_export.sources.languages import Language
from edge_rerank_export.verify.texts.cases import Texts
from edge_rerank_export.verify.texts.own import HISTORY_LINES, neighbours


def calibration_texts(languages: Sequence[Language] = ()) -> tuple[str, ...]:
    """Texts of the catalogue that expectations are played on, kinds mixed.

    Args:
        languages: of the model; the texts are English, and Chinese too where it reads Chinese.
    """
    kinds = {*ENGLISH, *(CHINESE if Language.ZH in languages else ())}
    items = Catalogue.shipped().items
    return tuple(item.text for item in items if item.fields.get("kind") in kinds)


def calibration_lists(languages: Sequence[Language] = (), most: int | None = None) -> Texts:
    """The same texts in lists, evenly over them.

    Args:
        languages: of the model.
        most: how many lists; ``None`` for one at each text.
    """
    texts = calibration_texts(languages)
    starts = range(len(texts) - HISTORY_LINES)
    apart = 1 if most is None else len(starts) // most
    cases = neighbours(len(texts), starts[::apart][:most])
    return Texts(texts, cases, "the expectations' catalogue")
