"""Templates of a host for what stands in a card: checked when made, escaped when filled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser
from string import Template
from typing import Final

from edge_rerank.errors import InvalidRequest

Filled = Callable[[Mapping[str, str]], str]
"""A host's function: values as escaped HTML, by the names of :data:`PLACES`, to HTML."""

WORDS_OF_A_CARD: Final = (
    *("id", "rank", "score", "kicker", "title", "text", "language"),
    *("category", "categories", "reason"),
)
MARKUP_OF_A_CARD: Final = ("image", "heading", "link", "reasons")
ADDRESSES_OF_A_CARD: Final = ("url", "image_url")
PLACES: Final = (*WORDS_OF_A_CARD, *MARKUP_OF_A_CARD, *ADDRESSES_OF_A_CARD)
FIELDS: Final = "fields."
"""What a placeholder for a field of the item begins with."""

_VOID = frozenset(
    (
        *("area", "br", "col", "embed", "hr", "img", "input"),
        *("link", "meta", "source", "track", "wbr"),
    )
)
_REFUSED = frozenset(
    (
        *("base", "embed", "iframe", "link", "meta", "object"),
        *("script", "style", "textarea", "title"),
    )
)
_LEADS_SOMEWHERE = frozenset(
    (
        *("action", "background", "cite", "data", "formaction", "href"),
        *("longdesc", "ping", "poster", "src", "srcset", "xlink:href"),
    )
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class _Places(Template):
    flags = re.ASCII
    idpattern = r"[a-z_]+(?:\.\w+)?"


class CardTemplate:
    """HTML with ``$title``, ``$image`` and so on, or ``$fields.price`` for a field of the item.

    Args:
        html: what the host wrote. Words may stand between tags and in quoted attributes; markup
            only between tags; an address alone, in an attribute that takes one.
        name: what errors call it.

    Raises:
        InvalidRequest: when it names something else, leaves an element open, or has a place where
            an escaped value would still do harm: in a script, in an event handler, in a style.
    """

    def __init__(self, html: str, name: str) -> None:
        self._template = _Places(html)
        if not self._template.is_valid():
            raise InvalidRequest(f"{name}: expected $$ for a dollar sign of its own")
        self._named = tuple(dict.fromkeys(self._template.get_identifiers()))
        for place in self._named:
            if place not in PLACES and not place.startswith(FIELDS):
                raise InvalidRequest(
                    f"{name}: expected ${', $'.join(PLACES)} or ${FIELDS}..., got another"
                )
        _Check(html, name)

    def fill(self, values: Mapping[str, str], fields: Mapping[str, object]) -> str:
        """The HTML of one item.

        Args:
            values: by the names of :data:`PLACES`, escaped HTML.
            fields: of the item; what it lacks is left empty.
        """
        own = {
            place: _escaped(fields.get(place.removeprefix(FIELDS)))
            for place in self._named
            if place.startswith(FIELDS)
        }
        return self._template.substitute({**values, **own})


def fields_as_values(fields: Mapping[str, object]) -> dict[str, str]:
    """Fields of an item as a host's function gets them: ``fields.price`` and so on, escaped."""
    return {f"{FIELDS}{name}": _escaped(value) for name, value in fields.items()}


def _escaped(value: object) -> str:
    return "" if value is None else escape(str(value))


class _Check(HTMLParser):
    """Goes through a template once, and raises at the first thing that would not be safe."""

    def __init__(self, html: str, name: str) -> None:
        super().__init__(convert_charrefs=False)
        self._name = name
        self._open: list[str] = []
        if "<!" in html or "<?" in html:
            self._refuse("elements and text alone")
        self.feed(html)
        self.close()
        if self._open or self.rawdata:
            self._refuse("every element to be closed")

    def _refuse(self, expected: str) -> None:
        raise InvalidRequest(f"{self._name}: expected {expected}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _REFUSED or "$" in tag:
            self._refuse("no script, style, frame or the like")
        if _named(_QUOTED.sub("", self.get_starttag_text() or "")):
            self._refuse("placeholders of attributes inside quotes")
        for name, value in attrs:
            self._check_attribute(name, value or "")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self._refuse("every element to be closed")

    def _check_attribute(self, name: str, value: str) -> None:
        if name.startswith("on") or name in {"style", "srcdoc"}:
            self._refuse("no code and no style in an attribute")
        for place in _named(value):
            if name in _LEADS_SOMEWHERE and (
                place not in ADDRESSES_OF_A_CARD or value not in {f"${place}", f"${{{place}}}"}
            ):
                self._refuse("$url or $image_url alone where an address belongs")
            if place in MARKUP_OF_A_CARD:
                self._refuse(f"${place} between tags")


def _named(text: str) -> list[str]:
    return _Places(text).get_identifiers()
