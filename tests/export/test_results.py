"""The command that makes the table of results."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.results import parts
from edge_rerank_export.studies.results.ledger import Entry, Ledger, mark_of
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.history.run import finetune_history
from tests.export.records import write_records

pytestmark = pytest.mark.slow

WORDS = ("old", "quick", "small", "bright", "simple", "heavy")
SHOPS = {"garden": ("rose", "spade", "apple"), "music": ("violin", "drum", "flute")}
DAY = 86_400


def make_folder(folder: Path, kinds: tuple[str, ...]) -> Path:
    """People who stay with one kind of thing."""
    rng = random.Random(0)
    folder.mkdir(parents=True)
    names = [f"{word} {kind}" for kind in kinds for word in WORDS]
    write_records(
        folder / "items.jsonl",
        [{"id": name, "text": name, "popularity": rng.randrange(1, 30)} for name in names],
    )

    def walk() -> list[str]:
        kind = rng.choice(kinds)
        return [f"{word} {kind}" for word in rng.sample(WORDS, k=4)]

    write_records(
        folder / "train.jsonl",
        [
            {"user": str(n), "items": walk(), "timestamps": [DAY, 2 * DAY, 3 * DAY, 4 * DAY]}
            for n in range(60)
        ],
    )
    for split in ("valid", "test"):
        requests = []
        for n in range(12):
            *before, last = walk()
            others = rng.sample([name for name in names if name not in {*before, last}], 6)
            requests.append(
                {
                    "user": str(n),
                    "history": [
                        {"item": name, "timestamp": DAY * (5 + k)} for k, name in enumerate(before)
                    ],
                    "candidates": [*others, last],
                    "clicked": [last],
                    "timestamp": 9 * DAY,
                }
            )
        write_records(folder / f"{split}.jsonl", requests)
    return folder


@pytest.fixture(scope="module")
def command(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Everything but what belongs to one test."""
    place = tmp_path_factory.mktemp("results")
    folders = [str(make_folder(place / name, kinds)) for name, kinds in SHOPS.items()]
    recipe = place / "general.toml"
    base = json.dumps(str(tiny_pack))
    recipe.write_text(
        f"kind = 'history'\nname = 'tiny'\nrelease = 1\nsummary = 'A test.'\nbase = {base}\n"
        "[training]\nrequests = 60\ncandidates = 6\nhistory = 4\nsteps = 20\nevaluate_every = 10\n"
    )
    tuned = place / "tuned.toml"
    tuned.write_text(f'{recipe.read_text()}tables = "keep"\n')
    return [
        *("results", *folders, "--out", str(place / "out"), "--threads", "1"),
        *("--zero-shot-recipe", str(recipe), "--tuned-recipe", str(tuned)),
        *("--columns", "zero-shot,tuned,bpr"),
    ]


@pytest.fixture(scope="module")
def out(command: list[str]) -> Path:
    assert main(command) == 0
    return Path(command[command.index("--out") + 1])


