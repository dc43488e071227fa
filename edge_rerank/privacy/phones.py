"""Telephone numbers: the shapes in which people write them.

Shapes, not numbering plans: the plan of every country (phonenumbers, 48 MB installed) would
reject numbers that do not exist, while a mistyped number is as personal as a right one.
"""

from __future__ import annotations

import re

from edge_rerank.privacy.checksums import real_date

_SEPARATOR = r"[ .\-/()]"
_NOT_INSIDE = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_EXTENSION = r"(?:[ ,]{0,2}(?:x|ext\.?|#|durchwahl|доб\.?)[ .]?\d{1,6})?"
_END = r"(?![0-9A-Za-z])"
_LOCAL_SHAPES = "|".join(
    (
        # With the international prefix 00.
        rf"\(?00[ \-]?\(?[1-9]\)?(?:{_SEPARATOR}{{0,3}}\d){{7,15}}",
        # 3-3-4 of North America, India, Italy and others.
        r"(?:1[ .\-/]{0,3})?\(\d{3}\)[ .\-/]{0,3}\d{3}[ .\-]{1,3}\d{4}",
        r"(?:1[ .\-/]{1,3})?\d{3}[ .\-/]{1,3}\d{3}[ .\-/]{1,3}\d{4}",
        # Any other area code in brackets.
        r"\([1-9]\d{1,4}\)[ .\-/]{0,3}\d(?:[ .\-]{0,2}\d){4,8}",
        # Nine digits: Spain, Portugal, Poland, Czechia, ...
        r"[2-9]\d\d(?P<a>[ \-])\d{3}(?P=a)\d{3}",
        r"[4-9]\d\d(?P<b>[ \-])\d\d(?P=b)\d\d(?P=b)\d\d",
        r"[1-9]\d(?P<c>[ \-])\d{3}(?P=c)\d\d(?P=c)\d\d",
        r"[2-9]\d(?P<e>[ \-])\d{3}(?P=e)\d{4}",
        # China, Russia, Brazil and Mexico, India, and 3-7 or 3-6 of Italy and Greece.
        r"1[3-9]\d[ .\-]{0,2}\d{4}[ .\-]{0,2}\d{4}",
        r"[78][ \-]?\(?[3489]\d\d\)?[ \-]{0,2}\d{3}[ \-]?\d\d[ \-]?\d\d",
        r"[1-9]\d(?P<d>[ \-])9?\d{4}[ \-]\d{4}",
        r"[6-9]\d{4}[ \-](?!\d000)\d{5}",
        r"[2-9]\d\d[ \-/]\d{6,7}",
    )
)

SHAPE = re.compile(
    rf"(?=((?:(?<![0-9+])\+\(?[1-9](?:{_SEPARATOR}{{0,3}}\d){{6,16}}"
    rf"|{_NOT_INSIDE}(?:{_LOCAL_SHAPES})){_EXTENSION}{_END}))",
    re.IGNORECASE,
)
"""Group 1 is a number with the international prefix, or grouped as no other number is."""

TRUNK = re.compile(
    rf"{_NOT_INSIDE}(?<!\d[\-/ ])(?=(\(?0"
    rf"(?:\d{{7,11}}|\d{{0,5}}\)?(?:[ .\-/()]{{1,3}}\d{{2,10}}){{1,5}}){_END}(?!-[\dX])))"
)
"""Group 1 is a number with the national prefix 0, see :func:`trunk`; an ISBN ends in one digit."""

WORDS = re.compile(
    "telefonnummer|telefono|telefone|telefoon|telefon|téléphone|telephone|teléfono|telefo|tel"
    "|phone|mobile|mobil|mob|cellulare|cell|celular|handy|call me|call|ring|fax|whatsapp"
    "|whats app|wechat|sms|text me|number|numéro|numero|nummer|nr|móvil|movil|portable|puhelin"
    "|телефон|тел|номер|电话|手机|联系|電話|携帯|전화|연락처|फ़ोन"
)
"""Words, in lower case, after which any seven digits are a telephone number."""

VALUE = re.compile(
    r"(?:[ .:#№=\-]|号码|号|番号|번호|is|ist|est|es|at|on){0,8}"
    r"(\+?\(?\d(?:[ .\-/()]{0,2}\d){6,14})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""What follows one of :data:`WORDS`; group 1 is the number."""

_DATE = re.compile(
    r"\(?(?:(\d\d?)([ ./\-])(\d\d?)\2((?:19|20)\d\d)|(\d\d?)([ ./\-])((?:19|20)\d\d))(?!\d)"
)
_COUNTRY_CODES = re.compile(
    r"861[3-9]\d{9}|91[6-9]\d{9}|447\d{9}|491[5-7]\d{8,9}|33[67]\d{8}|34[67]\d{8}|393\d{9}"
    r"|79\d{9}|48[4-8]\d{8}|316\d{8}|55\d\d9\d{8}|8210\d{8}|81[789]0\d{8}"
)


def trunk(text: str) -> bool:
    """Whether what :data:`TRUNK` found has a phone number's length and is not a date."""
    digits = re.sub(r"\D", "", text)
    shortest = 9 if len(digits) == len(text) or digits.startswith("00") else 8
    if not shortest <= len(digits) <= 12 or text.startswith("0."):
        return False
    match = _DATE.match(text)
    if match is None:
        return True
    if match[1] is None:
        return False
    year, first, second = int(match[4]), int(match[1]), int(match[3])
    return not (real_date(year, second, first) or real_date(year, first, second))


def bare(digits: str) -> bool:
    """Whether digits that stand alone, 9 to 13 of them, have a subscriber number's shape."""
    size = len(digits)
    if size == 9:
        return digits[0] in "6789"
    if size == 10:
        # North America; mobile numbers of India; 0 and nine digits nearly everywhere.
        north_american = digits[0] in "23456789" and digits[3] in "23456789"
        return north_american or digits[0] in "06789" or digits[0] == "3"
    if size == 11:
        mobile = digits[0] == "1" and digits[1] in "3456789"
        north_american = digits[0] == "1" and digits[1] in "23456789" and digits[4] in "23456789"
        if mobile or north_american or digits[0] == "0":
            return True
    if size == 12 and digits[0] == "0":
        return True
    return _COUNTRY_CODES.fullmatch(digits) is not None
