"""A news site and a social feed: fresh articles, a topic that is not wanted, a feed in order."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from edge_rerank import Event, Item, Ranking, Reranker
from examples.story import Scene, at, in_words, read_items, tell, title_of

HERE = Path(__file__).parent
ARTICLES = read_items(HERE / "articles.jsonl")
POSTS = read_items(HERE / "posts.jsonl")
TITLES = {item.id: title_of(item) for item in [*ARTICLES.values(), *POSTS.values()]}
HALF_DAY_H = 12


def front_page(articles: Mapping[str, Item]) -> list[Item]:
    """Popularity is what was read in the last hour; the score makes old articles sink."""
    return [
        replace(item, score=-float(item.fields["hours_old"] or 0) / HALF_DAY_H)
        for item in articles.values()
    ]


def site(reranker: Reranker) -> Iterator[Scene]:
    """What Ada read, and her front page."""
    reranker.consent("ada", True)
    page = front_page(ARTICLES)
    for_everybody = reranker.rank(page, now=at(0, "07:00"))
    read = [
        Event("view", ARTICLES["moon-lander"], dwell_s=240, scroll=1.0, timestamp=at(0, "07:01")),
        Event("complete", ARTICLES["moon-lander"], timestamp=at(0, "07:05")),
        Event("view", ARTICLES["coach-sacked"], dwell_s=3, timestamp=at(0, "07:06")),
        Event("view", ARTICLES["telescope-first"], dwell_s=180, timestamp=at(0, "07:07")),
        Event("complete", ARTICLES["telescope-first"], timestamp=at(0, "07:10")),
    ]
    reranker.record(read, user="ada")
    hers = reranker.rank(page, user="ada", now=at(0, "07:11"))
    yield Scene("Ada reads two articles to their ends, not a third", read, for_everybody, hers)

    said = [
        Event("dislike", ARTICLES["star-divorce"], timestamp=at(0, "07:12"), ranking=hers.id),
        Event("dislike", ARTICLES["royal-baby"], timestamp=at(0, "07:12"), ranking=hers.id),
    ]
    reranker.record(said, user="ada")
    without = reranker.rank(page, user="ada", now=at(0, "07:13"))
    places = {ranked.item.id: ranked.rank for ranked in without}
    stars = [places[item.id] for item in page if item.categories[-1] == "Celebrities"]
    note = f"Seven articles on celebrities now stand between {min(stars)} and {max(stars)} of 83."
    yield Scene("She wants no celebrities", said, hers, without, [note])


def feed(reranker: Reranker) -> Iterator[Scene]:
    """What Ben liked, and his feed, which comes newest first."""
    reranker.consent("ben", True)
    newest_first = list(POSTS.values())
    for_everybody = reranker.rank(newest_first, host_order=True, now=at(0, "20:00"))
    did = [
        Event("like", POSTS["p-010"], timestamp=at(0, "20:01")),
        Event("view", POSTS["p-006"], dwell_s=45, timestamp=at(0, "20:02")),
        Event("like", POSTS["p-023"], timestamp=at(0, "20:04")),
        Event("dislike", POSTS["p-004"], timestamp=at(0, "20:05")),
    ]
    reranker.record(did, user="ben")
    his = reranker.rank(newest_first, user="ben", host_order=True, now=at(0, "20:06"))
    yield Scene("Ben's feed: the host's order, and what he likes", did, for_everybody, his)

    mixed = reranker.rank(
        newest_first, user="ben", host_order=True, diversity=0.3, now=at(0, "20:06")
    )
    before, now = (_on(one, "Baking") for one in (his, mixed))
    note = f"On baking: {before} of eight before, {now} now. Texts are compared, not accounts."
    yield Scene("The same with diversity=0.3: like texts move apart", [], his, mixed, [note])


def _on(ranking: Ranking, topic: str) -> int:
    """How many of the first eight."""
    return sum(topic in ranked.item.categories for ranked in ranking[:8])


def story(reranker: Reranker) -> Iterator[Scene]:
    """Both."""
    yield from site(reranker)
    yield from feed(reranker)


if __name__ == "__main__":
    with Reranker.open() as opened:
        tell(story(opened), in_words(TITLES))