def test_every_figure_is_that_of_an_evaluation(command: list[str], out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    assert results["split"] == "test"
    assert list(results["folders"]) == list(SHOPS)
    folder = Path(command[1])
    garden = results["folders"]["garden"]
    assert garden["requests"] == 12
    for pack, where in (("shipped", None), ("tuned", out / "garden" / "tuned")):
        judged = evaluate(where, folder, "test", scores={"bpr": out / "garden" / "bpr.jsonl"})
        figures = garden["orders"][pack]
        assert {n: one["value"] for n, one in figures.items()} == judged.pack.to_dict()
        interval = judged.details["pack"].intervals["ndcg@10"]
        assert figures["ndcg@10"]["low"] == pytest.approx(interval.low, abs=1e-6)
        assert figures["ndcg@10"]["high"] == pytest.approx(interval.high, abs=1e-6)
        other = judged.details["bpr"].comparison
        assert other is not None
        assert garden["gains"][pack]["bpr"]["p"] == pytest.approx(other.p_holm, abs=1e-6)
    baselines = {"random", "host-order", "popularity", "last-item-similarity", "max-similarity"}
    baselines |= {"recency", "max+pop", "markov", "item-knn", "bpr"}
    packs = {"shipped", "zero-shot", "zero-shot, no popularity", "tuned"}
    assert set(garden["orders"]) == baselines | packs


def test_a_zero_shot_pack_is_trained_on_the_other_folders(
    command: list[str], out: Path, tmp_path: Path
) -> None:
    recipe = HistoryFinetuneRecipe.read(Path(command[command.index("--zero-shot-recipe") + 1]))
    music = Path(command[2])
    again = finetune_history(recipe, [music], tmp_path / "pack", work=tmp_path / "work", threads=1)
    assert Pack.open(out / "garden" / "zero-shot").digest == again.digest


def test_the_table(out: Path) -> None:
    table = (out / "results.md").read_text()
    heads = "shipped | zero-shot | tuned | recency | popularity | max-similarity | max+pop"
    assert f"|  | {heads} | item-knn | markov | bpr |" in table
    first = next(line for line in table.splitlines() if line.startswith("| garden"))
    assert first.count("|") == 12
    assert "**" in first
    assert "zero-shot, no popularity over max-similarity" in table
    assert "| mean |" in table


def test_what_is_finished_is_not_done_again(
    command: list[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    for name in ("evaluate", "train_on", "write_scores"):
        monkeypatch.setattr(parts, name, fail)
    (out / "results.md").unlink()
    assert main(command) == 0
    assert (out / "results.md").exists()
    # Fewer columns: the rest stays, and the evaluations do not know of BPR any more.
    with pytest.raises(AssertionError, match="done again"):
        main([*command[:-1], "zero-shot"])


def test_an_interrupted_run_goes_on(
    command: list[str], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Path] = []
    train_on = parts.train_on

    def train(*arguments: object, **options: object) -> object:
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(arguments[2])  # type: ignore[arg-type]
        return train_on(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(parts, "train_on", train)
    place = str(tmp_path / "out")
    again = [*command, "--out", place, "--columns", "zero-shot,tuned"]
    assert main(again) == 130
    assert (tmp_path / "out" / "garden" / "zero-shot").is_dir()
    assert not (tmp_path / "out" / "results.md").exists()
    monkeypatch.setattr(parts, "train_on", train_on)
    assert main([*again, "--only", "garden"]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    whole = json.loads((out / "results.json").read_text())
    assert list(results["folders"]) == ["garden"]
    for order, figures in results["folders"]["garden"]["orders"].items():
        assert figures == whole["folders"]["garden"]["orders"][order]


def test_changed_data_are_judged_again(command: list[str], out: Path, tmp_path: Path) -> None:
    copies = [tmp_path / name for name in SHOPS]
    for copy, folder in zip(copies, command[1:3], strict=True):
        shutil.copytree(folder, copy)
    place = tmp_path / "out"
    mine = [command[0], *map(str, copies), *command[3:], "--out", str(place), "--columns", ""]
    assert main(mine) == 0
    before = json.loads((place / "results.json").read_text())["folders"]
    lines = (copies[0] / "test.jsonl").read_text().splitlines()
    (copies[0] / "test.jsonl").write_text("\n".join(lines[:5]) + "\n")
    ledger = json.loads((place / "ledger.json").read_text())
    assert main(mine) == 0
    after = json.loads((place / "results.json").read_text())["folders"]
    assert (before["garden"]["requests"], after["garden"]["requests"]) == (12, 5)
    assert after["music"] == before["music"]
    unchanged = "music: evaluation, shipped"
    assert json.loads((place / "ledger.json").read_text())[unchanged] == ledger[unchanged]


def test_recipes_of_other_seeds_validate_by_requests_of_their_own(
    command: list[str], tiny_pack: Path, tmp_path: Path
) -> None:
    """Where a folder has no validation split, they are drawn by the recipe's seed."""
    folder = Path(shutil.copytree(command[1], tmp_path / "garden"))
    (folder / "valid.jsonl").unlink()
    recipe = HistoryFinetuneRecipe.read(Path(command[command.index("--zero-shot-recipe") + 1]))
    other = replace(recipe, training=replace(recipe.training, seed=recipe.training.seed + 1))
    wanted = parts.Wanted(
        (folder,), tmp_path / "out", frozenset(), tiny_pack, zero_shot=recipe, tuned=other
    )
    runner = parts.StudyRunner(wanted)
    first, second, again = (
        runner._domain("garden", one, lambda _done, _total: None) for one in (recipe, other, recipe)
    )
    assert first is again
    assert (first.valid.candidates != second.valid.candidates).any()


def test_usage(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    garden = command[1]
    elsewhere = ["--out", str(tmp_path / "out")]
    assert main(["results", garden, garden, *elsewhere]) == EXIT_USAGE
    assert main(["results", garden, *elsewhere]) == EXIT_USAGE
    said = capsys.readouterr().err.replace("\n", " ")
    assert "another folder to learn from, got one folder; with --columns" in said
    assert main([*command, *elsewhere, "--only", "attic"]) == EXIT_USAGE
    assert main([*command, *elsewhere, "--base", "attic=pack"]) == EXIT_USAGE
    with pytest.raises(SystemExit):
        main([*command, "--columns", "everything"])


def test_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    ledger = Ledger(path)
    assert ledger.seconds(["train"]) is None
    ledger.put("a: train", Entry("train", mark_of(1), 10.0))
    ledger.put("b: train", Entry("train", mark_of(2), 20.0))
    again = Ledger(path)
    assert again.holds("a: train", mark_of(1))
    assert not again.holds("a: train", mark_of(2))
    assert again.seconds(["train", "train", "unheard of"]) == 30.0
    path.write_text('{"a": 3}')
    with pytest.raises(RecipeError, match="not a ledger"):
        Ledger(path)
