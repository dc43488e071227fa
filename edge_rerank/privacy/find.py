"""Rules that find personal data: patterns of bounded length, and check digits where there are some.

Its patterns take 15 ms to compile: :mod:`~.scrub` imports it with the first text worth a look.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from edge_rerank.privacy import accounts as _accounts
from edge_rerank.privacy import checksums as check
from edge_rerank.privacy import identities as _identities
from edge_rerank.privacy import phones as _phones
from edge_rerank.privacy import places as _places
from edge_rerank.privacy import plates as _plates
from edge_rerank.privacy import spelt as _spelt
from edge_rerank.privacy import tokens as _tokens
from edge_rerank.privacy.kinds import Kind


class Span(NamedTuple):
    """Where something was found, and what it is."""

    start: int
    stop: int
    kind: Kind


_KINDS = tuple(Kind)
_NOT_INSIDE = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_END = r"(?![0-9A-Za-z])"

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|0?\d?\d)"
_IPV4 = re.compile(
    rf"(?<![0-9A-Za-z])(?<!\d[.,])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9A-Za-z]|\.\d)(?::\d{{1,5}}|/\d\d?)?"
)
_IPV6 = re.compile(
    r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?"
    r"(?:%[0-9A-Za-z]{1,15})?(?:/\d{1,3})?(?![0-9A-Za-z:])"
)
_VERSION_BEFORE = re.compile(
    r"(?:\bv|ver\.?|version|firmware|release|build|update|§)[ :]?$|[a-z]/$", re.IGNORECASE
)

_AT = re.compile(r"(?<=[\w.!#$%&'*+/=?^`{|}~\-\"])@(?=[\w\[])")
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]")
_DOMAIN = re.compile(
    r"(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?[.])+(?:xn--[0-9A-Za-z-]{2,59}|[A-Za-z]{2,24})(?![0-9A-Za-z])"
    r"|(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}"
    r"|\[[0-9A-Fa-f:.]{3,45}\]"
)
_IBAN_START = re.compile(rf"{_NOT_INSIDE}(?=([A-Za-z]{{2}}[ ]?\d{{2}}[ \-.]?[0-9A-Za-z]))")

_GAP = r"[ .\-/_]{1,3}"
_CARD = re.compile(
    rf"{_NOT_INSIDE}(?=((?:(?:[2-6]\d{{3}}|1800)(?:\d{{8,15}}"
    rf"|{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{1,4}}(?:{_GAP}\d{{1,3}})?)?"
    rf"|{_GAP}\d{{6}}{_GAP}\d{{4,5}}|{_GAP}\d{{12}}|\d{{4}}{_GAP}\d{{8}}|\d\d{_GAP}\d{{10,13}}"
    rf"|{_GAP}\d\d{_GAP}\d\d{_GAP}\d{{4}}{_GAP}\d{{4}})|81\d{{14,17}})){_END})"
)

_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_WITHOUT_SIGNS = str.maketrans("", "", " .-/_+()")
_PAIR = re.compile(r"\d\d")
_ISLAND = re.compile(r"[+(]{0,2}\d[\d .\-/()_]{5,}\d")
"""Where numbers are looked for; in most texts there is no such place."""

_NUMBER_START = re.compile(rf"\+|{_NOT_INSIDE}(?:\(|\d+)")
_FEWEST_DIGITS = 7
_FEWEST_BARE_DIGITS = 9
_FEWEST_CARD_DIGITS = 12

_ISLAND_MARGIN = 24
"""Longest tail of an identity number or extension from its first letter on."""

_BARE = re.compile(r"(?<![0-9A-Za-z_#])(?<!\d[.,:\-/])\d{9,18}(?![0-9A-Za-z_]|[.,\-/:]\d)")
_CATALOGUE_BEFORE = re.compile(
    r"(?:isbn|issn|ean|upc|gtin|asin|doi|mpn|sku|oem|barcode|patent|条码|part|model|art(?:ikel|icle)?|item|serial)"
    r"(?:[ .:#-]|no|nr|num(?:ber|mer)?|1[03]|号){0,6}$",
    re.IGNORECASE,
)


_SPACED_LETTER = re.compile("[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""A letter of a script that has spaces between words: before a word, it is inside of another."""

_ALL_WORDS = "|".join(
    module.WORDS.pattern for module in (_tokens, _accounts, _identities, _phones, _plates)
)
_WORDS = re.compile(_ALL_WORDS)
_ASCII_WORDS = re.compile(
    f"(?<![a-z])(?:{'|'.join(word for word in _ALL_WORDS.split('|') if word.isascii())})"
)
"""One look for all words; half of the time where a text has no other letters."""


