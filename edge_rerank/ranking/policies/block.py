"""Blocked items: they take no part in a ranking, as if they had not been handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import compress, count, repeat

from edge_rerank.ranking.list_rules import Block
from edge_rerank.ranking.request import Request, rows_of
from edge_rerank.types import Item, LeftOut, ReasonCode

_MOST_REMEMBERED = 100_000
"""Texts of which it is remembered whether they have a word; 10 MiB."""

_JOINT = "\x00"
"""Between texts that are searched as one."""

_UNSPACED = ("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u2e80", "\uabff")
"""Thai and Lao, Burmese, Khmer, Chinese, Japanese and their like: written without blanks."""


def without_blocked(request: Request) -> tuple[Request, tuple[LeftOut, ...]]:
    """The request less the items that its policy blocks, and these."""
    block = request.policy.block
    if not block:
        return request, ()
    blocked = _blocked_rows(request, block)
    if not blocked:
        return request, ()
    stays = bytearray(b"\1") * len(request.candidates)
    for row in blocked:
        stays[row] = 0
    kept = tuple(compress(request.candidates, stays))
    gone = [request.candidates[row].id for row in sorted(blocked)]
    left = tuple(map(LeftOut, gone, repeat(ReasonCode.BLOCKED)))
    keep = min(request.keep, len(kept))
    return replace(request, candidates=kept, rows=rows_of(kept), keep=keep), left


def _blocked_rows(request: Request, block: Block) -> set[int]:
    """Which of the candidates are blocked."""
    items, rows = request.candidates, request.rows
    found = {rows[name] for name in block.ids if name in rows}
    if block.categories:
        clean = block.categories.isdisjoint
        found.update([row for row, item in enumerate(items) if not clean(item.categories)])
    if block.words:
        found.update(_known(hash(block.words)).rows(items, block.words))
    return found


class _Verdicts:
    """Which texts have one of some words, told by their hashes in this process.

    Neither texts nor words are kept. Safe from several threads.
    """

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def rows(self, items: Sequence[Item], words: frozenset[str]) -> Iterator[int]:
        """Rows whose texts have any of the words, which are always the same.

        Args:
            items: any.
            words: clean, see :class:`~edge_rerank.Block`.
        """
        texts = [hash(item.text) for item in items]
        known = self._known
        told = list(map(known.get, texts))
        if None in told:
            new = [row for row, verdict in enumerate(told) if verdict is None]
            bad = set(_with_words([items[row] for row in new], words))
            found = {texts[row]: place in bad for place, row in enumerate(new)}
            if len(known) + len(found) > _MOST_REMEMBERED:
                known = self._known = {}
            known.update(found)
            told = [
                found[text] if verdict is None else verdict
                for text, verdict in zip(texts, told, strict=True)
            ]
        return compress(count(), told)


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
