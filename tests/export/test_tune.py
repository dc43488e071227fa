"""Searching a recipe's parameters."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

import optuna

from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.signals.inputs import KNOWN_BITS
from edge_rerank.tables.sequence import SuccessionTraining
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.tune import search as searching
from edge_rerank_export.studies.tune.space import space_of, values_of, with_values
from edge_rerank_export.train.history.material import Material
from edge_rerank_export.train.history.recipe import (
    HistoryFinetuneRecipe,
    HistoryTraining,
    Tables,
    history_toml,
)
from edge_rerank_export.train.loop import Outcome
from tests.export.records import write_records

pytestmark = pytest.mark.slow

WORDS = ("old", "quick", "small", "bright", "simple")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who stay with one kind of thing."""
    rng = random.Random(0)
    folder = tmp_path_factory.mktemp("data") / "tiny"
    folder.mkdir()
    names = [f"{word} {kind}" for kind in ("bread", "planet", "violin") for word in WORDS]
    write_records(
        folder / "items.jsonl",
        [{"id": name, "text": name, "popularity": rng.randrange(1, 30)} for name in names],
    )

    def walk() -> list[str]:
        kind = rng.choice(("bread", "planet", "violin"))
        return [f"{word} {kind}" for word in rng.sample(WORDS, k=4)]

    write_records(folder / "train.jsonl", [{"user": str(n), "items": walk()} for n in range(60)])
    requests: list[dict[str, object]] = []
    for _ in range(20):
        *before, last = walk()
        others = rng.sample([name for name in names if name not in {*before, last}], 6)
        requests.append({"history": before, "candidates": [*others, last], "clicked": [last]})
    write_records(folder / "valid.jsonl", requests)
    return folder


