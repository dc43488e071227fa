"""Model cards: what a person should know of a pack before using it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rerank.packs.manifest import Manifest
from edge_rerank_export.models.checkpoint import Form
from edge_rerank_export.models.encoder_description import EncoderDescription
from edge_rerank_export.models.sentence_files import Dense, Pooling
from edge_rerank_export.recipes.media import AudioPackRecipe, ImagePackRecipe
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    EncoderRecipe,
    PairPackRecipe,
    ScorerPackRecipe,
)
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.dual import PICTURES
from edge_rerank_export.verify.figures import Figure, Verification
from edge_rerank_export.verify.media import MediaVerification

_UNTRAINED = (
    "Not trained by this toolchain: on what, and on whose behaviour, its publisher trained it is "
    "for the source above to say, and was not looked into"
)

_EXPLAINED = {
    "kendall_tau": "mean Kendall τ of the candidates' order",
    "query_tau": "mean Kendall τ of their order after a query",
    "score_error": "largest difference of a score by conversion",
    "cosine": "smallest cosine of a text's two vectors",
    "min_cosine": "smallest cosine of the two vectors of one of them",
    "mean_cosine": "mean of these cosines",
    "difference": "largest difference in one component",
    "batch_effect": "largest change of a component by batch or padding",
    "ndcg_loss": "share of NDCG@10 lost",
    "conversion_error": "largest difference of a token's log-probability by conversion",
    "company_effect": "largest change of a score by company or by how the history was read",
}


def model_card(
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
    rows = _rows(verification)
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`.

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
- Changed against the original: converted to ONNX with {made}
  inside, quantised ({recipe.encoder.quantisation}), input cut to
  {recipe.encoder.max_tokens} tokens{_changes(recipe.encoder)}
- {training or _UNTRAINED}

## Compared with the {"tuned" if training else "original"} model in float32

{verification.texts} item texts, {verification.rankings} lists put in order.

| figure | measured | bound |
|---|---|---|
{rows}

## Limits

The vectors carry what the original learnt, its gaps and its prejudices included. Text in
languages that the original was not trained on is poorly told apart.
"""


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """What a scorer's card says of the model itself.

    Attributes:
        form: what it scores by.
        labels: of a head by its rows, or the answer tokens, the good one first.
        turned: whether its states were turned into a basis without outliers.
        weight: what one unit of score adds to the log-odds of a click.
        training: how the toolchain trained it; empty where it did not.
    """

    form: Form
    labels: tuple[str, ...]
    turned: bool
    weight: float
    training: str = ""


def scorer_card(
    recipe: ScorerPackRecipe, fetched: Fetched, verification: Verification, facts: ScorerFacts
) -> str:
    """The text of a scorer's card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the original.
        facts: what the model is.
    """
    scorer = recipe.scorer
    behaviour = facts.training or _UNTRAINED
    if scorer.quantisation.limit is not None:
        behaviour += "; weights rounded on the toolchain's own texts"
    changes = ["converted to ONNX in edge-rerank's scorer form"]
    if facts.turned:
        changes.append("states turned into a basis without outliers")
    changes.append(f"quantised ({scorer.quantisation})")
    if facts.form is Form.LIKELIHOOD:
        changes.append(f"likelihoods normalised over the {scorer.vocabulary} first tokens")
    changes.append(
        f"at most {scorer.line_tokens} tokens an item and {scorer.history_tokens} a history"
    )
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`. It scores
a candidate {_formula(facts)}.

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
- Changed against the original: {"; ".join(changes)}
- {behaviour}

## Compared with the original in float32

{verification.texts} item texts, {verification.rankings} lists put in order.

| figure | measured | bound |
|---|---|---|
{_rows(verification)}

{_not_measured(verification)}

## Limits

The scores carry what the original learnt, its gaps and its prejudices included. Which languages and
what kinds of text it was trained on, its publisher says.
"""


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
    """The text of the card of a scorer of pairs, in Markdown.

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
    behaviour = training or "The weights are as whoever published them trained them"
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`. It reads a
query and a candidate together, and says how well they fit; without a query it reads what a person
chose last, after `{pair.heading}`, in the query's place.

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
- Labels of the original: {", ".join(f"`{label}`" for label in labels)}; scored is `{scored}`,
  in log-odds, before any activation function
- Changed against the original: converted to ONNX, quantised ({pair.quantisation}), input cut to
  {pair.max_tokens} tokens, {pair.item_tokens} of them the candidate's
- Cost: every candidate is read in full, with what stands before it, and nothing is kept from one
  to the next: {weights_a_token / 1e6:.3g} million weights for each token, and at most
  {weights_a_token * pair.max_tokens / 1e9:.3g} billion multiplications a candidate
- {behaviour}

## Compared with the {"tuned" if training else "original"} model in float32

{verification.texts} item texts, {verification.rankings} lists put in order, after a query and after
a history each.

| figure | measured | bound |
|---|---|---|
{_rows(verification)}

## Limits

