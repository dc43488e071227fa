"""A history encoder that learns from a scorer: what is asked, kept, and predicted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.domain import Batch, Domain
from edge_rerank_export.train.history.material import prepare, read_domains
from edge_rerank_export.train.history.recipe import (
    HistoryFinetuneRecipe,
    HistoryTraining,
    TeacherRecipe,
    history_toml,
)
from edge_rerank_export.train.history.run import check, digests_used, finetune_history, open_base
from edge_rerank_export.train.history.teacher import Teacher, clicked_target, teacher_of
from edge_rerank_export.train.requests import make_requests
from tests.inference.tiny import make_pack

pytestmark = pytest.mark.slow

ITEMS = [f"{word} {kind}" for kind in ("bread", "river") for word in ("old", "small", "grand")]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pack(tmp_path_factory.mktemp("teacher") / "scorer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people, six items."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    folder.mkdir()
    people = [{"user": str(n), "items": ["0", str(1 + n % 2), str(3 + n % 3)]} for n in range(12)]
    shown = [
        {"user": str(n), "history": ["0"], "candidates": ["1", "2", "5"], "clicked": [clicked]}
        for n, clicked in enumerate(("1", "2", "1", "1"))
    ]
    records: dict[str, list[dict[str, object]]] = {
        "items": [{"id": str(n), "text": text} for n, text in enumerate(ITEMS)],
        "train": [dict(person) for person in people],
        "valid": [dict(request) for request in shown],
    }
    for name, lines in records.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


@pytest.fixture(scope="module")
def recipe(scorer: Path, tiny_pack: Path) -> HistoryFinetuneRecipe:
    training = HistoryTraining(
        requests=12, candidates=4, history=3, steps=10, batch=8, evaluate_every=5
    )
    return HistoryFinetuneRecipe(
        "taught",
        1,
        "A test.",
        str(tiny_pack),
        training,
        teacher=TeacherRecipe(str(scorer), share=0.25, temperature=2.0),
    )


@pytest.fixture(scope="module")
def domain(
    folder: Path, recipe: HistoryFinetuneRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Domain:
    work = tmp_path_factory.mktemp("work")
    (read,) = read_domains(recipe, [folder], base=open_base(recipe), work=work, threads=1)
    return read


@pytest.fixture(scope="module")
def batch(domain: Domain) -> Batch:
    rng = np.random.default_rng(0)
    (made,) = make_requests(domain, 12, rng=rng, candidates=4, history=3)
    return made


def targets(recipe: TeacherRecipe, domain: Domain, batch: Batch, work: Path) -> np.ndarray:
    with teacher_of(recipe, work, threads=1) as teacher:
        assert teacher is not None
        return teacher.target(domain, batch, lambda done, total: None)


def settings(recipe: HistoryFinetuneRecipe, **changes: object) -> TeacherRecipe:
    assert recipe.teacher is not None
    return replace(recipe.teacher, **changes)


def test_the_target_is_what_was_clicked_and_the_softmax_of_the_cascade(
    recipe: HistoryFinetuneRecipe, domain: Domain, batch: Batch, tmp_path: Path
) -> None:
    got = targets(settings(recipe), domain, batch, tmp_path)
    opinion = targets(settings(recipe, share=1.0), domain, batch, tmp_path)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(got, 0.75 * clicked_target(batch) + 0.25 * opinion, atol=1e-6)
    # A lower temperature is a sharper opinion: its powers, scaled to one.
    sharper = targets(settings(recipe, share=1.0, temperature=1.0), domain, batch, tmp_path)
    np.testing.assert_allclose(
        sharper, opinion**2 / (opinion**2).sum(1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_the_opinion_is_the_order_of_the_cascade(
    recipe: HistoryFinetuneRecipe, domain: Domain, batch: Batch, scorer: Path, tmp_path: Path
) -> None:
    from edge_rerank_export.train.engine_odds import as_requests

    opinion = targets(settings(recipe, share=1.0), domain, batch, tmp_path)
    with RankingEngine.open(scorer, runtime=Runtime(threads=1)) as engine:
        for request, own in zip(as_requests(domain.items, batch), opinion, strict=True):
            ranking = engine.rank(request.candidates, history=request.history, now=request.now)
            best = request.candidates[int(own[: len(request.candidates)].argmax())]
            assert ranking[0].item.id == best.id


def test_places_without_a_candidate_get_nothing(
    recipe: HistoryFinetuneRecipe, domain: Domain, batch: Batch, tmp_path: Path
) -> None:
    shorter = replace(batch, candidates=batch.candidates.copy(), clicked=batch.clicked.copy())
    clicked = int(shorter.clicked[0].argmax())
    absent = (clicked + 1) % shorter.candidates.shape[1]
    shorter.candidates[0, absent] = -1
    got = targets(settings(recipe), domain, shorter, tmp_path)
    assert got[0, absent] == 0
    assert got[0].sum() == pytest.approx(1)


def test_no_more_requests_are_asked_about_than_wanted(
    recipe: HistoryFinetuneRecipe, domain: Domain, batch: Batch, tmp_path: Path
) -> None:
    got = targets(settings(recipe, requests=5), domain, batch, tmp_path)
    everything = targets(settings(recipe), domain, batch, tmp_path)
    np.testing.assert_array_equal(got[:5], everything[:5])
    np.testing.assert_array_equal(got[5:], clicked_target(batch)[5:])


def test_an_opinion_is_asked_for_once(
    recipe: HistoryFinetuneRecipe,
    domain: Domain,
    batch: Batch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = targets(settings(recipe), domain, batch, tmp_path)
    real, asked = RankingEngine.rank, []

    def rank(self: RankingEngine, *arguments: object, **named: object) -> object:
        asked.append(arguments)
        return real(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(RankingEngine, "rank", rank)
    np.testing.assert_array_equal(targets(settings(recipe), domain, batch, tmp_path), first)
    assert not asked
    # Other texts are another question.
    changed = replace(domain, texts=[f"{text} anew" if text else "" for text in domain.texts])
    targets(settings(recipe), changed, batch, tmp_path)
    assert len(asked) == len(batch.candidates)


def test_training_predicts_the_mixture_and_validation_what_was_clicked(
    recipe: HistoryFinetuneRecipe, domain: Domain, tmp_path: Path
) -> None:
    with teacher_of(recipe.teacher, tmp_path, threads=1) as teacher:
        taught = prepare(recipe, [domain], teacher=teacher)
    plain = prepare(replace(recipe, teacher=None), [domain])
    (own,), (clicked,) = taught.pools, plain.pools
    assert not np.array_equal(own["target"].numpy(), clicked["target"].numpy())
    np.testing.assert_array_equal(own["clicked"].numpy(), clicked["clicked"].numpy())
    np.testing.assert_array_equal(
        taught.valid[domain.name]["target"].numpy(), clicked_target(domain.valid)
    )


def test_a_taught_pack_differs_and_comes_out_the_same_twice(
    recipe: HistoryFinetuneRecipe, folder: Path, tmp_path: Path
) -> None:
    models = []
    for number, one in enumerate((recipe, recipe, replace(recipe, teacher=None))):
        out = tmp_path / str(number)
        finetune_history(one, [folder], out, work=tmp_path / f"{number}.work", threads=1)
        models.append((out / "history.onnx").read_bytes())
    assert models[0] == models[1] != models[2]


def test_a_pack_without_a_scorer_is_refused_before_any_work(
    recipe: HistoryFinetuneRecipe, folder: Path, tmp_path: Path
) -> None:
    wrong = replace(recipe, teacher=TeacherRecipe(str(shipped_pack())))
    for attempt in (
        lambda: check(wrong, [folder]),
        lambda: finetune_history(wrong, [folder], tmp_path / "pack", work=tmp_path / "work"),
        lambda: Teacher(settings(wrong), tmp_path),
    ):
        with pytest.raises(RecipeError, match=r"teacher\.pack.*scorer"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_the_teacher_is_named_in_what_a_training_is_marked_with(
    recipe: HistoryFinetuneRecipe,
) -> None:
    assert digests_used(recipe).keys() == {"base", "teacher"}
    assert digests_used(replace(recipe, teacher=None)).keys() == {"base"}


def test_a_recipe_with_a_teacher_is_written_and_read(
    recipe: HistoryFinetuneRecipe, scorer: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(history_toml(recipe, tmp_path), encoding="utf-8")
    read = HistoryFinetuneRecipe.read(path)
    assert read.teacher is not None
    assert Path(read.teacher.pack).samefile(scorer)
    assert replace(read.teacher, pack=str(scorer)) == recipe.teacher
    head = 'kind = "history"\nname = "t"\nrelease = 1\nsummary = "s"\n[teacher]\n'
    for wrong in (
        "share = 0.5",
        'pack = "x"\nshare = 0.0',
        'pack = "x"\nshare = 1.5',
        'pack = "x"\ntemperature = 0.0',
        'pack = "x"\nrequests = 0',
        'pack = "x"\nheat = 2.0',
    ):
        path.write_text(head + wrong + "\n", encoding="utf-8")
        with pytest.raises(RecipeError, match="teacher"):
            HistoryFinetuneRecipe.read(path)
