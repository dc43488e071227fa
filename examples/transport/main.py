"""Departures of a city: what somebody takes every day, a day out, and what time cannot do yet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge_rerank import Event, Item, Ranking, Reranker
from examples.story import Scene, at, in_words, read_items, tell, title_of

CITY = read_items(Path(__file__).parent / "items.jsonl")
TITLES = {item.id: title_of(item) for item in CITY.values()}
HOUR_MIN = 60


def story(reranker: Reranker) -> Iterator[Scene]:
    """What Noor took, and what the stop's screen in her telephone shows."""
    reranker.consent("noor", True)
    everything = list(CITY.values())
    for_everybody = reranker.rank(everything, now=at(0, "07:30"))

    week = []
    for day in range(5):
        week.append(Event("click", CITY["t6-university"], timestamp=at(day, "07:36")))
        week.append(Event("click", CITY["b12-northfield"], timestamp=at(day, "17:31")))
    reranker.record(week, user="noor")
    monday = reranker.rank(everything, user="noor", now=at(7, "07:30"))
    yield Scene("Five days to work and back", week, for_everybody, monday)

    evening = reranker.rank(everything, user="noor", now=at(7, "17:30"))
    yield Scene("The same Monday at half past five", [], monday, evening, [_same(monday, evening)])

    soon = [_with_score(item) for item in everything]
    leaving = reranker.rank(soon, user="noor", now=at(7, "07:30"))
    note = "The host's score says how soon a departure leaves: that is the host's to know."
    yield Scene("Monday morning, by what leaves soon", [], monday, leaving, [note])

    out = [
        Event("search", query="lake", timestamp=at(12, "10:00")),
        Event("click", CITY["b21-lake"], timestamp=at(12, "10:01")),
        Event("click", CITY["p-lake"], timestamp=at(12, "10:02")),
    ]
    reranker.record(out, user="noor")
    saturday = reranker.rank(everything, user="noor", now=at(12, "10:03"))
    yield Scene("A Saturday at the lake", out, evening, saturday)

    next_monday = reranker.rank(everything, user="noor", now=at(14, "07:30"))
    yield Scene("The Monday after", [], saturday, next_monday)


def _with_score(item: Item) -> Item:
    """The sooner it leaves, the better; a place does not leave, and has no score."""
    minutes = item.fields.get("leaves_in_min")
    return item if minutes is None else replace(item, score=-min(float(minutes), HOUR_MIN))


def _same(morning: Ranking, evening: Ranking) -> str:
    first, second = ([ranked.item.id for ranked in one[:8]] for one in (morning, evening))
    same = "the same list" if first == second else "nearly the same list"
    return f"At 17:30 it is {same} as in the morning: hours of the day are not known yet."


if __name__ == "__main__":
    with Reranker.open() as opened:
        tell(story(opened), in_words(TITLES))
