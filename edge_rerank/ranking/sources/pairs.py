"""Evidence by a scorer of pairs: the query's relevance, and without a query the history's.

What a cross-encoder says of a query and a text are log-odds that the text fits, and it reads both
together, word by word. So for the candidates that vectors and words find best, what it says takes
the place of what those say.
"""

from __future__ import annotations

import numpy as np

from edge_rerank.inference.pair_scorer import PairScorer
from edge_rerank.ranking.evidence import Evidence, Source
from edge_rerank.ranking.relevance.relevance import LEVEL, Level, Relevance
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.scorer import REFINED, ScorerSource, scored_by
from edge_rerank.types import Degradation

REFINED_BY_HISTORY = 20
"""How many of the best so far are read with a history, which is long: with one of 125 tokens a
candidate takes 43 to 51 ms of one core with a model of MiniLM's shape (6 layers of 384), with a
query of three words 6 to 8."""

_TRUE_ODDS = Level(constant=0.0, slope=1.0)

_NOTHING = LEVEL.constant
"""Log-odds of a text of which nothing is known: what those of a query that may fit nothing are
brought nearer to."""


class PairSource(Source):
    """Log-odds after a history, as of any scorer; nothing where there is a query.

    Args:
        scorer: reads each candidate with the history.
        beside_model: whether a trained history model is among the sources.
    """

    def __init__(self, scorer: PairScorer, *, beside_model: bool) -> None:
        self._source = ScorerSource(
            scorer, beside_model=beside_model, column="pairs", refined=REFINED_BY_HISTORY
        )
        self.columns = self._source.columns

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Refine the best of the scores so far, as far as time allows."""
        if request.query is None:
            self._source.fill(request, evidence)

    def forget(self, user: str | None = None) -> None:
        """Drop every score: they are not told apart by person."""
        self._source.forget(user)


class PairRelevance:
    """Relevance to a query by a scorer of pairs, for the candidates that were judged best.

    Args:
        scorer: reads each candidate with the query.
    """

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer

    def refine(self, found: Relevance, request: Request, evidence: Evidence) -> Relevance:
        """Judge the best of ``found`` anew, as far as time allows.

        The others keep the log-odds that they have, brought to the scorer's level by the mean
        over those that both judged.
        """
        best = np.argsort(-found.log_odds, kind="stable")[:REFINED]
        scores = self._scorer.query_weight * self._scorer.score(
            [request.candidates[row].text for row in best.tolist()],
            (),
            query=request.query,
            stop_at=scored_by(request),
        )
        reached = ~np.isnan(scores)
        if not reached.all():
            evidence.degraded += (Degradation.TIME_BUDGET,)
        if not reached.any():
            return found
        rows, scores = best[reached], scores[reached]
        log_odds = found.log_odds + (scores - found.log_odds[rows]).mean()
        log_odds[rows] = scores
        fits = found.fits.copy()
        fits[rows] |= scores >= 0.0
        sure = max(found.sure, float(_TRUE_ODDS.of(scores).max()))
        return Relevance(log_odds - _NOTHING, fits, sure, Level(_NOTHING, 1.0))
