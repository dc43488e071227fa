"""The library without its windows: the order of its titles, and what it keeps of the person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from catalogue import load_catalogue
from edge_rerank import (
    Banner,
    Card,
    ErasureReceipt,
    Event,
    KeyFile,
    PersonalData,
    Profile,
    RankedItem,
    Ranking,
    Reason,
    Reranker,
)
from edge_rerank.errors import ConsentRequired

PERSON = "me"
"""Each account of the computer has a library, and a history, of its own."""


@dataclass(frozen=True)
class Shelf:
    """An order, ready to be shown.

    Attributes:
        ranking: the order.
        banner: its first title, ``None`` where there is none.
        cards: all of them.
    """

    ranking: Ranking
    banner: Banner | None
    cards: list[Card]


@dataclass(frozen=True)
class Kept:
    """What the library keeps of the person.

    Attributes:
        consent: what they decided, ``None`` before they did.
        data: every event, and whether recording is paused.
        profile: the same, condensed.
    """

    consent: bool | None
    data: PersonalData
    profile: Profile


class Library:
    """Titles, and a person in front of them. Its methods take milliseconds: call them beside."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self.items = {item.id: item for item in load_catalogue()}
        self.titles = {item.id: item.text.splitlines()[0] for item in self.items.values()}

    @classmethod
    def open(cls, data: Path, settings: Path) -> Self:
        """Open the history in one folder with the key in another, making both if missing."""
        for folder in (data, settings):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = settings / "history.key"
        key = KeyFile(file) if file.exists() else KeyFile.create(file)
        return cls(Reranker.open(history=data / "history.db", key=key))

    def shelf(self, query: str, personal: float) -> Shelf:
        """Every title in order; ``personal`` from 0, what everybody gets, to 1."""
        items = list(self.items.values())
        general = self._reranker.rank(items, query=query)
        ranking = mix(general, self._reranker.rank(items, PERSON, query=query), personal)
        return Shelf(ranking, ranking.to_banner(self.titles), ranking.to_cards(self.titles))

    def record(self, event: Event) -> None:
        """Remember an event if the person agreed to that, and has not paused it."""
        try:
            self._reranker.record(event, user=PERSON)
        except ConsentRequired:
            return

    def decided(self) -> bool | None:
        """What the person said when asked, ``None`` before that."""
        return self._reranker.history.consents(PERSON).get("personalisation")

    def kept(self) -> Kept:
        """All that is kept."""
        data = self._reranker.history.access(PERSON)
        return Kept(self.decided(), data, self._reranker.profile(PERSON))

    def consent(self, granted: bool) -> None:
        """Note what the person decided."""
        self._reranker.consent(PERSON, granted)

    def pause(self, paused: bool) -> None:
        """Stop recording, or go on; nothing is erased."""
        history = self._reranker.history
        (history.pause if paused else history.resume)(PERSON)

    def export(self, target: Path) -> None:
        """Write all that is kept to a file that its owner can read, and nobody else."""
        target.touch(mode=0o600)
        target.write_text(self._reranker.history.access(PERSON).to_json(), encoding="utf-8")

    def remove(self, record: int) -> None:
        """Erase one event."""
        self._reranker.history.remove_event(PERSON, record)

    def erase(self) -> ErasureReceipt:
        """Erase everything."""
        return self._reranker.forget(PERSON)

    def close(self) -> None:
        """Close the history."""
        self._reranker.close()


def mix(general: Ranking, personal: Ranking, share: float) -> Ranking:
    """Two rankings of the same items in one, by their places (a weighted Borda count).

    At 0 it is the first, at 1 the second; reasons weigh what their ranking weighs.
    """
    others = {ranked.item.id: ranked for ranked in general}
    places = {
        ranked.item.id: (1 - share) * others[ranked.item.id].rank + share * ranked.rank
        for ranked in personal
    }
    ordered = sorted(personal, key=lambda ranked: places[ranked.item.id])
    return replace(
        personal,
        items=tuple(
            RankedItem(
                one.item,
                rank,
                1 / places[one.item.id],
                _mix_reasons(others[one.item.id].reasons, one.reasons, share),
            )
            for rank, one in enumerate(ordered, start=1)
        ),
    )


def _mix_reasons(
    general: tuple[Reason, ...], personal: tuple[Reason, ...], share: float
) -> tuple[Reason, ...]:
    weights: Counter[Reason] = Counter()
    for reasons, part in ((personal, share), (general, 1 - share)):
        for reason in reasons:
            weights[replace(reason, weight=0.0)] += reason.weight * part  # type: ignore[assignment]
    mixed = [replace(reason, weight=weight) for reason, weight in weights.items() if weight]
    return tuple(sorted(mixed, key=lambda reason: -abs(reason.weight))[:3])
