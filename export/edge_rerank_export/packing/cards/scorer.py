"""Card of a pack with a scorer, and what its scores weigh."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rerank.packs.manifest import Manifest
from edge_rerank_export.models.checkpoint import Form
from edge_rerank_export.packing.cards.frame import UNTRAINED, CardWords, card
from edge_rerank_export.recipes.pack import ScorerPackRecipe, ScorerRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification


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
    """The text of the card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the original.
        facts: what the model is.
    """
    behaviour = facts.training or UNTRAINED
    if recipe.scorer.quantisation.limit is not None:
        behaviour += "; weights rounded on the toolchain's own texts"
    words = CardWords(
        role=f" It scores\na candidate {_formula(facts)}.",
        changes=(
            f"Changed against the original: {'; '.join(_changes(recipe.scorer, facts))}",
            behaviour,
        ),
        original="original",
        compared=f"{verification.texts} item texts, {verification.rankings} lists put in order.",
        unmeasured=_not_measured(verification),
        outputs="scores",
        limits="Which languages and\nwhat kinds of text it was trained on, its publisher says.",
    )
    return card(recipe, fetched, verification, words)


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


def _changes(scorer: ScorerRecipe, facts: ScorerFacts) -> list[str]:
    changes = ["converted to ONNX in edge-rerank's scorer form"]
    if facts.turned:
        changes.append("states turned into a basis without outliers")
    changes.append(f"quantised ({scorer.quantisation})")
    if facts.form is Form.LIKELIHOOD:
        changes.append(f"likelihoods normalised over the {scorer.vocabulary} first tokens")
    changes.append(
        f"at most {scorer.line_tokens} tokens an item and {scorer.history_tokens} a history"
    )
    return changes


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
