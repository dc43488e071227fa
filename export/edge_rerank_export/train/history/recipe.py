"""Recipes of history encoders: TOML files that say how one is trained.

::

    kind = "history"
    name = "default"
    release = 2
    summary = "One sentence for the model card."
    base = "../packs/mine"           # pack whose text encoder is used, relative to this file; the
                                     # shipped one where this is left out
    media = ["../packs/image"]       # packs that read pictures or sounds, which come along; none
                                     # where this is left out

    [training]                       # all of it may be left out, see HistoryTraining
    seed = 0
    steps = 1000

    [dropout]                        # see dropout_chances()
    popularity = 0.25

    [simulate]                       # nothing where it is left out, see Simulation
    bounces = 0.05

    [views]                          # one where it is left out, see Views
    count = 8
    texts = 0.5

    [parts]                          # see part_factors()
    content = 0.75

    [succession]                     # only where a table of successions is to be used
    steps = 800

    [teacher]                        # only where a scorer is to be learnt from
    pack = "../packs/scorer"         # relative to this file, like base
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from edge_rerank.ranking.signals.inputs import BITS
from edge_rerank.tables.sequence import SuccessionTraining
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.table import check_integers
from edge_rerank_export.recipes.train import Schedule, TrainingRecipe
from edge_rerank_export.train.history.function_words import FUNCTION_WORDS
from edge_rerank_export.train.history.model import WEIGHABLE
from edge_rerank_export.train.history.simulate import Simulation
from edge_rerank_export.train.history.views import Views

_MOST_FACTOR = 10


class Tables(StrEnum):
    """What a training does with tables of what each folder's own log says."""

    NONE = "none"
    """No training request is shown them."""
    LEARN = "learn"
    """They are shown, so that the model can use a catalogue's own where there are some."""
    KEEP = "keep"
    """They are put into the pack as well, which needs exactly one folder."""


def dropout_chances(**changes: float) -> dict[str, float]:
    """Chances that a training request loses a kind of evidence, so that none is relied on.

    Args:
        changes: by the names of the numbers of ``known``, see
            :mod:`edge_rerank.ranking.signals.inputs`; the others are those of the signals.

    Raises:
        RecipeError: when a name is not known, or a chance is out of range.
    """
    chances = {signal.bit: signal.dropout for signal in BITS}
    for name, chance in changes.items():
        if name not in chances:
            known = ", ".join(chances)
            raise RecipeError(f"dropout.{name}: not a known key; expected one of {known}")
        if not 0 <= chance < 1:
            raise RecipeError(f"dropout.{name}: expected a number from 0 to below 1")
    return chances | changes


def part_factors(**factors: float) -> dict[str, float]:
    """What the parts of the model are multiplied by after the training.

    On catalogues never seen a part may say too much or too little: the texts of another one may
    tell less.

    Args:
        factors: by the names of :data:`~edge_rerank_export.train.history.model.WEIGHABLE`.

    Raises:
        RecipeError: when a name is not known, or a factor is out of range.
    """
    for name, factor in factors.items():
        if name not in WEIGHABLE:
            raise RecipeError(
                f"parts.{name}: not a known key; expected one of {', '.join(WEIGHABLE)}"
            )
        if not 0 < factor <= _MOST_FACTOR:
            raise RecipeError(f"parts.{name}: expected a number above 0, at most {_MOST_FACTOR}")
    return factors


@dataclass(frozen=True, slots=True)
class HistoryTraining(Schedule):
    """How long and on what.

    Attributes beside those of every training:
        requests: training requests made from each folder.
        candidates: items in a made-up request: the one that was chosen, the rest sampled.
        history: most recent items of the history in training.
        batch: requests that one step is computed from.
        warm_start: whether to begin with the base pack's history encoder, if it has one.
        tables: of pairs of items, of single ones and, where the recipe has ``[succession]``, of
            what follows what.
        least_people: people whose choices a folder needs so that its popularity and its tables are
            learnt from; what a handful chose is no popularity. Lists that were really shown count
            as people.
        correct_sampling: whether the loss takes off what it owes to how negatives were sampled:
            a score is lowered there by the logarithm of its item's chance to be drawn (Bengio
            and Senécal, IEEE Transactions on Neural Networks, 2008). For lists that are drawn
            with equal chances; requests that were really shown stay as they are.
    """

    steps: int = 1500
    learning_rate: float = 3e-3
    requests: int = 4000
    candidates: int = 20
    history: int = 20
    batch: int = 96
    warm_start: bool = False
    tables: Tables = Tables.NONE
    least_people: int = 0
    correct_sampling: bool = False

    def __post_init__(self) -> None:
        self.check(candidates=2, least_people=0)