def find(shadow: str, keep: Container[Kind] = ()) -> list[Span]:
    """Personal data in a text, in order, without overlaps.

    Args:
        shadow: the text as the rules read it, see :mod:`~.shadow`.
        keep: kinds that are not looked for.
    """
    return _settle(span for span in _find(shadow) if span.kind not in keep)


def _find(shadow: str) -> Iterator[Span]:
    lower = shadow.lower()
    if len(lower) != len(shadow):  # a few capitals become two characters
        lower = shadow
    yield from _find_tokens(shadow)
    yield from _find_emails(shadow)
    if _spelt.GATE.search(lower):
        yield from (Span(*span, Kind.EMAIL) for span in _spelt.find(shadow))
    yield from _find_addresses(shadow)
    yield from _find_ibans(shadow)
    if (_ASCII_WORDS if lower.isascii() else _WORDS).search(
        lower
    ):  # one look instead of five, and most texts have none
        yield from _find_worded(shadow, lower)
    if _DIGIT.search(shadow):
        yield from _find_numbers(shadow)
        yield from _find_places(shadow)


def _find_tokens(shadow: str) -> Iterator[Span]:
    kind = Kind.ACCESS_TOKEN
    for run in _tokens.RUN.finditer(shadow):
        if _tokens.random_part(run[0]):
            yield Span(run.start(), run.end(), kind)
        else:
            for match in _tokens.KNOWN.finditer(shadow, run.start(), run.end()):
                yield Span(match.start(), match.end(), kind)
    for match in _tokens.PRIVATE_KEY.finditer(shadow):
        yield Span(match.start(), match.end(), kind)
    if "/" in shadow or "=" in shadow:
        for pattern in (_tokens.PARAMETER, _tokens.PATH):
            for match in pattern.finditer(shadow):
                if _tokens.in_url(match[1]):
                    yield Span(match.start(1), match.end(1), kind)
        for match in _tokens.USER.finditer(shadow):
            yield Span(match.start(1), match.end(1), kind)


def _find_worded(shadow: str, lower: str) -> Iterator[Span]:
    """What follows a word that says what it is."""
    for match in _after_words(_tokens.WORDS, _tokens.VALUE, shadow, lower):
        group = match.lastindex or 1
        if _tokens.secret_value(match[group]):
            yield Span(match.start(group), match.end(group), Kind.ACCESS_TOKEN)
    for match in _after_words(_accounts.WORDS, _accounts.VALUE, shadow, lower):
        if _accounts.is_account(match):
            yield Span(match.start("name"), match.end("name"), Kind.ACCOUNT)
    for match in _after_words(_phones.WORDS, _phones.VALUE, shadow, lower):
        yield Span(match.start(1), match.end(1), Kind.PHONE)
    for match in _after_words(_identities.WORDS, _identities.VALUE, shadow, lower):
        if _identities.is_identity(match):
            yield Span(match.start(1), match.end(1), Kind.NATIONAL_ID)
    for match in _after_words(_plates.WORDS, _plates.VALUE, shadow, lower):
        if _plates.is_plate(match):
            yield Span(match.start(1), match.end(1), Kind.LICENCE_PLATE)


def _after_words(
    words: re.Pattern[str], value: re.Pattern[str], shadow: str, lower: str
) -> Iterator[re.Match[str]]:
    """Values that follow a word which says what they are."""
    for word in words.finditer(lower):
        before = shadow[word.start() - 1 : word.start()]
        inside = word[0].isascii() and _SPACED_LETTER.match(before) is not None
        match = None if inside else value.match(shadow, word.end())
        if match is not None:
            yield match


def _find_places(shadow: str) -> Iterator[Span]:
    if (_plates.ASCII_GATE if shadow.isascii() else _plates.GATE).search(shadow):
        for match in _plates.ALONE.finditer(shadow):
            yield Span(match.start(), match.end(), Kind.LICENCE_PLATE)
    if _places.POSITION_GATE.search(shadow):
        for match in _places.POSITION.finditer(shadow):
            if _places.is_position(match[0]):
                yield Span(match.start(), match.end(), Kind.POSITION)
    for start, stop in _places.find_addresses(shadow):
        yield Span(start, stop, Kind.POSTAL_ADDRESS)


def _find_emails(shadow: str) -> Iterator[Span]:
    for at in _AT.finditer(shadow):
        domain = _DOMAIN.match(shadow, at.end(), at.end() + 255)
        start = _local_start(shadow, at.start()) if domain else at.start()
        if domain and start < at.start():
            yield Span(start, domain.end(), Kind.EMAIL)


