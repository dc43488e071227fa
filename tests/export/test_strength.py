"""What strength does in a history model, whatever its weights are; simulated events."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
import torch
from torch import Tensor

from edge_rerank.formats.dataset import DataSet
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.signals.inputs import BY_NAME, KNOWN_BITS
from edge_rerank.ranking.signals.words import BUCKETS, Lexicon
from edge_rerank.ranking.sources.history_model import PARTS
from edge_rerank.ranking.sources.history_model import HistoryModel as RuntimeModel
from edge_rerank.types import Event, Item
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.train.domain import Batch, Domain
from edge_rerank_export.train.history.model import WEIGHABLE, HistoryModel, weigh
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, HistoryTraining
from edge_rerank_export.train.history.run import finetune_history
from edge_rerank_export.train.history.simulate import Simulation, simulate
from edge_rerank_export.train.requests import (
    describe_batch,
    load_domain,
    rated_requests,
    sample,
)
from tests.export.records import write_records

PERSONAL = [0, 1, 2]
CROWD = 3
AGAINST = 4
BITS = {name: place for place, name in enumerate(KNOWN_BITS)}
CANDIDATES, EVENTS = 6, 5


def model_of(seed: int) -> HistoryModel:
    """Any weights: several times as large as a training begins with, and of any sign."""
    torch.manual_seed(seed)
    model = HistoryModel().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight))
    return model


def given(seed: int) -> dict[str, Tensor]:
    """Anything at all, every kind of evidence there."""
    rng = np.random.default_rng(seed)
    arrays = {
        name: torch.from_numpy(
            rng.random((1, *signal.axes.shape(CANDIDATES, EVENTS, signal.width)), np.float32)
        )
        for name, signal in BY_NAME.items()
    }
    arrays["known"] = torch.ones_like(arrays["known"])
    arrays["history"] = torch.ones_like(arrays["history"])
    return arrays


def parts(model: HistoryModel, arrays: dict[str, Tensor]) -> np.ndarray:
    with torch.no_grad():
        return model(*(arrays[name] for name in model.inputs))[0].double().numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(5))
def test_at_zero_strength_every_part_is_that_of_no_history(seed: int) -> None:
    model, arrays = model_of(seed), given(seed)
    known = arrays["known"].clone()
    known[:, 0] = 0  # "history"
    nobody = parts(model, {**arrays, "known": known, "strength": torch.zeros(1, EVENTS)})
    silent = parts(model, {**arrays, "strength": torch.zeros(1, EVENTS)})
    assert silent.tolist() == nobody.tolist()
    assert not silent[:, PERSONAL].any()
    assert not silent[:, AGAINST].any()
    assert np.ptp(parts(model, arrays)[:, PERSONAL], axis=0).min() > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_weaker_an_event_the_less_it_moves(seed: int) -> None:
    model, arrays = model_of(seed), given(seed)

    def moved(strength: float) -> float:
        weak = arrays["strength"].clone()
        weak[:, -1] = strength
        none = arrays["strength"].clone()
        none[:, -1] = 0
        return float(
            np.abs(
                parts(model, {**arrays, "strength": weak})
                - parts(model, {**arrays, "strength": none})
            ).max()
        )

    steps = [moved(strength) for strength in (0.0, 1e-4, 1e-2, 1.0)]
    assert steps[0] == 0
    assert steps == sorted(steps)
    # In proportion, for what is weak.
    assert steps[1] < 0.03 * steps[2]


@pytest.mark.parametrize("seed", range(5))
def test_more_popularity_never_lowers_a_candidate(seed: int) -> None:
    model, arrays = model_of(seed), given(seed)
    arrays["known"][:, BITS["record"]] = 0  # tables may say that others are chosen of late
    arrays["popularity"] = torch.linspace(-2, 2, CANDIDATES)[None, :, None].expand(-1, -1, 4)
    for strength in (0.0, 1.0):
        arrays["strength"].fill_(strength)
        before = parts(model, arrays)[:, CROWD]
        assert (np.diff(before) > 0).all()
        for number in range(4):
            more = arrays["popularity"].clone()
            more[:, 2, number] += 0.5
            after = parts(model, {**arrays, "popularity": more})[:, CROWD]
            assert after[2] > before[2]


def test_parts_are_multiplied_by_what_the_recipe_says() -> None:
    model, arrays = model_of(0), given(0)
    arrays["known"][:, BITS["record"]] = 0
    arrays["strength"][:, 1] = -1.5
    before = parts(model, arrays)
    factors = {"content": 0.5, "category": 2.0, "popularity": 3.0, "against": 4.0}
    assert set(factors) == set(WEIGHABLE)
    weigh(model, factors)
    np.testing.assert_allclose(parts(model, arrays), before * [0.5, 2.0, 1.0, 3.0, 4.0], rtol=1e-4)


@pytest.mark.parametrize("factors", [{"content": 0.0}, {"against": 11.0}, {"together": 1.0}])
def test_factors_that_are_none_are_refused(factors: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=rf"parts\.{next(iter(factors))}: "):
        HistoryFinetuneRecipe("t", 1, "s", parts=factors)


@pytest.mark.parametrize("seed", range(5))
def test_more_likeness_to_a_liked_item_never_lowers_a_candidate(seed: int) -> None:
    model, arrays = model_of(seed), given(seed)
    with torch.no_grad():  # of what is pooled, that is; whom to attend to is free
        for one in (model.content, model.category, model.together):
            one.attend.weight.zero_()
    before = parts(model, arrays)
    for place, name in enumerate(("content", "category", "together")):
        more = arrays[name].clone()
        more[:, :, 2, 1] += 0.5
        after = parts(model, {**arrays, name: more})
        assert after[2, place] >= before[2, place]
        assert np.delete(after, 2, axis=0)[:, place].tolist() == pytest.approx(
            np.delete(before, 2, axis=0)[:, place].tolist()
        )


@pytest.mark.parametrize("seed", range(5))
def test_a_disliked_item_lifts_nothing_and_lowers_what_is_alike_most(seed: int) -> None:
    model, arrays = model_of(seed), given(seed)
    liked = parts(model, arrays)
    assert not liked[:, AGAINST].any()
    signed = arrays["strength"].clone()
    signed[:, 1] = -1.5
    without = arrays["strength"].clone()
    without[:, 1] = 0
    after = parts(model, {**arrays, "strength": signed})
    assert (after[:, AGAINST] <= 0).all()
    assert after[:, AGAINST].any()  # below its bar a likeness says nothing
    # Nothing else is disturbed.
    others = [*PERSONAL, 3]
    assert after[:, others].tolist() == (
        parts(model, {**arrays, "strength": without})[:, others].tolist()
    )
    for name in ("content", "category", "together"):
        more = arrays[name].clone()
        more[:, :, 3, 1] += 1.0
        alike = parts(model, {**arrays, name: more, "strength": signed})
        assert alike[3, AGAINST] <= after[3, AGAINST]
        assert np.delete(alike[:, AGAINST], 3) == pytest.approx(np.delete(after[:, AGAINST], 3))


def test_a_model_that_saw_no_dislike_knows_what_one_is() -> None:
    torch.manual_seed(0)
    model, arrays = HistoryModel().eval(), given(0)
    arrays = {name: torch.zeros_like(values) for name, values in arrays.items()}
    arrays["known"] += 1
    arrays["strength"][:, -1] = -1.5
    arrays["content"][:, 0, :, -1] = torch.tensor([0.9, 0.6, 0.3, 0.1, 0.0, -0.2])
    against = parts(model, arrays)[:, AGAINST]
    assert (np.diff(against) >= 0).all()
    assert against[0] < against[-1] - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds of things; people stay with one and rate the other badly."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data") / "rated"
    folder.mkdir()
    kinds = ("bread", "violin")
    names = [f"{kind}-{number}" for kind in kinds for number in range(12)]
    write_records(
        folder / "items.jsonl", [{"id": name, "text": f"{name[-1]} {name[:-2]}"} for name in names]
    )
    people, requests = [], []
    for person in range(60):
        mine, other = rng.permutation(12), rng.permutation(12)
        kind = person % 2
        own = [names[12 * kind + n] for n in mine]
        bad = [names[12 * (1 - kind) + n] for n in other]
        people.append(
            {"user": str(person), "items": own[:4], "timestamps": [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]}
        )
        events = [(own[0], 9), (bad[0], 1), (own[1], 8), (own[2], 10)]
        requests.append(
            {
                "user": str(person),
                "history": [
                    {"item": name, "type": "rating", "value": value, "timestamp": 1e9 + n}
                    for n, (name, value) in enumerate(events)
                ],
                "candidates": [own[5], bad[5], bad[6]],
                "clicked": [own[5]],
                "timestamp": 1e9 + 9,
            }
        )
    write_records(folder / "train.jsonl", people)
    write_records(folder / "valid.jsonl", requests)
    return folder


@pytest.fixture(scope="module")
def domain(folder: Path) -> Domain:
    with RankingEngine.open() as engine:
        return load_domain(
            folder,
            lambda texts: engine.vectors([Item(str(n), text) for n, text in enumerate(texts)]),
            rng=np.random.default_rng(0),
            signed=True,
        )


def test_ratings_become_signed_requests(domain: Domain) -> None:
    batch = rated_requests(domain, 50, rng=np.random.default_rng(0), candidates=3, history=4)
    assert batch is not None and batch.sampled
    assert domain.rated is not None
    # A well rated item was hidden, and what was rated before it is the history.
    assert (batch.strength < 0).any() and (batch.strength > 0).any()
    assert ((batch.strength != 0) == (batch.history >= 0)).all()
    for row, clicked in enumerate(batch.candidates[:, 0].tolist()):
        assert clicked not in batch.history[row]
    assert (domain.valid.strength < 0).sum() == 60


def test_without_signs_nothing_disliked_is_read(folder: Path) -> None:
    plain = load_domain(
        folder, lambda texts: np.zeros((len(texts), 1), np.float32), rng=np.random.default_rng(0)
    )
    assert plain.rated is None
    assert (plain.valid.strength >= 0).all()
    assert rated_requests(plain, 5, rng=np.random.default_rng(0), candidates=3, history=4) is None


def made(domain: Domain) -> Batch:
    people = np.arange(len(domain.starts) - 1)
    return sample(domain, people, rng=np.random.default_rng(1), candidates=6, history=5, last=1.0)


def test_nothing_is_simulated_that_the_recipe_does_not_say(domain: Domain) -> None:
    batch = made(domain)
    same = simulate(domain, batch, Simulation(), rng=np.random.default_rng(2))
    for name in ("candidates", "history", "strength", "age_s"):
        np.testing.assert_array_equal(getattr(same, name), getattr(batch, name))
    assert same.invented is not None and not same.invented.any()


@pytest.mark.parametrize(
    ("way", "low", "high"),
    [("bounces", 0.02, 0.1), ("reads", 0.3, 2.0), ("dislikes", -1.5, -1.0)],
)
def test_simulated_events_have_the_strengths_that_are_promised(
    way: str, low: float, high: float, domain: Domain
) -> None:
    batch = made(domain)
    all_of_them = Simulation(**{way: 1.0})
    changed = simulate(domain, batch, all_of_them, rng=np.random.default_rng(2))
    assert changed.invented is not None
    new = changed.strength[changed.invented]
    assert len(new) > 10
    assert ((new >= low - 1e-6) & (new <= high + 1e-6)).all()
    # What was chosen stays right, and is not given away.
    np.testing.assert_array_equal(changed.clicked, batch.clicked)
    np.testing.assert_array_equal(changed.candidates[:, 0], batch.candidates[:, 0])
    assert not (changed.history == changed.candidates[:, :1]).any()
    again = simulate(domain, batch, all_of_them, rng=np.random.default_rng(2))
    np.testing.assert_array_equal(again.history, changed.history)


def test_a_switch_puts_somebody_else_before_the_last_choices(domain: Domain) -> None:
    changed = simulate(domain, made(domain), Simulation(switches=1.0), rng=np.random.default_rng(2))
    assert changed.invented is not None
    some = changed.invented.any(axis=1)
    assert some.mean() > 0.9
    for row in np.flatnonzero(some):
        others, own = changed.invented[row], ~changed.invented[row] & (changed.history[row] >= 0)
        assert 1 <= own.sum() <= 4
        assert np.flatnonzero(others).max() < np.flatnonzero(own).min()
        gap = np.nanmin(changed.age_s[row][others]) - np.nanmax(changed.age_s[row][own])
        assert 0 <= gap < 0.31 * 86_400 or gap > 86_400


def test_a_short_history_is_its_end(domain: Domain) -> None:
    batch = made(domain)
    changed = simulate(domain, batch, Simulation(short=1.0), rng=np.random.default_rng(2))
    assert set((changed.history >= 0).sum(axis=1).tolist()) <= {1, 2}
    np.testing.assert_array_equal(changed.history[:, -1], batch.history[:, -1])


def test_shares_that_are_none_are_refused() -> None:
    for shares in ({"bounces": 1.1}, {"reads": -0.1}, {"bounces": 0.6, "dislikes": 0.6}):
        with pytest.raises(RecipeError, match="simulate"):
            Simulation(**shares)


@pytest.fixture(scope="module")
def pack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = HistoryFinetuneRecipe(
        "rated",
        1,
        "A test.",
        str(shipped_pack()),
        HistoryTraining(requests=100, candidates=4, history=5, steps=40, evaluate_every=20),
        simulate=Simulation(bounces=0.2, dislikes=0.3, rated=0.5),
    )
    target = tmp_path_factory.mktemp("packs")
    finetune_history(recipe, [folder], target / "pack", work=target / "work", threads=1)
    return target / "pack"


@pytest.fixture(scope="module")
def earlier(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as if it were of an earlier release: every liked item counts 1, four outputs."""
    target = tmp_path_factory.mktemp("earlier") / "pack"
    shutil.copytree(pack, target)
    model = onnx.load(str(target / "history.onnx"))
    graph = model.graph
    (strength,) = [one for one in graph.input if one.name == "strength"]
    graph.input.remove(strength)
    last = graph.node[-1]
    last.output[0] = "five"
    four = onnx.numpy_helper.from_array(np.arange(4), "four")
    graph.initializer.append(four)
    graph.node.insert(0, onnx.helper.make_node("Identity", ["history"], ["strength"]))
    graph.node.append(onnx.helper.make_node("Gather", ["five", "four"], ["parts"], axis=-1))
    (target / "history.onnx").write_bytes(model.SerializeToString())
    manifest = Pack.open(pack).manifest
    (target / "manifest.json").unlink()
    write_manifest(target, replace(manifest, files=file_entries(target)))
    return target


