"""A text as the scrubbing rules read it: one plain alphabet of digits and signs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_INVISIBLE = "\x00"
_MAX_KNOWN_CHARACTERS = 4096


def plain_shadow(text: str) -> tuple[str, Sequence[int]]:
    """``text`` in plain characters, and the place in ``text`` of each of them.

    Full-width and national digits become ASCII digits, exotic dashes "-", exotic spaces
    " "; invisible characters are dropped. Letters that ASCII has no form for stay.
    """
    if text.isascii():
        return text, range(len(text))
    plain = text.translate(_PLAIN)
    if _INVISIBLE not in plain:
        return plain, range(len(text))
    places = [place for place, character in enumerate(plain) if character != _INVISIBLE]
    return plain.replace(_INVISIBLE, ""), places


class _Plain(dict[int, str]):
    """Maps a character to the ASCII one it stands for, to itself, or to "invisible"."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if "\u3400" <= character <= "\u9fff":  # ideographs: the most, and never anything else
            return character
        category = unicodedata.category(character)
        digit = unicodedata.decimal(character, None)
        compatible = unicodedata.normalize("NFKC", character)
        if digit is not None:
            plain = str(digit)
        elif category == "Cf":
            plain = _INVISIBLE
        elif category == "Pd" or character in "−ー":
            plain = "-"
        elif category == "Zs":
            plain = " "
        elif character in "。·•":
            plain = "."
        elif len(compatible) == 1 and compatible.isascii():
            plain = compatible
        else:
            plain = character
        if len(self) < _MAX_KNOWN_CHARACTERS:
            self[code] = plain
        return plain


_PLAIN = _Plain()
