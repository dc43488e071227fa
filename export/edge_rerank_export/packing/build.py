"""Building the pack of a recipe: fetch, convert, quantise, verify, pack."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edge_rerank_export.packing.encoder import encoder_builder
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.packing.pairs import pair_builder
from edge_rerank_export.packing.scorer import scorer_builder
from edge_rerank_export.packing.steps import PackBuilder, Report, Settle, make_pack, quietly
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.recipes.pack import PackRecipe, PairPackRecipe, ScorerPackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts


def builder_of(recipe: PackRecipe, work: Path, *, steps: Steps = silent) -> PackBuilder:
    """Fetch the recipe's model and get ready to make a pack of it.

    Args:
        recipe: of any kind.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.

    Raises:
        RecipeError: when the recipe does not fit the model.
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they are of a model that cannot be used.
    """
    if isinstance(recipe, ScorerPackRecipe):
        return scorer_builder(recipe, work, steps=steps)
    if isinstance(recipe, PairPackRecipe):
        return pair_builder(recipe, work, steps=steps)
    return encoder_builder(recipe, work, steps=steps)


def build(
    recipe: PackRecipe,
    output: Path,
    *,
    texts: Texts | None = None,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
    settle: Settle | None = None,
) -> Verification:
    """Make the pack of ``recipe`` at ``output``; on any error nothing is left there.

    Args:
        recipe: what to make.
        output: the pack's folder to be.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        overwrite: whether a pack that is there already may be replaced.
        steps: told of each step.
        report: called with the figures, good or bad.
        training: how the model was trained, for its card; empty for an original.
        settle: see :data:`~.steps.Settle`.

    Raises:
        RecipeError, SourceError, UnsupportedModel: when the recipe cannot be followed.
        VerificationFailed: when the result falls short of the original.
    """
    with staged(output, overwrite=overwrite) as stage, tempfile.TemporaryDirectory() as folder:
        return make_pack(
            builder_of(recipe, Path(folder), steps=steps),
            stage,
            texts=texts,
            steps=steps,
            report=report,
            training=training,
            settle=settle,
        )
