"""The parts of a history model in small graphs: what the pack's graph gives, whatever is known."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.packs.onnx_wire import Message
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.signals.inputs import KNOWN_BITS, SIGNALS
from edge_rerank.ranking.sources import history_graphs
from edge_rerank.ranking.sources.history_graphs import BLOCK, SmallGraphs
from edge_rerank.ranking.sources.history_model import HistoryModel

SHIPPED = ("default", "multilingual")
CLOSE = 1e-5
"""Log-odds; the largest difference measured was 3.8e-6, of parts of size 9."""


def models(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[HistoryModel, HistoryModel]:
    """A pack's model as it runs, and one that runs the pack's graph."""
    folder = shipped_pack().parent / name
    small = HistoryModel(Pack.open(folder))
    with monkeypatch.context() as patch:
        patch.setattr(SmallGraphs, "of", lambda *_, **__: None)
        return small, HistoryModel(Pack.open(folder))


def invented(
    candidates: int, events: int, known: set[str], *, dislikes: bool, seed: int = 0
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {
        signal.name: rng.uniform(
            -0.3, 1, signal.axes.shape(candidates, events, signal.width)
        ).astype(np.float32)
        for signal in SIGNALS
    }
    strength = rng.uniform(0.02, 2.5, events).astype(np.float32)
    if dislikes:
        strength[::3] *= -1
    arrays["strength"] = strength
    arrays["history"] = (strength > 0).astype(np.float32)
    arrays["known"] = np.array([name in known for name in KNOWN_BITS], dtype=np.float32)
    return arrays


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("dislikes", [False, True])
def test_they_give_what_the_packs_graph_gives(
    name: str, dislikes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, whole = models(name, monkeypatch)
    sizes = ((1, 1), (7, 0), (40, 20), (BLOCK + 3, 5))
    kinds = (set(KNOWN_BITS), {"history", "category", "popularity", "time"}, {"history"}, set())
    for seed, ((count, events), known) in enumerate(product(sizes, kinds)):
        arrays = invented(count, events, known, dislikes=dislikes, seed=seed)
        expected, got = whole.parts(arrays), small.parts(arrays)
        assert got.shape == expected.shape == (count, len(small.columns))
        assert np.abs(got - expected).max() < CLOSE


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_packs_are_run_in_small_graphs_and_let_go_of_their_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, whole = models(name, monkeypatch)
    assert small._small is not None
    assert small._session is None
    assert whole._small is None


@pytest.mark.parametrize("count", [2, 7, 17, 33, 100, 251, BLOCK + 17])
def test_the_same_is_said_of_the_same_wherever_it_stands(count: int) -> None:
    model = HistoryModel(Pack.open(shipped_pack()))
    one = invented(1, 20, set(KNOWN_BITS), dislikes=True)
    arrays = {
        signal.name: one[signal.name]
        if signal.axes.of_candidates is None
        else one[signal.name].repeat(count, axis=signal.axes.of_candidates)
        for signal in SIGNALS
    }
    parts = model.parts(arrays)
    assert (parts == parts[0]).all()


def test_lists_of_categories_that_many_share_are_judged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = HistoryModel(Pack.open(shipped_pack()))
    arrays = invented(90, 20, set(KNOWN_BITS), dislikes=True)
    kinds = np.random.default_rng(1).integers(0, 5, 90)
    arrays["category"] = arrays["category"][:, kinds]
    whole = model.parts(arrays)
    judged: list[int] = []
    run = SmallGraphs._run

    def counted(self: SmallGraphs, name: str, feed: dict[str, np.ndarray]) -> np.ndarray:
        if name == "pooled":
            judged.append(feed["pairs"].shape[-1])
        return run(self, name, feed)

    monkeypatch.setattr(SmallGraphs, "_run", counted)
    assert model.parts(arrays, kinds).tolist() == whole.tolist()
    assert judged == [90, 5, 90]  # content, category, together


def test_what_is_not_known_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HistoryModel(Pack.open(shipped_pack()))
    ran: list[str] = []
    run = SmallGraphs._run

    def noted(self: SmallGraphs, name: str, feed: dict[str, np.ndarray]) -> np.ndarray:
        ran.append(name)
        return run(self, name, feed)

    monkeypatch.setattr(SmallGraphs, "_run", noted)
    model.parts(invented(3, 2, {"history", "popularity"}, dislikes=False))
    assert ran == ["pooled", "risen"]
    ran.clear()
    assert not model.parts(invented(3, 0, set(), dislikes=False)).any()
    assert not ran


@pytest.mark.parametrize("change", ["a thousandth more", "no number"])
def test_a_graph_that_gives_something_else_is_not_replaced(change: str) -> None:
    pack = Pack.open(shipped_pack())
    graph = pack.read("history.onnx")
    model = HistoryModel(pack)

    def other(arrays: dict[str, np.ndarray]) -> np.ndarray:
        parts = model.parts(arrays)
        parts[-1, 2] = parts[-1, 2] * 1.001 + 0.001 if change == "a thousandth more" else np.nan
        return parts

    assert SmallGraphs.of(graph, model.parts) is not None
    assert SmallGraphs.of(graph, other) is None


def test_a_graph_without_one_of_the_weights_is_not_replaced() -> None:
    pack = Pack.open(shipped_pack())
    graph = pack.read("history.onnx")
    model = HistoryModel(pack)
    renamed = graph.replace(b"against.bar", b"against.baz")
    assert renamed != graph
    assert SmallGraphs.of(renamed, model.parts) is None


def test_a_pack_whose_graph_is_another_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_graphs, "_LEAST_SINK", 0.3)  # as if trained with another
    model = HistoryModel(Pack.open(shipped_pack()))
    assert model._small is None
    assert model.parts(invented(3, 4, set(KNOWN_BITS), dislikes=True)).all(axis=0)[:4].all()


def test_they_are_written_in_the_subset_that_is_read() -> None:
    for graph in history_graphs._graphs().values():
        message = next(Message("model", memoryview(graph)).messages(7, "graph"))
        assert 6 <= message.count(1) <= 21
