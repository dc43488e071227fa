"""Advice for a model that falls short: the layer that costs most, and what to try next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import LanguagePackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.layers import LayerError, LayerErrors

ROUNDED = frozenset({"kendall_tau", "query_tau", "cosine", "difference", "ndcg_loss"})
"""Figures that rounding moves; others say that the conversion or the batch does."""

_FINER = 3
"""Layers that are named at once: one alone seldom closes a gap."""


def advice(verification: Verification, recipe: LanguagePackRecipe, layers: LayerErrors) -> str:
    """What to try next, one sentence; empty where every bound holds.

    Args:
        verification: its figures.
        recipe: that the pack was made by, with the quantisation that it has.
        layers: how far each of its products is off.
    """
    short = set(verification.short)
    if not short:
        return ""
    if not short & ROUNDED:
        return (
            "rounding is not to blame: the conversion is off, or scores depend on the batch; "
            "please report it with the model's type"
        )
    scheme = recipe.model.quantisation
    worst = layers.worst
    if scheme is Scheme.NONE or worst is None:
        return "nothing is rounded: the conversion is off; please report it with the model's type"
    return f"{_named(worst)}; try {_remedy(recipe, scheme, layers)}"


def _named(worst: LayerError) -> str:
    gain = "" if worst.gain is None else f", and {worst.gain:.0%} of the result's error hangs on it"
    return f"the layer that costs most is {worst.name} (it adds {worst.added:.1%}{gain})"


def _remedy(recipe: LanguagePackRecipe, scheme: Scheme, layers: LayerErrors) -> str:
    if scheme in {Scheme.INT4, Scheme.INT7}:
        return f"--quantisation {Scheme.INT8}"
    if scheme is Scheme.INT8:
        if finer := _finer(recipe, layers):
            return finer
        return f"--quantisation {Scheme.FLOAT16} (for GPUs) or {Scheme.NONE}"
    return f"--quantisation {Scheme.NONE}"


def _finer(recipe: LanguagePackRecipe, layers: LayerErrors) -> str:
    """The recipe's key for finer inputs with what gains most; empty where nothing does."""
    rest = [one for one in layers.layers if not one.fine and (one.gain or 0.0) > 0]
    if not rest:
        return ""
    best = sorted(rest, key=lambda one: -(one.gain or 0.0))[:_FINER]
    found = pattern([one.name for one in best], recipe.model.fine or "")
    return f"{recipe.table}.fine = '{found}' in the recipe"


def pattern(names: Sequence[str], known: str | None = "") -> str:
    """A regular expression for ``fine`` that finds these layers, and those of ``known``."""
    found = [f"/{re.escape(name)}/" for name in names]
    return "|".join([*([known] if known else []), *found])
