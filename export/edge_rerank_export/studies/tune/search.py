"""The search: trials one after the other, kept in a file, until the time is up.

Each trial draws values by the tree-structured Parzen estimator (Bergstra et al., "Algorithms for
hyper-parameter optimization", NeurIPS 2011) of Optuna, trains, and is judged by its best NDCG@10
on the validation requests. The first one is the recipe as it is. A trial that stands below the
median of the earlier ones at the same step is given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_rerank.errors import MissingExtra
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Update
from edge_rerank_export.studies.tune.space import Parameter, space_of, values_of, with_values
from edge_rerank_export.train.history.material import Material
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.history.run import CHECKPOINT_NAME, fit

try:
    import optuna
    from optuna.trial import FrozenTrial, Trial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise MissingExtra('pip install "edge-rerank-export[tune]"') from None

_STUDY = "edge-rerank"
_MARK = "mark"
_TRIALS_A_SEED = 100_003
_BEFORE_PRUNING = 4


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched, and how far.

    Attributes:
        recipe: where to start from.
        base: its base pack.
        study: the file of trials; made if it is not there, gone on with if it is.
        mark: stands for recipe and data: a study of others is refused.
        deadline: of ``time.monotonic()``; what is being trained then is given up.
        trials: how many to finish, earlier runs included; ``None`` for as many as there is
            time for.
        seed: the same one gives the same trials one after the other, in one run or in several.
        work: folder for the checkpoint of the trial that runs.
    """

    recipe: HistoryFinetuneRecipe
    base: Pack
    study: Path
    mark: str
    deadline: float
    trials: int | None
    seed: int
    work: Path


@dataclass(frozen=True, slots=True)
class Trialled:
    """A finished trial.

    Attributes:
        number: from 1 on, of those that were finished.
        value: mean NDCG@10 over the domains' validation requests, 0 to 1; ``None`` where the
            trial was given up as worse than the others.
        best: of all so far.
    """

    number: int
    value: float | None
    best: float


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came to.

    Attributes:
        recipe: the best.
        value: its NDCG@10 on the validation requests, 0 to 1.
        before: that of the recipe that was started from.
        trials: how many were finished.
    """

    recipe: HistoryFinetuneRecipe
    value: float
    before: float
    trials: int


def search(
    wanted: Search,
    material: Material,
    *,
    progress: Update,
    finished: Callable[[Trialled], None],
) -> Found:
    """Search until the time is up or there are enough trials.

    Args:
        wanted: see there.
        material: of ``wanted.recipe``.
        progress: called with (steps done, steps to do) of the trial that runs.
        finished: called after each trial.

    Raises:
        RecipeError: when the study is of another recipe or other data or cannot be read, or
            when not even the first trial was finished.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = _opened(wanted)
        space = space_of(wanted.recipe)
        while time.monotonic() < wanted.deadline:
            done = len(_done(study))
            if wanted.trials is not None and done >= wanted.trials:
                break
            if not _try_once(study, space, wanted, material, progress):
                break
            finished(_told(study))
        return _found(study, wanted.recipe)
    except SQLAlchemyError as error:
        raise RecipeError(f"{wanted.study.name}: not a study: {type(error).__name__}") from error


class _OutOfTimeError(Exception):
    """The deadline came while a trial was trained."""


def _opened(wanted: Search) -> optuna.Study:
    study = optuna.create_study(
        storage=f"sqlite:///{wanted.study}",
        study_name=_STUDY,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING),
        load_if_exists=True,
    )
    if study.user_attrs.setdefault(_MARK, wanted.mark) != wanted.mark:
        raise RecipeError(f"{wanted.study.name}: of another recipe or other data; name another")
    study.set_user_attr(_MARK, wanted.mark)
    for trial in study.get_trials(states=[TrialState.RUNNING, TrialState.WAITING]):
        # Of a run that was broken off.
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _try_once(
    study: optuna.Study,
    space: Sequence[Parameter],
    wanted: Search,
    material: Material,
    progress: Update,
) -> bool:
    """One trial; whether it was finished in time."""
    done = len(_done(study))
    # A seed of its own for each, so that trials after a break are those there would have been.
    seed = wanted.seed * _TRIALS_A_SEED + done
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    if not done:
        study.enqueue_trial(dict(values_of(wanted.recipe)))
    trial = study.ask()
    recipe = with_values(wanted.recipe, {one.name: _drawn(trial, one) for one in space})

    def told(steps: int, of: int) -> None:
        if time.monotonic() >= wanted.deadline:
            raise _OutOfTimeError
        progress(steps, of)

    def looked(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    checkpoint = wanted.work / CHECKPOINT_NAME
    try:
        _, outcome = fit(
            recipe,
            material,
            base=wanted.base,
            checkpoint=checkpoint,
            progress=told,
            looked=looked,
        )
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except _OutOfTimeError:
        study.tell(trial, state=TrialState.FAIL)
        return False
    else:
        study.tell(trial, outcome.best)
    return True


def _drawn(trial: Trial, one: Parameter) -> float:
    if one.whole:
        return trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
    return trial.suggest_float(one.name, one.low, one.high, log=one.log)


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])


def _told(study: optuna.Study) -> Trialled:
    done = _done(study)
    last = done[-1]
    value = last.value if last.state is TrialState.COMPLETE else None
    return Trialled(len(done), value, study.best_value)


def _found(study: optuna.Study, recipe: HistoryFinetuneRecipe) -> Found:
    done = _done(study)
    if not done:
        raise RecipeError("--minutes: expected enough for one trial; none was finished in time")
    first = done[0].value
    assert first is not None  # noqa: S101 - there was nothing to give the first one up for
    best = study.best_trial
    return Found(with_values(recipe, best.params), study.best_value, first, len(done))
