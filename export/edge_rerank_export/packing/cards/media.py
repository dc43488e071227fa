"""Card of a pack with an encoder of pictures or sounds alone."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank_export.packing.cards.frame import UNTRAINED, CardWords, card, original_of
from edge_rerank_export.recipes.media import AudioPackRecipe, ImagePackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification


def media_card(
    recipe: ImagePackRecipe | AudioPackRecipe,
    fetched: Fetched,
    verification: Verification,
    *,
    changed: Sequence[str],
    training: str = "",
) -> str:
    """The text of the card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the original.
        changed: what is not as in the original.
        training: how it was tuned; empty for an original.
    """
    words = CardWords(
        role=" It completes a\npack that reads texts.",
        changes=(f"Changed against the original: {'; '.join(changed)}", training or UNTRAINED),
        original=original_of(training),
        compared=f"{verification.extent}, made up by the toolchain; "
        "none of them was calibrated on.",
        unmeasured="Not measured: how well it ranks what people chose.",
        outputs="vectors",
        limits="They say what\nlooks or sounds alike to it, not what is meant.",
    )
    return card(recipe, fetched, verification, words)
