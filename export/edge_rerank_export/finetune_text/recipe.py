"""Recipes for tuning a text encoder: TOML files that say how texts learn what goes together.

::

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

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipe import Recipe, read_recipe
from edge_rerank_export.tables import check_integers, read_recipe_file
from edge_rerank_export.training import Precision


@dataclass(frozen=True, slots=True)
class TextTraining:
    """How long and on what.

    Attributes:
        seed: same seed, same data, same machine, same figures.
        requests: training requests made from each folder.
        candidates: items of a made-up request, the chosen one included; those of all other
            requests in the batch join them.
        history: most recent items of a history.
        steps: updates of the weights.
        batch: requests in one.
        learning_rate: its peak; it rises over the first tenth and falls as a cosine.
        weight_decay: of AdamW.
        max_tokens: of a text that are read in training; the pack reads as many as its recipe says.
        evaluate_every: steps between two looks at the validation requests.
        valid_requests: how many of them each folder gives.
        patience: looks without improvement until the training ends.
        share: of the tuned weights in the encoder that is made, 0 to 1; the rest is the
            original's (Wortsman et al., "Robust fine-tuning", CVPR 2022).
        precision: see :class:`~edge_rerank_export.training.Precision`.
    """

    seed: int = 0
    requests: int = 4000
    candidates: int = 2
    history: int = 5
    steps: int = 400
    batch: int = 64
    learning_rate: float = 5e-5
    weight_decay: float = 1e-2
    max_tokens: int = 32
    evaluate_every: int = 100
    valid_requests: int = 200
    patience: int = 4
    share: float = 1.0
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        check_integers(self, "training", seed=0, candidates=2, batch=2, max_tokens=3)
        if not 0 < self.learning_rate < 1 or not 0 <= self.weight_decay < 1:
            raise RecipeError("training: learning_rate and weight_decay: expected below 1")
        if not 0 < self.share <= 1:
            raise RecipeError("training.share: expected above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class TextFinetuneRecipe:
    """How one text encoder is tuned; see the module's description.

    Attributes:
        name, release, summary: of the new pack.
        checkpoint: path of the recipe whose source is tuned and whose form the pack takes.
        training: see there.
        terms: where the data are from and what binds whoever uses them, for the model card.
    """

    name: str
    release: int
    summary: str
    checkpoint: str
    training: TextTraining = field(default_factory=TextTraining)
    terms: str = ""

    def __post_init__(self) -> None:
        if self.release < 1:
            raise RecipeError("release: expected an integer ≥ 1")

    def pack_recipe(self) -> Recipe:
        """The recipe of the encoder to start from.

        Raises:
            RecipeError: when it cannot be read, or is not of an encoder.
        """
        recipe = read_recipe(Path(self.checkpoint))
        if not isinstance(recipe, Recipe):
            raise RecipeError("checkpoint: expected the recipe of an encoder, got a scorer's")
        return recipe


def read_text_finetune_recipe(path: Path) -> TextFinetuneRecipe:
    """Read and check a recipe; its ``checkpoint`` comes back as an absolute path.

    Raises:
        RecipeError: when it cannot be read, has a key that is not known, lacks one, or a
            value has the wrong type or is out of range.
    """
    return read_recipe_file(TextFinetuneRecipe, path, relative=("checkpoint",))