@dataclass(frozen=True, slots=True)
class TeacherRecipe:
    """A scorer to learn from, see :mod:`edge_rerank_export.train.history.teacher`.

    Attributes:
        pack: folder of a pack with a scorer.
        requests: of each kind of training requests of each folder, those that it is asked about.
        share: of the target that is its opinion, 0 to 1; the rest is what was clicked.
        temperature: its log-odds are divided by it.
    """

    pack: str
    requests: int = 1000
    share: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_integers(self, "teacher")
        if not 0 < self.share <= 1 or self.temperature <= 0:
            raise RecipeError("teacher: expected share above 0, at most 1, and temperature above 0")


@dataclass(frozen=True, slots=True)
class HistoryFinetuneRecipe(TrainingRecipe):
    """How one history encoder is trained; see the module's description.

    ``terms`` says for the model card where the data are from and what binds whoever uses them.
    ``function_words`` has languages whose articles, prepositions and the like weigh nothing, see
    :mod:`edge_rerank_export.train.history.function_words`.
    ``media`` has packs with an ``image_encoder`` or an ``audio_encoder``, for folders with
    ``media/``; what the base pack has of them comes along without being named.
    ``dropout`` has the chances of :func:`dropout_chances`, and is completed by them.
    ``simulate`` says what training requests are changed, see
    :class:`~edge_rerank_export.train.history.simulate.Simulation`.
    ``views`` says how catalogues are spoilt, see
    :class:`~edge_rerank_export.train.history.views.Views`.
    ``parts`` has the factors of :func:`part_factors`.
    ``succession`` says how a table of successions is trained, ``None`` for none.
    ``teacher`` is ``None`` for none.
    """

    kind: ClassVar[Kind] = Kind.HISTORY
    relative: ClassVar[tuple[str, ...]] = ("base", "media", "teacher.pack")

    base: str = ""
    training: HistoryTraining = field(default_factory=HistoryTraining)
    dropout: Mapping[str, float] = field(default_factory=dict)
    simulate: Simulation = field(default_factory=Simulation)
    views: Views = field(default_factory=Views)
    parts: Mapping[str, float] = field(default_factory=dict)
    succession: SuccessionTraining | None = None
    teacher: TeacherRecipe | None = None
    terms: str = ""
    media: tuple[str, ...] = ()
    function_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super(HistoryFinetuneRecipe, self).__post_init__()
        object.__setattr__(self, "dropout", dropout_chances(**self.dropout))
        part_factors(**self.parts)
        for language in self.function_words:
            if language not in FUNCTION_WORDS:
                known = ", ".join(FUNCTION_WORDS)
                raise RecipeError(f"function_words: expected of {known}, got something else")
        if self.succession is not None and self.training.tables is Tables.NONE:
            raise RecipeError('succession: expected training.tables of "learn" or "keep"')


def history_toml(recipe: HistoryFinetuneRecipe, folder: Path) -> str:
    """The recipe as TOML for a file in ``folder``; every value is written out."""
    head = {name: getattr(recipe, name) for name in ("kind", "name", "release", "summary")}
    if recipe.base:
        head["base"] = os.path.relpath(recipe.base, folder)
    if recipe.media:
        head["media"] = [os.path.relpath(one, folder) for one in recipe.media]
    if recipe.function_words:
        head["function_words"] = list(recipe.function_words)
    if recipe.terms:
        head["terms"] = recipe.terms
    tables = [("training", asdict(recipe.training)), ("dropout", dict(recipe.dropout))]
    tables.append(("simulate", asdict(recipe.simulate)))
    tables.append(("views", asdict(recipe.views)))
    if recipe.parts:
        tables.append(("parts", dict(recipe.parts)))
    if recipe.succession is not None:
        tables.append(("succession", asdict(recipe.succession)))
    if recipe.teacher is not None:
        place = os.path.relpath(recipe.teacher.pack, folder)
        tables.append(("teacher", asdict(replace(recipe.teacher, pack=place))))
    lines = [_entry(name, value) for name, value in head.items()]
    for name, members in tables:
        lines += ["", f"[{name}]", *(_entry(key, value) for key, value in members.items())]
    return "\n".join(lines) + "\n"


def _entry(name: str, value: object) -> str:
    # Of JSON's strings, numbers and truth values TOML refuses only the unescaped DEL.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
