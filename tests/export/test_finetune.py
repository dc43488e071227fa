from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge_rerank import Event, Item, ReasonCode, Reranker
from edge_rerank.errors import DataError
from edge_rerank.evaluation.expectations import suite
from edge_rerank.evaluation.expectations.expectation import Group, at_least
from edge_rerank.formats.dataset import DataSet
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.ranking.sources.history_model import HistoryModel
from edge_rerank.tables.sequence import SuccessionTraining
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.domain import Domain, chunks
from edge_rerank_export.train.history.material import prepare, read_domains
from edge_rerank_export.train.history.recipe import (
    HistoryFinetuneRecipe,
    HistoryTraining,
    Tables,
)
from edge_rerank_export.train.history.run import check, finetune_history, open_base, plan
from edge_rerank_export.train.history.train import Pool, fit_sigmoid
from edge_rerank_export.train.requests import describe_batch, load_domain, log_chances, sample
from tests.export.records import write_records

pytestmark = pytest.mark.slow

KINDS = ("bread", "planet", "violin", "bicycle")
WORDS = ("old", "quick", "small", "bright", "simple")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who stay with one kind of thing, most of the time."""
    rng = random.Random(0)
    folder = tmp_path_factory.mktemp("data") / "tiny"
    folder.mkdir()
    items = [
        {
            "id": f"{kind}-{word}",
            "text": f"{word} {kind}",
            "categories": ["Things", kind.title()],
            "popularity": rng.randrange(1, 30),
        }
        for kind in KINDS
        for word in WORDS
    ]
    write_records(folder / "items.jsonl", items)

    def walk(length: int) -> list[str]:
        kind = rng.choice(KINDS)
        own = [f"{kind}-{word}" for word in rng.sample(WORDS, k=length - 1)]
        return [*own, rng.choice(items)["id"]] if rng.random() < 0.2 else own  # type: ignore[list-item]

    people = [list(dict.fromkeys(walk(5))) for _ in range(80)]
    write_records(
        folder / "train.jsonl",
        [
            {
                "user": str(n),
                "items": path,
                "timestamps": [86400 * (1 + k) for k in range(len(path))],
            }
            for n, path in enumerate(people)
        ],
    )
    requests = []
    for n in range(30):
        *before, last = dict.fromkeys(walk(5))
        others = [item["id"] for item in items if item["id"] not in {*before, last}]
        candidates = [*rng.sample(others, 5), last]
        rng.shuffle(candidates)
        if n == 0:  # longer than what is looked at
            before = [item["id"] for item in items] + [f"gone-{k}" for k in range(10)]
        history = [{"item": name, "timestamp": 86400 * (1 + k)} for k, name in enumerate(before)]
        requests.append(
            {
                "user": str(n),
                "history": history,
                "candidates": candidates,
                "clicked": [last],
                "timestamp": 86400 * 9,
            }
        )
    write_records(folder / "valid.jsonl", requests)
    return folder


@pytest.fixture(scope="module")
def recipe() -> HistoryFinetuneRecipe:
    training = HistoryTraining(
        requests=200, candidates=8, history=5, steps=30, evaluate_every=10, tables=Tables.KEEP
    )
    succession = SuccessionTraining(width=8, steps=50, batch=64, drawn=16)
    return HistoryFinetuneRecipe(
        "tiny", 1, "A test.", str(shipped_pack()), training, succession=succession
    )


@pytest.fixture(scope="module")
def pack(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    work = tmp_path_factory.mktemp("work")
    finetune_history(recipe, [folder], work / "pack", work=work / "kept", threads=1)
    return work / "pack"


def weights(pack: Path) -> bytes:
    return (pack / "history.onnx").read_bytes() + (pack / "succession.npz").read_bytes()


def test_function_words_of_other_languages_weigh_nothing_and_change_nothing_else(
    pack: Path, folder: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path
) -> None:
    other = replace(recipe, function_words=("de", "nl"))
    finetune_history(other, [folder], tmp_path / "pack", work=tmp_path / "kept", threads=1)
    assert weights(tmp_path / "pack") == weights(pack)
    lexicons = [
        Lexicon.from_bytes(Pack.open(one).read("lexicon.npy")) for one in (pack, tmp_path / "pack")
    ]
    words = ["und", "het", "violin"]
    assert (lexicons[0].rarity(words) > 0).all()
    assert (lexicons[1].rarity(words) > 0).tolist() == [False, False, True]
    card = (tmp_path / "pack" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "weigh nothing: de, nl" in card


def test_the_pack_ranks_by_the_history_and_says_why(pack: Path, folder: Path) -> None:
    items = DataSet.open(folder).items
    history = [
        Event("click", items[f"violin-{word}"], timestamp=86400.0 * n)
        for n, word in enumerate(WORDS[:3], start=1)
    ]
    candidates = [items["bread-old"], items["planet-old"], items["violin-bright"]]
    with RankingEngine.open(pack) as engine:
        ranking = engine.rank(candidates, history=history, now=86400.0 * 5)
    assert ranking[0].item.id == "violin-bright"
    assert all(0 < ranked.score < 1 for ranked in ranking)
    known = {ReasonCode.SIMILAR, ReasonCode.CATEGORY, ReasonCode.TOGETHER, ReasonCode.POPULAR}
    assert ranking[0].reasons
    assert {reason.code for reason in ranking[0].reasons} <= known


def test_the_card_says_how_many_expectations_are_met(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [one for one in suite.all_expectations() if one.group is Group.DEFAULTS][1:4]
    some += [replace(one, bound=at_least(math.inf)) for one in some[:1]]
    monkeypatch.setattr(suite, "all_expectations", lambda: some)
    # Few of the catalogue's texts are looked at: those are read when they are.
    monkeypatch.setattr(Reranker, "warmup", lambda *_: None)
    training = HistoryTraining(requests=50, candidates=8, history=5, steps=2, evaluate_every=2)
    recipe = HistoryFinetuneRecipe("tiny", 1, "A test.", str(shipped_pack()), training)
    one, other = tmp_path / "one", tmp_path / "other"
    result = finetune_history(
        recipe, [folder], one, work=tmp_path / "1", threads=1, expectations=True
    )
    pack = Pack.open(one)
    assert pack.digest == result.digest
    assert pack.manifest.verification["expectations_met"] == 0.75
    card = (one / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny, release 1\n")
    assert "4 sentences that anyone would hold of such a product: 3 are met,\n75.0%" in card
    assert card.endswith("| defaults | 3 | 4 |\n")
    again = replace(recipe, base=str(one))
    finetune_history(again, [folder], other, work=tmp_path / "2", threads=1)
    assert "expectations_met" not in Pack.open(other).manifest.verification


def test_what_is_missing_costs_no_error(pack: Path) -> None:
    strangers = [Item("x"), Item("y", "a quick bread"), Item("z", "", ["New"], popularity=3)]
    past = [Event("click", Item("w", "bread"), timestamp=1.0), Event("search", query="planet")]
    with RankingEngine.open(pack) as engine:
        for history in ([], past[:1], past[1:], past):
            ranking = engine.rank(strangers, history=history, query="bread", now=9.0)
            assert np.isfinite([ranked.score for ranked in ranking]).all()
        assert engine.rank([strangers[0]], history=past, now=9.0)[0].rank == 1


def test_training_and_runtime_see_the_same(
    pack: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, np.ndarray]] = []
    real = HistoryModel.parts

    def parts(self: HistoryModel, signals: dict[str, np.ndarray], kinds: object) -> object:
        seen.append(signals)
        return real(self, signals)

    monkeypatch.setattr(HistoryModel, "parts", parts)
    requests = list(DataSet.open(folder).requests("valid"))
    with RankingEngine.open(pack) as engine:
        domain = load_domain(
            folder,
            lambda texts: engine.vectors([Item(str(n), text) for n, text in enumerate(texts)]),
            rng=np.random.default_rng(0),
        )
        for request in requests:
            clicked_first = sorted(
                request.candidates, key=lambda item: item.id not in request.clicked
            )
            engine.rank(clicked_first, history=request.history, now=request.now)
    lexicon = Lexicon.from_bytes(Pack.open(pack).read("lexicon.npy"))
    batch = describe_batch(
        domain,
        lexicon.encode(domain.texts),
        domain.valid,
        pairs=True,
        succession=SequenceTable.from_bytes(Pack.open(pack).read("succession.npz")),
    )
    assert batch["succession"].any()
    assert len(seen) == len(requests)
    for row, alone in enumerate(seen):
        length = alone["history"].shape[0]
        for name, value in alone.items():
            trained = batch[name][row]
            if name in {"content", "category", "together"}:
                trained = trained[..., -length:]
            elif name in {"events", "history", "strength"}:
                trained = trained[-length:]
            np.testing.assert_allclose(value, trained, atol=1e-5, err_msg=name)


def test_the_same_seed_gives_the_same_model(
    folder: Path, recipe: HistoryFinetuneRecipe, pack: Path, tmp_path: Path
) -> None:
    finetune_history(recipe, [folder], tmp_path / "again", work=tmp_path / "work", threads=1)
    assert weights(tmp_path / "again") == weights(pack)
    other = replace(recipe, training=replace(recipe.training, seed=1))
    finetune_history(other, [folder], tmp_path / "other", work=tmp_path / "other.work", threads=1)
    assert weights(tmp_path / "other") != weights(pack)


def test_a_training_broken_off_goes_on_to_the_same_end(
    folder: Path,
    recipe: HistoryFinetuneRecipe,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_rerank_export.train.history import train

    real, calls = train._step, 0

    def step(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 25:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        finetune_history(recipe, [folder], tmp_path / "pack", work=tmp_path / "work", threads=1)
    assert not (tmp_path / "pack").exists()
    calls = 100
    finetune_history(
        recipe, [folder], tmp_path / "pack", work=tmp_path / "work", resume=True, threads=1
    )
    assert calls == 110
    assert weights(tmp_path / "pack") == weights(pack)


def test_a_checkpoint_of_another_training_is_refused(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    short = replace(recipe.training, steps=2, evaluate_every=2)
    recipe = replace(recipe, training=short)
    finetune_history(recipe, [folder], tmp_path / "one", work=work, threads=1)
    other = replace(recipe, training=replace(short, seed=5))
    with pytest.raises(RecipeError, match="checkpoint"):
        finetune_history(other, [folder], tmp_path / "two", work=work, resume=True, threads=1)


def test_broken_data_name_file_and_line(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    lines = (broken / "train.jsonl").read_text().splitlines()
    lines[6] = '{"user": "6", "items": 3}'
    (broken / "train.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"train\.jsonl.*7.*items"):
        check(recipe, [broken])


def test_a_dry_run_writes_nothing(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        f'kind = "history"\nname = "t"\nrelease = 1\nsummary = "s"\nbase = "{recipe.base}"\n'
    )
    assert main(["finetune", str(path), "--data", str(folder), "--dry-run"]) == 0
    assert "nothing was trained" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_recipes_are_read_strictly(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "r.toml"
    head = 'kind = "history"\nname = "t"\nrelease = 1\nsummary = "s"\nbase = "."\n'
    for wrong in ("stepps = 3", "steps = 0", 'steps = "3"', "learning_rate = 2.0"):
        path.write_text(f"{head}[training]\n{wrong}\n")
        with pytest.raises(RecipeError, match="training"):
            HistoryFinetuneRecipe.read(path)
    for wrong in ("times = 0.1", "time = 1.0", "time = -0.1", 'time = "0"'):
        path.write_text(f"{head}[dropout]\n{wrong}\n")
        with pytest.raises(RecipeError, match="dropout"):
            HistoryFinetuneRecipe.read(path)
    path.write_text(f"{head}[dropout]\ntime = 0\n")
    assert HistoryFinetuneRecipe.read(path).dropout == {
        "history": 0.02,
        "category": 0.3,
        "together": 0.5,
        "popularity": 0.25,
        "time": 0.0,
        "record": 0.5,
        "succession": 0.5,
    }
    path.write_text(f'{head}[training]\ntables = "some"\n')
    with pytest.raises(RecipeError, match=r"training\.tables"):
        HistoryFinetuneRecipe.read(path)
    path.write_text(f'{head}[training]\ntables = "keep"\n')
    with pytest.raises(RecipeError, match=r"training\.tables: expected one folder .* got 2"):
        plan(HistoryFinetuneRecipe.read(path), [folder, tmp_path])
    path.write_text(f'function_words = ["de", "xx"]\n{head}')
    with pytest.raises(RecipeError, match=r"function_words: expected of de, es, fr, .* got"):
        HistoryFinetuneRecipe.read(path)
    path.write_text(f"{head}[succession]\n")
    with pytest.raises(RecipeError, match=r"succession: expected training\.tables"):
        HistoryFinetuneRecipe.read(path)
    path.write_text(f'{head}[training]\ntables = "learn"\n[succession]\n')
    recipe = HistoryFinetuneRecipe.read(path)
    assert recipe.succession == SuccessionTraining()
    plan(recipe, [folder, tmp_path])
    for wrong in ("steps = 0", "dropout = 1.0", "wide = 3"):
        path.write_text(f"{head}[succession]\n{wrong}\n")
        with pytest.raises(RecipeError, match="succession"):
            HistoryFinetuneRecipe.read(path)


def test_what_is_to_be_predicted_is_hidden_from_the_table(folder: Path) -> None:
    domain = load_domain(
        folder,
        lambda texts: np.zeros((len(texts), 1), dtype=np.float32),
        rng=np.random.default_rng(0),
    )
    people = np.arange(len(domain.starts) - 1)
    batch = sample(domain, people, rng=np.random.default_rng(1), candidates=3, history=5, last=0.5)
    assert batch.hidden is not None
    left = domain.people(batch.hidden)
    for whole, part, clicked in zip(
        domain.people(np.zeros(0, dtype=np.int64)), left, batch.candidates[:, 0], strict=True
    ):
        assert part.tolist() == [row for row in whole.tolist() if row != clicked]
        assert len(part) == len(whole) - 1
    (piece,) = chunks(batch)
    assert piece.hidden is not None and (piece.hidden == batch.hidden).all()


def test_the_sigmoid_is_fitted() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    hits = rng.random(20_000) < 1 / (1 + np.exp(-(2.0 * values - 1.0)))
    slope, intercept = fit_sigmoid(values, hits)
    assert slope == pytest.approx(2.0, abs=0.1)
    assert intercept == pytest.approx(-1.0, abs=0.1)


def test_the_correction_is_how_often_an_item_is_drawn(folder: Path) -> None:
    rng = np.random.default_rng(0)
    domain = load_domain(folder, lambda texts: np.zeros((len(texts), 1), np.float32), rng=rng)
    # As if of one person who chose nothing else, so that no draw is refused.
    alone = replace(domain, choices=domain.choices[:1], times=domain.times[:1])
    alone = replace(alone, starts=np.array([0, 1]))
    people = np.zeros(20_000, dtype=np.int64)
    drawn = sample(alone, people, rng=rng, candidates=3, history=2, last=1.0).candidates[:, 1:]
    counts = np.bincount(drawn.ravel(), minlength=len(domain.ids)).astype(np.float64)
    expected = np.exp(log_chances(domain, 3).astype(np.float64))
    assert expected[:-1].sum() == pytest.approx(1)
    assert expected[-1] == 1
    others = np.arange(len(domain.ids)) != domain.choices[0]
    share = expected[:-1][others] / expected[:-1][others].sum()
    # Without repetition within a request popular items come a little less often.
    assert counts[others] / counts.sum() == pytest.approx(share, rel=0.12)


def test_the_correction_is_taken_off_made_up_requests_only(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path
) -> None:
    corrected = replace(recipe, training=replace(recipe.training, correct_sampling=True))
    (domain,) = read_domains(corrected, [folder], base=open_base(corrected), work=tmp_path)
    real = replace(domain.valid, counted=True, shown=True)
    (made, shown), valid = _pools(corrected, replace(domain, real=real))
    assert made["log_chance"].max() < 0
    assert torch.count_nonzero(shown["log_chance"]) == 0
    assert torch.count_nonzero(valid["log_chance"]) == 0
    (plain, _), _ = _pools(recipe, replace(domain, real=real))
    assert torch.count_nonzero(plain["log_chance"]) == 0


def _pools(recipe: HistoryFinetuneRecipe, domain: Domain) -> tuple[list[Pool], Pool]:
    material = prepare(recipe, [domain])
    return list(material.pools), material.valid[domain.name]
