"""Card of a pack with a text encoder."""

from __future__ import annotations

from edge_rerank_export.models.encoder_description import EncoderDescription
from edge_rerank_export.models.sentence_files import Dense, Pooling
from edge_rerank_export.packing.cards.frame import UNTRAINED, CardWords, card, original_of
from edge_rerank_export.recipes.pack import EncoderPackRecipe, EncoderRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification

_POOLINGS = {
    Pooling.CLS: "first token",
    Pooling.MAX: "largest value",
    Pooling.MEAN: "mean",
    Pooling.MEAN_SQRT_LEN: "mean by root of the length",
    Pooling.WEIGHTED_MEAN: "weighted mean",
    Pooling.LAST_TOKEN: "last token",
}


def text_card(
    recipe: EncoderPackRecipe,
    fetched: Fetched,
    verification: Verification,
    *,
    made: str,
    training: str = "",
) -> str:
    """The text of the card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the model it was made from.
        made: how its vectors are made, see :func:`made_of`.
        training: how that was tuned; empty for an original.
    """
    words = CardWords(
        role="",
        changes=(
            f"Changed against the original: {encoder_changes(recipe.encoder, made)}",
            training or UNTRAINED,
        ),
        original=original_of(training),
        compared=f"{verification.texts} item texts, {verification.rankings} lists put in order.",
        unmeasured="",
        outputs="vectors",
        limits="Text in\nlanguages that the original was not trained on is poorly told apart.",
    )
    return card(recipe, fetched, verification, words)


def encoder_changes(encoder: EncoderRecipe, made: str) -> str:
    """What is not as in the original text encoder, in words.

    Args:
        encoder: how it is made.
        made: how its vectors are made, see :func:`made_of`.
    """
    return f"""converted to ONNX with {made}
  inside, quantised ({encoder.quantisation}), input cut to
  {encoder.max_tokens} tokens{_beside(encoder)}"""


def made_of(encoder: EncoderRecipe, described: EncoderDescription) -> str:
    """How a vector is made of a text's states, in words, and where the original differs."""
    modes = described.pooling if encoder.pooling is None else (encoder.pooling,)
    parts = [f"{' and '.join(_POOLINGS[mode] for mode in modes)} pooling"]
    parts += [
        f"a dense layer to {layer.outputs} dimensions" if isinstance(layer, Dense) else "scaling"
        for layer in described.sentences.layers
    ]
    if encoder.dim:
        parts.append(f"the first {encoder.dim} of {described.dim} dimensions")
    said = described.sentences
    own = ""
    if said.found and not said.normalised:
        own = " (the original's vectors have lengths of their own"
        own += f", compared by {said.similarity})" if said.similarity else ")"
    return f"{', '.join(parts)} and scaling to length 1{own}"


def _beside(encoder: EncoderRecipe) -> str:
    changes = ""
    if encoder.prefix:
        changes += f"; every text begins with `{encoder.prefix.strip()}`"
    if encoder.query_prefix not in {"", encoder.prefix}:
        changes += f"; every query with `{encoder.query_prefix.strip()}`"
    if encoder.languages:
        changes += f"; vocabulary cut to the scripts of: {', '.join(encoder.languages)}"
    if encoder.centre:
        changes += "; the mean vector of the toolchain's own texts is taken off"
    return changes
