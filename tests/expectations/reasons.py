"""An independent judge of reasons: whether the words are true, by events and items alone.

Nothing of the ranking takes part but its answer; vectors of texts are asked for as any host
could. The words are read as a strict person would read them:

- *chosen* is an item that was clicked, viewed, put into the cart, bought, completed, liked or
  rated above the middle, unless every visit was a bounce (under five seconds; a view within half
  an hour tells how long the click before it lasted), and unless a dislike, a dismissal or a rating
  below the middle came after the last choice.
- *turned down* is an item that was disliked, dismissed or rated below the middle, with no like and
  no rating above the middle after that. An item that was turned down and then used again is
  both, and may be left out of what another is unlike.
- *alike* are two items whose texts' cosine lies in the upper quarter of the candidates' with that
  item, or whose shared words do in the upper tenth, or that share the most specific category of
  one of them, or a category that at most a quarter of the candidates have. An item is not
  alike itself. *Unlike* a set is what has its most specific category with no member of it in
  common, and whose largest cosine with a member is not above the candidates' median.
- *from a category you like*: it has a category of a chosen item, of which at least as many items
  were chosen as turned down; *seldom*: at most a fifth of what was chosen is of its most specific
  category.
- *fits your search*: all words of the query, or one that at most a quarter of the candidates
  have, stand in its text or its categories (in another form, or with a typo), or its
  cosine with the query lies in the upper tenth; *far*: none of its words as they are, and not above
  the median.
- *popular*: its popularity is known, above 0 and above the median of the known ones; *less known*:
  below that median, or 0.
- *recommended here*: the host's score above the mean, or in the upper half of the host's order;
  *further down*: below the mean, or not in the upper third.
- *shown before*: there is an impression of it; *not shown*: none, while others had one, and it was
  never touched.
- *had before*: it was chosen, whether that speaks for it or against it.
- *goes with what you did* and *chosen along* need something chosen: what else they rest on, a
  learned table, cannot be seen from here. *Unlike what you did* is unlike what was chosen.
- *tend to look at next*: its most specific category once followed that of the last choice;
  *seldom*: at most a fifth of the times.
- A reason that names an item of the history is about that item, one that names a category about it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Event, EventType, Item, RankedItem, Reason

BOUNCE_S = 5.0
SESSION_S = 1800.0
SHORTEST_STEM, LONGEST_ENDING = 4, 3
HALF, THIRD, QUARTER, FIFTH, TENTH = 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 10

_VISITS = {EventType.CLICK, EventType.VIEW}
_CHOICES = {EventType.LIKE, EventType.ADD_TO_CART, EventType.PURCHASE, EventType.COMPLETE}
_REFUSALS = {EventType.DISLIKE, EventType.DISMISS}
_WORD = re.compile(r"[^\W_]{3,}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")

Array = NDArray[np.float64]
Vectors = Callable[[Sequence[Item]], NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """What a ranking was asked."""

    candidates: tuple[Item, ...]
    history: tuple[Event, ...]
    now: float
    query: str | None = None
    host_order: bool = False
    highest_rating: float = 5.0
    lowest_rating: float = 1.0


class Past:
    """What a person chose and turned down, read from events alone."""

    def __init__(self, case: Case) -> None:
        self._middle = (case.highest_rating + case.lowest_rating) / 2
        by_item: dict[str, list[Event]] = {}
        self.items: dict[str, Item] = {}
        for event in case.history:
            if event.item is not None:
                by_item.setdefault(event.item.id, []).append(event)
                self.items[event.item.id] = event.item
        self.shown = {
            name
            for name, events in by_item.items()
            if any(event.type is EventType.IMPRESSION for event in events)
        }
        self.touched = {
            name
            for name, events in by_item.items()
            if any(event.type is not EventType.IMPRESSION for event in events)
        }
        self.chosen = {name for name, events in by_item.items() if self._chosen(events)}
        self.refused = {name for name, events in by_item.items() if self._refused(events)}
        self.searches = [event.query for event in case.history if event.query]
        self.path = [
            event.item
            for event in case.history
            if event.item is not None and event.item.id in self.chosen
        ]
        self.habits = {
            name
            for name in self.chosen
            if any(_time(b) - _time(a) > SESSION_S for a, b in pairwise(by_item[name]))
        }
        start = _session_start(case)
        self.now_chosen = {
            event.item.id
            for event in case.history
            if event.item is not None
            and event.type is not EventType.IMPRESSION
            and event.item.id in self.chosen
            and _time(event) >= start
        }

    def _chosen(self, events: Sequence[Event]) -> bool:
        choices = [
            place
            for place, event in enumerate(events)
            if self._is_choice(event, events[place + 1] if place + 1 < len(events) else None)
        ]
        return bool(choices) and not any(map(self._is_refusal, events[choices[-1] + 1 :]))

    def _refused(self, events: Sequence[Event]) -> bool:
        refusals = [place for place, event in enumerate(events) if self._is_refusal(event)]
        return bool(refusals) and not any(
            event.type is EventType.LIKE or self._rated(event) > 0
            for event in events[refusals[-1] + 1 :]
        )

    def _is_choice(self, event: Event, following: Event | None) -> bool:
        if event.type in _CHOICES or self._rated(event) > 0:
            return True
        if event.type not in _VISITS:
            return False
        stayed = event.dwell_s
        told = following is not None and following.type is EventType.VIEW
        if stayed is None and event.type is EventType.CLICK and told and following is not None:
            soon = _time(following) - _time(event) <= SESSION_S
            stayed = following.dwell_s if soon else None
        return stayed is None or stayed >= BOUNCE_S

    def _is_refusal(self, event: Event) -> bool:
        return event.type in _REFUSALS or self._rated(event) < 0

    def _rated(self, event: Event) -> float:
        if event.type is not EventType.RATING or event.value is None:
            return 0.0
        return event.value - self._middle


class Judge:
    """Says of the reasons of one ranking whether they are true.

    Args:
        case: what was asked.
        vectors: text vectors of items.
    """

    def __init__(self, case: Case, vectors: Vectors) -> None:
        self.case = case
        self.past = Past(case)
        self._rows = {item.id: row for row, item in enumerate(case.candidates)}
        self._vectors = vectors
        self._own = vectors(case.candidates).astype(np.float64)
        self._words = [words(item.text) for item in case.candidates]
        self._named = [
            words(f"{item.text} {' '.join(item.categories)}") for item in case.candidates
        ]
        self._counts = Counter(name for item in case.candidates for name in set(item.categories))
        self._likeness: dict[str, tuple[Array, Array]] = {}
        self._alike: dict[str, NDArray[np.bool_]] = {}

    def untrue(self, ranked: RankedItem) -> list[Reason]:
        """The reasons of an item that are not true."""
        return [reason for reason in ranked.reasons if not self.true(ranked.item, reason)]

    def true(self, item: Item, reason: Reason) -> bool:
        """Whether a reason's words are true of a candidate.

        Raises:
            KeyError: for a code that this judge does not know.
        """
        row, lifts = self._rows[item.id], reason.weight > 0
        return self._named_rightly(row, reason) and _READINGS[reason.code.value](
            self, row, lifts, reason
        )

    def _named_rightly(self, row: int, reason: Reason) -> bool:
        """Whether an item or a category that the reason names belongs there."""
        category = getattr(reason, "category", None)
        if category is not None and category not in self.case.candidates[row].categories:
            return False
        if reason.item_id is None:
            return True
        code = reason.code.value
        known = self.past.refused if code in {"disliked", "dismissed"} else self.past.chosen
        return reason.item_id in known and reason.item_id != self.case.candidates[row].id

    def _ruled(self, row: int, lifts: bool, reason: Reason) -> bool:
        """By a rule of a list policy: no life here has one."""
        return False

    def _seen_or_heard(self, row: int, lifts: bool, reason: Reason) -> bool:
        """By a picture or a sound: no life here has one."""
        return False

    def _similar(self, row: int, lifts: bool, reason: Reason) -> bool:
        return self._like(row, self.past.chosen, lifts, reason)

    def _session(self, row: int, lifts: bool, reason: Reason) -> bool:
        return self._like(row, self.past.now_chosen, lifts, reason)

    def _disliked(self, row: int, lifts: bool, reason: Reason) -> bool:
        itself = self.case.candidates[row].id in self.past.refused
        if lifts:
            return not itself and self._unlike(row, self.past.refused)
        return itself or self._like(row, self.past.refused, True, reason)

    def _like(self, row: int, known: Collection[str], lifts: bool, reason: Reason) -> bool:
        if not lifts:
            return self._unlike(row, known)
        named = known if reason.item_id is None else {reason.item_id} & set(known)
        return any(self._is_alike(row, name) for name in named)

    def _unlike(self, row: int, known: Collection[str]) -> bool:
        both = self.past.chosen & self.past.refused
        return self._unlike_all(row, known) or self._unlike_all(row, set(known) - both)

    def _unlike_all(self, row: int, known: Collection[str]) -> bool:
        leaf = set(self.case.candidates[row].categories[-1:])
        if not known or any(leaf & set(self.past.items[name].categories) for name in known):
            return False
        largest = np.max([self._compared(name)[0] for name in known], axis=0)
        return bool(np.mean(largest < largest[row]) <= HALF)

    def _dismissed(self, row: int, lifts: bool, _: Reason) -> bool:
        refused = {item.id for item in self.case.candidates} & self.past.refused
        itself = self.case.candidates[row].id in refused
        return bool(refused) and not itself if lifts else itself

    def _repeat(self, row: int, _lifts: bool, _: Reason) -> bool:
        return self.case.candidates[row].id in self.past.chosen

    def _habit(self, row: int, lifts: bool, _: Reason) -> bool:
        return (self.case.candidates[row].id in self.past.habits) is lifts

    def _seen(self, row: int, lifts: bool, _: Reason) -> bool:
        name = self.case.candidates[row].id
        if not lifts:
            return name in self.past.shown
        return name not in self.past.shown | self.past.touched and bool(self.past.shown)

    def _category(self, row: int, lifts: bool, reason: Reason) -> bool:
        own = self.case.candidates[row].categories
        chosen = self._categories(self.past.chosen)
        refused = self._categories(self.past.refused)
        if not lifts:
            count = len(self.past.chosen)
            return bool(own) and count > 0 and chosen[own[-1]] <= FIFTH * count
        named = getattr(reason, "category", None)
        looked_at = own if named is None else (named,)
        return any(chosen[one] > 0 and chosen[one] >= refused[one] for one in looked_at)

    def _next(self, row: int, lifts: bool, _: Reason) -> bool:
        own = self.case.candidates[row].categories
        leaves = [item.categories[-1] for item in self.past.path if item.categories]
        followers = [after for before, after in pairwise(leaves) if before == leaves[-1]]
        if not own or not followers:
            return False
        times = followers.count(own[-1])
        return times > 0 if lifts else times <= FIFTH * len(followers)

    def _query(self, row: int, lifts: bool, _: Reason) -> bool:
        return self.case.query is not None and self._fits(row, [self.case.query], lifts)

    def _search(self, row: int, lifts: bool, _: Reason) -> bool:
        return bool(self.past.searches) and self._fits(row, self.past.searches, lifts)

    def _fits(self, row: int, queries: Sequence[str], lifts: bool) -> bool:
        cosines = [self._cosines(Item("query", query)) for query in queries]
        if not lifts:
            named = any(words(query) & self._named[row] for query in queries)
            largest = np.max(cosines, axis=0)
            return not named and bool(np.mean(largest < largest[row]) <= HALF)
        matched = any(self._has_words(row, query) for query in queries)
        return matched or any(_upper(values, TENTH)[row] for values in cosines)

    def _has_words(self, row: int, query: str) -> bool:
        asked = words(query)
        item = self.case.candidates[row]
        # One sign alone makes no pair, and is a word all the same.
        if not query.isascii() and query.strip() in f"{item.text} {' '.join(item.categories)}":
            return True
        found = [word for word in asked if _occurs(word, self._named[row])]
        if found and len(found) == len(asked):
            return True
        count = len(self._named)
        return any(
            sum(_occurs(word, own) for own in self._named) <= QUARTER * count for word in found
        )

    def _popular(self, row: int, lifts: bool, _: Reason) -> bool:
        own = self.case.candidates[row].popularity
        known = np.array(
            [item.popularity for item in self.case.candidates if item.popularity is not None]
        )
        if own is None:
            return False
        if lifts:
            return own > 0 and bool(own > np.median(known))
        return own == 0 or bool(own < np.median(known))

    def _host(self, row: int, lifts: bool, _: Reason) -> bool:
        scores = [item.score for item in self.case.candidates]
        known = [score for score in scores if score is not None]
        own = scores[row]
        if known:
            if own is None:
                return False
            mean = float(np.mean(known))
            return own > mean if lifts else own < mean
        place = row / len(scores)
        return self.case.host_order and (place < HALF if lifts else place >= THIRD)

    def _learned(self, row: int, lifts: bool, _: Reason) -> bool:
        return bool(self.past.chosen) if lifts else self._unlike(row, self.past.chosen)

    def _together(self, _row: int, _lifts: bool, _: Reason) -> bool:
        return bool(self.past.chosen)

    def _categories(self, names: Collection[str]) -> Counter[str]:
        return Counter(one for name in names for one in set(self.past.items[name].categories))

    def _is_alike(self, row: int, name: str) -> bool:
        return bool(self._alike_rows(name)[row])

    def _alike_rows(self, name: str) -> NDArray[np.bool_]:
        """Which candidates are alike an item of the history, bool of shape (n,)."""
        if name not in self._alike:
            cosines, shared = self._compared(name)
            known = self.past.items[name]
            alike = _upper(cosines, QUARTER) | _upper(shared, TENTH)
            alike |= [self._share_category(item, known) for item in self.case.candidates]
            if name in self._rows:
                alike[self._rows[name]] = False
            self._alike[name] = alike
        return self._alike[name]

    def _share_category(self, one: Item, other: Item) -> bool:
        shared = set(one.categories) & set(other.categories)
        count = len(self.case.candidates)
        return any(
            name in {one.categories[-1], other.categories[-1]}
            or self._counts[name] <= QUARTER * count
            for name in shared
        )

    def _compared(self, name: str) -> tuple[Array, Array]:
        """Cosine and share of words of each candidate with an item; 0 with itself."""
        if name not in self._likeness:
            item = self.past.items[name]
            cosines, own = self._cosines(item), words(item.text)
            shared = np.array(
                [len(own & other) / max(len(own | other), 1) for other in self._words]
            )
            if name in self._rows:
                cosines[self._rows[name]] = shared[self._rows[name]] = 0.0
            self._likeness[name] = (cosines, shared)
        return self._likeness[name]

    def _cosines(self, item: Item) -> Array:
        return np.asarray(self._own @ self._vectors([item])[0].astype(np.float64))


_Reading = Callable[[Judge, int, bool, Reason], bool]

_READINGS: dict[str, _Reading] = {
    "similar": Judge._similar,
    "session": Judge._session,
    "category": Judge._category,
    "next": Judge._next,
    "query": Judge._query,
    "search": Judge._search,
    "popular": Judge._popular,
    "host": Judge._host,
    "disliked": Judge._disliked,
    "dismissed": Judge._dismissed,
    "repeat": Judge._repeat,
    "habit": Judge._habit,
    "seen": Judge._seen,
    "model": Judge._learned,
    "together": Judge._together,
    "looks": Judge._seen_or_heard,
    "sounds": Judge._seen_or_heard,
    **dict.fromkeys(
        (
            *("fresh", "fatigue", "rotated", "blocked", "floor", "copy", "decay", "cap"),
            *("calibrated", "variety", "spread", "pinned", "explored", "learnt"),
        ),
        Judge._ruled,
    ),
}


def words(text: str) -> set[str]:
    """Words of three signs or more in lower case; pairs of signs where there are no spaces."""
    text = text.casefold()
    pairs = {
        first + second for piece in _UNSPACED.findall(text) for first, second in pairwise(piece)
    }
    return pairs | set(_WORD.findall(_UNSPACED.sub(" ", text)))


def _occurs(word: str, own: set[str]) -> bool:
    """Whether a word stands among others, in another form (walks, walking) or with a typo."""
    return word in own or (len(word) >= 5 and any(_same_word(word, one) for one in own))


def _same_word(one: str, other: str) -> bool:
    """Whether two words have a stem in common, or differ in one sign or two neighbours swapped."""
    short, long = sorted((one, other), key=len)
    stem = next((place for place, sign in enumerate(short) if sign != long[place]), len(short))
    if stem == 0 or len(long) - len(short) > LONGEST_ENDING:
        return False
    if stem >= SHORTEST_STEM and len(long) - stem <= LONGEST_ENDING:
        return True
    if len(short) < len(long):
        return short[stem:] == long[stem + 1 :]
    swapped = short[stem + 1 : stem + 2] + short[stem] + short[stem + 2 :]
    return short[stem + 1 :] == long[stem + 1 :] or swapped == long[stem:]


def _upper(values: Array, share: float) -> NDArray[np.bool_]:
    """Which values are above 0 and have less than this share of the others above them."""
    above = len(values) - np.searchsorted(np.sort(values), values, side="right")
    return np.asarray((values > 0) & (above < share * len(values)))


def _time(event: Event) -> float:
    return event.timestamp or 0.0


def _session_start(case: Case) -> float:
    """When the present sitting began; infinity where nothing has happened in it."""
    start, moment = math.inf, case.now
    for event in reversed(case.history):
        if moment - _time(event) > SESSION_S:
            break
        start = moment = _time(event)
    return start
