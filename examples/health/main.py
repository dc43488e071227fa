"""Health information in a clinic: visitors without a name, and a patient's own telephone.

What somebody reads about health is nobody else's business. So a visitor's session lives in memory,
reasons name no page that was read, and what must always be found is not ranked at all.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_rerank import Event, KeyFile, Ranking, Reranker, Retention, errors
from examples.story import Scene, at, read_items, tell

ALWAYS_FIRST = ("heart-attack", "stroke-fast", "crisis-line")
LIBRARY = read_items(Path(__file__).parent / "items.jsonl")
PAGES = [page for page in LIBRARY.values() if page.id not in ALWAYS_FIRST]


def without_titles(ranking: Ranking) -> Sequence[str]:
    """Reasons that others may read over somebody's shoulder: what kind, never which page."""
    return [
        "; ".join(reason.code.lifts for reason in ranked.reasons if reason.weight > 0)
        for ranked in ranking
    ]


def waiting_room(reranker: Reranker) -> Iterator[Scene]:
    """A terminal that two people use, one after the other."""
    with reranker.guest_session() as visitor:
        unknown = visitor.rank(PAGES, now=at(0, "09:00"))
        read = [
            Event("view", LIBRARY["diabetes-2"], dwell_s=200, timestamp=at(0, "09:01")),
            Event("view", LIBRARY["bp-what"], dwell_s=3, timestamp=at(0, "09:05")),
            Event("view", LIBRARY["diabetes-food"], dwell_s=120, timestamp=at(0, "09:06")),
        ]
        visitor.record(read)
        known = visitor.rank(PAGES, now=at(0, "09:08"))
        yield Scene("A visitor reads at the terminal", read, unknown, known)
    with reranker.guest_session() as visitor:
        after = visitor.rank(PAGES, now=at(0, "09:10"))
        same = after == unknown
    note = f"The same list as for anyone: {same}. It was in memory only, and is gone."
    yield Scene("The visitor leaves, the next one comes", [], known, after, [note])


def own_telephone(reranker: Reranker) -> Iterator[Scene]:
    """A patient's own app, with an encrypted history that keeps 30 days."""
    unknown = reranker.rank(PAGES, now=at(0, "20:00"))
    read = [
        Event("view", LIBRARY["preg-weeks"], dwell_s=90, timestamp=at(0, "20:01")),
        Event(
            "search", query="sick at 6 weeks, call me: +49 151 23456789", timestamp=at(1, "20:00")
        ),
        Event("view", LIBRARY["preg-sick"], dwell_s=60, timestamp=at(1, "20:01")),
        Event("view", LIBRARY["preg-food"], dwell_s=75, timestamp=at(2, "20:01")),
    ]
    try:
        reranker.record(read, user="patient")
    except errors.ConsentRequired:
        refused = "Without consent nothing is kept: ConsentRequired."
    reranker.consent("patient", True)
    reranker.record(read, user="patient")
    known = reranker.rank(PAGES, user="patient", now=at(2, "20:05"))
    (search,) = reranker.profile("patient").searches
    notes = [refused, f"Of the search is kept: “{search}”"]
    yield Scene("A patient agrees, and reads", read, unknown, known, notes)

    enough = [
        Event("dismiss", LIBRARY["preg-weeks"], timestamp=at(9, "07:30")),
        Event("dismiss", LIBRARY["preg-food"], timestamp=at(9, "07:30")),
    ]
    reranker.record(enough, user="patient")
    quiet = reranker.rank(PAGES, user="patient", now=at(9, "07:31"))
    about = "Pregnancy and birth"
    first = min(ranked.rank for ranked in quiet if about in ranked.item.categories)
    note = f"The first page on pregnancy or birth now stands at {first} of {len(quiet)}."
    yield Scene("Later: no more of this, please", enough, known, quiet, [note])

    receipt = reranker.forget("patient")
    anyone = reranker.rank(PAGES, user="patient", now=at(9, "07:32"))
    notes = [
        f"Receipt: {receipt.events} events erased, outer key replaced: {receipt.key_rotated}.",
        f"Still known: {reranker.profile('patient').events} events.",
    ]
    yield Scene("The patient has everything erased", [], quiet, anyone, notes)


if __name__ == "__main__":
    with ExitStack() as stack:
        folder, apart = (Path(stack.enter_context(TemporaryDirectory())) for _ in range(2))
        terminal = stack.enter_context(Reranker.open())
        telephone = stack.enter_context(
            Reranker.open(
                history=folder / "history.db",
                key=KeyFile.create(apart / "history.key"),
                retention=Retention(max_age_days=30),
            )
        )
        tell(chain(waiting_room(terminal), own_telephone(telephone)), without_titles)
