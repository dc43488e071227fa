"""E-mail addresses spelt out, so that no robot reads them: "jane (ät) example (punkt) de"."""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import re
from collections.abc import Iterator

_AT_WORDS = (
    "at|ät|aet|chez|arobase|arroba|chiocciola|ap[ea]n?staartje|kukac|małpa|malpa|zavináč|zavinac|snabel-?a"
    "|krøllalfa|alfakrøll|собака|собачка|αττ?|παπάκι"
)
_DOT_WORDS = (
    "dot|punkt|pkt|point|punto|ponto|punt|kropka|tečka|tecka|bodka|pont|piste|prikk|точка|крапка"
    "|τελεία|nokta"
)
_AT_SIGNS = "艾特|圈a|小老鼠|爱特|アットマ[ー-]ク|アット|골뱅이|앳"
_DOT_SIGNS = "点|點|ドット|점|닷"
_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"

GATE = re.compile(
    rf"[\W_](?:{_AT_WORDS}|a|et)[\W_]|{_AT_SIGNS}|@[ (\[]|[ )\]]@"
    rf"|@[^@]{{1,63}}(?:{_DOT_WORDS}|{_DOT_SIGNS})"
)
"""Where there is none of these, none is spelt out; for texts in lower case."""

_AT = re.compile(
    rf"(?P<bracket>[ ]?[(\[{{<][ ]?(?:{_AT_WORDS}|{_AT_SIGNS}|a|et|@)[ ]?[)\]}}>][ ]?)"
    rf"|(?P<rule>[ ]?(?P<sign>[*_/|\-])(?:{_AT_WORDS}|@)(?P=sign)[ ]?)"
    rf"|(?P<word>[ ](?:{_AT_WORDS})[ ])|(?P<asian>[ ]?(?:{_AT_SIGNS})[ ]?)|(?P<plain>[ ]?@[ ]?)",
    re.IGNORECASE,
)
_SPELT_DOT = (
    rf"[ ]?[(\[{{<][ ]?(?:{_DOT_WORDS}|{_DOT_SIGNS}|\.)[ ]?[)\]}}>][ ]?"
    rf"|[ ]?(?P<r>[*_/|\-])(?:{_DOT_WORDS}|\.)(?P=r)[ ]?|[ ](?:{_DOT_WORDS})[ ]|[ ]?(?:{_DOT_SIGNS})[ ]?"
)
_LABEL = rf"(?:[^\W_{_ASIAN}]|-(?!(?:{_DOT_WORDS})-)){{1,63}}"
_END = "(?![0-9A-Za-z])"

_HOST = re.compile(
    rf"{_LABEL}(?:(?:{_SPELT_DOT.replace('(?P<r>', '(?P<r1>').replace('(?P=r)', '(?P=r1)')}"
    rf"|[ ]?\.[ ]?){_LABEL}){{0,3}}"
    rf"(?P<dot>{_SPELT_DOT}|[ ]?\.[ ]?)(?P<top>[^\W\d_{_ASIAN}]{{2,24}}){_END}",
    re.IGNORECASE,
)
_LOCAL = re.compile(
    rf"(?:[^\W{_ASIAN}][^\W{_ASIAN}.+\-]{{0,31}}(?:[ ]?[(\[{{<][ ]?(?:{_DOT_WORDS})[ ]?[)\]}}>][ ]?"
    rf"|[ ](?:{_DOT_WORDS})[ ]|(?:{_DOT_SIGNS}))){{0,3}}(?:[^\W{_ASIAN}]|[.+\-]){{1,64}}$",
    re.IGNORECASE,
)
_LOCAL_CHARS = 160

_TOP_LEVEL = frozenset(
    [
        "com",
        "net",
        "org",
        "edu",
        "gov",
        "info",
        "mail",
        "email",
        "biz",
        "app",
        "dev",
        "io",
        "co",
        "eu",
        "de",
        "uk",
        "fr",
        "es",
        "nl",
        "pl",
        "pt",
        "br",
        "cn",
        "jp",
        "kr",
        "ru",
        "ch",
        "se",
        "dk",
        "fi",
        "cz",
        "sk",
        "hu",
        "ro",
        "gr",
        "tr",
        "ca",
        "au",
        "nz",
        "mx",
        "ar",
        "cl",
        "pe",
        "ua",
        "il",
        "ie",
        "lu",
        "hr",
        "si",
        "bg",
        "lt",
        "lv",
        "ee",
        "hk",
        "tw",
        "sg",
        "my",
        "th",
        "vn",
        "ph",
        "id",
        "za",
        "рф",
    ]
)
"""Ends of addresses between free words; those that are English words themselves are not among
them: "look at polka dot in store"."""

_ALSO_TOP_LEVEL = frozenset(["at", "be", "it", "no", "in", "us", "me", "is", "to"])
"""Ends, too, where the rest leaves no doubt."""


def find(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses that are spelt out stand in ``text``."""
    for at in _AT.finditer(text):
        host = _HOST.match(text, at.end(), at.end() + 255)
        if host is None or not _is_end(at, host):
            continue
        before = max(0, at.start() - _LOCAL_CHARS)
        local = _LOCAL.search(text[before : at.start()])
        if local is not None:
            yield before + local.start(), host.end()


def _is_end(at: re.Match[str], host: re.Match[str]) -> bool:
    dot, top = host["dot"], host["top"].lower()
    spelt = dot.strip() != "."
    if at["plain"] is not None:  # without a spelt dot it is an address like any other
        return (spelt or at["plain"] != "@" or dot != ".") and top in _TOP_LEVEL | _ALSO_TOP_LEVEL
    if at["bracket"] is not None:
        return not spelt or top in _TOP_LEVEL | _ALSO_TOP_LEVEL
    if at["rule"] is not None:
        return spelt and top in _TOP_LEVEL | _ALSO_TOP_LEVEL
    if at["asian"] is not None:
        return top in _TOP_LEVEL | _ALSO_TOP_LEVEL
    english = at["word"].strip().lower() == "at"
    return top in _TOP_LEVEL or (not english and top in _ALSO_TOP_LEVEL)
