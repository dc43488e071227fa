"""What a host puts into a page: pictures, templates, words, a style sheet, the script."""

from __future__ import annotations

import base64
import colorsys
import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import edge_rerank
from edge_rerank import (
    Item,
    Presentation,
    RankedItem,
    Ranking,
    Reason,
    ReasonCode,
    Reporting,
    Words,
    as_html,
    as_table,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.render.addresses import source_of
from edge_rerank.render.html import HUES, Layout
from edge_rerank.render.templates import PLACES
from edge_rerank.render.words import CHINESE, ENGLISH, direction
from tests.render.test_render import NASTY, Page

STATIC = Path(edge_rerank.__file__).parent / "render" / "static"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
REASONS = (Reason(ReasonCode.SIMILAR, 2.0, "rye"), Reason(ReasonCode.POPULAR, 1.0))


def ranking(*items: Item, id: str = "r1") -> Ranking:
    ranked = [RankedItem(item, rank, 1.0 / rank, REASONS) for rank, item in enumerate(items, 1)]
    return Ranking(tuple(ranked), id=id)


TEA = Item("tea", "Green tea\nFrom the hills.", ["Drinks"], fields={"picture": PIXEL, "price": 3.5})
RYE = Item("rye", "Dark rye\nSlowly.", ["Food", "Bread"])


def of(html: str, name: str) -> list[str | None]:
    return [value for attribute, value in Page(html).attributes if attribute == name]


def policy_of(html: str) -> dict[str, str]:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert found is not None
    return dict(part.split(" ", 1) for part in found[1].split("; "))


# -- ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("full_page", [True, False])
def test_every_item_has_its_id_its_rank_and_the_rankings_id(
    layout: Layout, full_page: bool
) -> None:
    html = as_html(ranking(TEA, RYE, id='r"1'), layout=layout, full_page=full_page)
    shown = ["tea"] if layout is Layout.BANNER else ["tea", "rye"]
    assert of(html, "data-item-id") == shown
    assert of(html, "data-rank") == ["1", "2"][: len(shown)]
    assert of(html, "data-ranking-id") == ['r"1'] * len(shown)


def test_a_part_of_a_ranking_is_told_the_wholes_id() -> None:
    rest = ranking(TEA, RYE)[1:]
    assert of(as_html(rest), "data-ranking-id") == []
    html = as_html(rest, ranking_id="r1")
    assert (of(html, "data-ranking-id"), of(html, "data-rank")) == (["r1"], ["2"])


# -- pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://cdn.example/a.png", "https://cdn.example"),
        ("HTTPS://CDN.example:8443", "https://cdn.example:8443"),
        ("http://x.example?a", "http://x.example"),
        ("pictures/tea.svg", "'self'"),
        ("/tea.png?size=1:2", "'self'"),
        (PIXEL, "data:"),
        ("data:image/svg+xml,<svg xmlns='x'></svg>", "data:"),
        *(
            (address, None)
            for address in (
                "",
                "javascript:alert(1)",
                "data:text/html,x",
                "data:image/svg+xml",
                "//x.example/a.png",
                "\\\\x.example\\a.png",
                "/\\x.example",
                "https://me:secret@x.example/",
                "https://x.example; script-src *",
                "https://x.example' 'unsafe-inline/",
                "file:///etc/passwd",
                "blob:https://x.example/1",
                " /tea.png",
                "ftp://x.example/",
            )
        ),
    ],
)
def test_addresses(address: str, source: str | None) -> None:
    assert source_of(address) == source
    html = as_html(ranking(Item("x", "Tea", fields={"p": address})), presentation=PICTURED)
    assert of(html, "src") == ([] if source is None else [address])
    assert policy_of(html).get("img-src") == source


PICTURED = Presentation(image="p", alt="p_alt", language="p_lang")


def test_nothing_is_loaded_where_the_host_names_no_picture() -> None:
    html = as_html(ranking(TEA))
    assert of(html, "src") == []
    assert set(policy_of(html)) == {"default-src", "style-src", "base-uri", "form-action"}


