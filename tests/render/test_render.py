from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from edge_rerank import Item, RankedItem, Ranking, Reason, ReasonCode
from edge_rerank.errors import InvalidRequest
from edge_rerank.render.cards import Banner, Card, as_table, phrases, title_of
from edge_rerank.render.html import Layout, as_html
from edge_rerank.render.texttable import display_width

NASTY = "<script>alert('x')</script> & \"quotes\""


def ranking(*items: Item, reasons: tuple[Reason, ...] = ()) -> Ranking:
    ranked = (
        RankedItem(item, rank, 1.0 / rank, reasons) for rank, item in enumerate(items, start=1)
    )
    return Ranking(tuple(ranked), id="r1", took_ms=1.25)


BREAD = Item(
    "bread",
    "Rustic bread\nFour ingredients,\none bowl.",
    ["Food", "Baking"],
    fields={"url": "https://shop.example/bread", "price": 3.5},
)
SIMILAR = Reason(ReasonCode.SIMILAR, 2.0, "rye")
POPULAR = Reason(ReasonCode.POPULAR, 1.0)
UNPOPULAR = Reason(ReasonCode.POPULAR, -1.0)
NOT_DISLIKED = Reason(ReasonCode.DISLIKED, 3.0)


def test_every_reason_has_words_both_ways() -> None:
    assert all(code.lifts and code.lowers for code in ReasonCode)


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ((), ()),
        ((SIMILAR,), ("because you chose Dark rye",)),
        ((Reason(ReasonCode.SIMILAR, 2.0, "unknown"),), (ReasonCode.SIMILAR.lifts,)),
        ((Reason(ReasonCode.SIMILAR, -2.0, "rye"),), (ReasonCode.SIMILAR.lowers,)),
        ((UNPOPULAR, SIMILAR), ("because you chose Dark rye",)),
        ((Reason(ReasonCode.SESSION, 2.0, "rye"),), ("because you chose Dark rye",)),
        ((Reason(ReasonCode.CATEGORY, 2.0, category="Baking"),), ("from Baking, which you like",)),
        ((Reason(ReasonCode.CATEGORY, -2.0, category="Baking"),), (ReasonCode.CATEGORY.lowers,)),
        ((UNPOPULAR,), (ReasonCode.POPULAR.lowers,)),
        ((NOT_DISLIKED, POPULAR), (ReasonCode.POPULAR.lifts,)),
        ((NOT_DISLIKED,), (ReasonCode.DISLIKED.lifts,)),
        ((SIMILAR, POPULAR, Reason(ReasonCode.HOST, 0.5)), 2),
    ],
)
def test_phrases(reasons: tuple[Reason, ...], said: tuple[str, ...] | int) -> None:
    words = phrases(reasons, {"rye": "Dark rye"})
    assert len(words) == said if isinstance(said, int) else words == said


def test_a_long_title_is_cut_in_a_phrase() -> None:
    (words,) = phrases((SIMILAR,), {"rye": "rye " * 50})
    assert len(words) < 70
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("item", "title"),
    [
        (BREAD, "Rustic bread"),
        (Item("x", "\n  \n Tea \n"), "Tea"),
        (Item("x", ""), "x"),
        (Item("x", "\x1b[2J"), "[2J"),
        (Item("\x07", ""), "\x07"),
    ],
)
def test_titles(item: Item, title: str) -> None:
    assert title_of(item) == title


def test_list() -> None:
    (entry,) = ranking(BREAD, reasons=(SIMILAR,)).to_list()
    assert entry == {
        "rank": 1,
        "score": 1.0,
        "id": "bread",
        "text": BREAD.text,
        "categories": ["Food", "Baking"],
        "fields": {"url": "https://shop.example/bread", "price": 3.5},
        "reasons": [{"code": "similar", "weight": 2.0, "item_id": "rye", "category": None}],
    }
    assert json.loads(ranking(BREAD, reasons=(SIMILAR,)).to_json())["items"] == [entry]


def test_cards() -> None:
    (card,) = ranking(BREAD, reasons=(SIMILAR, UNPOPULAR)).to_cards({"rye": "Dark rye"})
    assert card == Card(
        id="bread",
        title="Rustic bread",
        text="Four ingredients, one bowl.",
        categories=("Food", "Baking"),
        rank=1,
        score=1.0,
        reasons=("because you chose Dark rye",),
        url="https://shop.example/bread",
    )


