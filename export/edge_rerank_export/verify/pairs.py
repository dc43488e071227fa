"""Verification of scorers of pairs: a pack beside the cross-encoder of its recipe.

The original runs in PyTorch float32 with transformers' own tokeniser, one pair at a time, the
packed one as the runtime will run it. Compared are the order in which candidates come out after a
query and after a history, the converted float32 model's scores, and whether a score depends on the
batch it was read in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_rerank.inference.pair_prompt import PairPrompt
from edge_rerank.inference.pair_scorer import INPUTS, PairScorer
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import PairScorerSpec
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.progress import Update
from edge_rerank_export.recipes.bounds import PairBounds
from edge_rerank_export.verify.figures import Figure, Verification, ndcg_figures, tau_figure
from edge_rerank_export.verify.orders import Agreement, ScorePair, agreement
from edge_rerank_export.verify.texts import RankingCase, Texts

BATCH_SIZES = (2, 7, 16)
EXTRA_PADDING = (0, 1, 13)
_PAIRS = 16
"""Pairs that are compared number by number."""

Scores = NDArray[np.float64]
Feeds = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, repr=False)
class Original:
    """The model as it was loaded.

    Attributes:
        model: gives ``score`` for the inputs of a pair.
        tokenizer: of transformers.
        positions: most tokens that it reads.
    """

    model: Any
    tokenizer: Any
    positions: int

    def scores(self, before: str, items: Sequence[str]) -> Scores:
        """Of one pair after the other, shape (len(items),)."""
        return np.array([self.score(self.read(before, item)) for item in items])

    def read(self, before: str, item: str) -> dict[str, torch.Tensor]:
        """Inputs of a pair by transformers' own tokeniser."""
        read = self.tokenizer(
            before, item, truncation=True, max_length=self.positions, return_tensors="pt"
        )
        return {name: read[name] for name in self.model.inputs}

    def score(self, inputs: Mapping[str, torch.Tensor]) -> float:
        """Of a single pair."""
        with torch.inference_mode():
            return float(self.model(**inputs)["score"][0, 0])


def verify_pairs(
    original: Original,
    exact: Pack,
    packed: Pack,
    texts: Texts,
    bounds: PairBounds,
    *,
    progress: Update = lambda _done, _total: None,
) -> Verification:
    """Compare a scorer of pairs with the model it was made from.

    Where a case has no query, the newest text of its history by itself stands for one.

    Args:
        original: as it was loaded.
        exact: a pack with the float32 ONNX.
        packed: a pack that the runtime has accepted.
        texts: what to score and in which lists.
        bounds: what must be reached.
        progress: called with (lists done, lists to do).

    Raises:
        InferenceError: when a packed model cannot be run.
    """
    scorer = PairScorer(packed)
    after_history: list[ScorePair] = []
    after_query: list[ScorePair] = []
    for done, case in enumerate(texts.cases, start=1):
        candidates, history, asked = texts.of(case)
        if history:
            before = scorer.prompt.before(history)
            after_history.append(
                (original.scores(before, candidates), scorer.score(candidates, history))
            )
        query = asked or history[-1]
        after_query.append(
            (original.scores(query, candidates), scorer.score(candidates, (), query=query))
        )
        progress(done, len(texts.cases))
    orders = _orders(texts, after_history, after_query)
    figures = [
        *(tau_figure(one, bounds.min_tau) for one in orders),
        Figure(
            "score_error",
            _conversion_error(original, exact, texts),
            bounds.max_conversion_error,
            at_least=False,
        ),
        Figure(
            "batch_effect", _batch_effect(packed, texts), bounds.max_batch_effect, at_least=False
        ),
        *ndcg_figures(orders[0], bounds.max_ndcg_loss),
    ]
    return Verification(tuple(figures), len(texts.texts), len(texts.cases), orders)


def _orders(
    texts: Texts, after_history: Sequence[ScorePair], after_query: Sequence[ScorePair]
) -> tuple[Agreement, ...]:
    """After histories and after queries; what people really asked for is judged by clicks first."""
    told = [case for case in texts.cases if case.history]
    by_history = [agreement(told, after_history)] if told else []
    by_query = agreement(texts.cases, after_query, "query_tau")
    if any(case.query is not None for case in texts.cases):
        return (by_query, *by_history)
    return (*by_history, by_query)


