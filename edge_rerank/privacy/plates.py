"""Licence plates: the shapes that hardly anything else has, and any other after a word.

By themselves: plates of China, Japan, Korea, Russia, India, Germany (with its hyphen), the United
Kingdom since 2001, France and Italy since 1994 with their separators.
"""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import re

_LETTERS = "A-Za-z\u00c0-\u024f\u0400-\u04ff"
_LETTER = f"0-9{_LETTERS}"
_START = rf"(?<![{_LETTER}])(?<![\-./])"
_END = rf"(?![{_LETTER}]|[\-./][{_LETTER}])"
_RUSSIAN = "АВЕКМНОРСТУХавекмнорстухABEKMHOPCTYX"

GATE = re.compile(
    r"[\u4e00-\u9fff][A-Za-z][ ·.\-]?[0-9A-Za-z]|\d[ ]?[あ-ん]|\d[가-힣][ ]?\d{4}|\d{3}[^\W\d_]{2}"
    r"|[A-Za-z][ \-]\d\d?[ \-][A-Za-z]|[A-ZÄÖÜ]-[A-Z]|[A-Z]\d\d[ ][A-Z]{3}|[A-Z]-\d{3}-[A-Z]"
)
ASCII_GATE = re.compile(
    r"-[A-Z]{1,2}[ \-]\d|\d[ ][A-Z]{3}|-\d{3}-[A-Z]|[ \-]\d\d?[ \-][A-Za-z]{1,3}[ \-]\d"
    r"|\d[ABEKMHOPCTYX]{2}[ ]?\d"
)
"""Where there is none of these, no plate stands by itself."""

ALONE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Za-z][ ·.\-]?"
    r"(?=[0-9A-Za-z]{0,5}\d)[0-9A-Za-z]{5,6}(?![0-9A-Za-z])"
    rf"|[\u4e00-\u9fff]{{1,4}}[ ]?\d{{2,3}}[ ]?[あ-ん][ ]?(?:\d\d-\d\d|[.・·]{{1,3}}[ ]?\d{{1,3}}){_END}"
    rf"|{_START}\d{{2,3}}[가-힣][ ]?\d{{4}}{_END}"
    rf"|{_START}[{_RUSSIAN}]\d{{3}}[{_RUSSIAN}]{{2}}[ ]?\d{{2,3}}(?:[ ]?rus)?{_END}"
    rf"|{_START}[A-Za-z]{{2}}[ \-]\d\d?[ \-][A-Za-z]{{1,3}}[ \-]\d{{4}}{_END}"
    rf"|{_START}[A-ZÄÖÜ]{{1,3}}-[A-Z]{{1,2}}[ \-]\d{{1,4}}[EH]?{_END}"
    rf"|{_START}[A-HJ-PR-Z][A-Z][0-7]\d[ ][A-Z]{{3}}{_END}"
    rf"|{_START}[A-HJ-NP-TV-Z]{{2}}-\d{{3}}-[A-HJ-NP-TV-Z]{{2}}{_END}"
)

WORDS = re.compile(
    "license plate|licence plate|number plate|plate number|numberplate|vehicle registration|reg plate"
    "|kennzeichen|nummernschild|immatriculation|plaque|matrícula|matricula|placa|targa|kenteken"
    "|rejestracyjn|registreringsnummer|rekisterinumero|registrační značka|spz|plaka|госномер"
    "|номер авто|номер машины|车牌|車牌|ナンバ-プレ-ト|번호판|차량번호"
)
"""Words, in lower case, after which a plate of any country follows."""

_PIECE = rf"(?:[{_LETTERS}]{{1,3}}(?![{_LETTERS}])|\d{{1,6}}(?!\d))"

VALUE = re.compile(
    r"(?:[ .:#=：]|no|nr|num(?:ber|mer|éro|ero)?|numarası|号码|号|番号|is|ist|est|es|è|jest|y|a){0,8}"
    rf"(?<![0-9A-Za-z])({_PIECE}(?:[ \-·.・]{{0,3}}{_PIECE}){{0,4}}){_END}",
    re.IGNORECASE,
)
"""What follows one of :data:`WORDS`; group 1 is the plate, see :func:`is_plate`."""

_FEWEST_SIGNS = 5
_MEASURE = re.compile(
    r"\d+(?:[ ]?[x×][ ]?\d+){0,2}[ ]?(?:mm|cm|m|in|kg|g|v|w|k|x|er|th|st|nd|rd|pcs|stk|st|led|for|und|y|e)?"
    r"|(?:.*\D)?(?:19|20)\d\d",
    re.IGNORECASE,
)


def is_plate(match: re.Match[str]) -> bool:
    """Whether what :data:`VALUE` found is a plate and not a measure or a year."""
    text = match[1]
    signs = [sign for sign in text if sign.isalnum()]
    digits = sum(map(str.isdigit, signs))
    hyphens = text.count("-")
    if digits < 2 - (hyphens > 1) or len(signs) < _FEWEST_SIGNS - hyphens:
        return False
    return digits == len(signs) or _MEASURE.fullmatch(text) is None