@pytest.mark.parametrize("layout", list(Layout))
def test_a_picture_by_a_function_says_what_it_shows(layout: Layout) -> None:
    presentation = Presentation(
        image=lambda item: f"/pictures/{item.id}.webp",
        alt=lambda item: f'A cup of "{item.id}"' if item.id == "tea" else None,
        language=lambda item: "de",
    )
    html = as_html(ranking(TEA), layout=layout, presentation=presentation)
    assert of(html, "src") == ["/pictures/tea.webp"]
    assert of(html, "alt") == ['A cup of "tea"']
    assert of(html, "lang").count("de") == 2
    assert of(html, "referrerpolicy") == ["no-referrer"]


def test_a_picture_without_words_is_decoration() -> None:
    assert of(as_html(ranking(TEA), presentation=Presentation(image="picture")), "alt") == [""]


def test_cards_and_banners_have_the_picture() -> None:
    shown = ranking(TEA)
    banner = shown.to_banner(None, Presentation(image="picture"))
    (card,) = shown.to_cards(None, Presentation(image="picture", alt="price"))
    assert banner is not None
    assert (card.image, banner.image, card.alt) == (PIXEL, PIXEL, "")
    assert shown.to_cards()[0].image is None


@pytest.mark.parametrize("name", ["image", "alt", "language"])
def test_a_function_that_gives_something_else(name: str) -> None:
    made = Presentation(**{name: lambda item: 5})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=f"{name}: expected a string or None, got int"):
        as_html(ranking(TEA), presentation=made)


# -- templates ------------------------------------------------------------------------------

CARD = (
    '$image<div class="mine" title="$title, no. $rank" data-id="$id">$heading'
    '<p dir="auto" lang="$language">$text</p><b>${fields.price}</b> $categories $reasons</div>'
)


def test_a_template_of_the_host() -> None:
    html = as_html(ranking(TEA, RYE), presentation=Presentation(card=CARD))
    page = Page(html)
    assert not page.open
    assert of(html, "data-item-id") == ["tea", "rye"]
    assert of(html, "title") == ["Green tea, no. 1", "Dark rye, no. 2"]
    assert page.words.count("3.5") == 1  # rye has no price, and says nothing of it
    assert "because you chose Dark rye" in page.words


@pytest.mark.parametrize("place", PLACES)
def test_what_fills_a_template_is_escaped(place: str) -> None:
    nasty = Item(
        NASTY,
        f"{NASTY}\n{NASTY}",
        [NASTY],
        fields={"url": 'https://x.example/"onclick="alert(1)', "p": PIXEL, "p_alt": NASTY},
    )
    for layout in (Layout.CARDS, Layout.BANNER):
        made = Presentation(
            card=f"<i>${place}</i>", banner=f"<i>${place}</i>", image="p", alt="p_alt"
        )
        page = Page(as_html(ranking(nasty), layout=layout, heading=NASTY, presentation=made))
        assert not page.open
        assert "script" not in page.tags
        assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_a_field_is_escaped_in_text_and_in_an_attribute() -> None:
    item = Item("x", "Tea", fields={"note": NASTY})
    made = Presentation(card='<p title="$fields.note">$fields.note</p>')
    html = as_html(ranking(item), presentation=made)
    assert of(html, "title") == [NASTY]
    assert NASTY in Page(html).words


def test_a_function_instead_of_a_template() -> None:
    seen: list[Mapping[str, str]] = []

    def card(values: Mapping[str, str]) -> str:
        seen.append(values)
        return values["heading"] + ("<p>new</p>" if not values["reasons"] else values["reasons"])

    html = as_html(
        ranking(Item("x", NASTY, fields={"a": "<b>"})), presentation=Presentation(card=card)
    )
    assert set(seen[0]) == {*PLACES, "fields.a"}
    assert seen[0]["fields.a"] == "&lt;b&gt;"
    assert NASTY not in html
    with pytest.raises(InvalidRequest, match="banner: expected HTML as a string, got NoneType"):
        as_html(
            ranking(TEA),
            layout="banner",
            presentation=Presentation(banner=lambda values: None),  # type: ignore[arg-type,return-value]
        )


