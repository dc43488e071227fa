"""The search space: parameters of a fine-tuning recipe and between which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from edge_rerank.ranking.signals.inputs import BITS, History
from edge_rerank.ranking.signals.signal import Signal
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, Tables

Values = Mapping[str, float]
"""A value for each parameter, by its name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of the recipe.

    Attributes:
        table: "training" or "dropout".
        key: in that table.
        low: the least value.
        high: the largest.
        log: whether values are drawn evenly on a logarithmic scale.
        whole: whether only integers are.
    """

    table: str
    key: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def name(self) -> str:
        """As in an error about a recipe: "dropout.time"."""
        return f"{self.table}.{self.key}"


def _dropout(signal: Signal) -> Parameter:
    # Without its history a request says nothing: that is not to be tried often.
    return Parameter("dropout", signal.bit, 0.0, 0.2 if signal.bit == History.bit else 0.6)


_ALWAYS = (
    Parameter("training", "learning_rate", 5e-4, 1e-2, log=True),
    Parameter("training", "weight_decay", 1e-4, 1e-1, log=True),
    Parameter("training", "batch", 32, 192, log=True, whole=True),
    *(_dropout(signal) for signal in BITS if signal.table is None),
)
_WITH_PAIRS = tuple(_dropout(signal) for signal in BITS if signal.table is not None)


def space_of(recipe: HistoryFinetuneRecipe) -> Sequence[Parameter]:
    """Parameters that change a training with this recipe but not its requests.

    Where the recipe's own value lies outside, the range reaches to it.
    """
    own = values_of(recipe)
    every = (*_ALWAYS, *_WITH_PAIRS) if recipe.training.tables is not Tables.NONE else _ALWAYS
    for one in every:
        if one.log and own[one.name] <= 0:
            raise RecipeError(f"{one.name}: expected a number above 0 to search from, got 0")
    return [
        replace(one, low=min(one.low, own[one.name]), high=max(one.high, own[one.name]))
        for one in every
    ]


def values_of(recipe: HistoryFinetuneRecipe) -> Values:
    """What the recipe says itself."""
    tables = {"training": asdict(recipe.training), "dropout": recipe.dropout}
    return {one.name: tables[one.table][one.key] for one in (*_ALWAYS, *_WITH_PAIRS)}


def with_values(recipe: HistoryFinetuneRecipe, values: Values) -> HistoryFinetuneRecipe:
    """The recipe with other values.

    Raises:
        RecipeError: when one is out of the range that a recipe allows.
    """
    tables: dict[str, dict[str, float]] = {"training": {}, "dropout": {}}
    for name, value in values.items():
        table, _, key = name.partition(".")
        tables[table][key] = value
    return replace(
        recipe,
        training=replace(recipe.training, **tables["training"]),  # type: ignore[arg-type]
        dropout={**recipe.dropout, **tables["dropout"]},
    )
