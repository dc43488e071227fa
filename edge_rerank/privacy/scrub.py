"""Scrubbing: personal data taken out of queries and texts before anything is sealed.

A query is worth keeping for its words. Addresses, numbers and secrets in it say who the
person is and nothing about what they like, so each is replaced by its kind in brackets:
``mail to [email]``. Kinds can be kept, but only by name::

    Scrubber(keep=[Kind.PHONE])

Rules are regular expressions of bounded length, so the time is linear in the text, and
check digits wherever the kind has some. Full-width and other digits, exotic dashes and
spaces and invisible characters are seen through.

Libraries were weighed first. phonenumbers (Apache-2.0, 48 MB) and python-stdnum (LGPL,
6 MB) validate a number that somebody has already found; neither finds one in a Chinese
sentence, and together they weigh as much as the five libraries of the runtime. They serve
as the oracle of the tests: the held-out set is made with them and with Faker. Presidio,
which does find, brings spaCy with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_rerank.errors import InvalidRequest
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.shadow import plain_shadow
from edge_rerank.types import Event, Item

KEPT_NOTE = "kept kinds"
"""The note of the store that names the kinds left in, as a JSON array."""

_WORTH_A_LOOK = re.compile(
    r"[\d@＠]|::|[0-9A-Za-z_+/=.\-]{20}|[:：=]\s?\S{8}|bearer |\W(?:at|arroba)\W", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without what was found in it, and how often each kind was found."""

    text: str
    found: dict[Kind, int]


class Scrubber:
    """Takes personal data out of texts and events. Safe from several threads.

    Args:
        keep: kinds to leave in, by name; the compliance report lists them.

    Raises:
        InvalidRequest: when ``keep`` names an unknown kind.
    """

    def __init__(self, *, keep: Iterable[Kind | str] = ()) -> None:
        if isinstance(keep, str):
            raise InvalidRequest("keep: expected several kinds, got one string")
        try:
            self.keep: frozenset[Kind] = frozenset(map(Kind, keep))
        except (ValueError, TypeError):
            known = ", ".join(Kind)
            raise InvalidRequest(f"keep: expected kinds among {known}") from None

    def scrub(self, text: str) -> Scrubbed:
        """Replace what is found in ``text``, in time linear in its length."""
        if not _WORTH_A_LOOK.search(text):
            return Scrubbed(text, {})
        from edge_rerank.privacy.find import find  # noqa: PLC0415 - its patterns take long

        shadow, places = plain_shadow(text)
        found: dict[Kind, int] = {}
        pieces: list[str] = []
        end = 0
        for span in find(shadow, self.keep):
            start, stop = places[span.start], places[span.stop - 1] + 1
            pieces += [text[end:start], f"[{span.kind}]"]
            found[span.kind] = found.get(span.kind, 0) + 1
            end = stop
        return Scrubbed("".join([*pieces, text[end:]]), found)

    def clean(self, event: Event) -> Event:
        """The event with its free texts scrubbed: the query, the item's text.

        Identifiers and categories stay: they must match those of the next candidates.
        """
        item = event.item
        if item is not None and item.text:
            item = Item(
                item.id,
                self.scrub(item.text).text,
                item.categories,
                item.popularity,
                item.score,
                item.vector,
                item.fields,
            )
        query = None if event.query is None else self.scrub(event.query).text
        return replace(event, item=item, query=query)
