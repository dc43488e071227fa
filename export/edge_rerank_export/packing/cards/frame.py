"""What every card has: the weights' source, what was changed, how alike the pack is, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rerank_export.recipes.pack import PackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.dual import PICTURES
from edge_rerank_export.verify.figures import Figure, Verification
from edge_rerank_export.verify.media import MediaVerification

UNTRAINED = (
    "Not trained by this toolchain: on what, and on whose behaviour, its publisher trained it is "
    "for the source above to say, and was not looked into"
)
"""Said of weights that are as they came."""

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


@dataclass(frozen=True, slots=True)
class CardWords:
    """What a kind of pack says on its card, in Markdown.

    Attributes:
        role: sentences that say what it does, to follow the one that says who made it, from the
            space or line break on; empty for none.
        changes: points on what is not as in the original, and on how it was trained, in order.
        original: what it is compared with, as "tuned model".
        compared: what took part in the comparison.
        unmeasured: what was not measured; empty for nothing worth saying.
        outputs: what the model gives, as "vectors".
        limits: sentences that say what these cannot.
    """

    role: str
    changes: Sequence[str]
    original: str
    compared: str
    unmeasured: str
    outputs: str
    limits: str


def card(recipe: PackRecipe, fetched: Fetched, verification: Verification, words: CardWords) -> str:
    """The text of a card, in Markdown.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        verification: how far the pack is from the model that it was made from.
        words: of the kind of pack.
    """
    points = "\n".join(f"- {one}" for one in words.changes)
    unmeasured = f"\n{words.unmeasured}\n" if words.unmeasured else ""
    limits = f"its gaps and its prejudices included. {words.limits}"
    return f"""# {recipe.name}, release {recipe.release}

{recipe.summary}

A model pack for edge-rerank, made by its toolchain from the recipe `{recipe.name}`.{words.role}

- Weights: `{fetched.uri}`, revision {fetched.revision}, sha256 `{fetched.sha256}`
- Licence of the weights: {recipe.licence}
{points}

## Compared with the {words.original} in float32

{words.compared}

| figure | measured | bound |
|---|---|---|
{_rows(verification)}
{unmeasured}
## Limits

The {words.outputs} carry what the original learnt, {limits}
"""


def original_of(training: str) -> str:
    """What a pack is compared with; ``training`` is empty for a model as it came."""
    return "tuned model" if training else "original model"


def _rows(verification: Verification) -> str:
    return "\n".join(
        f"| {_explained(figure, verification)} | {figure.value:.4g} | "
        f"{'≥' if figure.at_least else '≤'} {figure.bound:g} |"
        for figure in verification.figures
    )


def _explained(figure: Figure, verification: Verification) -> str:
    if isinstance(verification, MediaVerification) and figure.name == "conversion_error":
        return "what the smallest cosine by conversion alone lacks to 1"
    if figure.name == f"{PICTURES}conversion_error":
        return "pictures: what the smallest cosine by conversion alone lacks to 1"
    if figure.name.startswith(PICTURES):
        return f"pictures: {_EXPLAINED[figure.name.removeprefix(PICTURES)]}"
    return _EXPLAINED[figure.name]
