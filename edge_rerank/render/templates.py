"""Templates of a host for what stands in a card: checked when made, escaped when filled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from string import Template
from typing import Final, NoReturn

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
        *("plaintext", "script", "style", "textarea", "title"),
    )
)
_LEADS_SOMEWHERE = frozenset(
    (
        *("action", "background", "cite", "data", "formaction", "href"),
        *("longdesc", "ping", "poster", "src", "srcset", "xlink:href"),
    )
)
_VALUE = r"\"[^\"]*\"|'[^']*'"
_NAME = r"[^\s\"'<>/=]+"
_TAG = re.compile(rf"<(/?)([a-zA-Z][\w-]*)((?:\s+{_NAME}(?:=(?:{_VALUE}))?)*)\s*/?>", re.ASCII)
_ATTRIBUTE = re.compile(rf"({_NAME})(?:=({_VALUE}))?")


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
        _check(html, name)

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


def _check(html: str, name: str) -> None:
    """Go through a template once.

    Only the plain form of HTML is taken, elements with their attributes in quotes: so there is
    nothing that a browser could read in another way than this does.

    Raises:
        InvalidRequest: at the first thing that would not be safe.
    """
    opened: list[str] = []
    place = 0
    for tag in _TAG.finditer(html):
        _check_text(html[place : tag.start()], name)
        place = tag.end()
        closing, element, attributes = tag[1], tag[2].lower(), tag[3]
        if element in _REFUSED:
            _refuse(name, "no script, style, frame or the like")
        for attribute in _ATTRIBUTE.finditer(attributes):
            _check_attribute(attribute[1].lower(), (attribute[2] or "")[1:-1], name)
        if closing:
            if not opened or opened.pop() != element:
                _refuse(name, "every element to be closed in its turn")
        elif element not in _VOID:
            opened.append(element)
    _check_text(html[place:], name)
    if opened:
        _refuse(name, "every element to be closed in its turn")


def _check_text(text: str, name: str) -> None:
    if "<" in text:
        _refuse(name, "text and elements, with their attributes in quotes")


def _check_attribute(attribute: str, value: str, name: str) -> None:
    if attribute.startswith("on") or attribute in {"style", "srcdoc"} or "$" in attribute:
        _refuse(name, "no code, no style and no placeholder for an attribute")
    for place in _named(value):
        if place in MARKUP_OF_A_CARD:
            _refuse(name, f"${place} between elements")
        alone = place in ADDRESSES_OF_A_CARD and value in {f"${place}", f"${{{place}}}"}
        if attribute in _LEADS_SOMEWHERE and not alone:
            _refuse(name, "$url or $image_url alone where an address belongs")


def _refuse(name: str, expected: str) -> NoReturn:
    raise InvalidRequest(f"{name}: expected {expected}")


def _named(text: str) -> list[str]:
    return _Places(text).get_identifiers()