def list_scores(scorer: PairScorer, texts: Texts, case: RankingCase) -> Scores:
    """Of a list's candidates after its history, and after its newest text as a query, in a row."""
    candidates, history, asked = texts.of(case)
    after_query = scorer.score(candidates, (), query=asked or history[-1])
    return np.concatenate([scorer.score(candidates, history), after_query])


def pair_spec(pack: Pack) -> PairScorerSpec:
    """What ``pack`` says of its scorer of pairs.

    Raises:
        UnsupportedModel: when it has none.
    """
    if pack.manifest.pair_scorer is None:
        raise UnsupportedModel("expected a pack with a scorer of pairs")
    return pack.manifest.pair_scorer


def pair_rows(prompt: PairPrompt, texts: Texts) -> list[tuple[list[int], list[int]]]:
    """Tokens and their types of a pair of each case, after a history and a query in turn."""
    rows = []
    for number, case in enumerate(texts.cases):
        candidates, history, asked = texts.of(case)
        query = number % 2 or not history
        before = prompt.asked(asked or history[-1]) if query else prompt.read(history)
        rows.append(prompt.pair(before, prompt.item(candidates[number % len(candidates)])))
    return rows


def pair_feeds(
    rows: Sequence[tuple[list[int], list[int]]], *, pad_id: int, width: int = 0
) -> Feeds:
    """Rows of :func:`pair_rows` as one batch, filled up to ``width`` or the longest."""
    width = max(width, *(len(tokens) for tokens, _ in rows))
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for place, (tokens, kinds) in enumerate(rows):
        ids[place, : len(tokens)] = tokens
        mask[place, : len(tokens)] = 1
        types[place, : len(tokens)] = kinds
    return dict(zip(INPUTS, (ids, mask, types), strict=True))


def _conversion_error(original: Original, exact: Pack, texts: Texts) -> float:
    """The largest difference between the original and the float32 ONNX, alone, batched, padded."""
    run = _Runner(exact, texts)
    rows = [
        {name: torch.from_numpy(value) for name, value in run.feeds([row]).items()}
        for row in run.rows
    ]
    wanted = np.array([original.score(row) for row in rows])
    return max(float(np.abs(found - wanted).max()) for found in (run.alone(), *run.together()))


def _batch_effect(pack: Pack, texts: Texts) -> float:
    """The largest difference between pairs read alone and in batches, padded and not."""
    run = _Runner(pack, texts)
    alone = run.alone()
    return max(float(np.abs(found - alone).max()) for found in run.together())


class _Runner:
    """Runs a pack's model on a few pairs, whatever their company."""

    def __init__(self, pack: Pack, texts: Texts) -> None:
        self._spec = pair_spec(pack)
        prompt = PairPrompt(self._spec, pack.read(self._spec.tokenizer))
        self._session = Session(pack.model(self._spec.model))
        self.rows = pair_rows(prompt, replace(texts, cases=texts.cases[:_PAIRS]))

    def feeds(self, rows: Sequence[tuple[list[int], list[int]]], width: int = 0) -> Feeds:
        """Inputs that the model takes."""
        made = pair_feeds(rows, pad_id=self._spec.pad_id, width=width)
        return {name: made[name] for name in self._session.inputs}

    def alone(self) -> Scores:
        """Each pair by itself."""
        return np.concatenate([self._run([row], 0) for row in self.rows])

    def together(self) -> list[Scores]:
        """All pairs in batches of several sizes, each with more and less padding."""
        return [
            np.concatenate(
                [
                    self._run(self.rows[first : first + size], extra)
                    for first in range(0, len(self.rows), size)
                ]
            )
            for size in BATCH_SIZES
            for extra in EXTRA_PADDING
        ]

    def _run(self, rows: Sequence[tuple[list[int], list[int]]], extra: int) -> Scores:
        width = min(max(len(tokens) for tokens, _ in rows) + extra, self._spec.max_tokens)
        scores: Scores = self._session.run(self.feeds(rows, width))[0][:, 0]
        return scores
