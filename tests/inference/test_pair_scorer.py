"""The scorer of pairs on a BERT of two layers with random weights, exported here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Degradation, Event, Item, Reranker
from edge_rerank.errors import InvalidRequest, PackInvalid, PackUnsupported
from edge_rerank.inference import pair_scorer as module
from edge_rerank.inference.pace import UNKNOWN_S
from edge_rerank.inference.pair_prompt import PairPrompt
from edge_rerank.inference.pair_scorer import PairScorer, _batches
from edge_rerank.inference.workers import Workers
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.sources import pairs as source
from edge_rerank.types import ReasonCode
from tests.inference.tiny import CANDIDATES, HISTORY
from tests.inference.tiny_pairs import make_pack, write_cross_encoder

pytest.importorskip("torch")
pytest.importorskip("edge_rerank_export.packing.pairs")

QUERY = "garden tools"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("pairs")
    # How it is quantised matters to no test here, and a search for it takes 8 s.
    return make_pack(work / "pack", write_cross_encoder(work / "model"), pair="fine = ''")


@pytest.fixture
def scorer(folder: Path) -> PairScorer:
    return PairScorer(Pack.open(folder), threads=1)


def test_tells_candidates_apart_after_a_query_and_after_a_history(scorer: PairScorer) -> None:
    asked = scorer.score(CANDIDATES, HISTORY, query=QUERY)
    chosen = scorer.score(CANDIDATES, HISTORY)
    for scores in (asked, chosen):
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()
        assert len(set(scores[:5].tolist())) == 5
        assert scores[0] == scores[5]
    assert not np.allclose(asked, chosen)
    # With a query it alone is read.
    assert scorer.score(CANDIDATES, HISTORY[:1], query=QUERY) == pytest.approx(asked, abs=1e-6)


def test_a_score_is_the_same_in_any_company(scorer: PairScorer) -> None:
    together = scorer.score(CANDIDATES, (), query=QUERY)
    scorer.forget()
    alone = [scorer.score([text], (), query=QUERY)[0] for text in reversed(CANDIDATES)]
    assert np.abs(together - alone[::-1]).max() <= 1e-5


def test_nothing_asked_and_nothing_chosen_says_nothing(scorer: PairScorer) -> None:
    assert not scorer.score(CANDIDATES, []).any()
    assert not scorer.score(CANDIDATES, HISTORY, query="  ").any()
    assert not scorer.score(CANDIDATES, ["", " "]).any()
    assert scorer.score([], HISTORY).shape == (0,)


def test_what_was_read_is_read_once_and_can_be_forgotten(
    scorer: PairScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scorer.score(CANDIDATES, (), query=QUERY)
    assert scorer.cached_scores == len(set(CANDIDATES))

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patched:
        patched.setattr(scorer._session, "run", refuse)
        assert scorer.score(CANDIDATES[::-1], (), query=QUERY).tolist() == first[::-1].tolist()
        with pytest.raises(AssertionError, match="read again"):
            scorer.score(CANDIDATES, (), query="another query")
    scorer.forget()
    assert scorer.cached_scores == 0


def test_time_ends_between_batches(scorer: PairScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_TOKENS", 1)
    monkeypatch.setattr(module, "LEAST_TOKENS", 1)
    monkeypatch.setattr(scorer._session, "_workers", Workers(1))
    assert np.isnan(scorer.score(CANDIDATES, (), query=QUERY, stop_at=0.0)).all()
    run, done = scorer._session.run, []

    def count(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        done.append(inputs["input_ids"].shape)
        return run(inputs)

    monkeypatch.setattr(scorer._session, "run", count)
    monkeypatch.setattr(
        module.time, "perf_counter", lambda: 0.0 if len(done) < 3 else 100.0, raising=True
    )
    scores = scorer.score(CANDIDATES, (), query=QUERY, stop_at=10.0)
    # The most promising are read first, however long they are; the sixth is the first again.
    assert np.isfinite(scores).tolist() == [True, True, True, False, False, True, False]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_batches_hold_every_place_within_the_bound(count: int) -> None:
    lengths = np.random.default_rng(count).integers(3, 300, count).tolist()
    batches = _batches(lengths)
    assert sorted(place for batch in batches for place in batch) == list(range(count))
    for batch in batches:
        padded = len(batch) * max(lengths[place] for place in batch)
        assert len(batch) == 1 or padded <= module.BATCH_TOKENS
    assert [min(batch) for batch in batches] == sorted(min(batch) for batch in batches)


def prompt_of(folder: Path, **changes: object) -> PairPrompt:
    pack = Pack.open(folder)
    spec = pack.manifest.pair_scorer
    assert spec is not None
    return PairPrompt(replace(spec, **changes), pack.read(spec.tokenizer))  # type: ignore[arg-type]


def test_a_long_history_never_cuts_the_candidate(folder: Path) -> None:
    prompt = prompt_of(folder, max_tokens=40, item_tokens=16)
    item = prompt.item("rose hedge lawn spade")
    assert len(item) == 4
    for history in (["oven"], ["oven whisk flour kettle spoon"] * 50, ["oven " * 10_000]):
        before = prompt.read(history)
        tokens, kinds = prompt.pair(before, item)
        assert len(tokens) <= 40
        assert tuple(tokens[-5:-1]) == item
        assert kinds == [0] * (len(before) + 2) + [1] * (len(item) + 1)
    assert len(prompt.item("rose " * 100)) == 16


def test_the_newest_lines_of_a_history_are_read(folder: Path) -> None:
    prompt = prompt_of(folder, max_tokens=40, item_tokens=16)
    lines = [f"oven {word}" for word in ("whisk", "flour", "kettle", "spoon", "dough", "yeast")]
    text = prompt.before([*lines, "", "rose\nhedge"])
    assert text.startswith("Liked: ")
    assert text.endswith("oven yeast; rose hedge")
    assert "whisk" not in text
    assert len(prompt.read(lines)) <= prompt.room
    # One long description leaves room for what was chosen before it.
    text = prompt.before(["oven whisk", "rose " * 1_000])
    assert text.startswith("Liked: oven whisk; rose rose")
    assert prompt.before([]) == ""


def test_special_tokens_in_a_text_are_text(folder: Path) -> None:
    prompt = prompt_of(folder)
    separator = prompt._tokenizer.token_to_id("[SEP]")
    tokens, _ = prompt.pair(prompt.asked("[SEP] oven"), prompt.item("rose [SEP] hedge"))
    assert tokens.count(separator) == 2


def test_a_pack_without_room_before_the_candidate_is_refused(folder: Path) -> None:
    with pytest.raises(PackInvalid, match="room"):
        prompt_of(folder, max_tokens=20, item_tokens=16)


def changed(folder: Path, target: Path, **members: object) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["pair_scorer"].update(members)
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"item_tokens": 96}, "item_tokens below max_tokens"),
        ({"max_tokens": 2}, "max_tokens"),
        ({"heading": ""}, "heading"),
        ({"weight": "much"}, "weight"),
        ({"prefix": "x"}, "does not know"),
        ({"model": "other.onnx"}, "not among the pack's files"),
    ],
)
def test_a_manifest_that_is_not_well_formed(
    members: dict[str, object], reason: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(PackInvalid, match=reason):
        Pack.open(changed(folder, tmp_path / "changed", **members))


def test_the_manifest_comes_back_as_it_was(folder: Path) -> None:
    manifest = Pack.open(folder).manifest
    assert manifest.pair_scorer is not None
    assert Manifest.from_json(manifest.to_json()) == manifest
    without = json.loads(Pack.open(shipped_pack()).manifest.to_json())
    assert "pair_scorer" not in without  # as versions that know no such part read it


def test_a_model_with_other_inputs_is_refused(folder: Path, tmp_path: Path) -> None:
    import onnx

    other = changed(folder, tmp_path / "other")
    model = onnx.load(str(other / "pairs.onnx"))
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "token_type_ids":
                node.input[place] = "kinds"
    next(one for one in model.graph.input if one.name == "token_type_ids").name = "kinds"
    onnx.save(model, str(other / "pairs.onnx"))
    from edge_rerank_export.packing.folder import file_entries, write_manifest

    manifest = Pack.open(folder).manifest
    pack = write_manifest(other, replace(manifest, files=file_entries(other)))
    with pytest.raises(PackInvalid, match="expected a model with the inputs"):
        PairScorer(pack)


def test_a_pack_without_one_is_refused() -> None:
    with pytest.raises(PackUnsupported, match="scorer of pairs"):
        PairScorer(Pack.open(shipped_pack()))


@pytest.fixture(scope="module")
def cascade(folder: Path) -> Iterator[Reranker]:
    with Reranker.open(folder) as opened:
        opened.consent("ann", True)
        opened.record(
            [
                Event("click", Item(text, text), timestamp=float(n))
                for n, text in enumerate(HISTORY)
            ],
            user="ann",
        )
        yield opened


ITEMS = [Item(str(n), text) for n, text in enumerate(CANDIDATES[:5])]


def test_without_a_query_it_refines_what_the_history_says(cascade: Reranker) -> None:
    ranking = cascade.rank(ITEMS, user="ann")
    assert not ranking.degraded
    assert cascade.rank(ITEMS, user="ann") == ranking
    assert any(reason.code == "model" for ranked in ranking for reason in ranked.reasons)


def test_with_a_history_it_looks_at_fewer(
    cascade: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = cascade.engine.pair_scorer
    assert scorer is not None
    looked: list[int] = []

    def score(candidates: list[str], *_: object, **__: object) -> np.ndarray:
        looked.append(len(candidates))
        return np.zeros(len(candidates))

    monkeypatch.setattr(scorer, "score", score)
    items = [Item(str(n), f"garden tools {n}") for n in range(60)]
    cascade.rank(items, user="ann")
    cascade.rank(items, query=QUERY)
    assert looked == [source.REFINED_BY_HISTORY, source.REFINED]


def test_with_a_query_it_judges_the_candidates_by_it(
    cascade: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = cascade.engine.pair_scorer
    assert scorer is not None
    wanted = dict(zip([item.id for item in ITEMS], [3.0, -4.0, 1.0, 5.0, -2.0], strict=True))
    texts = {item.text: wanted[item.id] for item in ITEMS}
    asked: list[str | None] = []

    def score(candidates: list[str], *_: object, query: str | None, **__: object) -> np.ndarray:
        asked.append(query)
        return np.array([texts[text] for text in candidates])

    monkeypatch.setattr(scorer, "score", score)
    ranking = cascade.rank(ITEMS, query=QUERY)
    assert asked == [QUERY]
    assert [one.item.id for one in ranking] == ["3", "0", "2", "4", "1"]
    # What a cross-encoder says is the relevance.
    chances = [1 / (1 + np.exp(-wanted[one.item.id])) for one in ranking]
    assert [one.score for one in ranking] == pytest.approx(chances, abs=0.03)
    wanted.update(dict.fromkeys(wanted, -9.0))
    texts.update(dict.fromkeys(texts, -9.0))
    cascade.engine.forget()
    assert max(one.score for one in cascade.rank(ITEMS, query="nothing of this")) < 0.01
    said = {one.item.id: [reason.code for reason in one.reasons] for one in ranking}
    assert ReasonCode.QUERY in said["3"]
    assert ReasonCode.QUERY not in said["1"]


def test_what_it_did_not_look_at_stays_in_its_order_on_its_level(
    cascade: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "REFINED", 2)
    scorer = cascade.engine.pair_scorer
    assert scorer is not None
    looked: list[list[str]] = []

    def score(candidates: list[str], *_: object, **__: object) -> np.ndarray:
        looked.append(list(candidates))
        return np.arange(len(candidates), dtype=np.float64)  # the other way round

    items = [Item(str(n), "garden tools " + "and more " * n) for n in range(5)]
    with monkeypatch.context() as patched:
        patched.setattr(
            scorer, "score", lambda candidates, *_, **__: np.full(len(candidates), np.nan)
        )
        plain = cascade.rank(items, query=QUERY)
        assert plain.degraded == (Degradation.TIME_BUDGET,)
    monkeypatch.setattr(scorer, "score", score)
    ranking = cascade.rank(items, query=QUERY)
    order = [one.item.id for one in plain]
    assert looked == [[one.item.text for one in plain][:2]]
    assert [one.item.id for one in ranking] == [order[1], order[0], *order[2:]]


def test_a_spent_budget_is_marked(cascade: Reranker) -> None:
    cascade.engine.forget()
    for options in ({"user": "ann"}, {"query": QUERY}):
        assert cascade.rank(ITEMS, budget_ms=0.0, **options).degraded == (Degradation.TIME_BUDGET,)  # type: ignore[arg-type]
        assert not cascade.rank(ITEMS, budget_ms=60_000, **options).degraded  # type: ignore[arg-type]


def test_forget_reaches_it(cascade: Reranker) -> None:
    cascade.rank(ITEMS, query=QUERY)
    scorer = cascade.engine.pair_scorer
    assert scorer is not None
    assert scorer.cached_scores > 0
    cascade.engine.forget("ann")
    assert scorer.cached_scores == 0


def test_two_of_them_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="pair_scorer"):
        Reranker.open([folder, folder])


def test_reading_costs_what_was_said(scorer: PairScorer) -> None:
    started = time.perf_counter()
    scorer.score(CANDIDATES * 20, (), query=QUERY)
    assert 0 < scorer._pace.seconds(1) < time.perf_counter() - started
    assert scorer._pace.seconds(1) != UNKNOWN_S
