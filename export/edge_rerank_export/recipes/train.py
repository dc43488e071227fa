"""Recipes of trainings: what those of every kind of model have in common.

::

    kind = "text"                    # or "history" or "scorer", see edge_rerank_export.recipes.file
    name = "mine"
    release = 1
    summary = "One sentence for the model card."
    checkpoint = "default.toml"      # recipe of the model to start from, relative to this file;
                                     # not for a history encoder, which starts from nothing
    terms = ""                       # where the data are from and what binds whoever uses them

    [training]                       # all of it may be left out, see Schedule
    steps = 300

What each kind adds stands in ``edge_rerank_export.train.{history,text,scorer}.recipe``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.file import Kind, RecipeFile
from edge_rerank_export.recipes.table import check_integers, check_release


class Precision(StrEnum):
    """What products of the training are computed in; weights and sums stay in float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a training lasts and how fast it learns; each kind adds settings of its own.

    Attributes:
        seed: same seed, same data, same machine, same figures.
        steps: updates of the weights, at most.
        learning_rate: its peak; it rises at first and then falls as a cosine.
        weight_decay: of AdamW.
        evaluate_every: steps between two looks at the validation requests.
        patience: looks without improvement until the training ends.
    """

    seed: int = 0
    steps: int = 1000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    evaluate_every: int = 250
    patience: int = 4

    def check(self, **least: int) -> None:
        """Refuse what is out of range.

        Args:
            least: of integers that may not be as small as 1, or may be smaller.

        Raises:
            RecipeError: at the first.
        """
        check_integers(self, "training", seed=0, **least)
        if not 0 < self.learning_rate < 1 or not 0 <= self.weight_decay < 1:
            raise RecipeError("training: learning_rate and weight_decay: expected below 1")


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """How a model is trained; the recipe of each kind of model adds to it.

    Attributes:
        kind: as in the file.
        relative: keys of paths that are relative to the file.
        name, release, summary: of the new pack.
    """

    kind: ClassVar[Kind]
    relative: ClassVar[tuple[str, ...]] = ()

    name: str
    release: int
    summary: str

    def __post_init__(self) -> None:
        check_release(self.release)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a recipe file.

        Raises:
            RecipeError: when it cannot be read, and see :meth:`of`.
        """
        return cls.of(RecipeFile.read(path))

    @classmethod
    def of(cls, file: RecipeFile) -> Self:
        """Check a recipe; paths in it come back as absolute ones.

        Raises:
            RecipeError: when it is of another kind, has a key that is not known, lacks one, or a
                value has the wrong type or is out of range.
        """
        file.expect(cls.kind, trains=True)
        return file.table(cls, relative=cls.relative)


@dataclass(frozen=True, slots=True)
class CheckpointRecipe(TrainingRecipe):
    """How a model is trained that another recipe makes a pack of.

    Attributes beside those of every training:
        checkpoint: path of the recipe whose source is trained and whose form the pack takes.
        training: how long and on what.
        terms: where the data are from and what binds whoever uses them, for the model card.
    """

    relative: ClassVar[tuple[str, ...]] = ("checkpoint",)

    checkpoint: str
    training: Schedule = field(default_factory=Schedule)
    terms: str = ""
