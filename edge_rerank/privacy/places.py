"""Where a person is: positions by satellite, and postal addresses of house and street.

Addresses in five manners of writing: street, number, postal code and town of German, English,
French, Spanish and Italian, and the Chinese order from town to house. No library does it well and
is light: libpostal takes 2 GB, usaddress parses what somebody has found already, pyap finds
those of three English-speaking countries.
"""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import re
from collections.abc import Iterator

_LETTER = "0-9A-Za-z\u00c0-\u024f\u0400-\u04ff"
_START = rf"(?<![{_LETTER}_])(?<![\d.][.,])"
_NUMBER = r"[+\-]?\d{1,3}[.]\d{4,15}"

_WORD = r"(?:[^\W\d_]|['’])(?:[^\W\d_]|['’.\-]){0,24}"
_STREETS_EN = (
    "street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|sq|terrace"
    "|close|crescent|gardens|mews|parkway|pkwy|highway|hwy|way|circle|cir|grove|row|hill|walk|trail"
    "|shoals?|ridge|view|park|island|station|plaza|rapids?|springs?|cove|crossing|path|pass|run"
)
_HOUSE = r"\d{1,5}[ ]?[a-zA-Z]?(?:[ ]?[/\-][ ]?\d{1,4}[a-zA-Z]?)?"
_GAP = r"(?:[ ]?[,;\n][ \n]?|[ ])"
_COMMA = r"[ ]?[,;\n][ \n]?"
_TOWN = rf"{_WORD}(?:[ \-]{_WORD}){{0,3}}"

_CODE_EN = r"(?:[A-Za-z]{2}[ ])?(?:\d{5}(?:-\d{4})?|[A-Za-z]{1,2}\d[0-9A-Za-z]?[ ]?\d[A-Za-z]{2})(?![0-9A-Za-z_])"
_STREETS_SOUTH = (
    r"calle|c/|c\.|avenida|avda\.?|plaza|paseo|camino|alameda|cuesta|ronda|pasaje|glorieta|rambla|callejón|cañada"
    r"|urbanización|carretera|rua|travessa|via|viale|corso|piazza|largo|vicolo|acceso|pasadizo|vial|rotonda|incrocio|strada|contrada|borgo|stretto|canale"
    r"|ul\.|ulica|aleja|plac|al\."
)

POSITION_GATE = re.compile(r"\.\d{3}|°|///|\+[2-9CFGHJMPQRVWX]{2}|\.\d\d[NSns ]")
"""Where there is none of these, there is no position."""

_POSTAL_CODE = re.compile(
    r"\d\D{2,80}\d{4}|\d{4}\D{3,80}\d|\d\D{4,80}\d[0-9A-Za-z]?[ ]?\d[A-Za-z]{2}|\d\D{1,40}\d\d-\d{3}"
    r"|,[ ]\d{5}[ ,]|[路街道巷弄号市区町村郡]"
)
_STREET = re.compile(
    r"stra(?:ß|ss)e|str\.|(?:weg|gasse|allee|platz|ring|ufer|damm|gatan|vägen|stigen|gränd|torget|backen|vej"
    rf"|gade|veien|gata|katu|tie)[ ]\d|\d[a-z]?[ ](?:[^\W\d_][\w'’.\-]*[ ]){{1,3}}(?:{_STREETS_EN})(?![0-9a-z])"
    r"|(?<![a-z])(?:rue|avenue|av|boulevard|bd|place|chemin|impasse|allée|quai|route)(?![0-9a-z])"
    r"|\d{4}[ ]?[A-Z]{2}(?![0-9a-z])|,[ ][A-Z]{2}[ ]\d{5}|[A-Z]{1,2}\d[0-9A-Z]?[ ]\d[A-Z]{2}(?![0-9a-z])"
    rf"|(?<![a-z])(?:{_STREETS_SOUTH.replace('c/|', '')})(?![0-9a-z])|c/|[路街道巷弄][ ]?[0-9A-Z]|[市区町村郡]",
    re.IGNORECASE,
)
"""Where one of these two is not, there is no address: most texts lack both."""

POSITION = re.compile(
    rf"{_START}{_NUMBER}[ ]?°?[ ]?[NSns]?(?:[ ]?[,;/][ ]?|[ ]{{1,2}}){_NUMBER}(?:[ ]?°)?(?:[ ]?[EWOewo](?![0-9A-Za-z_]))?(?![\d.]\d)"
    r"|\d{1,3}[ ]?°[ ]?\d{1,2}(?:\.\d{1,6})?[ ]?['′’](?:[ ]?\d{1,2}(?:\.\d{1,6})?[ ]?(?:\"|″|”|''))?[ ]?[NSns][ ,;]{0,2}"
    r"\d{1,3}[ ]?°[ ]?\d{1,2}(?:\.\d{1,6})?[ ]?['′’](?:[ ]?\d{1,2}(?:\.\d{1,6})?[ ]?(?:\"|″|”|''))?[ ]?[EWOewo]"
    r"|\d{1,2}\.\d{2,8}[ ]?°?[ ]?[NSns][ ,;]{1,2}\d{1,3}\.\d{2,8}[ ]?°?[ ]?[EWOewo](?![0-9A-Za-z_])"
    r"|geo:-?\d{1,2}\.\d{1,15},-?\d{1,3}\.\d{1,15}"
    r"|[@=]-?\d{1,2}\.\d{3,15},-?\d{1,3}\.\d{3,15}"
    rf"|{_START}(?:lat(?:itude)?|纬度|北纬)[ ]?[:=：]?[ ]?-?\d{{1,2}}\.\d{{2,15}}[ ,;，]{{0,3}}(?:lo?ng?(?:itude)?|经度|东经)"
    r"[ ]?[:=：]?[ ]?-?\d{1,3}\.\d{2,15}"
    rf"|{_START}[23456789CFGHJMPQRVWX]{{8}}\+[23456789CFGHJMPQRVWX]{{2,3}}(?![0-9A-Za-z])"
    rf"|{_START}///\w{{3,20}}\.\w{{3,20}}\.\w{{3,20}}(?![0-9A-Za-z_])"
)
"""Degrees with four decimals, some ten metres, or with signs that say what they are; a full plus
code; three words. Whether the two numbers are degrees is for :func:`is_position`."""

