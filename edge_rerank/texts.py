"""Texts as candidates: ids for strings and dictionaries, and their ranking by index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, overload

from edge_rerank._check import check_sequence, kind_of
from edge_rerank.errors import InvalidItem, InvalidRequest
from edge_rerank.formats.events import HOST_MEMBERS, ITEM_MEMBERS, item_from_dict
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Item

_MEMBERS = (*ITEM_MEMBERS, *HOST_MEMBERS)
_WANTED = "a sequence of strings, mappings with a text, or Item"
_DIGEST_BYTES = 8


class RankedText(NamedTuple):
    """A text in its final place.

    Attributes:
        index: its place in what was handed over, from 0.
        text: what was handed over.
        score: 0 to 1, the larger the better: see :attr:`edge_rerank.RankedItem.score`.
        id: the one given, or made of the text: the same text has the same in every call.
    """

    index: int  # type: ignore[assignment]  # it stands before tuple.index, which nobody needs
    text: str
    score: float
    id: str

    def __repr__(self) -> str:
        """Place and shape only: a repr ends up in logs, a text must not."""
        return (
            f"RankedText(index={self.index}, text=<{len(self.text)} characters>, "
            f"score={self.score:.4f}, id={self.id!r})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class RankedTexts(Sequence[RankedText]):
    """Texts in final order; a sequence of :class:`edge_rerank.RankedText`.

    Attributes:
        texts: the ranked texts, best first.
        ranking: the same as a :class:`edge_rerank.Ranking`, with reasons, cards and JSON.
    """

    texts: tuple[RankedText, ...]
    ranking: Ranking

    @classmethod
    def of(cls, ranking: Ranking, items: Sequence[Item]) -> RankedTexts:
        """What a ranking of ``items`` says of their places."""
        places = {item.id: place for place, item in enumerate(items)}
        texts = [
            RankedText(places[one.item.id], one.item.text, one.score, one.item.id)
            for one in ranking
        ]
        return cls(tuple(texts), ranking)

    @property
    def id(self) -> str:
        """To be handed back in ``Event.ranking``."""
        return self.ranking.id

    @property
    def personalised(self) -> bool:
        """Whether a history took part."""
        return self.ranking.personalised

    @property
    def degraded(self) -> tuple[Degradation, ...]:
        """What went wrong on the way, see :class:`edge_rerank.Ranking`."""
        return self.ranking.degraded

    @property
    def took_ms(self) -> float:
        """Milliseconds spent ranking."""
        return self.ranking.took_ms

    @overload
    def __getitem__(self, index: int) -> RankedText: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RankedText, ...]: ...
    def __getitem__(self, index: int | slice) -> RankedText | tuple[RankedText, ...]:
        return self.texts[index]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[RankedText]:
        return iter(self.texts)

    def __repr__(self) -> str:
        """How many: a repr ends up in logs."""
        return f"RankedTexts(id={self.id!r}, <{len(self.texts)} texts>)"


def items_of_texts(texts: object) -> list[Item]:
    """Texts as items, in their order.

    A mapping has a ``text``, and may have what else an item has; its other keys are ignored, as
    those who hand over whole records expect. An id that is not given is made of the text, and
    of the number of times that it came before.

    Args:
        texts: strings, mappings and items, at most 10,000.

    Raises:
        InvalidRequest: when they are no sequence, are too many, are something else, or when an
            id is given twice.
        InvalidItem: when a mapping has no text, or a malformed member.
    """
    given = check_sequence(texts, "texts", InvalidRequest, wanted=_WANTED, most=MAX_CANDIDATES)
    if len(given) > MAX_CANDIDATES:
        raise InvalidRequest(f"texts: expected at most {MAX_CANDIDATES}, got {len(given)}")
    read = [_read(one, place) for place, one in enumerate(given)]
    taken: dict[str, int] = {}
    for place, one in enumerate(read):
        if isinstance(one, Item) and taken.setdefault(one.id, place) != place:
            places = f"the same at index {taken[one.id]} and {place}"
            raise InvalidRequest(f"texts: expected each id once, got {places}")
    times: Counter[str] = Counter()
    return [one if isinstance(one, Item) else _named(one, taken, times) for one in read]


def _read(one: object, place: int) -> Item | Mapping[str, object]:
    """An item that has an id, or the members of one that has none yet."""
    if isinstance(one, Item):
        return one
    if isinstance(one, str):
        return {"text": one}
    if not isinstance(one, Mapping):
        raise InvalidRequest(f"texts: expected {_WANTED}, got {kind_of(one)} at index {place}")
    known = {name: one[name] for name in _MEMBERS if one.get(name) is not None}
    if "text" not in known:
        raise InvalidItem(f"texts: expected a mapping with a text, got none at index {place}")
    try:
        # An id to be checked with, where there is none.
        item = item_from_dict({"id": "0", **known}, _MEMBERS)
    except InvalidItem as error:
        raise InvalidItem(f"texts: at index {place}: {error}") from None
    return item if "id" in known else known


def _named(members: Mapping[str, object], taken: Mapping[str, int], times: Counter[str]) -> Item:
    text = str(members["text"])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    while True:
        times[digest] += 1
        name = f"text-{digest}" if times[digest] == 1 else f"text-{digest}-{times[digest]}"
        if name not in taken:
            return item_from_dict({**members, "id": name}, _MEMBERS)
