"""Lists arranged by a policy without a model: scores, vectors and histories are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Event, Item, LeftOut, ListPolicy, Reason, ReasonCode
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.evidence import Evidence
from edge_rerank.ranking.explain import explain
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.policies import POLICIES
from edge_rerank.ranking.policies.block import Blocking
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.timing import TimingSource

NOW = 1.79e9
DAY = 86_400.0


class Given:
    """A comparer that was told the vectors of items; others have none."""

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]], dim: int) -> None:
        self._vectors, self._none = vectors, np.zeros(dim, dtype=np.float32)

    def compare(
        self, candidates: Sequence[Item], interests: Interests, query: str | None
    ) -> Comparisons:
        own = self._of(candidates)
        liked = self._of([one.item for one in interests.liked])
        disliked = self._of([one.item for one in interests.disliked])
        return Comparisons(
            vectors=own,
            cosines=(own @ np.concatenate([liked, disliked]).T).astype(np.float64),
            likes=len(liked),
            likeness=(liked @ liked.T).astype(np.float64),
            aversion=(liked @ disliked.T).astype(np.float64),
        )

    def likeness(self, vectors: NDArray[np.float32], words: str) -> NDArray[np.float64]:
        raise AssertionError("nothing was asked for")

    def _of(self, items: Sequence[Item]) -> NDArray[np.float32]:
        rows = [self._vectors.get(item.id, self._none) for item in items]
        return np.array(rows, dtype=np.float32).reshape(len(items), len(self._none))


@dataclass(frozen=True)
class Listed:
    """What came of a list."""

    request: Request
    order: Arrangement
    evidence: Evidence
    blocked: tuple[LeftOut, ...]

    @property
    def ids(self) -> list[str]:
        return [self.request.candidates[row].id for row in self.rows]

    @property
    def rows(self) -> list[int]:
        return self.order.rows[: self.request.keep].tolist()

    @property
    def left_out(self) -> dict[str, ReasonCode]:
        told = self.order.told(self.request.keep)
        found = {self.request.candidates[row].id: code for row, code in told}
        return {**{one.id: one.code for one in self.blocked}, **found}

    def reasons(self) -> dict[str, dict[ReasonCode, Reason]]:
        said = explain(self.evidence, self.request.candidates, self.rows, self.order.moves)
        return {
            name: {one.code: one for one in why} for name, why in zip(self.ids, said, strict=True)
        }


def listed(
    items: Sequence[Item],
    policy: ListPolicy | None = None,
    *,
    scores: Mapping[str, float] | None = None,
    vectors: Mapping[str, Any] | None = None,
    history: Sequence[Event] = (),
    dim: int = 4,
    **options: Any,
) -> Listed:
    """Arrange a list; without ``scores`` the items stand in their order, a log-odd apart."""
    scores = scores or {item.id: -float(place) for place, item in enumerate(items)}
    request = Request.of(
        items,
        history=history,
        comparer=Given(vectors or {}, dim),
        policy=policy,
        now=NOW,
        **options,
    )
    request, blocked = Blocking().without(request)
    source = TimingSource()
    evidence = Evidence(source.columns, len(request.candidates))
    source.fill(request, evidence)
    own = np.array([scores[item.id] for item in request.candidates], dtype=np.float64)
    total = own + evidence.scores() if len(own) else own
    order = Arrangement.by_score(total, relevance=1 / (1 + np.exp(-total)))
    for one in POLICIES if len(own) else ():
        order = one.arrange(order, request)
    return Listed(request, order, evidence, blocked)


def unit(*numbers: float) -> NDArray[np.float32]:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)
