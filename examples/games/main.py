"""A games library: how long somebody plays, stars, and a game that is played through."""

from collections.abc import Iterator
from pathlib import Path

from edge_rerank import Event, EventType, RatingScale, Reranker
from examples.story import Scene, Words, at, in_words, read_items, tell, title_of

GAMES = read_items(Path(__file__).parent / "items.jsonl")
TITLES = {item.id: title_of(item) for item in GAMES.values()}
STARS = RatingScale(1, 5)
ENOUGH_S = 30
WORDS = Words(deeds=Words().deeds | {EventType.VIEW: "played"})


def played(game: str, minutes: float, day: int, clock: str) -> Event:
    """A session of play."""
    return Event("view", GAMES[game], dwell_s=60 * minutes, timestamp=at(day, clock))


def in_reading_time(event: Event) -> Event:
    """The same as if it had been read.

    Dwell times are understood as those of pages: 5 seconds are a bounce, 30 are enough, after 600
    more say nothing. Of a game that is played by the hour four minutes are a bounce. So a session
    as long as is usual for the game is recorded as 30 seconds.
    """
    if event.item is None or event.dwell_s is None:
        return event
    usual_s = 60 * float(event.item.fields["session_minutes"] or 1)
    dwell_s = ENOUGH_S * event.dwell_s / usual_s
    return Event(event.type, event.item, dwell_s=dwell_s, timestamp=event.timestamp)


def story(reranker: Reranker) -> Iterator[Scene]:
    """What Ivo played, and what his library offers."""
    reranker.consent("ivo", True)
    library = list(GAMES.values())
    for_everybody = reranker.rank(library, now=at(0, "19:00"))
    evenings = [
        played("farm-hollow", 95, 0, "19:00"),
        played("squad-zero", 4, 1, "20:00"),
        played("farm-hollow", 130, 2, "19:30"),
        played("farm-hollow", 60, 4, "21:00"),
    ]
    reranker.record(map(in_reading_time, evenings), user="ivo")
    his = reranker.rank(library, user="ivo", now=at(5, "10:00"))
    yield Scene("Three evenings on a farm, four minutes of a shooter", evenings, for_everybody, his)

    stars = [
        Event("rating", GAMES["farm-hollow"], value=5, timestamp=at(5, "10:05")),
        Event("rating", GAMES["squad-zero"], value=1, timestamp=at(5, "10:05")),
    ]
    reranker.record(stars, user="ivo")
    rated = reranker.rank(library, user="ivo", now=at(5, "10:06"))
    yield Scene("He gives stars", stars, his, rated)

    finished = [
        played("mystery-train", 90, 6, "15:00"),
        Event("complete", GAMES["mystery-train"], timestamp=at(6, "16:30")),
        Event("rating", GAMES["mystery-train"], value=5, timestamp=at(6, "16:31")),
    ]
    reranker.record(map(in_reading_time, finished), user="ivo")
    after = reranker.rank(library, user="ivo", now=at(6, "16:35"))
    last = next(ranked.rank for ranked in after if ranked.item.id == "mystery-train")
    note = f"What he has played through stands at {last} of {len(after)}."
    yield Scene("On Sunday he solves a murder, to its end", finished, rated, after, [note])


if __name__ == "__main__":
    with Reranker.open(ratings=STARS) as opened:
        tell(story(opened), in_words(TITLES), WORDS)
