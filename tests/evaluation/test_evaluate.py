from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.errors import DataError, InvalidRequest, PackNotFound
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.evaluation.slices import SliceKind
from edge_rerank.formats.dataset import Withheld
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.encoders.unrelated import TEXTS as UNRELATED
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

from .conftest import ITEMS, REQUESTS, TRAIN, Folder

BASELINES = {
    "random",
    "host-order",
    "popularity",
    "last-item-similarity",
    "max-similarity",
    "max+pop",
    "markov",
    "item-knn",
}
DATED = {"recency"}
"""What wants times in the training part."""

METRICS = {
    "ndcg@1",
    "ndcg@5",
    "ndcg@10",
    "ndcg@20",
    "mrr",
    "hit@1",
    "hit@10",
    "auc",
    "coverage",
    "diversity",
}


def test_the_json_of_a_report(shop: Path) -> None:
    report = json.loads(evaluate(None, shop, "test").to_json())
    assert {"folder", "split", "requests", "pack", "baselines"} <= set(report)
    assert (report["folder"], report["split"], report["requests"]) == (str(shop), "test", 2)
    assert set(report["baselines"]) == BASELINES | DATED
    for quality in (report["pack"], *report["baselines"].values()):
        assert set(quality) == METRICS
        assert all(0 <= value <= 1 for value in quality.values())


def test_figures_by_hand(shop: Path) -> None:
    report = evaluate(None, shop, "test")
    # Request 1: mars (popularity 9) beats sourdough (1); request 2: moon (2) beats sourdough.
    popularity = report.baselines["popularity"]
    second = 1 / 1.584962500721156
    assert popularity.ndcg_1 == 0.5
    assert popularity.ndcg_10 == pytest.approx((1 + second) / 2)
    assert popularity.mrr == pytest.approx(0.75)
    assert popularity.hit_1 == 0.5
    assert popularity.hit_10 == 1.0
    assert popularity.auc == 0.5
    assert popularity.coverage == 1.0
    # The clicked one is listed second both times.
    assert report.baselines["host-order"].mrr == pytest.approx(0.5)
    # Both clicks read like what was chosen last, Mars like the Moon and one bread like the other.
    assert report.baselines["last-item-similarity"].ndcg_1 == 1.0


def test_equal_calls_give_equal_reports(shop: Path) -> None:
    assert evaluate(None, shop, "test") == evaluate(None, shop, "test")


def test_withheld_popularity_is_withheld_from_all(shop: Path) -> None:
    report = evaluate(None, shop, "test", without={Withheld.POPULARITY})
    assert report.without == (Withheld.POPULARITY,)
    assert report.baselines["max+pop"] == report.baselines["max-similarity"]
    assert report.details["pack"].novelty_bits is None
    assert [one.kind for one in report.slices] == [SliceKind.HISTORY]
    assert json.loads(report.to_json())["without"] == ["popularity"]


def test_vectors_are_kept_for_the_next_pack(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, NDArray[np.float32]] = {}
    first = evaluate(None, shop, "test", limit=1, vectors=kept)
    assert {"bread", "moon", "sourdough", "mars"} == set(kept)
    kept["mars"] = kept["mars"] * 0
    read: list[str] = []
    encode = TextEncoder.encode

    def spy(self: TextEncoder, texts: Sequence[str], **options: Any) -> NDArray[np.float32]:
        read.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(TextEncoder, "encode", spy)
    second = evaluate(None, shop, "test", limit=1, vectors=kept)
    # Texts of no item, by which it is told what cosines are usual, are read once by every engine.
    assert read == [*UNRELATED]
    assert second.pack.diversity > first.pack.diversity


