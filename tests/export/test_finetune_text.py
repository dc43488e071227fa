from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge_rerank.errors import DataError
from edge_rerank.evaluation.expectations import suite
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.train import Precision
from edge_rerank_export.train import loop
from edge_rerank_export.train.loop import mark_of, train
from edge_rerank_export.train.text.recipe import TextFinetuneRecipe
from edge_rerank_export.train.text.run import Prepared, finetune_text, prepare
from edge_rerank_export.train.text.train import Similarity, TextTask, mix
from edge_rerank_export.verify.texts import own_texts
from tests.export.records import write_records


@pytest.fixture(scope="module")
def kinds() -> list[list[str]]:
    """Words that the tiny model knows and that say nothing of each other; five of a kind."""
    words = sorted({word for text in own_texts().texts for word in text.split() if word.isalpha()})
    drawn = random.Random(0).sample(words, 20)
    return [drawn[start : start + 5] for start in range(0, 20, 5)]


@pytest.fixture(scope="module")
def data(kinds: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who always stay with one kind of thing, which no text gives away."""
    rng = random.Random(1)
    folder = tmp_path_factory.mktemp("data") / "kinds"
    folder.mkdir()
    names = [word for kind in kinds for word in kind]
    write_records(folder / "items.jsonl", [{"id": name, "text": name} for name in names])
    people = [rng.sample(rng.choice(kinds), 4) for _ in range(60)]
    write_records(
        folder / "train.jsonl", [{"user": str(n), "items": path} for n, path in enumerate(people)]
    )
    requests: list[dict[str, object]] = []
    for n in range(30):
        kind = rng.choice(kinds)
        *before, last = rng.sample(kind, 4)
        others = rng.sample([name for name in names if name not in kind], 4)
        requests.append(
            {"user": str(n), "history": before, "candidates": [*others, last], "clicked": [last]}
        )
    write_records(folder / "valid.jsonl", requests)
    return folder


@pytest.fixture
def recipe(tiny_recipe: Path) -> Path:
    path = tiny_recipe.with_name("text.toml")
    path.write_text(
        "kind = 'text'\n"
        "name = 'near'\nrelease = 3\nsummary = 'A test.'\ncheckpoint = 'tiny.toml'\n"
        "[training]\nrequests = 200\nsteps = 120\nbatch = 16\nlearning_rate = 2e-3\n"
        "evaluate_every = 40\n"
    )
    return path


def short(path: Path, **training: object) -> TextFinetuneRecipe:
    """The recipe with six steps, enough to tell two trainings apart."""
    recipe = TextFinetuneRecipe.read(path)
    changes = {"steps": 6, "evaluate_every": 3, **training}
    return replace(recipe, training=replace(recipe.training, **changes))  # type: ignore[arg-type]


def trained(
    recipe: TextFinetuneRecipe, data: Path, work: Path, *, resume: bool = False
) -> Prepared:
    """A training without the pack."""
    prepared = prepare(recipe, [data])
    work.mkdir(exist_ok=True)
    train(
        prepared.task,
        recipe.training,
        checkpoint=work / "checkpoint.pt",
        mark=mark_of(recipe, prepared.task.data()),
        resume=resume,
    )
    return prepared


def weights(prepared: Prepared) -> torch.Tensor:
    values = [value.detach().flatten() for value in prepared.task.weights().values()]
    return torch.cat(values).clone()


def test_what_the_same_people_choose_comes_to_lie_near(
    recipe: Path, data: Path, kinds: list[list[str]], tmp_path: Path
) -> None:
    read = TextFinetuneRecipe.read(recipe)
    prepared = prepare(read, [data])
    untrained = prepared.task.validate()["kinds"]
    outcome = finetune_text(read, [data], prepared, tmp_path / "pack", work=tmp_path / "work")
    assert untrained < 0.8
    assert outcome.best > 0.9
    pack = Pack.open(tmp_path / "pack")
    assert (pack.manifest.name, pack.manifest.release) == ("near", 3)
    encoder, words = TextEncoder(pack), [word for kind in kinds for word in kind]
    vectors = dict(zip(words, encoder.encode(words), strict=True))
    within = [vectors[a] @ vectors[b] for kind in kinds for a, b in combinations(kind, 2)]
    across = [
        vectors[a] @ vectors[b]
        for one, other in combinations(kinds, 2)
        for a, b in product(one, other)
    ]
    assert np.mean(within) > np.mean(across) + 0.15
    card = (tmp_path / "pack" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Trained on kinds" in card
    assert "nobody's behaviour" not in card


def test_a_history_encoder_is_trained_on_the_tuned_vectors(
    recipe: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = suite.all_expectations()[:4]
    monkeypatch.setattr(suite, "all_expectations", lambda: some)
    recipe.write_text(recipe.read_text().replace("steps = 120", "steps = 12"))
    text = ["finetune", str(recipe), "--data", str(data), "--out", str(tmp_path / "text")]
    assert main(text) == 0
    history = tmp_path / "history.toml"
    history.write_text(
        "kind = 'history'\n"
        "name = 'both'\nrelease = 1\nsummary = 'A test.'\nbase = 'text'\n"
        "[training]\nrequests = 50\ncandidates = 5\nsteps = 4\nevaluate_every = 2\n"
    )
    arguments = ["finetune", str(history), "--data", str(data), "--out", f"{tmp_path}/both"]
    assert main([*arguments, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 4
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["digest"] == Pack.open(tmp_path / "both").digest
    assert result["steps"] == 4
    assert result["by_domain"] == {"kinds": pytest.approx(result["valid_ndcg_10"])}
    both, base = Pack.open(tmp_path / "both"), Pack.open(tmp_path / "text")
    assert both.read("encoder.onnx") == base.read("encoder.onnx")
    assert "4 sentences that anyone would hold" in both.read("MODEL_CARD.md").decode()


def test_the_same_seed_gives_the_same_weights_and_another_others(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    first, again = (weights(trained(short(recipe), data, tmp_path / name)) for name in "ab")
    assert torch.equal(first, again)
    assert not torch.equal(first, weights(trained(short(recipe, seed=1), data, tmp_path / "c")))


def test_a_training_that_was_broken_off_goes_on_as_if_it_had_not_been(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights(trained(short(recipe), data, tmp_path / "whole"))
    step = TextTask.step

    def broken(self: TextTask, number: int) -> None:
        if number == 4:
            raise KeyboardInterrupt
        step(self, number)

    monkeypatch.setattr(TextTask, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        trained(short(recipe), data, tmp_path / "work")
    monkeypatch.undo()
    with pytest.raises(RecipeError, match="another recipe"):
        trained(short(recipe, history=2), data, tmp_path / "work", resume=True)
    assert torch.equal(whole, weights(trained(short(recipe), data, tmp_path / "work", resume=True)))


def test_checkpoints_are_written_by_time_as_well(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights(trained(short(recipe), data, tmp_path / "whole"))
    step, numbers = TextTask.step, []

    def noted(self: TextTask, number: int) -> None:
        if number == 2 and 2 not in numbers:  # the first look comes after the third step
            numbers.append(number)
            raise KeyboardInterrupt
        numbers.append(number)
        step(self, number)

    monkeypatch.setattr(TextTask, "step", noted)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(short(recipe), data, tmp_path / "work")
    again = weights(trained(short(recipe), data, tmp_path / "work", resume=True))
    assert numbers == [0, 1, 2, 2, 3, 4, 5]
    assert torch.equal(whole, again)


def test_one_thread_trains_unless_told_otherwise(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    arguments = ["finetune", str(recipe), "--data", str(data), "--dry-run"]
    assert main(arguments) == 0
    assert main([*arguments, "--threads", "2"]) == 0
    assert asked == [1, 2]


def test_token_embeddings_stay_and_the_share_is_a_way_between_two_models(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    prepared = trained(short(recipe, precision=Precision.BFLOAT16), data, tmp_path / "work")
    model, start = prepared.task.model, prepared.start.model
    before, after = dict(start.named_parameters()), dict(model.named_parameters())
    table = next(name for name in before if name.endswith("word_embeddings.weight"))
    assert torch.equal(before[table], after[table])
    changed = next(name for name in before if name.endswith("query.weight"))
    assert not torch.equal(before[changed], after[changed])
    middle = (before[changed] + after[changed]).detach() / 2
    mix(model, start, 0.5)
    assert torch.allclose(after[changed], middle, atol=1e-6)


def test_similarity_looks_at_what_is_there() -> None:
    pool = Similarity()
    cosine = torch.tensor([[[0.9, 0.1]], [[0.9, 0.1]], [[0.9, 0.1]]])
    strength = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    both, last, none = pool(cosine, strength)[:, 0].tolist()
    scale = float(pool.scale.exp())
    assert last == pytest.approx(0.1 * scale, rel=1e-3)
    assert last < both < 0.9 * scale
    assert none == 0


def test_the_dry_run_reads_everything_and_trains_nothing(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack"
    arguments = ["finetune", str(recipe), "--data", str(data), "--out", str(out), "--dry-run"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "200 requests, at most 120 steps" in " ".join((said.out + said.err).split())
    assert not out.exists()


def test_a_broken_line_is_named(recipe: Path, data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in data.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    with (broken / "train.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"user": "u", "items": 3}\n')
    with pytest.raises(DataError, match=r"train\.jsonl.*61"):
        prepare(TextFinetuneRecipe.read(recipe), [broken])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 120", "steps = 0", "training.steps"),
        ("steps = 120", "share = 0.0", "training.share"),
        ("steps = 120", "learning_rates = 1.0", "learning_rates"),
        ("batch = 16", "batch = 1", "training.batch"),
        ("release = 3", "release = 0", "release"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(
    recipe: Path, old: str, new: str, message: str
) -> None:
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(RecipeError, match=message):
        TextFinetuneRecipe.read(recipe)


def test_what_only_history_encoders_take_is_refused(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["finetune", str(recipe), "--data", str(data), "--out", str(tmp_path / "pack")]
    for flag, *value in (("--base", "shipped"), ("--media", "shipped"), ("--no-expectations",)):
        assert main([*arguments, flag, *value]) == EXIT_USAGE
        assert f"{flag}: expected only with" in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()