def visits(folder: Path) -> tuple[list[Item], list[Event]]:
    """Two of each kind to rank; a click on each kind, then a dislike of a violin."""
    items = list(DataSet.open(folder).items.values())
    breads, violins = items[:12], items[12:]
    clicks = [
        Event("click", item, timestamp=100.0 + n) for n, item in enumerate([breads[0], violins[0]])
    ]
    dislike = Event("dislike", violins[1], timestamp=200.0)
    return [violins[2], breads[2], violins[3], breads[3]], [*clicks, dislike]


def test_a_trained_pack_judges_dislikes(pack: Path, folder: Path) -> None:
    card = (pack / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "bounces in 20 %, dislikes in 30 %" in card
    candidates, history = visits(folder)
    with RankingEngine.open(pack) as engine:
        ranking = engine.rank(candidates, history=history, now=300.0)
        calm = engine.rank(candidates, history=history[:2], now=300.0)
    assert {one.item.text[2:] for one in ranking[:2]} == {"bread"}
    assert any(reason.code == "disliked" for reason in ranking[-1].reasons)
    assert not any(reason.code == "disliked" for one in calm for reason in one.reasons)
    assert RuntimeModel(Pack.open(pack)).columns == PARTS


def test_a_pack_of_an_earlier_release_is_shown_what_is_liked_alone(
    earlier: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RuntimeModel(Pack.open(earlier))
    assert not model.judges_dislikes
    assert model.columns == PARTS[:-1]
    shown: list[Mapping[str, np.ndarray]] = []
    judge = RuntimeModel.parts

    def parts(
        self: RuntimeModel, arrays: Mapping[str, np.ndarray], kinds: np.ndarray | None = None
    ) -> np.ndarray:
        shown.append(arrays)
        return judge(self, arrays, kinds)

    monkeypatch.setattr(RuntimeModel, "parts", parts)
    candidates, history = visits(folder)
    with RankingEngine.open(earlier) as engine:
        ranking = engine.rank(candidates, history=history, now=300.0)
    assert all("strength" not in arrays for arrays in shown)
    assert [arrays["history"].tolist() for arrays in shown] == [[1.0, 1.0]] * len(shown)
    # By rule, as ever.
    assert {one.item.text[2:] for one in ranking[:2]} == {"bread"}
    assert any(reason.code == "disliked" for reason in ranking[-1].reasons)


def test_where_texts_are_not_read_words_stay_but_weigh_the_same(domain: Domain) -> None:
    lexicon = Lexicon(np.zeros(BUCKETS, dtype=np.float32))  # none of these words tells anything
    words = lexicon.encode(domain.texts)
    changed = simulate(domain, made(domain), Simulation(unread=1.0), rng=np.random.default_rng(2))
    assert changed.unread is not None
    there = np.concatenate([changed.candidates, changed.history], axis=1) >= 0
    share = changed.unread.sum(axis=1) / there.sum(axis=1)
    assert 0.4 < (share == 1).mean() < 0.8  # the others are mixed
    assert ((share > 0) & (share < 1)).any()
    own = changed.unread[:, : changed.candidates.shape[1]]
    content = describe_batch(domain, words, changed, pairs=False)["content"]
    assert not content[:, 0][own].any()
    # "3 bread" beside "4 violin", "4 bread", and "3 bread" once more.
    alike = content[share == 1, 1]
    assert set(np.unique(alike.round(3)).tolist()) == {0.0, 0.5, 1.0}
    read = describe_batch(domain, words, made(domain), pairs=False)["content"]
    assert read[:, 0].any()
    assert not read[:, 1].any()
