"""Scripts that a tokeniser has words of, told from those that it only spells out.

A model that was trained on one language still has the letters of others in its vocabulary. A
text of these becomes a row of letters whose vector says how it is spelt, if anything.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel, WordPiece

WORDS_A_LETTER = 2
"""Tokens of several letters that a script's vocabulary has for each letter of its own, at
least. In that of the shipped pack these are 282 in Latin, 0.2 in Cyrillic and Greek, 0.05 in
Arabic, and none in Hebrew, Hangul, Devanagari and Thai."""

MANY_SIGNS = 1_000
"""Single signs from which on a script counts as read without any longer token: where a sign is
a word, as in Chinese. The shipped pack has 244 of them, models for Chinese some 7,000."""

_LATIN = "LATIN"
_ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}
"""Written together in one text, and so read or not read together."""


@lru_cache(maxsize=1 << 14)
def script_of(letter: str) -> str:
    """The script of a letter: the first word of its name in Unicode, empty if it has none."""
    name = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
    return _ONE_SCRIPT.get(name, name)


def scripts_with_words(tokens: Iterable[str]) -> frozenset[str]:
    """Scripts that a vocabulary has words of.

    Args:
        tokens: each as a text; signs that are no letters do not count.
    """
    signs: set[str] = set()
    longer: Counter[str] = Counter()
    for token in tokens:
        letters = [sign for sign in token if sign.isalpha()]
        if len(letters) == 1:
            signs.add(letters[0])
        elif letters:
            longer[script_of(letters[0])] += 1
    single = Counter(map(script_of, signs))
    return frozenset(
        script
        for script in single.keys() | longer.keys()
        if longer[script] >= WORDS_A_LETTER * max(single[script], 1) or single[script] >= MANY_SIGNS
    )


class ScriptReader:
    """Tells which texts are in scripts that a tokeniser reads. Safe from several threads.

    Args:
        tokenizer: whose vocabulary counts; it is looked at when a text first asks for it.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._read: frozenset[str] | None = None

    def reads(self, text: str) -> bool:
        """Whether at least half of a text's letters are of scripts with words.

        Latin letters always count as read: every published vocabulary has words of them.
        """
        if text.isascii():
            return True
        letters = [sign for sign in text if sign.isalpha()]
        foreign = [sign for sign in letters if not sign.isascii() and script_of(sign) != _LATIN]
        if 2 * len(foreign) <= len(letters):
            return True
        if self._read is None:
            self._read = scripts_with_words(self._foreign_tokens())
        read = self._read
        unread = sum(script_of(sign) not in read for sign in foreign)
        return 2 * unread <= len(letters)

    def _foreign_tokens(self) -> list[str]:
        """Tokens that are not of ASCII alone, as in a text but for marks between words."""
        vocabulary = self._tokenizer.get_vocab()
        foreign = {token: number for token, number in vocabulary.items() if not token.isascii()}
        if isinstance(self._tokenizer.model, Unigram | WordPiece | WordLevel):
            return list(foreign)
        # Those of bytes are written in other signs. It takes a second for 60,000.
        decoded: list[str] = self._tokenizer.decode_batch([[one] for one in foreign.values()])
        return decoded
