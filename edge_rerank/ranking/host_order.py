"""The host's own order beside ours: whose a list is in, and how it is drafted of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.examination import weights
from edge_rerank.learning.host_guard import Trial
from edge_rerank.learning.interleaving import Side, team_draft
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Shown
from edge_rerank.learning.list_record import Used
from edge_rerank.learning.room_test import lifts
from edge_rerank.ranking.evidence import Evidence, falling
from edge_rerank.ranking.policies.exploring import is_known
from edge_rerank.ranking.policies.near_copies import NearCopies
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement
from edge_rerank.ranking.policies.proportions import Proportions
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.rules import HOST, REJECTED
from edge_rerank.types import ListOrder

TrialOf = Callable[[Layout, str], Trial | None]
"""Says how a list of a surface is to be ordered where the host gives an order."""


@dataclass(frozen=True, slots=True, repr=False)
class Listed:
    """A scored list before policies arrange it, and whose order it is in.

    Attributes:
        evidence: whose columns add up to the scores.
        scores: of all candidates, float64 of shape (n,).
        rows: of the candidates, best first; ``None`` for by score.
        order: whose.
        settled: whether only the rules of the list policy are to arrange it.
        teams: of an interleaved list, which row is whose choice.
        lift: of each candidate, see :func:`~edge_rerank.learning.room_test.lifts`, float64 of
            shape (n,); ``None`` where no room is tried.
    """

    evidence: Evidence
    scores: NDArray[np.float64]
    rows: tuple[int, ...] | None = None
    order: ListOrder = ListOrder.PERSONAL
    settled: bool = False
    teams: Mapping[int, Side | None] = field(default_factory=dict)
    lift: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        evidence: Evidence,
        scores: NDArray[np.float64],
        trial_of: TrialOf | None,
        layout: Layout,
    ) -> Listed:
        """In our order, unless a trial says otherwise.

        Args:
            request: the call.
            evidence: as all sources filled it in; not changed.
            scores: what it adds up to, float64 of shape (n,).
            trial_of: asked where the host gives an order; ``None`` where nothing is guarded.
            layout: of the pack that ranks.
        """
        host = None if trial_of is None else host_order(request, evidence)
        trial = trial_of(layout, request.surface or "") if trial_of and host else None
        if trial is None or host is None:
            return cls(evidence, scores)
        lift = None if trial.rooms is None else _lifts(evidence, trial.rooms)
        bounded = _bounded(evidence, trial.room)
        if bounded is not evidence:
            evidence, scores = bounded, bounded.scores()
        rng = np.random.default_rng(_seed(request))
        if rng.random() >= trial.share or not is_known(request):
            if trial.shown is Side.OURS:
                return cls(evidence, scores, settled=trial.room is not None, lift=lift)
            return cls._arranged(evidence, scores, host, ListOrder.HOST)
        ours = _ours(request, scores, settled=trial.room is not None)
        drafted = team_draft(host, ours, rng, places=SEEN_PLACES)
        there = frozenset(drafted.rows)
        left = host if trial.shown is Side.HOST else ours
        rows = (*drafted.rows, *(row for row in left if row not in there))
        listed = cls._arranged(evidence, scores, rows, ListOrder.INTERLEAVED)
        return replace(listed, teams=dict(zip(drafted.rows, drafted.teams, strict=True)))

    @classmethod
    def _arranged(
        cls,
        evidence: Evidence,
        scores: NDArray[np.float64],
        rows: Sequence[int],
        order: ListOrder,
    ) -> Listed:
        """Another order: each place keeps the score that it has in ours.

        What that adds to a candidate's score, or takes from it, is the host's.
        """
        given = scores.copy()
        given[list(rows)] = -np.sort(-scores)
        moved = evidence.but(evidence.values.copy())
        moved[HOST.name] += (given - scores) / HOST.weight
        return cls(moved, given, tuple(rows), order, settled=True)

    def arrangement(self, *, asked: bool, relevance: NDArray[np.float64] | None) -> Arrangement:
        """For policies: see :class:`Arrangement`."""
        order = Arrangement.by_score(self.scores, asked=asked, relevance=relevance)
        if not self.settled:
            return order
        rows = order.rows if self.rows is None else np.array(self.rows, dtype=np.intp)
        return replace(order, rows=rows, order=self.order, settled=True)

    def _tilt(self, rows: Sequence[int], pinned: Mapping[int, int]) -> NDArray[np.float64] | None:
        """See ``Shown.tilt``; what a rule put where it stands speaks for no order."""
        if self.lift is None:
            return None
        free = ~np.isin(rows, list(pinned.values()))
        return np.asarray(self.lift[list(rows)] * weights(len(rows)) * free)

    def noted(self, shown: Shown, rows: NDArray[np.intp], pinned: Mapping[int, int]) -> Shown:
        """What the learner has to know of the list beside.

        A list that is not in our order is compared with no other.

        Args:
            shown: what it has to know of one in our order.
            rows: of the list, in its final order, intp of shape (m,).
            pinned: rows by the places that a rule gave them: they are nobody's choice.
        """
        count = len(shown.ids)
        first: list[int] = rows[:count].tolist()
        if self.order is ListOrder.PERSONAL:
            tilt = self._tilt(first, pinned)
            return shown if tilt is None else replace(shown, tilt=tilt)
        host = self.order is ListOrder.HOST
        used = Used.HOST if host else Used.MIXED
        apart = replace(shown, host=None, without=np.zeros(count, dtype=np.int64), used=used)
        if host:
            return apart
        fixed = frozenset(pinned.values())
        teams = tuple(None if row in fixed else self.teams.get(row) for row in first)
        return replace(apart, teams=teams)


def _lifts(evidence: Evidence, rooms: tuple[float | None, ...]) -> NDArray[np.float64]:
    """What a choice of each candidate says for more room, see ``lifts``."""
    narrow, wide = (falling(_bounded(evidence, room).scores()) for room in rooms)
    return lifts(narrow, wide)


def host_order(request: Request, evidence: Evidence) -> list[int] | None:
    """The host's order of the candidates, best first, as rows of the request.

    What the person turned down stands last in whoever's order.

    By their scores where all have one, and not all the same; else as they came where the call says
    ``host_order``. ``None`` where the host gives none, and for what was asked for: what answers a
    query is no matter of taste.
    """
    if request.query is not None or len(request.candidates) < 2:
        return None
    scores = request.candidates.scores
    if scores.min() < scores.max():  # false where one has none, which is NaN
        order = falling(scores)
    elif request.host_order:
        order = np.arange(len(scores))
    else:
        return None
    turned_down = evidence[REJECTED.name] > 0
    rows: list[int] = order[np.argsort(turned_down[order], kind="stable")].tolist()
    return rows


def _ours(request: Request, scores: NDArray[np.float64], *, settled: bool) -> tuple[int, ...]:
    """Our order of the candidates, best first, with what we do to a list unless it is settled."""
    order = replace(Arrangement.by_score(scores), settled=settled)
    for policy in (Proportions(), NearCopies()):
        order = policy.arrange(order, request)
    return tuple(order.rows.tolist())


def _bounded(evidence: Evidence, room: float | None) -> Evidence:
    """With what is a matter of taste made smaller, so that its sums differ by ``room`` at most.

    Reasons keep their proportions. What steps back behind no query does not here either: the host's
    order itself, and what the person said of this very item.
    """
    if room is None:
        return evidence
    added = evidence.contributions()
    others = np.array([column.yields for column in evidence.columns])
    spread = float(np.ptp(added[:, others].sum(axis=1)))
    if spread <= room:
        return evidence
    return evidence.but(np.where(others, evidence.values * (room / spread), evidence.values))


def _seed(request: Request) -> int:
    """Of a list's chance: equal calls give equal lists, until the person does something.

    It says nothing of what they do next.
    """
    last = request.history[-1] if request.history else None
    told = [request.surface or "", str(len(request.history)), str(last and last.timestamp)]
    told += [item.id for item in request.candidates[:SEEN_PLACES]]
    digest = blake2b("\n".join(told).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
