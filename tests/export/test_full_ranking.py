"""The whole catalogue ranked: places, what is left out, ties, packs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from edge_rerank.errors import PackError
from edge_rerank.evaluation.baselines import ItemKnn, Markov, Popularity
from edge_rerank.evaluation.metrics import hit_rate, ndcg
from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.types import Event, Item
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.studies.baselines import full as module
from edge_rerank_export.studies.baselines.choices import Choices, validation_ndcg
from edge_rerank_export.studies.baselines.full import (
    PlaceFinder,
    asked_of,
    by_baseline,
    by_pack,
    by_scores,
    find_places,
    had,
)
from edge_rerank_export.studies.baselines.sasrec import SasRec, SasRecSettings

from .conftest import Folder

NAMES = [f"i{number}" for number in range(30)]
SMALL = SasRecSettings(width=16, blocks=1)


def request(before: Sequence[str], clicked: Sequence[str], user: str | None = None) -> Request:
    history = tuple(Event("click", Item(name), timestamp=1.0) for name in before)
    return Request(user, history, tuple(Item(name) for name in clicked), frozenset(clicked))


@pytest.fixture
def shop(folder: Folder) -> Path:
    """People with six things each of 30; the last two of everyone are asked for."""
    rng = random.Random(3)
    walks = [rng.sample(NAMES, 6) for _ in range(40)]

    def lists(place: int) -> list[Any]:
        return [
            {
                "user": f"u{n}",
                "history": walk[:place],
                "candidates": [walk[place]],
                "clicked": [walk[place]],
            }
            for n, walk in enumerate(walks)
        ]

    return folder(
        items=[{"id": name, "text": f"thing {name}"} for name in NAMES],
        train=[{"user": f"u{n}", "items": walk[:-2]} for n, walk in enumerate(walks)],
        valid=lists(-2),
        test=lists(-1),
    )


def given(data: DataSet, scores: Sequence[float]) -> PlaceFinder:
    def every(requests: Sequence[Request]) -> NDArray[np.float64]:
        return np.array([scores for _ in requests])

    return by_scores(data, every)


class TestPlaces:
    def test_counted_from_the_best(self, shop: Path) -> None:
        data = DataSet.open(shop)
        falling = [-float(number) for number in range(30)]
        asked = [
            request([], ["i0"]),
            request([], ["i4"]),
            request([], ["i9"]),
            request([], ["i10"]),
        ]
        found = find_places(asked, given(data, falling))
        assert found.places == ((1,), (5,), (10,), (11,))
        np.testing.assert_allclose(
            found.ndcg_10, [1, 1 / np.log2(6), 1 / np.log2(11), 0], atol=1e-12
        )
        assert found.hit_10.tolist() == [1, 1, 1, 0]

    def test_what_a_person_had_is_left_out(self, shop: Path) -> None:
        data = DataSet.open(shop)
        falling = [-float(number) for number in range(30)]
        asked = [request(["i0", "i1", "i20"], ["i4"])]
        assert find_places(asked, given(data, falling)).places == ((3,),)
        assert had(asked[0]) == {"i0", "i1", "i20"}

    def test_unless_it_was_chosen_again(self, shop: Path) -> None:
        data = DataSet.open(shop)
        falling = [-float(number) for number in range(30)]
        asked = [request(["i0", "i4"], ["i4"])]
        assert find_places(asked, given(data, falling)).places == ((4,),)

    def test_equal_scores_go_against_whoever_ranks(self, shop: Path) -> None:
        data = DataSet.open(shop)
        found = find_places([request(["i3"], ["i0"])], given(data, [0.5] * 30))
        assert found.places == ((29,),)

    def test_a_rival_whose_score_is_no_number_stands_above(self, shop: Path) -> None:
        data = DataSet.open(shop)
        scores = [1.0, float("nan"), *[0.0] * 28]
        assert find_places([request([], ["i0"])], given(data, scores)).places == ((2,),)

    def test_what_the_catalogue_lacks_is_not_found(self, shop: Path) -> None:
        found = find_places([request([], ["elsewhere"])], given(DataSet.open(shop), [0.0] * 30))
        assert found.places == ((),)
        assert (found.ndcg_10[0], found.hit_10[0]) == (0, 0)

    def test_several_choices_as_the_metrics_say(self, shop: Path) -> None:
        data = DataSet.open(shop)
        rng = np.random.default_rng(0)
        for _ in range(50):
            scores = rng.integers(0, 12, 30).astype(float)
            clicked = rng.permutation(30)[: rng.integers(1, 4)]
            before = [f"i{row}" for row in rng.permutation(30)[:5] if row not in clicked]
            asked = [request(before, [f"i{row}" for row in clicked])]
            found = find_places(asked, given(data, scores.tolist()))
            kept = np.array([row for row, name in enumerate(NAMES) if name not in before])
            hits = np.isin(kept, clicked)
            order = np.lexsort((hits, -scores[kept]))
            assert found.ndcg_10[0] == pytest.approx(ndcg(hits[order], 10))
            assert found.hit_10[0] == hit_rate(hits[order], 10)

    def test_many_batches_are_as_one(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = DataSet.open(shop)
        requests = [one for _, one in asked_of(data, "test")]
        find = by_baseline(data, Popularity())
        whole = find_places(requests, find)
        monkeypatch.setattr(module, "AT_ONCE", 7)
        told: list[tuple[int, int]] = []
        again = find_places(requests, find, lambda done, total: told.append((done, total)))
        assert again.places == whole.places
        assert told[-1] == (40, 40)


def test_some_of_the_requests_are_drawn_and_keep_their_numbers(shop: Path) -> None:
    data = DataSet.open(shop)
    every = asked_of(data, "test")
    some = asked_of(data, "test", limit=11)
    assert len(some) == 11
    assert [number for number, _ in every] == list(range(40))
    assert all(every[number] == (number, one) for number, one in some)
    assert some == asked_of(data, "test", limit=11)


@pytest.mark.parametrize("kind", ["markov", "item-knn"])
def test_a_baseline_ranks_the_whole_catalogue(shop: Path, kind: str) -> None:
    data = DataSet.open(shop)
    baseline = {"markov": Markov, "item-knn": ItemKnn}[kind](list(data.paths()))
    requests = [one for _, one in asked_of(data, "test")][:5]
    found = find_places(requests, by_baseline(data, baseline))
    for one, places in zip(requests, found.places, strict=True):
        (name,) = one.clicked
        left = [item for item in data.items.values() if item.id not in had(one)]
        wide = Request(one.user, one.history, tuple(left), one.clicked)
        scores = dict(zip([item.id for item in left], baseline.scores(wide), strict=True))
        above = sum(score >= scores[name] for other, score in scores.items() if other != name)
        assert places == (1 + above,)


def test_a_network_scores_all_items_as_it_scores_some(shop: Path) -> None:
    data = DataSet.open(shop)
    choices = Choices.read(data, full=True)
    model = SasRec(choices, SMALL)
    requests = [
        Request(one.user, one.history, tuple(data.items.values()), one.clicked)
        for _, one in asked_of(data, "test")
    ]
    whole = model.score_all(requests)
    assert whole.shape == (40, 30)
    np.testing.assert_allclose(whole, np.stack(model.score(requests)), atol=1e-5)


def test_validation_by_the_whole_catalogue_is_harder(shop: Path) -> None:
    data = DataSet.open(shop)
    easy, hard = Choices.read(data), Choices.read(data, full=True)
    model = SasRec(easy, SMALL)
    assert validation_ndcg(model, easy) == 1  # its lists have nothing else in them
    assert 0 < validation_ndcg(model, hard) < 0.6


class TestPack:
    def test_in_one_call_as_rank_says(self, shop: Path) -> None:
        data = DataSet.open(shop)
        requests = [one for _, one in asked_of(data, "test")][:4]
        with by_pack(data, shipped_pack(), requests) as find:
            found = find_places(requests, find)
        assert all(1 <= place <= 26 for (place,) in found.places)
        assert len({place for (place,) in found.places}) > 1

    def test_in_several_calls_each_rival_counts_once(
        self, shop: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = DataSet.open(shop)
        requests = [one for _, one in asked_of(data, "test")][:4]
        calls: list[list[str]] = []
        rank = module.RankingEngine.rank

        def noted(engine: Any, items: Sequence[Item], **options: Any) -> Any:
            calls.append([item.id for item in items])
            return rank(engine, items, **options)

        monkeypatch.setattr(module, "MAX_CANDIDATES", 10)
        monkeypatch.setattr(module.RankingEngine, "rank", noted)
        with by_pack(data, shipped_pack(), requests) as find:
            find_places(requests, find)
        own = calls[:3]
        (name,) = requests[0].clicked
        assert all(len(one) <= 10 and one[0] == name for one in own)
        rivals = [one for call in own for one in call[1:]]
        assert sorted(rivals) == sorted(set(NAMES) - had(requests[0]) - {name})

    def test_what_is_no_pack(self, shop: Path, tmp_path: Path) -> None:
        with pytest.raises(PackError), by_pack(DataSet.open(shop), tmp_path, []):
            pass


class TestCommand:
    def test_every_order_and_the_places(self, shop: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        arguments = ["baselines", str(shop), "--out", str(out), "--full", "--only", "bpr"]
        assert main([*arguments, "--limit", "12", "--beside", "shipped"]) == 0
        told = json.loads((out / "full.json").read_text())
        assert told["split"] == "test"
        assert [one["name"].split()[0] for one in told["orders"]] == ["bpr", "default"]
        for one in told["orders"]:
            assert (one["requests"], one["items"]) == (12, 30)
            assert one["low"] <= one["ndcg_10"] <= one["high"]
            rows = [json.loads(line) for line in (out / one["file"]).read_text().splitlines()]
            hits = [any(place <= 10 for place in row["places"]) for row in rows]
            assert one["hit_10"] == pytest.approx(np.mean(hits))

    def test_what_needs_no_training_comes_first(
        self, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from edge_rerank_export.studies.baselines import full_run

        monkeypatch.setattr(full_run, "TRAINERS", {})
        out = tmp_path / "out"
        assert main(["baselines", str(shop), "--out", str(out), "--full"]) == 0
        told = json.loads((out / "full.json").read_text())
        # The training part has no times, so that nothing was chosen of late.
        assert [one["name"] for one in told["orders"]] == ["popularity", "markov", "item-knn"]

    @pytest.mark.parametrize("flag", [("--limit", "3"), ("--beside", "shipped")])
    def test_what_means_nothing_without_it(
        self,
        shop: Path,
        tmp_path: Path,
        flag: tuple[str, str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert main(["baselines", str(shop), "--out", str(tmp_path / "out"), *flag]) == EXIT_USAGE
        assert "--full" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_without_a_click_there_is_nothing_to_find(
        self, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (shop / "seen.jsonl").write_text('{"candidates": ["i1"], "clicked": []}\n')
        out = tmp_path / "out"
        arguments = ["baselines", str(shop), "--out", str(out), "--full", "--split", "seen"]
        assert main(arguments) == EXIT_USAGE
        assert "seen" in capsys.readouterr().err
        assert not out.exists()
