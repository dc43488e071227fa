"""Rankings as data for any user interface: lists, cards, a banner, a terminal table.

The first line of an item's text is its title, the rest its description.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from edge_rerank.ranked import RankedItem
from edge_rerank.render.addresses import picture
from edge_rerank.render.presentation import OURS, Presentation, chosen
from edge_rerank.render.texttable import Column, one_line, shorten, text_table
from edge_rerank.render.words import ENGLISH, Words
from edge_rerank.types import Item, Reason, ReasonCode

MAX_PHRASES = 2
_TITLE_IN_PHRASE = 40
_LINK_SCHEMES = ("https://", "http://")

_FAINT = {ReasonCode.DISLIKED, ReasonCode.SEEN}
"""Moved up for the lack of a fault: not worth a word where there is a better reason."""

_TOLD_OFTEN = 2
"""Cards that may lead with one and the same phrase before another true one is looked for."""

_WORTH_TELLING = 1 / 3
"""Of the strongest reason's weight: what a reason needs to take the lead."""

Titles = Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Card:
    """One item as a tile.

    Attributes:
        id: the item's.
        title: first line of its text; the id where there is no text.
        text: the rest, on one line.
        categories: the item's, from general to specific.
        rank: 1-based place.
        score: higher is better.
        reasons: why it stands here, in a person's words, at most two.
        url: the item's field ``url`` where that is an http(s) address.
        image: address of its picture, where the presentation names one.
        alt: what the picture shows; empty where it is decoration.
        language: of title and text, a BCP 47 tag, where the presentation says it.
    """

    id: str
    title: str
    text: str
    categories: tuple[str, ...]
    rank: int
    score: float
    reasons: tuple[str, ...]
    url: str | None
    image: str | None = None
    alt: str = ""
    language: str | None = None

    def __repr__(self) -> str:
        """Id and place only: a repr ends up in logs, what was chosen before must not."""
        return f"Card(id={self.id!r}, rank={self.rank})"


@dataclass(frozen=True, slots=True, repr=False)
class Banner:
    """The one item that gets the whole width.

    Attributes:
        id: the item's.
        title: first line of its text; the id where there is no text.
        text: the rest, on one line.
        reason: why this one, in a person's words; ``None`` where nothing sets it apart.
        category: its most specific category, if it has one.
        url: the item's field ``url`` where that is an http(s) address.
        image: address of its picture, where the presentation names one.
        alt: what the picture shows; empty where it is decoration.
        language: of title and text, a BCP 47 tag, where the presentation says it.
    """

    id: str
    title: str
    text: str
    reason: str | None
    category: str | None
    url: str | None
    image: str | None = None
    alt: str = ""
    language: str | None = None

    def __repr__(self) -> str:
        """Id only, as with a card."""
        return f"Banner(id={self.id!r})"


def title_of(item: Item) -> str:
    """First line of the item's text that says something; the id where there is none."""
    lines = (one_line(line) for line in item.text.splitlines())
    return next((line for line in lines if line), one_line(item.id) or item.id)


def phrases(
    reasons: Sequence[Reason],
    titles: Titles | None = None,
    *,
    words: Words = ENGLISH,
) -> tuple[str, ...]:
    """At most two reasons in a person's words, the strongest first.

    What moves an item up is said; what moves it down only where nothing moves it up.

    Args:
        reasons: see :attr:`~edge_rerank.ranked.RankedItem.reasons`.
        titles: titles by item id, for "because you liked ...".
        words: the person's language.
    """
    return tuple(phrase for _, phrase in _told(reasons, titles or {}, words)[:MAX_PHRASES])


def _told(reasons: Sequence[Reason], titles: Titles, words: Words) -> list[tuple[float, str]]:
    """Weights and words of the reasons worth a word, the strongest first."""
    ups = [reason for reason in reasons if reason.weight > 0]
    strong = [reason for reason in ups if reason.code not in _FAINT]
    return [(reason.weight, _phrase(reason, titles, words)) for reason in strong or ups or reasons]


def _varied(ranking: Sequence[RankedItem], titles: Titles, words: Words) -> list[tuple[str, ...]]:
    """Phrases of each card; what many above lead with gives way to something else that is true."""
    led: Counter[str] = Counter()
    every: list[tuple[str, ...]] = []
    for ranked in ranking:
        told = _told(ranked.reasons, titles, words)
        if told and led[told[0][1]] >= _TOLD_OFTEN:
            enough = told[0][0] * _WORTH_TELLING
            lead = min(
                (one for one in told if one[0] >= enough > 0),
                key=lambda one: led[one[1]],
                default=told[0],
            )
            told = [lead, *(one for one in told if one is not lead)]
        if told:
            led[told[0][1]] += 1
        every.append(tuple(phrase for _, phrase in told[:MAX_PHRASES]))
    return every


