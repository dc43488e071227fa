"""Blocked items: they take no part in a ranking, as if they had not been handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress, repeat
from operator import attrgetter

from edge_rerank.ranking.list_rules import Block
from edge_rerank.ranking.request import Request
from edge_rerank.types import Item, LeftOut, ReasonCode

_JOINT = "\x00"
"""Between texts that are searched as one."""

_UNSPACED = ("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u2e80", "\uabff")
"""Thai and Lao, Burmese, Khmer, Chinese, Japanese and their like: written without blanks."""


def without_blocked(request: Request) -> tuple[Request, tuple[LeftOut, ...]]:
    """The request less the items that its policy blocks, and these."""
    block = request.policy.block
    if not block:
        return request, ()
    blocked = blocked_rows(request.candidates, block)
    if not blocked:
        return request, ()
    stays = bytearray(b"\1") * len(request.candidates)
    for row in blocked:
        stays[row] = 0
    kept = tuple(compress(request.candidates, stays))
    gone = map(request.candidates.__getitem__, sorted(blocked))
    left = tuple(map(LeftOut, map(attrgetter("id"), gone), repeat(ReasonCode.BLOCKED)))
    return replace(request, candidates=kept, keep=min(request.keep, len(kept))), left


def blocked_rows(items: Sequence[Item], block: Block) -> set[int]:
    """Which of the items are blocked."""
    found: set[int] = set()
    if block.ids:
        ids = block.ids
        found.update([row for row, item in enumerate(items) if item.id in ids])
    if block.categories:
        names = block.categories
        clean = map(names.isdisjoint, map(attrgetter("categories"), items))
        found.update([row for row, one in enumerate(clean) if not one])
    if block.words:
        found.update(_with_words(items, block.words))
    return found


def _with_words(items: Sequence[Item], words: frozenset[str]) -> Iterator[int]:
    """Rows whose texts have any of the words.

    All texts are searched as one, a word at a time: one search in a long text takes a hundredth of
    as many searches in short ones.
    """
    whole = _JOINT.join(map(attrgetter("text"), items))
    if whole.count(_JOINT) >= len(items):
        whole = _JOINT.join(item.text.replace(_JOINT, " ") for item in items)
    whole = whole.casefold().replace("\n", " ")
    for word in words:
        row = counted = 0
        place = whole.find(word)
        while place >= 0:
            if not _stands_alone(whole, place, place + len(word)):
                place = whole.find(word, place + 1)
                continue
            row += whole.count(_JOINT, counted, place)
            yield row
            counted = whole.find(_JOINT, place)
            place = whole.find(word, counted) if counted >= 0 else -1


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter of the same word stands before or behind."""
    return not (
        (start and _goes_on(text[start - 1], text[start]))
        or (end < len(text) and _goes_on(text[end - 1], text[end]))
    )


def _goes_on(before: str, after: str) -> bool:
    return before.isalnum() and after.isalnum() and not (_unspaced(before) or _unspaced(after))


def _unspaced(sign: str) -> bool:
    return any(first <= sign <= last for first, last in _UNSPACED)