@pytest.mark.parametrize(
    "html",
    [
        "<script>$title</script>",
        "<style>$title</style>",
        "<iframe></iframe>",
        "<p onclick='go()'>$title</p>",
        "<p onclick='$title'></p>",
        "<p style='color: $fields.colour'></p>",
        "<a href='$fields.url'>$title</a>",
        "<a href='$title'>x</a>",
        "<a href='https://x.example/$url'>x</a>",
        "<img src='$fields.image'>",
        "<p title=$title></p>",
        "<p $title></p>",
        "<$title></$title>",
        "<p title='$reasons'></p>",
        "<p title='$image'></p>",
        "<!-- $title -->",
        "<p>$title",
        "$title</p>",
        "<p><b>$title</p></b>",
        "<p title='$title",
        "$nothing",
        "$fields",
        "$Title",
        "$",
        "5 $ each",
        "${title",
        "<svg><a xlink:href='$title'></a></svg>",
    ],
)
def test_a_template_that_is_not_safe_is_refused_when_it_is_made(html: str) -> None:
    with pytest.raises(InvalidRequest, match="card: expected"):
        Presentation(card=html)


@pytest.mark.parametrize(
    "html",
    [
        "$title",
        "5 $$ each: ${title}s",
        '<a href="$url"><img src="${image_url}" alt="$title"></a>',
        "<p>$heading.</p><br><p>$fields.price €</p>",
        "",
    ],
)
def test_templates_that_are_safe(html: str) -> None:
    assert Presentation(card=html, banner=html).card == html


# -- words ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", list(Layout))
def test_a_page_in_chinese_says_all_of_it_in_chinese(layout: Layout) -> None:
    html = as_html(
        ranking(Item("a", "茶", ["饮品"])), layout=layout, lang="zh-CN", titles={"rye": "面包"}
    )
    words = re.sub(r"<[^>]*>", "", html.partition("<main>")[2])
    assert "因为您选择了“面包”" in words
    assert not re.search("[A-Za-z]", words)
    assert of(html, "lang") == ["zh-CN", "zh-CN"]
    assert "暂无内容" in as_html(ranking(), layout=layout, lang="zh")


def test_our_words_are_known_for_every_reason_in_both_languages() -> None:
    assert set(CHINESE.reasons) == set(ReasonCode)
    assert all(up and down and up != down for up, down in CHINESE.reasons.values())
    assert ENGLISH.reason(ReasonCode.POPULAR, lifts=False) == ReasonCode.POPULAR.lowers
    assert Words.of("cmn-Hans") is Words.of("ZH") is CHINESE
    assert Words.of("de") is ENGLISH


def test_words_of_the_host() -> None:
    german = Words(
        heading="Für dich",
        because="wegen {title}",
        reasons={"popular": ("beliebt", "kaum bekannt")},
    )
    html = as_html(ranking(TEA, RYE), lang="de", presentation=Presentation(words=german))
    words = Page(html).words
    assert {"Für dich", "wegen Dark rye", "beliebt"} <= set(words)
    assert "Meins" in as_html(
        ranking(TEA), heading="Meins", presentation=Presentation(words=german)
    )


@pytest.mark.parametrize("because", ["{item}", "{0}", "{", "{title.__class__.x}{y}"])
def test_words_with_another_place_to_fill_in(because: str) -> None:
    with pytest.raises(InvalidRequest, match=r"because: expected \{title\} alone"):
        Words(because=because)


