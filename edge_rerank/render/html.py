"""Rankings as HTML: cards, a list or a banner, as a page or as part of one.

Everything that comes from an item is escaped, nothing is inline but a style sheet that the page
pins by its hash, and nothing is loaded but what the host's presentation names.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from html import escape

from edge_rerank._check import check_id, kind_of
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranked import RankedItem
from edge_rerank.render.addresses import policy, source_of
from edge_rerank.render.cards import Banner, Card, Titles, as_banner, as_cards
from edge_rerank.render.page import page
from edge_rerank.render.presentation import OURS, Presentation, script_element
from edge_rerank.render.templates import CardTemplate, Filled, fields_as_values
from edge_rerank.render.words import Words, direction

HUES = 24
"""Colours that stand in for a picture, each a class of the style sheet."""


class Layout(StrEnum):
    """How :func:`as_html` arranges a ranking."""

    LIST = "list"
    CARDS = "cards"
    BANNER = "banner"


def as_html(
    ranking: Sequence[RankedItem],
    *,
    layout: Layout | str = Layout.CARDS,
    heading: str | None = None,
    titles: Titles | None = None,
    full_page: bool = True,
    lang: str | None = None,
    presentation: Presentation = OURS,
    ranking_id: str | None = None,
) -> str:
    """A ranking as HTML, each item in an element with its id, its rank and the ranking's id.

    They are the attributes ``data-item-id``, ``data-rank`` and ``data-ranking-id``, by which a
    page can report what is done with an item.

    Args:
        ranking: what to show.
        layout: list, cards, or a banner with the first item.
        heading: what stands above it; by default the word for it in the page's language, another
            one where nothing of a person went into the ranking.
        titles: titles of the history's items by id; those of the ranking are known.
        full_page: a whole document with a Content-Security-Policy; else a ``style`` and a
            ``section`` element to be put into the host's own page.
        lang: language of the page, a BCP 47 tag; says how it is written, and in which language
            reasons are where we have its words; where it is left out, what the ranking was asked
            in, else English.
        presentation: pictures, templates, words and reporting of the host.
        ranking_id: where ``ranking`` is only a part of a :class:`~edge_rerank.Ranking`, which
            has lost the whole's id.

    Raises:
        InvalidRequest: when ``layout`` is not one of the three, or a function of the presentation
            gives something else than a string.
    """
    try:
        layout = Layout(layout)
    except ValueError:
        known = ", ".join(Layout)
        raise InvalidRequest(f"layout: expected one of {known}, got another") from None
    if ranking_id is not None:
        check_id(ranking_id, "ranking id", InvalidRequest)
    lang = lang or getattr(ranking, "locale", "") or "en"
    words = presentation.words or Words.of(lang)
    presentation = replace(presentation, words=words, level=1 if full_page else presentation.level)
    if heading is None:
        personal = getattr(ranking, "personalised", True)  # a part of a ranking does not know
        heading = words.heading if personal else words.impersonal or words.heading
    way = f'lang="{escape(lang)}" dir="{direction(lang)}"'
    writer = _Writer(presentation, words, heading, ranking_id or getattr(ranking, "id", None))
    shown: Sequence[Card | Banner]
    if layout is Layout.BANNER:
        banner = as_banner(ranking, titles, presentation)
        shown = [] if banner is None else [banner]
        section = writer.banner(banner, ranking, way)
    else:
        shown = cards = as_cards(ranking, titles, presentation)
        section = writer.items(cards, ranking, layout, way)
    if full_page:
        return _page(heading, section, shown, presentation, lang)
    if presentation.stylesheet is not None:
        return section
    return f"<style>{presentation.css()}</style>\n{section}"


def _page(
    heading: str, section: str, shown: Sequence[Card | Banner], ours: Presentation, lang: str
) -> str:
    if ours.stylesheet is None:
        digest = base64.b64encode(hashlib.sha256(ours.css().encode()).digest()).decode()
        style, head = f"'sha256-{digest}'", f"<style>{ours.css()}</style>"
    else:
        style = source_of(ours.stylesheet) or ""
        head = f'<link rel="stylesheet" href="{escape(ours.stylesheet)}">'
    told = ours.reporting
    if told is not None:
        head += f"\n{script_element(told)}"
    allowed = policy(
        images=[one.image for one in shown if one.image],
        style=style,
        scripts=[] if told is None else [told.script],
        connections=[] if told is None else [told.endpoint],
    )
    return page(
        heading,
        section,
        head=head,
        policy=allowed,
        name="er-page",
        lang=lang,
        direction=direction(lang),
    )


class _Writer:
    """Writes the elements of one ranking.

    Args:
        presentation: of the host, with the level of the outer heading.
        words: in the page's language.
        heading: what stands above the ranking.
        ranking_id: goes into every item's element.
    """

    def __init__(
        self, presentation: Presentation, words: Words, heading: str, ranking_id: str | None
    ) -> None:
        self._presentation = presentation
        self._words = words
        self._heading = heading
        self._ranking_id = ranking_id

    def items(
        self, cards: Sequence[Card], ranking: Sequence[RankedItem], layout: Layout, way: str
    ) -> str:
        """Cards or entries of a list in a section."""
        level = self._presentation.level
        entries = [
            f'<li class="er-item {_hue(card)}"{self._marks(card.id, card.rank)}>'
            f"{self._card(card, ranked)}</li>"
            for card, ranked in zip(cards, ranking, strict=True)
        ]
        inside = (
            '<ol class="er-items" role="list">\n' + "\n".join(entries) + "\n</ol>"
            if entries
            else f'<p class="er-nothing">{escape(self._words.empty)}</p>'
        )
        return (
            f'<section class="er er-{layout.value}" aria-label="{escape(self._heading)}" {way}>\n'
            f'<h{level} class="er-heading" dir="auto">{escape(self._heading)}</h{level}>\n'
            f"{inside}\n</section>"
        )

    def banner(self, banner: Banner | None, ranking: Sequence[RankedItem], way: str) -> str:
        """The first item in a section of its own."""
        label = f'aria-label="{escape(self._heading)}" {way}'
        if banner is None:
            return (
                f'<section class="er er-empty" {label}><p>{escape(self._words.empty)}</p></section>'
            )
        values = {
            **self._values(banner, ranking[0], level=self._presentation.level),
            "kicker": escape(self._heading),
            "reason": escape(banner.reason or ""),
            "reasons": self._reasons(() if banner.reason is None else (banner.reason,)),
        }
        inside = _filled(self._presentation.banner or _our_banner, "banner", values, ranking[0])
        marks = self._marks(banner.id, ranking[0].rank)
        return f'<section class="er er-banner {_hue(banner)}"{marks} {label}>\n{inside}\n</section>'

    def _card(self, card: Card, ranked: RankedItem) -> str:
        values = {
            **self._values(card, ranked, level=self._presentation.level + 1),
            "kicker": "",
            "reason": escape(next(iter(card.reasons), "")),
            "reasons": self._reasons(card.reasons),
        }
        if card.image is None:
            letter = escape(card.title[:1].upper())
            values["image"] = f'<span class="er-art" aria-hidden="true">{letter}</span>'
        return _filled(self._presentation.card or _our_card, "card", values, ranked)

    def _values(self, shown: Card | Banner, ranked: RankedItem, *, level: int) -> dict[str, str]:
        """What a template can name, as HTML, but for what differs between card and banner."""
        title, url = escape(shown.title), escape(shown.url or "")
        link = f'<a href="{url}" rel="noreferrer">{title}</a>' if url else title
        image = ""
        if shown.image is not None:
            image = (
                f'<img class="er-picture" src="{escape(shown.image)}" alt="{escape(shown.alt)}" '
                'loading="lazy" decoding="async" referrerpolicy="no-referrer">'
            )
        language = escape(shown.language or "")
        lang = f' lang="{language}"' if language else ""
        return {
            "id": escape(shown.id),
            "rank": str(ranked.rank),
            "score": f"{ranked.score:.2f}",
            "title": title,
            "text": escape(shown.text),
            "language": language,
            "category": escape(next(reversed(ranked.item.categories), "")),
            "categories": escape(" › ".join(ranked.item.categories)),
            "url": url,
            "image_url": escape(shown.image or ""),
            "image": image,
            "link": link,
            "heading": f'<h{level} class="er-title" dir="auto"{lang}>{link}</h{level}>',
        }

    def _marks(self, item_id: str, rank: int) -> str:
        """The attributes by which a page reports what is done with the item."""
        marks = f' data-item-id="{escape(item_id)}" data-rank="{rank}"'
        if self._ranking_id is not None:
            marks += f' data-ranking-id="{escape(self._ranking_id)}"'
        return marks

    def _reasons(self, reasons: Sequence[str]) -> str:
        if not reasons:
            return ""
        entries = "".join(f'<li dir="auto">{escape(reason)}</li>' for reason in reasons)
        label = escape(self._words.why)
        return f'<ul class="er-why" role="list" aria-label="{label}">{entries}</ul>'


def _filled(made: str | Filled, name: str, values: dict[str, str], ranked: RankedItem) -> str:
    """The inside of an item's element, by the host's template or function, or by ours."""
    fields = ranked.item.fields
    if isinstance(made, str):
        return CardTemplate(made, name).fill(values, fields)
    html = made({**fields_as_values(fields), **values})
    if not isinstance(html, str):
        raise InvalidRequest(f"{name}: expected HTML as a string, got {kind_of(html)}")
    return html


def _our_card(values: Mapping[str, str]) -> str:
    parts = [values["image"], '<div class="er-body">']
    parts.append(_paragraph("er-category", values["categories"]))
    parts.append(values["heading"])
    parts.append(_paragraph("er-text", values["text"], values["language"]))
    parts += [values["reasons"], "</div>"]
    return "".join(parts)


def _our_banner(values: Mapping[str, str]) -> str:
    parts = [values["image"], '<div class="er-body">']
    parts.append(_paragraph("er-kicker", values["kicker"]))
    parts.append(values["heading"])
    parts.append(_paragraph("er-text", values["text"], values["language"]))
    parts.append(_paragraph("er-reason", values["reason"]))
    return "".join([*parts, "</div>"])


def _paragraph(name: str, inside: str, language: str = "") -> str:
    if not inside:
        return ""
    lang = f' lang="{language}"' if language else ""
    return f'<p class="{name}" dir="auto"{lang}>{inside}</p>'


def _hue(shown: Card | Banner) -> str:
    """A class with a colour for its category: the same in every run and on every machine."""
    if isinstance(shown, Card):
        name = shown.categories[-1] if shown.categories else shown.id
    else:
        name = shown.category or shown.id
    return f"er-hue-{zlib.crc32(name.encode('utf-8', 'replace')) % HUES}"
