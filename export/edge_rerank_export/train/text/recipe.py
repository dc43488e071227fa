"""Recipes of text encoders: TOML files that say how texts learn what goes together.

::

    kind = "text"
    name = "mine"
    release = 1
    summary = "One sentence for the model card."
    checkpoint = "default.toml"      # recipe of the encoder to start from, relative to this file

    [training]                       # all of it may be left out, see TextTraining
    steps = 300

The pack that comes out is the base of a history encoder's recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import EncoderPackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.recipes.train import CheckpointRecipe, Precision, Schedule


@dataclass(frozen=True, slots=True)
class TextTraining(Schedule):
    """How long and on what.

    Attributes beside those of every training:
        requests: training requests made from each folder.
        candidates: items of a made-up request, the chosen one included; those of all other
            requests in the batch join them.
        history: most recent items of a history.
        batch: requests that one step is computed from.
        max_tokens: of a text that are read in training; the pack reads as many as its recipe says.
        valid_requests: validation requests that each folder gives.
        share: of the tuned weights in the encoder that is made, 0 to 1; the rest is the
            original's (Wortsman et al., "Robust fine-tuning", CVPR 2022).
        precision: see :class:`~edge_rerank_export.recipes.train.Precision`.
    """

    steps: int = 400
    learning_rate: float = 5e-5
    evaluate_every: int = 100
    requests: int = 4000
    candidates: int = 2
    history: int = 5
    batch: int = 64
    max_tokens: int = 32
    valid_requests: int = 200
    share: float = 1.0
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        self.check(candidates=2, batch=2, max_tokens=3)
        if not 0 < self.share <= 1:
            raise RecipeError("training.share: expected above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class TextFinetuneRecipe(CheckpointRecipe):
    """How one text encoder is tuned; see the module's description."""

    kind: ClassVar[Kind] = Kind.TEXT

    training: TextTraining = field(default_factory=TextTraining)

    def pack_recipe(self) -> EncoderPackRecipe:
        """The recipe of the encoder to start from.

        Raises:
            RecipeError: when it cannot be read, or is not of an encoder.
        """
        recipe = read_recipe(Path(self.checkpoint))
        if not isinstance(recipe, EncoderPackRecipe) or recipe.kind is not Kind.ENCODER:
            raise RecipeError(
                f"checkpoint: expected the recipe of an encoder, got one of kind {recipe.kind}"
            )
        return recipe