The scores carry what the original learnt, its gaps and its prejudices included. How well they
say what a person chooses after a history was not measured here: no more than this order was
compared.
"""


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


_POOLINGS = {
    Pooling.CLS: "first token",
    Pooling.MAX: "largest value",
    Pooling.MEAN: "mean",
    Pooling.MEAN_SQRT_LEN: "mean by root of the length",
    Pooling.WEIGHTED_MEAN: "weighted mean",
    Pooling.LAST_TOKEN: "last token",
}


def blend_section(manifest: Manifest, *, fitted: bool) -> str:
    """What a pack's scorer weighs, to follow a card; empty for a pack without one.

    Args:
        manifest: of the finished pack.
        fitted: whether the weight was fitted on validation requests.
    """
    spec = manifest.scorer
    if spec is None:
        return ""
    if fitted:
        how = "fitted on validation requests of the data given, by their likelihood"
    else:
        how = "set beforehand, by the recipe or by kind of score, and fitted on no one's choices"
    return f"""
## Weight beside other evidence

One unit of score adds {spec.weight:.4g} to the log-odds of a click: {how}.
"""


def _formula(facts: ScorerFacts) -> str:
    if facts.form is Form.LIKELIHOOD:
        return "by log P(candidate | history) - 0.7 log P(candidate)"
    if facts.form is Form.ANSWERS:
        names = [f"`{name}`" for name in facts.labels]
        if len(names) == 1:
            return f"by the logit of the answer {names[0]}"
        return f"by the log-odds of the answer {names[0]} against {names[1]}"
    if facts.training:
        return "by a head that was trained on people's choices"
    if len(facts.labels) == 2:
        return (
            f"by the head that came with the weights, as log-odds of its label `{facts.labels[1]}` "
            f"against `{facts.labels[0]}`"
        )
    return "by the head that came with the weights"


def _not_measured(verification: Verification) -> str:
    names = {figure.name for figure in verification.figures}
    missing = [] if "ndcg_loss" in names else ["how well it ranks what people chose"]
    missing.append("any language or domain other than that of the texts")
    return f"Not measured: {'; '.join(missing)}."


def _changes(encoder: EncoderRecipe) -> str:
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


def _rows(verification: Verification) -> str:
    return "\n".join(
        f"| {_explained(figure, verification)} | {figure.value:.4g} | "
        f"{'≥' if figure.at_least else '≤'} {figure.bound:g} |"
        for figure in verification.figures
    )


def media_card(
    recipe: ImagePackRecipe | AudioPackRecipe,
    fetched: Fetched,
    verification: Verification,
    *,
    changed: Sequence[str],
    training: str = "",
) -> str:
    """The text of the card of an encoder of pictures or sounds, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the original.
        changed: what is not as in the original.
        training: how it was tuned; empty for an original.
    """
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`. It completes a
pack that reads texts.

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
- Changed against the original: {"; ".join(changed)}
- {training or _UNTRAINED}

## Compared with the {"tuned" if training else "original"} model in float32

{verification.extent}, made up by the toolchain; none of them was calibrated on.

| figure | measured | bound |
|---|---|---|
{_rows(verification)}

Not measured: how well it ranks what people chose.

## Limits

The vectors carry what the original learnt, its gaps and its prejudices included. They say what
looks or sounds alike to it, not what is meant.
"""


def dual_card(
    recipe: EncoderPackRecipe,
    fetched: Fetched,
    verification: Verification,
    changed: Sequence[str],
    *,
    training: str = "",
) -> str:
    """The text of the card of a pack whose texts and pictures share a space, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far both parts are from the original.
        changed: how texts' vectors are made, and what is not as in the original of pictures'.
        training: how it was tuned; empty for an original.
    """
    made, *pictures = changed
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`. It reads texts
and pictures: a query is compared with the picture of an item that has no text.

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
- Changed against the original, texts: converted to ONNX with {made}
  inside, quantised ({recipe.encoder.quantisation}), input cut to
  {recipe.encoder.max_tokens} tokens{_changes(recipe.encoder)}
- Pictures: {"; ".join(pictures)}
- {training or _UNTRAINED}

## Compared with the {"tuned" if training else "original"} model in float32

{verification.extent}, made up by the toolchain, {verification.rankings} lists put in order.

| figure | measured | bound |
|---|---|---|
{_rows(verification)}

Not measured: how well a query finds pictures.

## Limits

The vectors carry what the original learnt, its gaps and its prejudices included. Texts and pictures
that the original was not trained on are poorly told apart.
"""


def _explained(figure: Figure, verification: Verification) -> str:
    if isinstance(verification, MediaVerification) and figure.name == "conversion_error":
        return "what the smallest cosine by conversion alone lacks to 1"
    if figure.name == f"{PICTURES}conversion_error":
        return "pictures: what the smallest cosine by conversion alone lacks to 1"
    if figure.name.startswith(PICTURES):
        return f"pictures: {_EXPLAINED[figure.name.removeprefix(PICTURES)]}"
    return _EXPLAINED[figure.name]
