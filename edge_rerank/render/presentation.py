"""Presentation of rankings by a host: pictures, templates, words, style sheet, reporting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

from edge_rerank._check import check_id, check_integer, kind_of
from edge_rerank.errors import InvalidRequest
from edge_rerank.render.addresses import check_address
from edge_rerank.render.templates import CardTemplate, Filled
from edge_rerank.render.words import Words
from edge_rerank.types import Item

Choice = str | Callable[[Item], str | None] | None
"""Something of an item: the name of the field that holds it, or a function that gives it."""

STATIC = Path(__file__).parent / "static"
"""Folder of the script and the style sheet."""

_DEEPEST_HEADING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Client-side tracking: our script reports the clicks, dwell times and impressions of a page.

    The script sends ids, ranks and times, never a text, to a route that takes what the server's
    ``POST /record`` takes.

    Attributes:
        script: address of the script, whose text :meth:`javascript` gives.
        endpoint: address that it sends to.
        user: the person, for a server of several; ``None`` for the server's own.
        guest: id of the guest session, instead of a user.

    Raises:
        InvalidRequest: when an address is no http(s) or relative one, or there are both a user and
            a guest.
    """

    script: str = "report.js"
    endpoint: str = "/record"
    user: str | None = field(default=None, repr=False)
    guest: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_address(self.script, "script")
        check_address(self.endpoint, "endpoint")
        for name in ("user", "guest"):
            if (value := getattr(self, name)) is not None:
                check_id(value, name, InvalidRequest)
        if self.user is not None and self.guest is not None:
            raise InvalidRequest("reporting: expected a user or a guest, got both")

    @staticmethod
    def javascript() -> str:
        """The script, for a host that serves it from an address of its own."""
        return _read("report.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """How a host shows rankings: pictures, templates, words, style sheet; ours are the defaults.

    Attributes:
        image: the address of an item's picture, http(s), relative or a ``data:`` picture: the
            name of the item's field that holds it, or a function of the item. Without it
            nothing is loaded from anywhere.
        alt: likewise what the picture shows, for who does not see it; where there is none, it is
            said to be decoration, as the title stands beside it.
        language: likewise the language of the item's own text, a BCP 47 tag.
        card: what stands in a card or an entry of the list: HTML with placeholders such as
            ``$title`` and ``$fields.price``, or a function from their escaped values to HTML.
        banner: the same for the banner.
        words: words in the reader's language; by default those of the page's language, which
            we have in English and Chinese.
        stylesheet: address of a style sheet that the page links to, instead of ours within.
        level: of the heading in a host's own page, 1 to 5; items have the next.
        reporting: what is done with the ranking is reported.

    Raises:
        InvalidRequest: when a template is not safe, or one of the others is malformed.
    """

    image: Choice = None
    alt: Choice = None
    language: Choice = None
    card: str | Filled | None = None
    banner: str | Filled | None = None
    words: Words | None = None
    stylesheet: str | None = None
    level: int = 2
    reporting: Reporting | None = None

    def __post_init__(self) -> None:
        for name in ("image", "alt", "language"):
            self._check(name, str)
        for name in ("card", "banner"):
            self._check(name, str)
            if isinstance(html := getattr(self, name), str):
                CardTemplate(html, name)
        if self.stylesheet is not None:
            check_address(self.stylesheet, "stylesheet")
        check_integer(self.level, "level", InvalidRequest, minimum=1, maximum=_DEEPEST_HEADING)

    def _check(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        if not (value is None or isinstance(value, kind) or callable(value)):
            raise InvalidRequest(
                f"{name}: expected a string, a function or None, got {kind_of(value)}"
            )

    @staticmethod
    def css() -> str:
        """Our style sheet, for a host that serves it from an address of its own."""
        return _read("ranking.css")


OURS = Presentation()


def chosen(item: Item, choice: Choice, name: str) -> str | None:
    """What a host chose of an item; an empty string counts as nothing.

    Raises:
        InvalidRequest: when the host's function gives something else than a string or ``None``.
    """
    if choice is None:
        return None
    if isinstance(choice, str):
        value = item.fields.get(choice)
        return value if isinstance(value, str) and value else None
    made = choice(item)
    if made is not None and not isinstance(made, str):
        raise InvalidRequest(f"{name}: expected a string or None, got {kind_of(made)}")
    return made or None


def script_element(reporting: Reporting) -> str:
    """The element that loads the script of ours and tells it where to send."""
    data = {"endpoint": reporting.endpoint, "user": reporting.user, "guest": reporting.guest}
    told = "".join(
        f' data-{name}="{escape(value)}"' for name, value in data.items() if value is not None
    )
    return f'<script src="{escape(reporting.script)}" defer{told}></script>'


@cache
def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
