"""Languages: which pieces of a multilingual vocabulary each is written with."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import StrEnum

_ASCII = "ASCII"
_LATIN = "LATIN"
_ACCENTED = f"{_ASCII} {_LATIN}"


class Language(StrEnum):
    """Languages by their ISO 639-1 code."""

    AR = "ar"
    DE = "de"
    EL = "el"
    EN = "en"
    ES = "es"
    FR = "fr"
    HE = "he"
    HI = "hi"
    IT = "it"
    JA = "ja"
    KO = "ko"
    PT = "pt"
    RU = "ru"
    TH = "th"
    UK = "uk"
    ZH = "zh"

    @property
    def scripts(self) -> frozenset[str]:
        """First words of the Unicode names of its letters; "ASCII" for those of English."""
        return frozenset(_SCRIPTS[self].split())


_SCRIPTS = {
    Language.AR: "ARABIC",
    Language.DE: _ACCENTED,
    Language.EL: "GREEK",
    Language.EN: _ASCII,
    Language.ES: _ACCENTED,
    Language.FR: _ACCENTED,
    Language.HE: "HEBREW",
    Language.HI: "DEVANAGARI",
    Language.IT: _ACCENTED,
    Language.JA: "CJK HIRAGANA KATAKANA KATAKANA-HIRAGANA IDEOGRAPHIC",
    Language.KO: "HANGUL",
    Language.PT: _ACCENTED,
    Language.RU: "CYRILLIC",
    Language.TH: "THAI",
    Language.UK: "CYRILLIC",
    Language.ZH: "CJK IDEOGRAPHIC",
}


def readable(piece: str, languages: Sequence[Language]) -> bool:
    """Whether a text in one of ``languages`` may need ``piece``; always, without any.

    Digits, punctuation, symbols and emoji belong to every language. A single Latin letter is
    kept with its accents, so that a foreign name is spelt and not lost.
    """
    if not languages:
        return True
    scripts = frozenset[str]().union(*(language.scripts for language in languages))
    letters = [sign for sign in piece if unicodedata.category(sign).startswith("L")]
    if len(letters) == 1 and _script(letters[0]) in {_LATIN, _ASCII}:
        return True
    return all(_script(sign) in scripts for sign in letters)


def _script(letter: str) -> str:
    """First word of its Unicode name; "ASCII" for the letters A to Z."""
    return _ASCII if letter.isascii() else unicodedata.name(letter, "").partition(" ")[0]