def test_many_cards_do_not_lead_with_the_same_phrase_where_another_is_true() -> None:
    category = Reason(ReasonCode.CATEGORY, 1.0, category="Baking")
    items = [Item(str(number), "Bread") for number in range(6)]
    cards = ranking(*items, reasons=(category, Reason(ReasonCode.POPULAR, 0.5))).to_cards()
    leads = [card.reasons[0] for card in cards]
    assert leads.count("from Baking, which you like") == leads.count(POPULAR.code.lifts) == 3
    assert all(len(card.reasons) == 2 for card in cards)
    weak = ranking(*items, reasons=(category, Reason(ReasonCode.POPULAR, 0.1))).to_cards()
    assert {card.reasons[0] for card in weak} == {"from Baking, which you like"}


def test_titles_of_the_ranking_itself_are_known() -> None:
    rye = Item("rye", "Dark rye\nSlowly.")
    assert ranking(BREAD, rye, reasons=(SIMILAR,)).to_cards()[0].reasons == (
        "because you chose Dark rye",
    )


def test_banner() -> None:
    assert ranking(BREAD, reasons=(SIMILAR,)).to_banner() == Banner(
        id="bread",
        title="Rustic bread",
        text="Four ingredients, one bowl.",
        reason=ReasonCode.SIMILAR.lifts,
        category="Baking",
        url="https://shop.example/bread",
    )
    plain = ranking(Item("x", "Tea"), reasons=(UNPOPULAR,)).to_banner()
    assert plain is not None
    assert (plain.reason, plain.category, plain.url) == (None, None, None)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "//x.example", 5, None],
)
def test_only_http_addresses_become_links(url: str | int | None) -> None:
    item = Item("x", "Tea", fields={"url": url})
    assert ranking(item).to_cards()[0].url is None
    assert "href" not in as_html(ranking(item))


class Page(HTMLParser):
    """Element names, attributes and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("full_page", [True, False])
def test_html_is_well_formed_escaped_and_alone(layout: Layout, full_page: bool) -> None:
    item = Item(
        NASTY,
        f"{NASTY}\n{NASTY}",
        [NASTY],
        fields={"url": 'https://x.example/"onclick="alert(1)'},
    )
    html = as_html(
        ranking(item, Item("plain", ""), reasons=(SIMILAR,)),
        layout=layout,
        heading=NASTY,
        titles={"rye": NASTY},
        full_page=full_page,
    )
    page = Page(html)
    assert not page.open
    assert "script" not in page.tags
    assert {"img", "link", "iframe", "form"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert "@import" not in html
    assert "url(" not in html
    assert any(NASTY in word for word in page.words)
    assert ("html" in page.tags) is full_page
    assert ("aria-label", NASTY) in page.attributes
    assert "light-dark(" in html


def test_a_page_says_its_language_and_title() -> None:
    page = Page(as_html(ranking(BREAD), heading="Für dich", lang='de"x'))
    assert ("lang", 'de"x') in page.attributes
    assert "Für dich" in page.words


@pytest.mark.parametrize("layout", list(Layout))
def test_an_empty_ranking(layout: Layout) -> None:
    empty = ranking()
    assert "Nothing to show" in as_html(empty, layout=layout)
    assert empty.to_list() == []
    assert empty.to_cards() == []
    assert empty.to_banner() is None
    assert as_table(empty)


def test_an_unknown_layout() -> None:
    with pytest.raises(InvalidRequest, match="list, cards, banner"):
        as_html(ranking(BREAD), layout="carousel")


def test_table() -> None:
    many = [Item(str(number), f"Item number {number} " * 10) for number in range(12)]
    table = as_table(ranking(*many, reasons=(SIMILAR,)), {"rye": "大数据" * 20}, width=60)
    lines = table.splitlines()
    assert len(lines) == 14
    assert max(map(display_width, lines)) <= 60
    assert lines[0].split() == ["#", "item", "why", "score"]


def test_a_repr_shows_no_text_and_nothing_of_what_was_chosen_before() -> None:
    shown = ranking(BREAD, reasons=(SIMILAR, Reason(ReasonCode.CATEGORY, 1.0, None, "Baking")))
    cards, banner = shown.to_cards({"rye": "Dark rye"}), shown.to_banner({"rye": "Dark rye"})
    assert cards[0].reasons == ("because you chose Dark rye", "from Baking, which you like")
    for text in (repr(cards), repr(banner), repr(shown), repr(shown[0].reasons)):
        assert not [word for word in ("rye", "Rustic", "Four", "Baking", "Food") if word in text]
    assert (repr(cards), repr(banner)) == ("[Card(id='bread', rank=1)]", "Banner(id='bread')")
