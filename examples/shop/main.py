"""An online shop: looking, the cart, a purchase, a search, and the banner of the day."""

from collections.abc import Iterator
from pathlib import Path

from edge_rerank import Event, Item, Reranker
from examples.story import Scene, at, in_words, read_items, tell, title_of

SHOP = read_items(Path(__file__).parent / "items.jsonl")
TITLES = {item.id: title_of(item) for item in SHOP.values()}


def story(reranker: Reranker) -> Iterator[Scene]:
    """What Maja did, and what the shop shows her."""
    reranker.consent("maja", True)
    everything = list(SHOP.values())
    for_everybody = reranker.rank(everything, now=at(0, "18:00"))

    # A view says how long it lasted. Two seconds are a bounce, and no interest.
    looked = [
        Event("view", SHOP["tent-ridge-2"], dwell_s=130, timestamp=at(0, "18:02")),
        Event("view", SHOP["phone-case"], dwell_s=2, timestamp=at(0, "18:05")),
        Event("view", SHOP["tent-solo"], dwell_s=75, timestamp=at(0, "18:06")),
    ]
    reranker.record(looked, user="maja")
    tents = reranker.rank(everything, user="maja", now=at(0, "18:08"))
    yield Scene("Maja looks at two tents", looked, for_everybody, tents)

    cart = [Event("add_to_cart", SHOP["bag-winter"], timestamp=at(0, "18:10"), ranking=tents.id)]
    reranker.record(cart, user="maja")
    in_cart = reranker.rank(everything, user="maja", now=at(0, "18:11"))
    yield Scene("She puts a sleeping bag into the cart", cart, tents, in_cart)

    bought = [Event("purchase", SHOP["tent-ridge-2"], value=289, timestamp=at(0, "18:20"))]
    reranker.record(bought, user="maja")
    after = reranker.rank(everything, user="maja", now=at(1, "08:00"))
    last = next(ranked.rank for ranked in after if ranked.item.id == "tent-ridge-2")
    yield Scene(
        "She buys the tent, and comes back the next morning",
        bought,
        in_cart,
        after,
        [
            f"The tent that she has now stands at {last} of {len(after)}. That nobody needs a "
            "second one, as\nthey do of dog food, no history tells: a shop that knows it leaves "
            "tents out."
        ],
    )

    wanted = [item for item in everything if "Tents" not in item.categories]
    without = reranker.rank(wanted, user="maja", now=at(1, "08:01"))
    banner = without.to_banner(TITLES)
    said = "" if banner is None else f"Banner of the day: {banner.title}\n{banner.reason}"
    yield Scene("The same morning, without tents", [], after, without, [said])

    yield _search(reranker, wanted, "coffee")


def _search(reranker: Reranker, items: list[Item], query: str) -> Scene:
    stranger = reranker.rank(items, query=query, now=at(1, "08:02"))
    found = reranker.rank(items, user="maja", query=query, now=at(1, "08:02"))
    title = f"She searches for “{query}”; moved against a stranger who does"
    return Scene(title, [], stranger, found, shown=6)


if __name__ == "__main__":
    with Reranker.open() as opened:
        tell(story(opened), in_words(TITLES))
