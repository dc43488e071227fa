"""Identifiers and categories that are personal data: which to replace by a pseudonym.

An identifier has to stay what it is, or a recorded event would not be joined with the next
candidates; and it is a string of digits or random letters by nature, so that the rules for
texts would take every other one for a number or a token. Only what can hardly be anything else
is found here: an e-mail address or ``tel:+49 ...`` anywhere in it, and as the whole of it a
telephone number with its international prefix or of a Chinese mobile, an IBAN, a payment card of
15 digits or more, a Chinese identity number, an IP address, a known form of access token. Digits
alone of any other kind are left.
"""

from __future__ import annotations

import re
from collections.abc import Container

from edge_rerank.privacy import tokens
from edge_rerank.privacy.find import find
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.shadow import plain_shadow

_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")
_FEWEST_CARD_DIGITS = 15
"""An EAN begins like a card and has 13 digits, a GTIN 14."""

_SEPARATORS = str.maketrans("", "", " .-/")
_CHINESE_IDENTITY_DIGITS = 18


def personal_kind(name: str, keep: Container[Kind] = ()) -> Kind | None:
    """What kind of personal data an identifier or a category is, or has in it, if any.

    Args:
        name: the identifier.
        keep: kinds that are not looked for.
    """
    shadow, _ = plain_shadow(name)
    for span in find(shadow, keep):
        found = shadow[span.start : span.stop]
        if _can_hardly_be_else(span.kind, found, whole=found == shadow):
            return span.kind
    return None


def _can_hardly_be_else(kind: Kind, found: str, *, whole: bool) -> bool:
    compact = found.translate(_SEPARATORS)
    return (
        (kind is Kind.EMAIL and "@" in found)
        or (kind is Kind.PHONE and found.startswith("+"))
        or (kind is Kind.ACCESS_TOKEN and tokens.issued(found))
        or (
            whole
            and (
                kind in {Kind.IP_ADDRESS, Kind.IBAN}
                or (kind is Kind.PHONE and _CHINESE_MOBILE.fullmatch(compact) is not None)
                or (kind is Kind.PAYMENT_CARD and len(compact) >= _FEWEST_CARD_DIGITS)
                or (kind is Kind.NATIONAL_ID and len(compact) == _CHINESE_IDENTITY_DIGITS)
            )
        )
    )