def as_list(ranking: Sequence[RankedItem]) -> list[dict[str, Any]]:
    """See :meth:`edge_rerank.result.Ranking.to_list`."""
    return [
        {
            "rank": ranked.rank,
            "score": ranked.score,
            "id": ranked.item.id,
            "text": ranked.item.text,
            "categories": list(ranked.item.categories),
            "fields": dict(ranked.item.fields),
            "reasons": [
                {
                    "code": reason.code.value,
                    "weight": reason.weight,
                    "item_id": reason.item_id,
                    "category": reason.category,
                }
                for reason in ranked.reasons
            ],
        }
        for ranked in ranking
    ]


def as_cards(
    ranking: Sequence[RankedItem],
    titles: Titles | None = None,
    presentation: Presentation = OURS,
) -> list[Card]:
    """One card for each item.

    Args:
        ranking: what to show.
        titles: titles of the history's items by id; those of the ranking are known.
        presentation: says which picture and which language an item has, and has the words.

    Raises:
        InvalidRequest: when a function of the presentation gives something else than a string.
    """
    varied = _varied(ranking, _titles(ranking, titles), words_of(ranking, presentation))
    return [
        Card(
            id=ranked.item.id,
            title=title_of(ranked.item),
            text=_description(ranked.item),
            categories=ranked.item.categories,
            rank=ranked.rank,
            score=ranked.score,
            reasons=reasons,
            url=_url(ranked.item),
            **_looks(ranked.item, presentation),
        )
        for ranked, reasons in zip(ranking, varied, strict=True)
    ]


def as_banner(
    ranking: Sequence[RankedItem],
    titles: Titles | None = None,
    presentation: Presentation = OURS,
) -> Banner | None:
    """The first item, ``None`` for an empty ranking; arguments as for :func:`as_cards`."""
    if not ranking:
        return None
    first = ranking[0]
    why = [reason for reason in first.reasons if reason.weight > 0]
    said = phrases(why, _titles(ranking, titles), words=words_of(ranking, presentation))
    return Banner(
        id=first.item.id,
        title=title_of(first.item),
        text=_description(first.item),
        reason=next(iter(said), None),
        category=first.item.categories[-1] if first.item.categories else None,
        url=_url(first.item),
        **_looks(first.item, presentation),
    )


def as_table(
    ranking: Sequence[RankedItem], titles: Titles | None = None, *, width: int = 80
) -> str:
    """A table of plain text, ``width`` cells wide; other arguments as for :func:`as_cards`."""
    columns = (
        Column("#", right=True),
        Column("item", flexible=True),
        Column("why", flexible=True),
        Column("score", right=True),
    )
    rows = [
        (str(card.rank), card.title, ", ".join(card.reasons), f"{card.score:.2f}")
        for card in as_cards(ranking, titles)
    ]
    return text_table(columns, rows, width=width, lines=1)


class _Looks(TypedDict):
    image: str | None
    alt: str
    language: str | None


def _looks(item: Item, presentation: Presentation) -> _Looks:
    return {
        "image": picture(chosen(item, presentation.image, "image")),
        "alt": chosen(item, presentation.alt, "alt") or "",
        "language": chosen(item, presentation.language, "language"),
    }


def _phrase(reason: Reason, titles: Titles, words: Words) -> str:
    title = titles.get(reason.item_id) if reason.item_id is not None else None
    if reason.weight > 0 and title:
        alike = {ReasonCode.LOOKS: words.looks, ReasonCode.SOUNDS: words.sounds}
        phrase = alike.get(reason.code, words.because)
        return phrase.format(title=shorten(title, _TITLE_IN_PHRASE))
    if reason.weight > 0 and reason.category:
        category = shorten(one_line(reason.category), _TITLE_IN_PHRASE)
        return words.of_category.format(category=category)
    return words.reason(reason.code, lifts=reason.weight > 0)


def words_of(ranking: Sequence[RankedItem], presentation: Presentation) -> Words:
    """The presentation's words; without any, ours in the language that the ranking was asked in."""
    return presentation.words or Words.of(getattr(ranking, "locale", ""))


def _titles(ranking: Sequence[RankedItem], titles: Titles | None) -> Titles:
    return {ranked.item.id: title_of(ranked.item) for ranked in ranking if ranked.item.text} | {
        name: one_line(title) for name, title in (titles or {}).items()
    }


def _description(item: Item) -> str:
    lines = [line for line in (one_line(line) for line in item.text.splitlines()) if line]
    return " ".join(lines[1:])


def _url(item: Item) -> str | None:
    url = item.fields.get("url")
    return url if isinstance(url, str) and url.lower().startswith(_LINK_SCHEMES) else None