def _local_start(shadow: str, at: int) -> int:
    """Where the part before the @ begins, at most 64 characters back."""
    limit = max(0, at - 64)
    if shadow[at - 1 : at] == '"':
        return max(shadow.rfind('"', limit, at - 1), limit)
    # In a Chinese sentence nothing stands between the words and the address.
    stops_at_ideographs = unicodedata.category(shadow[at - 1]) != "Lo"
    start = at
    while start > limit and _LOCAL.match(shadow[start - 1]):
        if stops_at_ideographs and unicodedata.category(shadow[start - 1]) == "Lo":
            break
        start -= 1
    return start


def _find_addresses(shadow: str) -> Iterator[Span]:
    for match in _IPV4.finditer(shadow) if "." in shadow else ():
        if not _VERSION_BEFORE.search(shadow[max(0, match.start() - 10) : match.start()]):
            yield Span(match.start(), match.end(), Kind.IP_ADDRESS)
    for match in _IPV6.finditer(shadow) if ":" in shadow else ():
        # "node:2001:db8::1" begins with two hexadecimal digits that are none.
        for start in (match.start(), match.start() + match[0].find(":") + 1):
            if _is_ipv6(shadow[start : match.end()].partition("/")[0].partition("%")[0]):
                yield Span(start, match.end(), Kind.IP_ADDRESS)
                break


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(map(str.isdigit, text)) or text.count(":") >= 4


def _find_ibans(shadow: str) -> Iterator[Span]:
    for begin in _IBAN_START.finditer(shadow):
        size = check.IBAN_LENGTHS.get(begin[1][:2].upper())
        match = _iban_of(size).match(shadow, begin.start()) if size else None
        if match and check.iban(match[0].translate(_WITHOUT_SIGNS).upper()):
            yield Span(match.start(), match.end(), Kind.IBAN)


@cache
def _iban_of(size: int) -> re.Pattern[str]:
    """So many letters and digits, and what may stand between them."""
    return re.compile(rf"(?:[0-9A-Za-z][ \-.]{{0,2}}){{{size - 1}}}[0-9A-Za-z]{_END}")


def _find_numbers(shadow: str) -> Iterator[Span]:
    for start, stop in _identities.find_lettered(shadow):
        yield Span(start, stop, Kind.NATIONAL_ID)
    for island in _ISLAND.finditer(shadow):
        digits = len(island[0].translate(_WITHOUT_SIGNS))
        if digits >= _FEWEST_DIGITS and _PAIR.search(island[0]):
            yield from _find_in_island(shadow, island.start(), island.end(), digits)


def _find_in_island(shadow: str, start: int, end: int, count: int) -> Iterator[Span]:
    """What begins within an island of ``count`` digits."""
    stop = end + _ISLAND_MARGIN
    before = shadow[max(0, start - 20) : start]
    in_catalogue = bool(_LETTER.search(before) and _CATALOGUE_BEFORE.search(before))
    for begin in _NUMBER_START.finditer(shadow, start, end):
        place, digits = begin.start(), begin[0]
        card = _CARD.match(shadow, place, stop) if count >= _FEWEST_CARD_DIGITS else None
        if card and _is_card(card[1].translate(_WITHOUT_SIGNS)):
            yield Span(place, card.end(1), Kind.PAYMENT_CARD)
        if in_catalogue:
            continue
        if phone := _phones.SHAPE.match(shadow, place, stop):
            yield Span(place, phone.end(1), Kind.PHONE)
        trunk = _phones.TRUNK.match(shadow, place, stop) if digits[0] in "0(" else None
        if trunk and _phones.trunk(trunk[1]):
            yield Span(place, trunk.end(1), Kind.PHONE)
        if not digits[0].isdigit():
            continue
        if identity := _identities.find_numeric(shadow, place, stop):
            yield Span(*identity, Kind.NATIONAL_ID)
        if len(digits) >= _FEWEST_BARE_DIGITS and _BARE.match(shadow, place, stop):
            kind = _bare_kind(digits)
            if kind is not None:
                yield Span(place, place + len(digits), kind)


def _is_card(digits: str) -> bool:
    return check.luhn(digits) and check.card_network(digits)


def _bare_kind(digits: str) -> Kind | None:
    """What digits that stand alone may be: an identity number, a phone number, or neither."""
    if _identities.bare(digits):
        return Kind.NATIONAL_ID
    return Kind.PHONE if _phones.bare(digits) else None


def _settle(spans: Iterable[Span]) -> list[Span]:
    """Join what overlaps; the kind that stands first in :class:`Kind` names it."""
    settled: list[Span] = []
    for span in sorted(spans):
        last = settled[-1] if settled else None
        if last is None or span.start >= last.stop:
            settled.append(span)
            continue
        kind = min(last.kind, span.kind, key=_KINDS.index)
        settled[-1] = Span(last.start, max(last.stop, span.stop), kind)
    return settled
