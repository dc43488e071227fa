"""Vocabulary cut to size: which pieces of Latin letters an English text has most need of.

A multilingual vocabulary holds words of a hundred languages in the same 26 letters, and its own
probabilities are of all of them together. How English a piece looks is told by the tokeniser of the
pack that comes with the runtime, which was made of English alone: it takes "▁interview" whole, and
"▁intervju" in three parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank_export.errors import UnsupportedModel

_WORD_START = "▁"


def commonest(pieces: Sequence[str], most: int) -> list[int]:
    """Places of the pieces to keep, in their order.

    Left out are pieces with several Latin letters and no other, beginning with those that the
    English tokeniser takes in most parts, and among equals with the last. Whatever is left out is
    spelt with shorter pieces, for every single sign is kept.

    Args:
        pieces: likeliest first.
        most: how many are kept.

    Raises:
        UnsupportedModel: when more cannot be done without.
    """
    spare = [place for place, piece in enumerate(pieces) if _is_spare(piece)]
    wanted = most - (len(pieces) - len(spare))
    if wanted < 0:
        raise UnsupportedModel(
            f"encoder.vocabulary: expected at least {len(pieces) - len(spare)} pieces and those "
            f"that are special, got {most} without these"
        )
    parts = _english_parts([pieces[place] for place in spare])
    in_order = sorted(range(len(spare)), key=lambda at: (parts[at], spare[at]))
    left_out = {spare[at] for at in in_order[wanted:]}
    return [place for place in range(len(pieces)) if place not in left_out]


def _is_spare(piece: str) -> bool:
    letters = [sign for sign in piece if sign.isalpha()]
    return len(letters) > 1 and all(sign.isascii() for sign in letters)


def _english_parts(pieces: Sequence[str]) -> list[int]:
    """How many pieces the shipped pack's tokeniser makes of each."""
    pack = Pack.open(shipped_pack())
    spec = pack.manifest.encoder
    assert spec is not None  # noqa: S101 - the shipped pack has one
    tokenizer = Tokenizer.from_str(pack.read(spec.tokenizer).decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [piece.replace(_WORD_START, "") for piece in pieces]
    return [len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False)]