_DECIMALS = re.compile(r"[+\-]?\d{1,3}[.]\d+")

_AFTER_STREET = re.compile(
    # (Muster)straße 12, 10115 Berlin
    rf"(?:stra(?:ß|ss)e|str\.?|weg|gasse|allee|platz|ring|ufer|damm|straat|laan|plein|kade|gracht|singel|hof|dreef"
    rf"|pad|boulevard|gatan|vägen|stigen|gränd|torget|backen|vej|gade|veien|gata|katu|tie)[ ]{_HOUSE}{_GAP}"
    rf"(?:[A-Z]{{1,2}}-)?\d{{4,5}}(?:[ ]?[A-Z]{{2}})?{_GAP}{_TOWN}"
    # Any street, where the code is as only the Netherlands have it.
    rf"|(?<=[^\W\d_][ ]){_HOUSE}{_GAP}\d{{4}}[ ]?(?-i:[A-Z]{{2}}){_GAP}{_TOWN}",
    re.IGNORECASE,
)
_STREET_CHARS = 60
_STREET_BEFORE = re.compile(rf"(?:(?:{_WORD}[ ]){{0,2}}|(?:[^\W\d_]|['’.\-]){{1,50}}[ ]?)$")

_ADDRESS = re.compile(
    # 12 Main Street, Springfield, IL 62704; 10 Downing Street, London SW1A 2AA; where commas part
    # it, with any word for the street
    rf"{_START}(?:(?:flat|studio|unit|apt)[ ]\w{{1,4}}{_GAP}(?:\d{{1,5}}[a-z]?[ ])?|\d{{1,5}}[a-z]?[ ])"
    rf"(?:{_WORD}[ ]){{1,3}}(?:(?:{_STREETS_EN})\.?(?:{_GAP}(?:apt|suite|unit|flat|#)\.?[ ]?\w{{1,5}})?{_GAP}(?:{_TOWN}{_GAP}){{1,2}}"
    rf"|{_WORD}(?:{_GAP}(?:apt|suite|unit|flat|#)\.?[ ]?\w{{1,5}})?{_COMMA}{_TOWN}{_COMMA}){_CODE_EN}"
    # 81, rue Charrier, 55225 Allard
    rf"|{_START}(?:\d{{1,4}}(?:[ ]?(?:bis|ter))?,?[ ])?(?:rue|avenue|av\.?|boulevard|bd|place|chemin|impasse|allée|quai|route)"
    rf"(?:[ \-]{_WORD}){{1,5}}{_GAP}\d{{5}}{_GAP}{_TOWN}"
    # Calle de Alcalá 83, 28009 Madrid; Via Roma 88, 12014 Torino
    rf"|{_START}(?:{_STREETS_SOUTH})[ ]?{_WORD}(?:[ ]{_WORD}){{0,5}}?,?[ ]?{_HOUSE}"
    rf"(?:[ ](?:piso|puerta|piano|appartamento|apt\.?)[ ]\w{{1,4}}){{0,2}}{_GAP}(?:{_TOWN}{_GAP})?\d{{2}}[ \-]?\d{{3}}"
    rf"(?:{_GAP}{_TOWN}(?:[ ]\([A-Z]{{2}}\))?)?"
    # 北京市朝阳区建国路88号
    r"|(?:[\u4e00-\u9fff]{2,8}(?:省|自治区|市))?[\u4e00-\u9fff]{1,8}?(?:市|区|县|镇)[\u4e00-\u9fff]{1,12}"
    r"(?:路|街|道|巷|弄|胡同|大道)[ ]?[0-9A-Za-z]{1,5}[ ]?(?:号|弄|座|栋|幢)"
    r"(?:[ ]?[0-9A-Za-z]{1,4}[ ]?(?:栋|幢|座|楼|单元|室|号)){0,4}(?:[ ]\d{6}(?!\d))?"
    # 東京都千代田区丸の内1丁目9番1号
    r"|[\u4e00-\u9fff]{1,4}[都道府県][\u3040-\u30ff\u4e00-\u9fff]{1,12}?[市区町村郡][\u3040-\u30ff\u4e00-\u9fff]{1,12}"
    r"\d{1,4}(?:丁目|-)\d{1,4}(?:番地?|-)\d{0,4}号?",
    re.IGNORECASE,
)


def find_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where postal addresses stand in ``text``."""
    if not (_POSTAL_CODE.search(text) and _STREET.search(text)):
        return
    for match in _AFTER_STREET.finditer(text):
        before = max(0, match.start() - _STREET_CHARS)
        street = _STREET_BEFORE.search(text[before : match.start()])
        yield match.start() if street is None else before + street.start(), match.end()
    for match in _ADDRESS.finditer(text):
        yield match.span()


def is_position(text: str) -> bool:
    """Whether the numbers that :data:`POSITION` found lie within 90 and 180 degrees."""
    degrees = [abs(float(number)) for number in _DECIMALS.findall(text)]
    if len(degrees) != 2:
        return True
    return degrees[0] <= 90.0 and degrees[1] <= 180.0
