"""Card of a pack whose texts and pictures share a space."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank_export.packing.cards.frame import UNTRAINED, CardWords, card, original_of
from edge_rerank_export.packing.cards.text import encoder_changes
from edge_rerank_export.recipes.pack import EncoderPackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification


def dual_card(
    recipe: EncoderPackRecipe,
    fetched: Fetched,
    verification: Verification,
    *,
    made: str,
    pictures: Sequence[str],
    training: str = "",
) -> str:
    """The text of the card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far both parts are from the original.
        made: how texts' vectors are made.
        pictures: what is not as in the original of pictures'.
        training: how it was tuned; empty for an original.
    """
    words = CardWords(
        role=" It reads texts\n"
        "and pictures: a query is compared with the picture of an item that has no text.",
        changes=(
            f"Changed against the original, texts: {encoder_changes(recipe.encoder, made)}",
            f"Pictures: {'; '.join(pictures)}",
            training or UNTRAINED,
        ),
        original=original_of(training),
        compared=f"{verification.extent}, made up by the toolchain, {verification.rankings} lists "
        "put in order.",
        unmeasured="Not measured: how well a query finds pictures.",
        outputs="vectors",
        limits="Texts and pictures\nthat the original was not trained on are poorly told apart.",
    )
    return card(recipe, fetched, verification, words)
