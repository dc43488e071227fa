"""The scorer on a llama of two layers with random weights, exported here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_rerank import Degradation, Event, Item, Reranker
from edge_rerank.errors import InvalidRequest, PackInvalid, PackUnsupported
from edge_rerank.inference.prefix_cache import Prefix, PrefixCache, chain
from edge_rerank.inference.scorer import RUN_PLACES, RUN_TOKENS, Scorer, _runs, _shares
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.specs import Scoring
from tests.inference.tiny import CANDIDATES, HISTORY, make_pack, tiny_llama

torch = pytest.importorskip("torch")
pytest.importorskip("edge_rerank_export.packing.scorer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pack(tmp_path_factory.mktemp("scorer") / "tiny")


@pytest.fixture(scope="module")
def make(folder: Path) -> Callable[..., Scorer]:
    pack = Pack.open(folder)
    return lambda **options: Scorer(pack, threads=2, **options)


@pytest.fixture
def scorer(make: Callable[..., Scorer]) -> Scorer:
    return make()


def test_tells_candidates_apart(scorer: Scorer) -> None:
    scores = scorer.score(CANDIDATES, HISTORY)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert len(set(scores[:5].tolist())) == 5
    assert scores[0] == scores[5]
    assert scores[6] == 0.0


def test_a_history_changes_the_scores(scorer: Scorer) -> None:
    assert (
        scorer.score(CANDIDATES[:5], HISTORY) != scorer.score(CANDIDATES[:5], HISTORY[1:])
    ).all()


def test_without_history_nothing_is_said(scorer: Scorer) -> None:
    assert scorer.score(CANDIDATES, []).tolist() == [0.0] * len(CANDIDATES)


@pytest.mark.parametrize("scheme", ["none", "int8", "int7"])
def test_company_and_order_change_nothing(scheme: str, tmp_path: Path) -> None:
    pack = Pack.open(make_pack(tmp_path / "pack", scheme=scheme))
    together = Scorer(pack).score(CANDIDATES, HISTORY)
    backwards = Scorer(pack).score(CANDIDATES[::-1], HISTORY)[::-1]
    one_by_one = Scorer(pack)
    alone = [one_by_one.score([text], HISTORY)[0] for text in CANDIDATES]
    assert np.abs(together - backwards).max() <= 1e-4
    assert np.abs(together - alone).max() <= 1e-4


def test_no_product_has_a_single_column(
    make: Callable[..., Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime sums one in an order of its own: 0.06 nats by company on a real model."""
    widths: list[int] = []
    run = Session.run

    def noting(session: Session, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        widths.append(inputs["layout"].shape[1])
        return run(session, inputs)

    monkeypatch.setattr(Session, "run", noting)
    scorer = make()
    scorer.score(["x"], ["", "y"])
    scorer.score(["xy"], ["", "y", ""])
    assert len(widths) > 4
    assert min(widths) >= 2


def test_adding_events_equals_reading_afresh(make: Callable[..., Scorer]) -> None:
    step_by_step = make()
    for end in range(1, len(HISTORY)):
        step_by_step.score(CANDIDATES[:1], HISTORY[:end])
    assert (
        np.abs(step_by_step.score(CANDIDATES, HISTORY) - make().score(CANDIDATES, HISTORY)).max()
        <= 1e-4
    )


def test_a_cached_score_is_the_computed_one(scorer: Scorer) -> None:
    first = scorer.score(CANDIDATES, HISTORY)
    assert scorer.score(CANDIDATES, HISTORY).tolist() == first.tolist()


def test_a_long_history_slides(make: Callable[..., Scorer]) -> None:
    """Where the window begins must not depend on what was read before."""
    long = [f"event number {n} of many" for n in range(30)]
    step_by_step = make()
    for end in range(1, len(long)):
        step_by_step.score(CANDIDATES[:1], long[:end])
    assert (
        np.abs(step_by_step.score(CANDIDATES, long) - make().score(CANDIDATES, long)).max() <= 1e-4
    )


def test_a_query_counts_and_leaves_the_history_cached(scorer: Scorer) -> None:
    plain = scorer.score(CANDIDATES, HISTORY)
    asked = scorer.score(CANDIDATES, HISTORY, query="football")
    assert not np.allclose(plain, asked)
    assert scorer.score(CANDIDATES, HISTORY).tolist() == plain.tolist()
    assert np.isfinite(scorer.score(CANDIDATES, [], query="football")).all()


def test_out_of_time(make: Callable[..., Scorer]) -> None:
    late = make().score(CANDIDATES, HISTORY, stop_at=time.perf_counter() - 1)
    assert np.isnan(late).all()
    assert np.isfinite(make().score(CANDIDATES, HISTORY, stop_at=time.perf_counter() + 60)).all()


def test_special_tokens_in_a_text_are_text(scorer: Scorer) -> None:
    prompt = scorer.prompt
    assert 0 not in prompt.line("<s> an item")
    assert prompt.line("two\nlines") == prompt.line("two lines")


def test_half_an_emoji_is_no_error(scorer: Scorer) -> None:
    assert np.isfinite(scorer.score(["\ud83d"], HISTORY)).all()


@pytest.mark.parametrize("scheme", ["none", "int8", "int7"])
def test_candidates_that_are_split_among_threads_get_the_same_bits(
    scheme: str, tmp_path: Path
) -> None:
    pack = Pack.open(make_pack(tmp_path / "pack", scheme=scheme))
    texts = [f"{CANDIDATES[n % 5]} {n}" for n in range(40)]
    whole = Scorer(pack, threads=1).score(texts, HISTORY)
    split, sizes = Scorer(pack, threads=3), []
    run = split._session.run_each
    split._session.run_each = lambda feeds: (sizes.append(len(feeds)), run(feeds))[1]  # type: ignore[method-assign]
    assert np.array_equal(split.score(texts, HISTORY), whole)
    assert max(sizes) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("lengths", [[5], [1, 1], [300, 1, 1, 1], [1, 1, 1, 300], [12] * 20])
def test_shares_hold_every_line_once_and_none_is_empty(lengths: list[int], count: int) -> None:
    lines = [tuple(range(length)) for length in lengths]
    shares = _shares(lines, count)
    assert [line for share in shares for line in share] == lines
    assert 1 <= len(shares) <= count
    assert all(shares)
    if lengths == [12] * 20:
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_four_threads_get_what_one_gets(make: Callable[..., Scorer]) -> None:
    histories = [[*HISTORY[n:], f"something of user {n}"] for n in range(4)]
    expected = [make().score(CANDIDATES, history) for history in histories]
    shared = make()
    results: list[list[np.ndarray]] = [[] for _ in histories]

    def serve(user: int) -> None:
        for _ in range(5):
            results[user].append(shared.score(CANDIDATES, histories[user]))
            shared.forget()

    threads = [threading.Thread(target=serve, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for want, got in zip(expected, results, strict=True):
        assert len(got) == 5
        assert all(np.abs(want - one).max() <= 1e-4 for one in got)


def test_forgetting_empties_the_memory(scorer: Scorer) -> None:
    scorer.score(CANDIDATES, HISTORY)
    assert scorer.cached_bytes > 0
    scorer.forget()
    assert scorer.cached_bytes == 0


def test_memory_stays_bounded(make: Callable[..., Scorer]) -> None:
    small = make(prefix_bytes=40_000)
    for user in range(20):
        small.score(CANDIDATES[:1], [*HISTORY, f"user {user}"])
        assert small.cached_bytes <= 40_000
    nothing = make(prefix_bytes=0)
    assert (
        np.abs(nothing.score(CANDIDATES, HISTORY) - make().score(CANDIDATES, HISTORY)).max() == 0.0
    )
    assert nothing.cached_bytes == 0
    with pytest.raises(InvalidRequest, match="prefix_bytes"):
        make(prefix_bytes=-1)


def test_a_new_event_replaces_the_shorter_history(scorer: Scorer) -> None:
    scorer.score(CANDIDATES[:1], HISTORY[:3])
    before = scorer.cached_bytes
    scorer.score(CANDIDATES[:1], HISTORY)
    assert before < scorer.cached_bytes < 2 * before


def test_a_trained_head(tmp_path: Path) -> None:
    pack = Pack.open(make_pack(tmp_path / "head", scoring=Scoring.HEAD))
    together = Scorer(pack).score(CANDIDATES, HISTORY)
    assert len(set(together[:5].tolist())) == 5
    alone = [Scorer(pack).score([text], HISTORY)[0] for text in CANDIDATES]
    assert np.abs(together - alone).max() <= 1e-4


@pytest.mark.parametrize("scheme", ["none", "int7"])
def test_the_bert_kind_runs_by_the_same_contract(scheme: str, tmp_path: Path) -> None:
    pack = Pack.open(
        make_pack(tmp_path / "bert", scheme=scheme, scoring=Scoring.HEAD, causal=False)
    )
    scorer = Scorer(pack)
    together = scorer.score(CANDIDATES[:5], HISTORY)
    assert len(set(together.tolist())) == 5
    alone = [Scorer(pack).score([text], HISTORY)[0] for text in CANDIDATES[:5]]
    assert np.abs(together - alone).max() <= 1e-4
    scorer.score(CANDIDATES[:1], HISTORY[:2])
    assert np.abs(scorer.score(CANDIDATES[:5], HISTORY) - together).max() == 0.0


def test_the_cross_encoder_is_a_bert_with_a_mask() -> None:
    """The prefix sees itself, the candidate sees both: plain BERT with that mask."""
    from transformers import BertConfig, BertModel

    from edge_rerank_export.models.cross_encoder import ScoringCrossEncoder

    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        attn_implementation="eager",
    )
    bert = BertModel(config).eval()
    head = torch.randn(1, 64)
    prefix, candidate = torch.arange(5, 17), torch.arange(30, 36)
    count, more = len(prefix), len(candidate)
    seen = torch.ones(1, count + more, count + more)
    seen[:, :count, count:] = 0
    with torch.inference_mode():
        states = bert(torch.cat([prefix, candidate])[None], attention_mask=seen).last_hidden_state
        expected = states[0, -1] @ head[0]
        mine = ScoringCrossEncoder(bert, head=head).eval()
        nothing = torch.zeros(1, 64), torch.tensor([0]), torch.tensor([0]), torch.tensor([0])
        read = mine(
            *(prefix, torch.arange(count), torch.arange(count)[None], torch.arange(count)),
            *(torch.zeros(1, count, count), torch.zeros(2, 4, 16, 0), torch.zeros(2, 4, 0, 16)),
            *(torch.tensor(1), *nothing),
        )
        after = torch.arange(more)
        scored = mine(
            *(candidate, count + after, after[None], after, torch.zeros(1, more, more)),
            *(read["new_keys"], read["new_values"], torch.tensor(0), read["end"]),
            *(torch.tensor([more - 1]), torch.tensor([1]), torch.tensor([0])),
        )
    assert scored["score"][0, 0] == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("scoring", list(Scoring))
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_the_decoder_computes_what_transformers_computes(kind: str, scoring: Scoring) -> None:
    from edge_rerank_export.models.decoder import ScoringDecoder
    from edge_rerank_export.verify.scorer import by_head, by_likelihood, conversion_error

    torch.manual_seed(1)
    original: Any = tiny_llama(kind=kind)
    torch.manual_seed(1)
    model = tiny_llama(kind=kind)
    head = None if scoring is Scoring.LIKELIHOOD else torch.randn(1, 64)
    decoder = ScoringDecoder(model, max_positions=64, vocabulary=100, head=head).eval()
    rows = [torch.randint(0, 300, (40,)).tolist() for _ in range(3)]
    wanted = by_likelihood(original, 100) if head is None else by_head(original, head)
    assert conversion_error(wanted, lambda row: decoder.read(row)["score"][:, 0], rows) < 1e-3


@given(st.lists(st.sampled_from([1, 2, 12, 25, 400]), max_size=200))
def test_a_run_has_no_more_tokens_and_places_than_its_cost_is_counted_for(
    lengths: list[int],
) -> None:
    lines = [(1,) * length for length in lengths]
    runs = list(_runs(lines))
    assert [line for run in runs for line in run] == lines
    for run in runs:
        wide = max(2, *map(len, run))
        assert len(run) == 1 or sum(map(len, run)) <= RUN_TOKENS
        assert len(run) == 1 or len(run) * wide <= RUN_PLACES


def test_an_unsupported_model_is_refused_by_name(tmp_path: Path) -> None:
    import json

    from edge_rerank_export.errors import UnsupportedModel
    from edge_rerank_export.models.language_model import load_language_model

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(UnsupportedModel, match="gpt2"):
        load_language_model(tmp_path)


def test_a_pack_without_scorer_is_refused() -> None:
    with pytest.raises(PackUnsupported, match="no scorer"):
        Scorer(Pack.open(shipped_pack()))


def test_a_model_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil
    from dataclasses import replace

    from edge_rerank_export.packing.folder import file_entries, write_manifest

    shutil.copytree(folder, tmp_path / "wrong")
    shutil.copyfile(shipped_pack() / "encoder.onnx", tmp_path / "wrong" / "scorer.onnx")
    manifest = Pack.open(folder).manifest
    pack = write_manifest(
        tmp_path / "wrong", replace(manifest, files=file_entries(tmp_path / "wrong"))
    )
    with pytest.raises(PackInvalid, match="inputs"):
        Scorer(pack)


@pytest.fixture
def cascade(folder: Path) -> Iterator[Reranker]:
    with Reranker.open([shipped_pack(), folder]) as opened:
        opened.consent("ann", True)
        opened.record(
            [
                Event("click", Item(text, text), timestamp=float(n))
                for n, text in enumerate(HISTORY)
            ],
            user="ann",
        )
        yield opened


def test_a_likelihood_weighs_less_beside_a_trained_history_encoder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_rerank.ranking.engine import RankingEngine
    from edge_rerank.ranking.sources import scorer as source

    items = [Item(text, text) for text in CANDIDATES[:5]]
    history = [Event("click", Item(text, text), timestamp=1.0) for text in HISTORY]

    def odds(share: float) -> dict[str, float]:
        monkeypatch.setattr(source, "BESIDE_LEARNED", share)
        with RankingEngine.open([shipped_pack(), folder]) as opened:
            slope = opened.pack.manifest.history_encoder.slope  # type: ignore[union-attr]
            ranking = opened.rank(items, history=history, now=2.0)
        return {one.item.id: np.log(one.score / (1 - one.score)) / slope for one in ranking}

    none, quarter, full = odds(0.0), odds(0.25), odds(1.0)
    for item in items:
        change = full[item.id] - none[item.id]
        assert quarter[item.id] - none[item.id] == pytest.approx(0.25 * change, abs=1e-6)
    assert max(abs(full[item.id] - none[item.id]) for item in items) > 0.01


def test_the_cascade_ranks_and_gives_its_reason(cascade: Reranker) -> None:
    items = [Item(str(n), text) for n, text in enumerate(CANDIDATES)]
    ranking = cascade.rank(items, user="ann")
    assert len(ranking) == len(items)
    assert not ranking.degraded
    assert cascade.rank(items, user="ann") == ranking
    assert any(reason.code == "model" for ranked in ranking for reason in ranked.reasons)


def test_a_spent_budget_is_marked(cascade: Reranker) -> None:
    items = [Item(str(n), text) for n, text in enumerate(CANDIDATES)]
    assert cascade.rank(items, user="ann", budget_ms=0.0).degraded == (Degradation.TIME_BUDGET,)
    assert not cascade.rank(items, user="ann", budget_ms=60_000).degraded
    with pytest.raises(InvalidRequest, match="budget_ms"):
        cascade.rank(items, user="ann", budget_ms=-1)


def test_forget_reaches_the_scorer(cascade: Reranker) -> None:
    cascade.rank([Item("a", "roses")], user="ann")
    scorer = cascade.engine.scorer
    assert scorer is not None
    assert scorer.cached_bytes > 0
    cascade.forget("ann")
    assert scorer.cached_bytes == 0


def test_packs_with_the_same_part_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="scorer"):
        Reranker.open([folder, folder])
    with pytest.raises(InvalidRequest, match="pack"):
        Reranker.open([])


def prefix(tokens: int) -> Prefix:
    return Prefix(
        np.zeros((1, 1, 2, tokens), np.float32),
        np.zeros((1, 1, tokens, 2), np.float32),
        np.zeros((1, 4), np.float32),
    )


def test_least_recently_used_goes_first() -> None:
    cache = PrefixCache(3 * prefix(10).nbytes)
    names = [chain(b"", [n]) for n in range(4)]
    for name in names[:3]:
        cache.put(name, prefix(10))
    assert cache.longest(names[:1]) is not None
    cache.put(names[3], prefix(10))
    assert cache.longest(names[1:2]) is None
    assert cache.longest(names[:1]) is not None
    assert cache.nbytes == 3 * prefix(10).nbytes


def test_what_is_too_large_is_not_kept() -> None:
    cache = PrefixCache(100)
    cache.put(b"x", prefix(1000))
    assert len(cache) == 0
    assert cache.nbytes == 0
