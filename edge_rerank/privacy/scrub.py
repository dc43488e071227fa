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
from edge_rerank.types import Event

KEPT_NOTE = "kept kinds"
"""The note of the store that names the kinds left in, as a JSON array."""

OVERLAP_CHARS = 640
"""Read beyond what is wanted of a text, so that what begins before the cut is found whole. The
longest thing that a rule finds by its end is an e-mail address spelt out, some 400 characters; a
token is found by its beginning."""

_WORTH_A_LOOK = re.compile(
    r"[\d@＠艾특골]|::|[0-9A-Za-z_+/=.\-]{20}|[:：=]\s?\S{6}|bearer |///|アット|圈a|小老鼠|爱特|앳"
    r"|[\W_](?:at|ät|aet|a|et|chez|arobase|arroba|chiocciola|ap[ea]n?staartje|kukac|małpa|malpa|zavináč|zavinac"
    r"|snabel-?a|krøllalfa|alfakrøll|собака|собачка|αττ?|παπάκι)[\W_]",
    re.IGNORECASE,
)

_NAME_WORTH_A_LOOK = re.compile(
    r"[@＠+＋]|\d(?:[ .\-]?\d){10}|(?:\d{1,3}\.){3}|:[^:]*:|[A-Za-z]{2}[ ]?\d\d[ ]?\w{4}"
    r"|[A-Za-z0-9]{2,}[._-]?\w{20}|[^\x00-\x7f]\d"
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

    def scrub(self, text: str, *, chars: int | None = None) -> Scrubbed:
        """Replace what is found in ``text``, in time linear in its length.

        Args:
            text: what to look at.
            chars: how many characters of it are wanted; what lies far beyond is not read. No
                part of what was found at the cut is left.
        """
        cut = chars is not None and len(text) > chars + OVERLAP_CHARS
        if cut and chars is not None:
            text = text[: chars + OVERLAP_CHARS]
        if not _WORTH_A_LOOK.search(text):
            return Scrubbed(text[:chars], {})
        from edge_rerank.privacy.find import find  # noqa: PLC0415 - its patterns take long

        shadow, places = plain_shadow(text)
        # What begins in the overlap may be cut off in its midst: not to be told from the rest.
        last = max(0, len(shadow) - OVERLAP_CHARS) if cut else len(shadow)
        found: dict[Kind, int] = {}
        pieces: list[str] = []
        end = 0
        for span in find(shadow, self.keep):
            if span.start >= last:
                break
            start, stop = places[span.start], places[span.stop - 1] + 1
            pieces += [text[end:start], f"[{span.kind}]"]
            found[span.kind] = found.get(span.kind, 0) + 1
            end = stop
        rest = len(text) if last == len(shadow) else places[last]
        return Scrubbed("".join([*pieces, text[end:rest]])[:chars], found)

    def kind_of_name(self, name: str) -> Kind | None:
        """What kind of personal data an identifier or a category is, if any that is not kept."""
        if not _NAME_WORTH_A_LOOK.search(name):
            return None
        from edge_rerank.privacy.names import personal_kind  # noqa: PLC0415 - its patterns take long

        return personal_kind(name, self.keep)

    def clean(
        self, event: Event, *, text_chars: int | None = None, query_chars: int | None = None
    ) -> Event:
        """The event with its free texts scrubbed: the query, the item's text.

        Identifiers and categories stay here: they must match those of the next candidates. The
        history puts a keyed pseudonym in the place of those that are personal data.

        Args:
            event: is not changed; given back where nothing is found.
            text_chars: how much of the item's text is wanted; all if ``None``.
            query_chars: how much of the query is wanted; all if ``None``.
        """
        item = event.item
        if item is not None and item.text:
            text = self.scrub(item.text, chars=text_chars).text
            item = item if text == item.text else replace(item, text=text)
        query = None if event.query is None else self.scrub(event.query, chars=query_chars).text
        if item is event.item and query == event.query:
            return event
        return replace(event, item=item, query=query)
