"""The scorer, and the same model without what makes it fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import ScorerSpec


def layers_of(pack: Pack) -> int:
    """How many layers the model of ``pack``, which has a scorer, consists of."""
    session = Session(pack.read(cast("ScorerSpec", pack.manifest.scorer).model))
    return int(session.inputs["past_keys"].shape[0] or 0)


class Ours:
    """The scorer with the history in its memory.

    Args:
        pack: has a scorer.
        known: whether the candidates' own likelihoods were computed ahead, as
            :meth:`edge_rerank.Reranker.warmup` does for a catalogue.
    """

    def __init__(self, pack: Pack, *, known: bool) -> None:
        self._scorer = Scorer(pack)
        self._known = known
        self._history: Sequence[str] = ()

    def read(self, history: Sequence[str]) -> None:
        """Keep ``history``."""
        self._history = history
        self._scorer.score(["one"], history)

    def meet(self, candidates: Sequence[str]) -> None:
        """Compute what needs no history."""
        if self._known:
            self._scorer.prepare(candidates)

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        self._scorer.score(candidates, self._history)


class Naive:
    """The same model as it is used without a memory: the history again for each candidate."""

    def __init__(self, pack: Pack) -> None:
        self._scorer = Scorer(pack, prefix_bytes=0)
        self._history: Sequence[str] = ()

    def read(self, history: Sequence[str]) -> None:
        """Keep ``history``."""
        self._history = history

    def meet(self, candidates: Sequence[str]) -> None:
        """Compute what needs no history."""
        self._scorer.prepare(candidates)

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        for candidate in candidates:
            self._scorer.score([candidate], self._history)
