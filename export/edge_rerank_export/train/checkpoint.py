"""What trainings have in common that begin with the checkpoint of another recipe."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, TypeVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Steps
from edge_rerank_export.recipes.pack import find_recipe
from edge_rerank_export.recipes.table import read_recipe_file
from edge_rerank_export.train.loop import Outcome, Schedule, Trainee, mark_of, train

_UNKNOWN_TERMS = "The terms of these data bind whoever passes the pack on"


@dataclass(frozen=True, slots=True)
class CheckpointRecipe:
    """How a model is trained on; the recipe of each kind of model adds to it.

    Attributes:
        name, release, summary: of the new pack.
        checkpoint: path of the recipe whose source is trained and whose form the pack takes.
        training: how long and on what.
        terms: where the data are from and what binds whoever uses them, for the model card.
    """

    name: str
    release: int
    summary: str
    checkpoint: str
    training: Schedule = field(default_factory=Schedule)
    terms: str = ""

    def __post_init__(self) -> None:
        if self.release < 1:
            raise RecipeError("release: expected an integer ≥ 1")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a recipe file; its ``checkpoint`` comes back as an absolute path.

        Raises:
            RecipeError: when it cannot be read, has a key that is not known, lacks one, or a
                value has the wrong type or is out of range.
        """
        return read_recipe_file(cls, path, relative=("checkpoint",))

    def on_card(self, folders: Iterable[str], how: str, outcome: Outcome) -> str:
        """How it was trained, for the model card.

        Args:
            folders: names of the data sets.
            how: in a few words, the figure's description last.
            outcome: gives the figure.
        """
        return (
            f"Trained on {', '.join(folders)}: {outcome.steps} steps from seed "
            f"{self.training.seed}, {how} {100 * outcome.best:.1f} on validation requests; "
            f"test splits were not opened. {self.terms or _UNKNOWN_TERMS}"
        )


R = TypeVar("R", bound=CheckpointRecipe)


def recipe_asked_for(kind: type[R], arguments: argparse.Namespace) -> R:
    """The recipe of a ``finetune`` command.

    Raises:
        RecipeError: when it cannot be used, or ``--base`` is given.
    """
    recipe = kind.read(find_recipe(arguments.recipe))
    if arguments.base is not None:
        raise RecipeError("--base: this recipe names a checkpoint of its own")
    if arguments.seed is not None:
        recipe = replace(recipe, training=replace(recipe.training, seed=arguments.seed))
    return recipe


def train_from(
    recipe: CheckpointRecipe,
    trainee: Trainee,
    data: Iterable[bytes],
    path: Path,
    *,
    resume: bool,
    steps: Steps,
) -> Outcome:
    """Train in place.

    Args:
        recipe: how.
        trainee: what.
        data: what tells its requests from others.
        path: of the file that the training goes on from after a break.
        resume: whether to go on from it.
        steps: told of the training.

    Raises:
        RecipeError: when the file is of another recipe or other data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where the checkpoint's recipe lies says nothing of the training.
    mark = mark_of(replace(recipe, checkpoint=Path(recipe.checkpoint).name), data)
    with steps("train") as update:
        return train(
            trainee, recipe.training, checkpoint=path, mark=mark, resume=resume, progress=update
        )
