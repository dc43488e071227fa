"""Recipes of scorers: TOML files that say how a language model learns to rank.

::

    kind = "scorer"
    name = "mine"
    release = 1
    summary = "One sentence for the model card."
    checkpoint = "smollm2.toml"      # recipe of the pack to start from, relative to this file

    [training]                       # all of it may be left out, see ScorerTraining
    steps = 2000

    [adapter]                        # see Adapter
    rank = 16
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import ScorerPackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.recipes.train import CheckpointRecipe, Precision, Schedule


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank adapters (LoRA, Hu et al., ICLR 2022) on every product of the blocks.

    Attributes:
        rank: of the update of a weight matrix; 0 trains all weights themselves.
        alpha: the update is scaled by ``alpha / rank``.
        dropout: share of an adapter's inputs that are dropped in training.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05

    def __post_init__(self) -> None:
        if self.rank < 0 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise RecipeError(
                "adapter: expected rank ≥ 0, alpha above 0, dropout from 0 to below 1"
            )


@dataclass(frozen=True, slots=True)
class ScorerTraining(Schedule):
    """How long and on what.

    Attributes beside those of every training:
        requests: training requests made from each folder.
        candidates: items in a made-up request: the one that was chosen, the rest sampled.
        history: most recent items of a history; the pack will read no more tokens than these
            can have.
        batch: requests that one step is computed from.
        valid_requests: validation requests that each folder gives.
        weight_requests: of them, those that the weight in the blend is fitted on.
        beside: share of the loss, 0 to 1, in which the scores are added to the log-odds by the
            shipped pack, so that the scorer learns what that does not know; in the rest they
            stand alone.
        layers: blocks that are kept, from the first on; 0 for all.
        precision: see :class:`~edge_rerank_export.recipes.train.Precision`.
    """

    steps: int = 2000
    learning_rate: float = 3e-4
    evaluate_every: int = 200
    patience: int = 3
    requests: int = 4000
    candidates: int = 20
    history: int = 20
    batch: int = 8
    valid_requests: int = 200
    weight_requests: int = 200
    beside: float = 0.5
    layers: int = 0
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        self.check(layers=0, candidates=2)
        if not 0 <= self.beside <= 1:
            raise RecipeError("training.beside: expected 0 to 1")


@dataclass(frozen=True, slots=True)
class ScorerFinetuneRecipe(CheckpointRecipe):
    """How a scorer is trained; see the module's description.

    ``training`` and ``adapter`` are described there.
    """

    kind: ClassVar[Kind] = Kind.SCORER

    training: ScorerTraining = field(default_factory=ScorerTraining)
    adapter: Adapter = field(default_factory=Adapter)

    def pack_recipe(self) -> ScorerPackRecipe:
        """The recipe of the pack to start from, with no longer histories than are trained on.

        Raises:
            RecipeError: when it cannot be read, or is not of a scorer.
        """
        recipe = read_recipe(Path(self.checkpoint))
        if not isinstance(recipe, ScorerPackRecipe):
            raise RecipeError(
                f"checkpoint: expected the recipe of a scorer, got one of kind {recipe.kind}"
            )
        scorer = recipe.scorer
        trained = self.training.history * scorer.line_tokens
        limited = replace(scorer, history_tokens=min(scorer.history_tokens, trained))
        return replace(recipe, scorer=limited)
