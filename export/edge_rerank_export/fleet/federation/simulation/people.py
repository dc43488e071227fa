"""Simulated people of a fleet: the heads they come to, kept from run to run, and their devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flwr.app import Message

from edge_rerank import Event, History, Item, Reranker
from edge_rerank.errors import NotEnoughRecords
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout, state_of
from edge_rerank.learning.share import FLEET, FleetRound, share
from edge_rerank_export.fleet.federation.wire import answered, asked
from edge_rerank_export.studies.simulate.plan import Arm, Order, Plan
from edge_rerank_export.studies.simulate.play import make_person, play_arms
from edge_rerank_export.studies.simulate.ranker import PackRanker
from edge_rerank_export.studies.simulate.shelf import Shelf
from edge_rerank_export.studies.simulate.world import World

ARM = Arm("device", Order.LEARNING)

CANARY = "canary-{number}-7f3a9c"
"""In a text, a category, an id and a query of every simulated person: never to be on the wire."""


class HeadKeeper(PackRanker):
    """A ranker that keeps the head of whoever leaves.

    Args:
        reranker: at work.
    """

    def __init__(self, reranker: Reranker) -> None:
        super().__init__(reranker)
        self.heads: dict[str, Head] = {}

    def part(self, user: str) -> None:
        """Keep the head, then forget the person."""
        layout = self._reranker.engine.layout
        raw = self._reranker.history.state(user, state_of("head", layout.pack))
        head = None if raw is None else Head.from_bytes(raw, layout)
        self.heads[user] = Head.blank(layout) if head is None else head
        super().part(user)


def shelf_of(path: Path, mark: str, layout: Layout) -> Shelf[Head]:
    """Heads of people who are finished, kept in a file.

    Args:
        path: see :class:`~edge_rerank_export.studies.simulate.shelf.Shelf`.
        mark: stands for what a head depends on.
        layout: of the heads; those of another are learnt anew.

    Raises:
        RecipeError: when the file is there and is something else.
    """
    return Shelf(
        path,
        mark,
        read=lambda one: Head.from_bytes(bytes.fromhex(one["head"]), layout),
        members=lambda head: {"head": head.to_bytes().hex()},
    )


def head_of(world: World, plan: Plan, number: int, keeper: HeadKeeper) -> Head:
    """The head that a person's lists come to."""
    person = make_person(world, plan, number)
    play_arms(world, plan, person, [(ARM, keeper)])
    return keeper.heads.pop(f"{person.user}-{ARM.name}")


class SimulatedDevice:
    """One person's device: a history, a head, and the only function by which anything leaves.

    Args:
        number: of the person.
        head: as it was learnt, begun with no prior.
        layout: gives the layout that heads begin with in the round.
    """

    def __init__(self, number: int, head: Head, layout: Callable[[], Layout]) -> None:
        self._number = number
        self.user = f"person {CANARY.format(number=number)}"
        self.history = History.open()
        self.history.consent(self.user, True)
        self.history.consent(self.user, True, FLEET)
        canary = CANARY.format(number=number)
        secret = Item(canary, f"text {canary}", [f"kind {canary}"])
        self.history.record(
            [Event("click", secret), Event("search", query=f"query {canary}")], user=self.user
        )
        self._head, self._layout = head, layout

    @property
    def knows_its_canary(self) -> bool:
        """Whether the search of the wire finds the canary in the device's own history."""
        kept = repr([(event, event.item) for event in self.history.all_events(self.user)])
        return CANARY.format(number=self._number) in kept

    def __call__(self, message: Message) -> Message | list[Message]:
        """Answer a round's question, or say nothing."""
        sealed = self.sealed(asked(message)[0])
        return [] if sealed is None else answered(message, sealed)

    def sealed(self, terms: str) -> bytes | None:
        """What the device sends for a round's terms; ``None`` where too little was learnt."""
        head = self._head.begun_at(self._layout())
        try:
            return share(self.history, self.user, head, FleetRound.from_json(terms))
        except NotEnoughRecords:
            return None


def canaries_in(wire: list[bytes], opened: list[bytes], people: list[int]) -> int:
    """How many canaries are among what was sent, sealed or opened by the server."""
    haystack = b"\0".join([*wire, *opened])
    return sum(CANARY.format(number=number).encode() in haystack for number in people)
