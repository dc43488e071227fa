"""Rankings as HTML that stands on its own.

Everything that comes from an item is escaped; the HTML has no script, loads nothing, and
follows the reader's light or dark setting.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from enum import StrEnum
from html import escape

from edge_rerank.errors import InvalidRequest
from edge_rerank.render.cards import Banner, Card, Titles, as_banner, as_cards
from edge_rerank.render.page import page
from edge_rerank.types import RankedItem


class Layout(StrEnum):
    """How :func:`as_html` arranges a ranking."""

    LIST = "list"
    CARDS = "cards"
    BANNER = "banner"


def as_html(
    ranking: Sequence[RankedItem],
    *,
    layout: Layout | str = Layout.CARDS,
    heading: str = "Picked for you",
    titles: Titles | None = None,
    full_page: bool = True,
    lang: str = "en",
) -> str:
    """HTML that stands on its own.

    Args:
        ranking: what to show.
        layout: list, cards, or a banner with the first item.
        heading: what stands above it.
        titles: as for :func:`as_cards`.
        full_page: a whole document; else a ``style`` and a ``section`` element to be put
            into the host's own page.
        lang: language of the page, a BCP 47 tag.

    Raises:
        InvalidRequest: when ``layout`` is not a :class:`Layout`.
    """
    try:
        layout = Layout(layout)
    except ValueError:
        known = ", ".join(Layout)
        raise InvalidRequest(f"layout: expected one of {known}, got another") from None
    if layout is Layout.BANNER:
        body = _banner_html(as_banner(ranking, titles), heading)
    else:
        body = _grid_html(as_cards(ranking, titles), heading, layout)
    if not full_page:
        return f"<style>{_CSS}</style>\n{body}"
    return page(heading, body, style=_CSS, name="er-page", lang=lang)


def _hue(name: str) -> int:
    """A colour for a category: the same in every run and on every machine."""
    return zlib.crc32(name.encode("utf-8", "replace")) % 360


def _linked(title: str, url: str | None) -> str:
    if url is None:
        return escape(title)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(title)}</a>'


def _grid_html(cards: Sequence[Card], heading: str, layout: Layout) -> str:
    entries = "\n".join(_card_html(card) for card in cards)
    body = f"<ol>\n{entries}\n</ol>" if cards else "<p>Nothing to show.</p>"
    return (
        f'<section class="er er-{layout.value}" aria-label="{escape(heading)}">\n'
        f"<h2>{escape(heading)}</h2>\n{body}\n</section>"
    )


def _card_html(card: Card) -> str:
    hue = _hue(card.categories[-1] if card.categories else card.id)
    parts = [f'<li style="--hue:{hue}"><article>']
    parts.append(f'<p class="er-art" aria-hidden="true">{escape(card.title[:1].upper())}</p>')
    parts.append('<div class="er-body">')
    if card.categories:
        parts.append(f'<p class="er-category">{escape(" › ".join(card.categories))}</p>')
    parts.append(f"<h3>{_linked(card.title, card.url)}</h3>")
    if card.text:
        parts.append(f'<p class="er-text">{escape(card.text)}</p>')
    if card.reasons:
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in card.reasons)
        parts.append(f'<ul class="er-why" aria-label="Why you see this">{reasons}</ul>')
    parts.append("</div></article></li>")
    return "".join(parts)


def _banner_html(banner: Banner | None, heading: str) -> str:
    label = f'aria-label="{escape(heading)}"'
    if banner is None:
        return f'<section class="er er-empty" {label}><p>Nothing to show.</p></section>'
    hue = _hue(banner.category or banner.id)
    parts = [f'<section class="er er-banner" style="--hue:{hue}" {label}>']
    parts.append(f'<p class="er-kicker">{escape(heading)}</p>')
    parts.append(f"<h2>{_linked(banner.title, banner.url)}</h2>")
    if banner.text:
        parts.append(f'<p class="er-text">{escape(banner.text)}</p>')
    if banner.reason:
        parts.append(f'<p class="er-why">{escape(banner.reason)}</p>')
    parts.append("</section>")
    return "\n".join(parts)


_CSS = """
.er,.er-page{--ink:#1c2128;--soft:#59636e;--paper:#fff;--ground:#f4f5f7;--line:#dfe3e8;
color:var(--ink);font:1rem/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.er,.er-page{--ink:#e8ebef;--soft:#a3adb8;--paper:#1d2229;
--ground:#13161b;--line:#333b45}}
.er-page{margin:0;background:var(--ground)}
.er-page main{max-width:70rem;margin:0 auto;padding:1.5rem}
.er *{margin:0;box-sizing:border-box}
.er>h2{font-size:1.35rem;margin-bottom:1rem}
.er ol,.er ul{list-style:none;padding:0}
.er a{color:inherit;text-decoration:none}
.er a:hover{text-decoration:underline}
.er a:focus-visible{outline:3px solid currentColor;outline-offset:3px;border-radius:4px}
.er-cards ol{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}
.er-list ol{display:grid;gap:.75rem}
.er article{height:100%;overflow:hidden;background:var(--paper);border:1px solid var(--line);
border-radius:14px}
.er-cards article{display:flex;flex-direction:column}
.er-list article{display:grid;grid-template-columns:4.5rem 1fr}
.er-art{display:grid;place-items:center;color:#fff;font-size:2.2rem;font-weight:700;
background:linear-gradient(135deg,hsl(var(--hue) 45% 34%),hsl(calc(var(--hue) + 35) 50% 24%))}
.er-cards .er-art{height:6rem}
.er-body{display:flex;flex-direction:column;gap:.4rem;padding:.9rem 1rem 1rem;flex:1}
.er-category{color:var(--soft);font-size:.78rem;letter-spacing:.02em}
.er h3{font-size:1.05rem;line-height:1.25;overflow-wrap:anywhere}
.er-body .er-text{color:var(--soft);font-size:.9rem;display:-webkit-box;-webkit-line-clamp:3;
-webkit-box-orient:vertical;overflow:hidden}
.er ul.er-why{display:flex;flex-wrap:wrap;gap:.35rem;margin-top:auto;padding-top:.35rem}
.er ul.er-why li{font-size:.78rem;padding:.15rem .6rem;border-radius:1rem;
border:1px solid var(--line);background:var(--ground)}
.er-banner{padding:clamp(1.5rem,5vw,3.5rem);border-radius:18px;color:#fff;
background:radial-gradient(circle at 85% 15%,hsl(calc(var(--hue) + 50) 55% 31%),transparent 55%),
linear-gradient(120deg,hsl(var(--hue) 48% 30%),hsl(calc(var(--hue) + 30) 52% 18%))}
.er.er-banner>h2{font-size:clamp(1.6rem,4.5vw,2.8rem);line-height:1.12;margin:.35rem 0 .6rem;
max-width:24ch;overflow-wrap:anywhere}
.er-kicker{font-size:.85rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase}
.er-banner .er-text{max-width:60ch;font-size:1.05rem}
.er-banner .er-why{display:inline-block;margin-top:1.1rem;padding:.3rem .9rem;border-radius:2rem;
background:rgb(0 0 0/.3)}
"""