def test_limit_and_progress(shop: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    report = evaluate(None, shop, "test", limit=1, progress=lambda *what: seen.append(what))
    assert report.requests == 1
    assert ("requests", 1, 1) in seen
    assert any(what == "item texts" and done == total for what, done, total in seen)


def twins(*, clicked_first: bool) -> dict[str, list[Any]]:
    """Requests among items that nothing tells apart."""
    rng = random.Random(3)
    items = [{"id": f"{number}", "text": "the same words"} for number in range(300)]
    requests = []
    for number in range(60):
        names = [one["id"] for one in rng.sample(items, 10)]
        clicked = names[0]
        if not clicked_first:
            names.reverse()
        requests.append({"user": number, "candidates": names, "clicked": [clicked]})
    return {"items": items, "test": requests}


def test_the_order_of_the_file_leaks_into_nothing(folder: Folder) -> None:
    first = evaluate(None, folder(**twins(clicked_first=True)), "test")
    last = evaluate(None, folder(**twins(clicked_first=False)), "test")
    assert first.baselines["host-order"].ndcg_1 == 1.0
    assert last.baselines["host-order"].ndcg_1 == 0.0
    assert first.pack == last.pack
    assert first.pack.mrr < 0.5
    for name in BASELINES - {"host-order"}:
        assert first.baselines[name] == last.baselines[name]
        assert first.baselines[name].mrr < 0.5


def test_requests_without_a_click_count_only_for_coverage(folder: Folder) -> None:
    idle = {"candidates": ["bread", "moon"], "clicked": []}
    everything = {"candidates": ["mars"], "clicked": ["mars"]}
    report = evaluate(None, folder(items=ITEMS, test=[idle, everything]), "test")
    assert report.requests == 2
    assert report.pack.ndcg_1 == 1.0
    assert report.pack.auc == 0.5
    assert report.pack.coverage == 1.0


def test_odd_but_legal_folders_can_be_judged(folder: Folder) -> None:
    made = folder(
        items=[{"id": 1, "text": "tea"}, {"id": 2}],
        test=[
            {"user": 5, "history": [1, 77], "candidates": [2, 88, 1], "clicked": [88, 1]},
            {
                "history": [
                    {"type": "search", "query": "hot drinks"},
                    {"item": 2, "type": "dislike"},
                ],
                "candidates": [1],
                "clicked": [1],
                "query": "tea",
            },
            {"candidates": [], "clicked": []},
        ],
    )
    report = evaluate(None, made, "test")
    assert report.requests == 3
    assert set(report.baselines) == BASELINES | {"had-before"}


def test_nothing_to_judge(folder: Folder) -> None:
    made = folder(items=ITEMS, test=[{"candidates": ["bread"], "clicked": []}], valid=[])
    for split in ("test", "valid"):
        with pytest.raises(DataError, match="at least one request with a click"):
            evaluate(None, made, split)


def test_packs_beside_each_other(shop: Path, tmp_path: Path) -> None:
    shipped = Pack.open(shipped_pack())
    name = f"{shipped.manifest.name} {shipped.manifest.release}"
    report = evaluate(None, shop, "test", beside=[shipped_pack()])
    assert report.baselines[name] == report.pack
    comparison = report.details[name].comparison
    assert comparison is not None
    assert comparison.difference == 0
    other = shutil.copytree(shipped_pack(), tmp_path / "other")
    text = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(text + " ")
    report = evaluate(None, shop, "test", beside=[shipped_pack(), other])
    assert f"{name} {Pack.open(other).digest[:8]}" in report.baselines
    with pytest.raises(InvalidRequest, match="each pack once"):
        evaluate(None, shop, "test", beside=[other, other, other])


def test_a_missing_pack(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(PackNotFound):
        evaluate(tmp_path / "nowhere", shop, "test")


def test_training_requests_in_the_place_of_train(folder: Folder) -> None:
    made = folder(items=ITEMS, train_requests=REQUESTS, test=REQUESTS)
    # In training mars came after the moon and sourdough after bread.
    assert evaluate(None, made, "test").baselines["markov"].ndcg_1 == 1.0
    made = folder(items=ITEMS, train=TRAIN, test=REQUESTS)
    assert evaluate(None, made, "test").requests == 2
