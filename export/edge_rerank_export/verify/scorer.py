"""Verification of scorers: a pack beside the model of its recipe.

Three comparisons: the converted float32 model against the original in PyTorch, token by
token; the packed model's order of candidates against the float32 model's; and the packed
model's scores of candidates together, alone, and after a history read event by event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_rerank.inference.scorer import Scorer
from edge_rerank_export.models.families import trunk_of
from edge_rerank_export.progress import Update
from edge_rerank_export.recipes.bounds import ScorerBounds
from edge_rerank_export.verify.figures import Figure, Verification, ndcg_figures, tau_figure
from edge_rerank_export.verify.orders import agreement
from edge_rerank_export.verify.texts import RankingCase, Texts

CONVERSION_TEXTS = 8
_COMPANY_CASES = 4


Original = Callable[[torch.Tensor], torch.Tensor]
"""Reads a row of tokens, int64 (tokens,), and gives a score at each but the last, float32."""


def by_likelihood(model: Any, vocabulary: int) -> Original:
    """The log-probability of each token but the first.

    Args:
        model: the causal language model as it was loaded.
        vocabulary: how many of the first tokens likelihoods are normalised over.
    """

    def score(tokens: torch.Tensor) -> torch.Tensor:
        logits = model(tokens[None]).logits[0, :-1]
        wanted = logits.gather(1, tokens[1:, None])[:, 0]
        scores: torch.Tensor = wanted - logits[:, :vocabulary].logsumexp(dim=1)
        return scores

    return score


def by_head(model: Any, head: torch.Tensor) -> Original:
    """What the head says of each token but the last.

    Args:
        model: the language model as it was loaded.
        head: float32 (1, hidden).
    """

    def score(tokens: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = trunk_of(model)(tokens[None]).last_hidden_state[0, :-1]
        return states @ head[0]

    return score


def conversion_error(
    original: Original, converted: Original, rows: Sequence[Sequence[int]]
) -> float:
    """The largest difference of a token's score.

    Args:
        original: by the model as it was loaded.
        converted: by the float32 model in the runtime's form.
        rows: token ids of a few texts.
    """
    largest = 0.0
    with torch.inference_mode():
        for row in rows[:CONVERSION_TEXTS]:
            tokens = torch.tensor(row)
            largest = max(largest, float((converted(tokens) - original(tokens)).abs().max()))
    return largest


def verify_scorer(
    reference: Scorer,
    packed: Scorer,
    texts: Texts,
    bounds: ScorerBounds,
    *,
    error: float,
    progress: Update = lambda _done, _total: None,
) -> Verification:
    """Compare two scorers on lists of texts.

    Args:
        reference: the float32 model.
        packed: the quantised one.
        texts: what to score and in which lists.
        bounds: what must be reached.
        error: see :func:`conversion_error`.
        progress: called with (lists done, lists to do).
    """
    cases = texts.cases
    pairs = []
    for done, case in enumerate(cases, start=1):
        pairs.append((list_scores(reference, texts, case), list_scores(packed, texts, case)))
        progress(done, len(cases))
    orders = agreement(cases, pairs)
    figures = [
        tau_figure(orders, bounds.min_tau),
        Figure("conversion_error", error, bounds.max_conversion_error, at_least=False),
        Figure(
            "company_effect",
            max(_company_effect(packed, texts, case) for case in cases[:_COMPANY_CASES]),
            bounds.max_company_effect,
            at_least=False,
        ),
    ]
    figures += ndcg_figures(orders, bounds.max_ndcg_loss)
    return Verification(tuple(figures), len(texts.texts), len(cases), (orders,))


def list_scores(scorer: Scorer, texts: Texts, case: RankingCase) -> NDArray[np.float64]:
    """Of a list's candidates after its history and what was asked for, float64 (candidates,)."""
    candidates, history, query = texts.of(case)
    return scorer.score(candidates, history, query=query)


def _company_effect(scorer: Scorer, texts: Texts, case: RankingCase) -> float:
    candidates, history, query = texts.of(case)
    scorer.forget()
    together = scorer.score(candidates, history, query=query)
    scorer.forget()
    for end in range(1, len(history)):
        scorer.score(candidates[:1], history[:end])
    alone = [scorer.score([one], history, query=query)[0] for one in reversed(candidates)]
    return float(np.abs(together - alone[::-1]).max())