@pytest.fixture(scope="module")
def recipe(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    base = json.dumps(str(tiny_pack))
    path.write_text(
        f"kind = 'history'\nname = 'tiny'\nrelease = 1\nsummary = 'A test.'\nbase = {base}\n"
        "[training]\nrequests = 60\ncandidates = 6\nhistory = 4\nsteps = 8\nevaluate_every = 4\n"
    )
    return path


def command(recipe: Path, folder: Path, out: Path, *more: object) -> list[str]:
    needed = ("tune", recipe, "--data", folder, "--out", out, "--threads", 1)
    return [str(one) for one in (*needed, "--work", out.parent / "work", *more)]


def trials(study: Path) -> list[tuple[dict[str, float], float | None, str]]:
    """Those that were finished."""
    stored = optuna.load_study(study_name=None, storage=f"sqlite:///{study}").trials
    return [(one.params, one.value, one.state.name) for one in stored if one.state.name != "FAIL"]


def test_the_best_recipe_is_written_and_trains(recipe: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "best.toml"
    assert main(command(recipe, folder, out, "--minutes", 5, "--trials", 3)) == 0
    found, start = HistoryFinetuneRecipe.read(out), HistoryFinetuneRecipe.read(recipe)
    best = max(trials(tmp_path / "best.db"), key=lambda one: one[1] or 0.0)
    assert {name: values_of(found)[name] for name in best[0]} == pytest.approx(best[0])
    assert found.base == start.base
    assert with_values(found, values_of(start)) == start
    finetune = ["finetune", str(out), "--data", str(folder), "--out", str(tmp_path / "pack")]
    assert (
        main([*finetune, "--work", str(tmp_path / "work"), "--threads", "1", "--no-expectations"])
        == 0
    )
    said = json.loads((tmp_path / "pack" / "manifest.json").read_text())["verification"]
    assert said["valid_ndcg_10"] == pytest.approx(best[1])


def test_a_search_broken_off_goes_on_as_if_it_had_not_been(
    recipe: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, twice = tmp_path / "once.toml", tmp_path / "twice.toml"
    assert main(command(recipe, folder, once, "--minutes", 5, "--trials", 3)) == 0
    fit, begun = searching.fit, 0

    def broken_off(*arguments: object, **options: object) -> object:
        nonlocal begun
        begun += 1
        if begun in {1, 3}:
            raise KeyboardInterrupt
        return fit(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "fit", broken_off)
    for code in (130, 130, 0):
        assert main(command(recipe, folder, twice, "--minutes", 5, "--trials", 3)) == code
        assert twice.exists() == (code == 0)
    assert trials(tmp_path / "twice.db") == trials(tmp_path / "once.db")
    assert len(trials(tmp_path / "once.db")) == 3
    assert twice.read_text() == once.read_text()
    first = trials(tmp_path / "once.db")[0][0]
    start = values_of(HistoryFinetuneRecipe.read(recipe))
    assert first == pytest.approx({name: start[name] for name in first})
    # Another seed searches elsewhere.
    other = tmp_path / "other.toml"
    assert main(command(recipe, folder, other, "--minutes", 5, "--trials", 2, "--seed", 1)) == 0
    assert trials(tmp_path / "other.db")[1] != trials(tmp_path / "once.db")[1]


def test_the_time_limit_holds(recipe: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "best.toml"
    slow = tmp_path / "slow.toml"
    slow.write_text(recipe.read_text().replace("steps = 8", "steps = 100000\npatience = 100000"))
    began = time.monotonic()
    assert main(command(slow, folder, out, "--minutes", 0.02)) == EXIT_USAGE
    assert time.monotonic() - began < 120  # all steps would take an hour
    assert not out.exists()


def test_the_limit_ends_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(searching.time, "monotonic", lambda: float(next(clock)))
    values = iter([0.3, 0.5, 0.4, 0.6])

    def fit(*_: object, progress: object, **__: object) -> object:
        for step in range(3):
            progress(step, 3)  # type: ignore[operator]
        value = next(values)
        return None, Outcome(3, value, {}, 0.0)

    monkeypatch.setattr(searching, "fit", fit)
    recipe = HistoryFinetuneRecipe("t", 1, "s", str(shipped_pack()))
    told: list[searching.Trialled] = []
    # One reading before a trial, three in it: the fourth has no time for its last step.
    wanted = searching.Search(
        recipe=recipe,
        base=None,  # type: ignore[arg-type]
        study=tmp_path / "study.db",
        mark="m",
        deadline=15.0,
        trials=None,
        seed=0,
        work=tmp_path,
    )
    nothing = Material(None, [], {})  # type: ignore[arg-type]
    found = searching.search(wanted, nothing, progress=lambda *_: None, finished=told.append)
    assert [(one.number, one.value, one.best) for one in told] == [
        (1, 0.3, 0.3),
        (2, 0.5, 0.5),
        (3, 0.4, 0.5),
    ]
    assert (found.value, found.before, found.trials) == (0.5, 0.3, 3)
    with pytest.raises(RecipeError, match="another recipe or other data"):
        searching.search(
            replace(wanted, mark="n", deadline=1e9),
            nothing,
            progress=lambda *_: None,
            finished=told.append,
        )


def test_what_is_below_the_median_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0

    def fit(*_: object, looked: object, **__: object) -> object:
        nonlocal begun
        begun += 1
        value = 0.2 if begun == 5 else 0.5
        looked(100, value)  # type: ignore[operator]
        return None, Outcome(200, value, {}, 0.0)

    monkeypatch.setattr(searching, "fit", fit)
    told: list[searching.Trialled] = []
    searching.search(
        searching.Search(
            recipe=HistoryFinetuneRecipe("t", 1, "s", str(shipped_pack())),
            base=None,  # type: ignore[arg-type]
            study=tmp_path / "study.db",
            mark="m",
            deadline=time.monotonic() + 60,
            trials=5,
            seed=0,
            work=tmp_path,
        ),
        Material(None, [], {}),  # type: ignore[arg-type]
        progress=lambda *_: None,
        finished=told.append,
    )
    assert [one.value for one in told] == [0.5, 0.5, 0.5, 0.5, None]


def test_usage(
    recipe: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "best.toml"
    for wrong in (("--minutes", 0), ("--minutes", "nan"), ("--minutes", 1, "--trials", -1)):
        assert main(command(recipe, folder, out, *wrong)) == EXIT_USAGE
    out.write_text("mine")
    assert main(command(recipe, folder, out, "--minutes", 1)) == EXIT_USAGE
    assert out.read_text() == "mine"
    out.unlink()
    (tmp_path / "best.db").write_text("this is no database" * 100)
    assert main(command(recipe, folder, out, "--minutes", 1)) == EXIT_USAGE
    assert "not a study" in capsys.readouterr().err


def test_the_space_reaches_to_the_recipe() -> None:
    recipe = HistoryFinetuneRecipe(
        "t", 1, "s", ".", HistoryTraining(batch=8, learning_rate=0.05), {"popularity": 0.9}
    )
    ranges = {one.name: (one.low, one.high) for one in space_of(recipe)}
    assert ranges["training.batch"] == (8, 192)
    assert ranges["training.learning_rate"] == (5e-4, 0.05)
    assert ranges["dropout.popularity"] == (0.0, 0.9)
    assert "dropout.together" not in ranges
    own = replace(recipe, training=replace(recipe.training, tables=Tables.KEEP))
    assert {one.name for one in space_of(own)} >= {"dropout.together", "dropout.record"}


def test_a_recipe_survives_writing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dropout = dict(zip(KNOWN_BITS, rng.random(len(KNOWN_BITS)).tolist(), strict=True))
    recipe = HistoryFinetuneRecipe(
        name='a "name" \\ with \x7f',
        release=3,
        summary="zwei\nZeilen, 中文 😀",
        base=str((tmp_path / "packs" / "base").resolve()),
        training=HistoryTraining(seed=3, learning_rate=1e-3, warm_start=True, tables=Tables.LEARN),
        dropout=dropout,
        succession=SuccessionTraining(width=8, dropout=0.25),
        terms="terms",
    )
    path = tmp_path / "deep" / "r.toml"
    path.parent.mkdir()
    path.write_text(history_toml(recipe, path.parent), encoding="utf-8")
    assert HistoryFinetuneRecipe.read(path) == recipe
    assert 'base = "../packs/base"' in path.read_text(encoding="utf-8")
