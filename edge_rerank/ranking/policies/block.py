"""Blocked items: they take no part in a ranking, as if they had not been handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.list_rules import Block
from edge_rerank.ranking.request import Request
from edge_rerank.types import Item, LeftOut, ReasonCode

_FEW_WORDS = 4
"""Up to which all texts are searched: that takes less than to look up what is known of each."""

_MOST_REMEMBERED = 100_000
"""Texts of which it is remembered whether they have a word; 10 MiB."""

_JOINT = "\x00"
"""Between texts that are searched as one."""

_UNSPACED = ("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u2e80", "\uabff")
"""Thai and Lao, Burmese, Khmer, Chinese, Japanese and their like: written without blanks."""


class Blocking:
    """Leaves out what a policy blocks. Safe from several threads.

    Hosts rank the same catalogue again and again: what came of the last list is remembered, and
    holds for one of the very same objects, in their order. To look into 10,000 items takes ten
    times as long as to see that they are these.
    """

    def __init__(self) -> None:
        self._last: _Parted | None = None

    def without(self, request: Request) -> tuple[Request, tuple[LeftOut, ...]]:
        """The request less the items that its policy blocks, and these."""
        block = request.policy.block
        if not block:
            return request, ()
        parted = self._last
        if parted is None or not parted.is_of(request.candidates, block):
            parted = self._last = _parted(request, block)
        if not parted.left:
            return request, ()
        keep = min(request.keep, len(parted.stay))
        return replace(request, candidates=parted.stay, keep=keep), parted.left

    def forget(self, user: str | None = None) -> None:
        """Drop what is remembered, whoever it is about."""
        del user
        self._last = None


@dataclass(frozen=True, slots=True, repr=False)
class _Parted:
    """What came of a list.

    Attributes:
        items: as handed in.
        block: what parts them.
        stay: the items that do.
        left: the others.
    """

    items: Candidates
    block: Block
    stay: Candidates
    left: tuple[LeftOut, ...]

    def is_of(self, items: Candidates, block: Block) -> bool:
        """Whether it is what would come of these."""
        return items.same_as(self.items) and block == self.block


def _parted(request: Request, block: Block) -> _Parted:
    items = request.candidates
    stays = np.ones(len(items), dtype=np.bool_)
    stays[_blocked_rows(request, block)] = False
    gone = np.flatnonzero(~stays).tolist()
    stay = items.part(np.flatnonzero(stays)) if gone else items
    named = zip([items[row].id for row in gone], repeat(ReasonCode.BLOCKED))
    # Past the check of a named tuple's arguments: there may be thousands.
    left = tuple(map(partial(tuple.__new__, LeftOut), named))
    return _Parted(items, block, stay, left)


def _blocked_rows(request: Request, block: Block) -> NDArray[np.intp]:
    """Rows of the candidates that are blocked, intp; one may be there twice."""
    by_id = request.rows_of(block.ids)
    others = _by_content(request.candidates, block)
    return np.concatenate([by_id[by_id >= 0], np.array(others, dtype=np.intp)])


def _by_content(items: Candidates, block: Block) -> list[int]:
    """Rows of items with one of the categories or the words."""
    found: list[int] = []
    if block.categories:
        found += np.flatnonzero(items.categories.any_of(block.categories)).tolist()
    if len(block.words) > _FEW_WORDS:
        found += _known(hash(block.words)).rows(items, block.words)
    elif block.words:
        found += _with_words(items, block.words)
    return found


class _Verdicts:
    """Which texts have one of some words, told by their hashes in this process.

    Neither texts nor words are kept. Safe from several threads.
    """

    def __init__(self) -> None:
        self._clean: set[int] = set()
        self._bad: set[int] = set()

    def rows(self, items: Sequence[Item], words: frozenset[str]) -> list[int]:
        """Rows whose texts have any of the words.

        Args:
            items: any.
            words: always the same, as :class:`~edge_rerank.Block` has them.
        """
        clean, bad = self._clean, self._bad
        suspects = [row for row, item in enumerate(items) if hash(item.text) not in clean]
        new = [row for row in suspects if hash(items[row].text) not in bad]
        if not new:
            return suspects
        guilty = {new[place] for place in _with_words([items[row] for row in new], words)}
        if len(clean) + len(bad) + len(new) > _MOST_REMEMBERED:
            clean = self._clean = set()
            bad = self._bad = set()
        bad.update([hash(items[row].text) for row in guilty])
        clean.update([hash(items[row].text) for row in new if row not in guilty])
        innocent = set(new) - guilty
        return [row for row in suspects if row not in innocent]


@lru_cache(maxsize=4)
def _known(words: int) -> _Verdicts:  # noqa: ARG001 - a key
    """What is known of some words, by their hash."""
    return _Verdicts()


def _with_words(items: Sequence[Item], words: frozenset[str]) -> Iterator[int]:
    """Rows whose texts have any of the words.

    All texts are searched as one, a word at a time: one search in a long text takes a hundredth of
    as many searches in short ones.
    """
    whole = _JOINT.join([item.text for item in items])
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