@pytest.mark.parametrize(
    ("lang", "way"),
    [
        *(("ar", "rtl"), ("he-IL", "rtl"), ("fa", "rtl"), ("ur-PK", "rtl"), ("az-Arab", "rtl")),
        *(
            ("en", "ltr"),
            ("zh-Hans-CN", "ltr"),
            ("ku-Latn", "ltr"),
            ("ar-Latn", "ltr"),
            ("", "ltr"),
        ),
    ],
)
def test_directions(lang: str, way: str) -> None:
    assert direction(lang) == way
    assert of(as_html(ranking(TEA), lang=lang, full_page=False), "dir")[0] == way


def test_texts_of_items_have_their_own_direction() -> None:
    html = as_html(ranking(TEA), full_page=False)
    for name in ("er-heading", "er-title", "er-text", "er-category"):
        assert re.search(rf'class="{name}" dir="auto"', html)


# -- style and script -----------------------------------------------------------------------


def test_a_page_pins_its_style_sheet_and_has_nothing_inline() -> None:
    html = as_html(ranking(TEA, RYE), presentation=Presentation(image="picture"))
    (sheet,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy_of(html)["style-src"] == f"'sha256-{digest}'"
    assert policy_of(html)["default-src"] == "'none'"
    assert of(html, "style") == []
    assert sheet == Presentation.css()


def test_a_style_sheet_of_the_hosts_own() -> None:
    made = Presentation(stylesheet="/mine.css")
    html = as_html(ranking(TEA), presentation=made)
    assert "<style>" not in html
    assert of(html, "href") == ["/mine.css"]
    assert policy_of(html)["style-src"] == "'self'"
    assert as_html(ranking(TEA), presentation=made, full_page=False).startswith("<section")


def test_reporting() -> None:
    told = Reporting(script="https://cdn.example/report.js", endpoint="/record", guest='g"1')
    html = as_html(ranking(TEA), presentation=Presentation(reporting=told))
    assert policy_of(html)["script-src"] == "https://cdn.example"
    assert policy_of(html)["connect-src"] == "'self'"
    assert of(html, "data-guest") == ['g"1']
    assert of(html, "data-endpoint") == ["/record"]
    assert of(html, "data-user") == []
    assert re.search(r"<script [^>]*></script>", html)
    assert "alice" not in repr(Presentation(reporting=Reporting(user="alice")))


@pytest.mark.parametrize(
    "options",
    [
        {"script": "javascript:alert(1)"},
        {"endpoint": "//x.example"},
        {"endpoint": PIXEL},
        {"user": "a", "guest": "b"},
        {"user": ""},
        {"script": 5},
    ],
)
def test_reporting_that_leads_nowhere(options: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        Reporting(**options)


@pytest.mark.parametrize(
    "options",
    [{"image": 5}, {"card": 5}, {"stylesheet": "x:y"}, {"level": 0}, {"level": 6}, {"level": "2"}],
)
def test_a_presentation_that_is_malformed(options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(options))):
        Presentation(**options)  # type: ignore[arg-type]


def test_headings_follow_those_around() -> None:
    def levels(html: str) -> list[str]:
        return re.findall(r"<h(\d)", html)

    shown = ranking(TEA)
    assert levels(as_html(shown)) == ["1", "2"]
    assert levels(as_html(shown, layout="banner")) == ["1"]
    assert levels(as_html(shown, full_page=False)) == ["2", "3"]
    assert levels(as_html(shown, full_page=False, presentation=Presentation(level=4))) == ["4", "5"]


def test_the_script_is_small_and_sends_no_text() -> None:
    source = Reporting.javascript()
    assert len(source.encode()) <= 4096
    assert source == (STATIC / "report.js").read_text(encoding="utf-8")
    for reads_text in ("textContent", "innerText", "innerHTML", "document.title", "cookie"):
        assert reads_text not in source
    assert "eval" not in source


def test_white_on_every_colour_of_ours_can_be_read() -> None:
    """WCAG 2: a contrast of 4.5 on every stop of every gradient, in every hue."""
    sheet = Presentation.css()
    stops = re.findall(r"hsl\((?:calc\()?var\(--_hue\)(?: \+ (\d+)\))? (\d+)% (\d+)%\)", sheet)
    assert len(stops) == 5
    hues = [int(hue) for hue in re.findall(r"--_hue: (\d+);", sheet)]
    assert len(hues) == HUES
    for hue in hues:
        for turn, saturation, lightness in stops:
            angle = (hue + int(turn or 0)) % 360 / 360
            rgb = colorsys.hls_to_rgb(angle, int(lightness) / 100, int(saturation) / 100)
            linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
            luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
            assert 1.05 / (luminance + 0.05) >= 4.5


def test_what_can_be_pickled() -> None:
    made = Presentation(image="picture", words=CHINESE, reporting=Reporting(user="alice"))
    assert pickle.loads(pickle.dumps(made)) == made


def test_the_page_about_it_holds() -> None:
    """Every block runs, after those before it; every placeholder and variable is named."""
    text = (STATIC.parent / "README.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
        if isinstance(page := names.get("page"), str):
            assert not Page(page).open
    assert {f"${place}" for place in PLACES} <= set(re.findall(r"`(\$\w+)`", text))
    used = set(re.findall(r"var\((--er-\w+)", Presentation.css()))
    assert set(re.findall(r"`(--er-\w+)`", text)) == used
    for variable, light, dark in re.findall(r"\| `(--er-\w+)` \|.*?\| `(#\w+)` \| `(#\w+)`", text):
        assert f"var({variable}, light-dark({light}, {dark}))" in Presentation.css()


def test_nothing_is_called_picked_for_somebody_that_was_not() -> None:
    theirs = replace(ranking(TEA, RYE), personalised=True)
    anybodys = replace(theirs, personalised=False)
    for lang, personal, impersonal in (
        ("en", "Picked for you", ">Suggestions<"),
        ("zh", "为您推荐", ">推荐<"),
    ):
        assert personal in as_html(theirs, lang=lang)
        assert impersonal not in as_html(theirs, lang=lang)
        assert personal not in as_html(anybodys, lang=lang)
        assert impersonal in as_html(anybodys, lang=lang)
    mine = Presentation(words=Words(heading="Für dich"))
    assert "Für dich" in as_html(anybodys, presentation=mine)
    assert "Picked for you" in as_html(list(theirs))


def test_the_language_of_the_call_is_that_of_every_form() -> None:
    chinese = replace(ranking(TEA, RYE), locale="zh-CN")
    assert chinese == ranking(TEA, RYE)
    (first, *_), *_ = [card.reasons for card in chinese.to_cards()]
    banner = chinese.to_banner()
    assert banner is not None
    assert first == banner.reason == "因为您选择了“Dark rye”"
    assert "受大家欢迎" in as_table(chinese)
    assert ranking(TEA, RYE).to_cards()[0].reasons[0] == "because you chose Dark rye"
    html = as_html(chinese)
    assert of(html, "lang") == ["zh-CN", "zh-CN"]
    assert 'aria-label="推荐理由"' in html
    assert ">推荐<" in html
    english = as_html(chinese, lang="en")
    assert "because you chose Dark rye" in english
    assert 'aria-label="Why you see this"' in english


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_reason_is_told_in_the_language_of_the_call_or_in_words_of_the_host(
    lang: str,
) -> None:
    mine = Words(reasons={code.value: (f"+{code}", f"-{code}") for code in ReasonCode})
    for code in ReasonCode:
        for weight in (1.0, -1.0):
            one = RankedItem(TEA, 1, 0.5, (Reason(code, weight),))
            shown = Ranking((one,), id="r1", locale=lang)
            ours = Words.of(lang).reason(code, lifts=weight > 0)
            assert shown.to_cards()[0].reasons == (ours,)
            (told,) = shown.to_cards(presentation=Presentation(words=mine))[0].reasons
            assert told == f"{'+' if weight > 0 else '-'}{code}"
