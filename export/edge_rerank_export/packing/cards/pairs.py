"""Card of a pack with a scorer of pairs."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank_export.packing.cards.frame import CardWords, card, original_of
from edge_rerank_export.recipes.pack import PairPackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification


def pair_card(
    recipe: PairPackRecipe,
    fetched: Fetched,
    verification: Verification,
    *,
    labels: Sequence[str],
    scored: str,
    weights_a_token: int,
    training: str = "",
) -> str:
    """The text of the card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the original.
        labels: all that the original tells apart.
        scored: the one of them whose log-odds are the score.
        weights_a_token: those that each token is multiplied by.
        training: how it was tuned by the toolchain; empty for an original.
    """
    pair = recipe.pair
    words = CardWords(
        role=f""" It reads a
query and a candidate together, and says how well they fit; without a query it reads what a person
chose last, after `{pair.heading}`, in the query's place.""",
        changes=(
            f"""Labels of the original: {", ".join(f"`{label}`" for label in labels)}; scored is \
`{scored}`,
  in log-odds, before any activation function""",
            f"""Changed against the original: converted to ONNX, quantised ({pair.quantisation}), \
input cut to
  {pair.max_tokens} tokens, {pair.item_tokens} of them the candidate's""",
            f"""Cost: every candidate is read in full, with what stands before it, and nothing is \
kept from one
  to the next: {weights_a_token / 1e6:.3g} million weights for each token, and at most
  {weights_a_token * pair.max_tokens / 1e9:.3g} billion multiplications a candidate""",
            training or "The weights are as whoever published them trained them",
        ),
        original=original_of(training),
        compared=f"""{verification.texts} item texts, {verification.rankings} lists put in order, \
after a query and after
a history each.""",
        unmeasured="",
        outputs="scores",
        limits="""How well they
say what a person chooses after a history was not measured here: no more than this order was
compared.""",
    )
    return card(recipe, fetched, verification, words)
