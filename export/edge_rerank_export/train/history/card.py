"""Model card of a pack with a trained history encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank_export.train.history.media_weights import MediaFit
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, Tables
from edge_rerank_export.train.loop import Outcome


def finetune_card(
    recipe: HistoryFinetuneRecipe,
    base: Manifest,
    folders: Sequence[str],
    outcome: Outcome,
    media: Mapping[str, Pack],
) -> str:
    """The text of the card, in Markdown.

    Args:
        recipe: how it was trained.
        base: of the pack with the text encoder.
        folders: names of the data sets.
        outcome: of the training.
        media: packs whose encoders of pictures or sounds are in the new one, by part.
    """
    rows = "\n".join(f"| {name} | {100 * value:.1f} |" for name, value in outcome.by_domain.items())
    terms = recipe.terms or "The terms of these data bind whoever passes the pack on."
    own = (
        "The model and its tables by item belong to this catalogue; later items are ordered by\n"
        "the other kinds of evidence."
        if recipe.training.tables is Tables.KEEP
        else "The model knows no item by its id and is meant for catalogues it never saw."
    )
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

- Text encoder: that of the pack `{base.name}`, unchanged
  (`{base.source.uri}`, {base.licence}){_encoders(media)}
- History encoder: {outcome.steps} steps from seed {recipe.training.seed}, listwise softmax,
  target attention over the last {recipe.training.history} items in training
- Trained on: {", ".join(folders)}
- Axes for learning on the device: principal components of the item vectors of these data
{_weightless(recipe)}- Simulated events in training requests: {_simulated(recipe)}
- Test splits were opened neither for training nor for selection

## Terms of the data

{terms}

## NDCG@10 × 100 on the validation requests that training was stopped by

| data | NDCG@10 |
|---|---|
{rows}

These are a little too high, for the best of several evaluations was kept. `edge-rerank eval`
measures on a test split.

## Limits

{own} It learnt from choices, not from satisfaction: what dwell time, scroll depth and a dislike
say of an item is a rule's word, and how an item counts that is hardly liked or disliked was
learnt from simulated events, and from ratings where the data hold some. Searches take part by
rule. Lists of about twenty candidates were trained on; probabilities
are calibrated for such lists.
"""


def _weightless(recipe: HistoryFinetuneRecipe) -> str:
    """A line on what was done about words that say nothing."""
    if not recipe.function_words:
        return ""
    languages = ", ".join(recipe.function_words)
    return f"- Articles, prepositions and the like of these languages weigh nothing: {languages}\n"


def media_card(fit: MediaFit, manifest: Manifest) -> str:
    """What pictures and sounds came to weigh, in Markdown."""
    weights = ", ".join(f"{part} {weight:.2f}" for part, weight in fit.weights.items())
    aligned = (
        "Items with a picture and no text have vectors by a ridge regression from pictures to\n"
        "texts, fitted on the items of these data that have both.\n"
        if manifest.alignment is not None
        else ""
    )
    return f"""## Pictures and sounds

What a whole likeness adds to the log-odds of a click was fitted on {fit.lists} validation
requests in which it says something: {weights}. Their NDCG@10 × 100 is
{100 * fit.ndcg_without:.1f} without, {100 * fit.ndcg_before:.1f} with the weights of the encoders'
packs, {100 * fit.ndcg:.1f} with these.
{aligned}"""


def _encoders(media: Mapping[str, Pack]) -> str:
    manifests = ((part, pack.manifest) for part, pack in media.items())
    return "".join(
        f"\n- Encoder of {part}: that of the pack `{one.name}`, unchanged\n"
        f"  (`{one.source.uri}`, {one.licence})"
        for part, one in manifests
    )


def _simulated(recipe: HistoryFinetuneRecipe) -> str:
    shares = {name: share for name, share in asdict(recipe.simulate).items() if share}
    rated = shares.pop("rated", 0.0)
    text = ", ".join(f"{name} in {100 * share:g} %" for name, share in shares.items()) or "none"
    if rated:
        text += (
            f";\n  as many again as {100 * rated:g} % from real ratings, where a folder has some"
        )
    return text
