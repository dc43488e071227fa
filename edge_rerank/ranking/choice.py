"""Choice between the shipped packs: the default for a catalogue in English, or the multilingual.

Where no pack is named, a list most of whose texts are in Chinese, or whose words the default pack
spells out as those of another language, is ranked by the other shipped pack, which is opened when
it is first needed. A list is ranked by one pack from its first vector to its last, each pack keeps
caches of its own, and :attr:`edge_rerank.Ranking.pack` says which it was.

What decides is the catalogue: the items that are ranked, or those of a warm-up, after which the
multilingual pack, which reads both, ranks every list. What a person did or asks for decides
nothing, so that equal calls give equal answers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from edge_rerank._discreet import discreet
from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidInput, PackError
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.inference.encoders.fertility import FertilityReader
from edge_rerank.inference.encoders.scripts import script_of
from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import multilingual_pack
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.ranking.answer import Answer, HeadOf, PlainCall, PlainList
from edge_rerank.ranking.candidates import Candidates, Catalogue, items_of
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.grouping import places_by
from edge_rerank.ranking.host_order import TrialOf
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.opening import Packs, tables_of
from edge_rerank.ranking.options import RankOptions, Repeats
from edge_rerank.types import Event, Item

logger = logging.getLogger(__name__)

CHOICE_SHARE = 0.5
"""Share of a list's texts that are in Chinese, from which on the multilingual pack ranks the list:
below, most of what is said is in the language that the default pack reads, in two fifths of
the time."""

_SCRIPT = "CJK"
"""What the multilingual pack reads and the default one does not."""

_MOST_REMEMBERED = 100_000
"""Texts of which it is remembered whether they are such; 10 MiB."""


class EngineOptions(TypedDict, total=False):
    """Arguments of :meth:`RankingEngine.open` beside the packs."""

    runtime: Runtime
    trust: Trust
    ratings: RatingScale | None
    repeats: Repeats | str
    policy: ListPolicy | None
    seen_releases: Mapping[str, int] | None
    tables: str | Path | Tables | None


def open_engine(pack: Packs | None, **options: Unpack[EngineOptions]) -> RankingEngine:
    """Load the packs that are named; where none is, an engine that chooses of the shipped ones.

    Arguments and errors are those of :meth:`RankingEngine.open`.
    """
    if pack is not None:
        return RankingEngine.open(pack, **options)
    tables = options.get("tables")
    if tables is not None:
        options["tables"] = tables_of(tables, options.get("trust", ANY_PACK))
    engine = ChoosingEngine.open(**options)
    engine.may_choose(lambda: RankingEngine.open(multilingual_pack(), **options))
    return engine


@discreet  # as the engines that it is made of: an error that leaves shows nothing of a person
class ChoosingEngine(RankingEngine):
    """Ranks with the shipped pack that reads the catalogue. Safe from several threads.

    Made by :func:`open_engine`. ``pack`` and ``tables`` are of the first pack.
    """

    _second: SecondEngine | None = None
    _settled = False

    def may_choose(self, opener: Callable[[], RankingEngine]) -> None:
        """Let the engine that ``opener`` makes rank what this one cannot read."""
        self._second = SecondEngine(opener)
        self._traces.add(self._second)
        self._chinese = ChineseTexts(self._encoder.unreadable)
        self._fertility = FertilityReader(self._encoder.tokens_of)

    def answer(
        self,
        items: Iterable[Item],
        *,
        history: Iterable[Event] = (),
        head_of: HeadOf | None = None,
        trial_of: TrialOf | None = None,
        **options: Unpack[RankOptions],
    ) -> Answer:
        """See :meth:`RankingEngine.answer`."""
        self._check_open()
        candidates = self.candidates(items)
        second = self._second_for(candidates)
        if second is None:
            return super().answer(
                candidates, history=history, head_of=head_of, trial_of=trial_of, **options
            )
        with self.in_flight():
            return second.answer(
                candidates, history=history, head_of=head_of, trial_of=trial_of, **options
            )

    def rank_each(self, calls: Sequence[PlainCall]) -> list[PlainList | InvalidInput]:
        """See :meth:`RankingEngine.rank_each`; each by the pack that reads its candidates."""
        self._check_open()
        with self.in_flight():
            engines = [self._second_for(items) for items, _, _ in calls]
            found: dict[int, PlainList | InvalidInput] = {}
            for mine in places_by(engines):
                engine, some = engines[mine[0]], [calls[place] for place in mine]
                each = super().rank_each(some) if engine is None else engine.rank_each(some)
                found.update(zip(mine, each, strict=True))
        return [found[place] for place in range(len(calls))]

    def warmup(
        self,
        items: Iterable[Item] = (),
        *,
        vectors: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """See :meth:`RankingEngine.warmup`; from then on the pack that reads ``items`` ranks."""
        self._check_open()
        catalogue = items_of(items)
        second = self._chosen(catalogue)
        if second is None:
            super().warmup(catalogue, vectors=vectors, progress=progress)
            return
        second.warmup(catalogue, vectors=vectors, progress=progress)
        self._settled = True

    def prepare(
        self,
        items: Iterable[Item],
        *,
        vectors: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Catalogue:
        """See :meth:`RankingEngine.prepare`; from then on the pack that reads ``items`` ranks."""
        self._check_open()
        catalogue = items_of(items)
        second = self._chosen(catalogue)
        if second is None:
            return super().prepare(catalogue, vectors=vectors, progress=progress)
        self._settled = True
        return second.prepare(catalogue, vectors=vectors, progress=progress)

    def vectors(self, items: Iterable[Item]) -> NDArray[np.float32]:
        """See :meth:`RankingEngine.vectors`; by the pack that ranks these items."""
        self._check_open()
        catalogue = items_of(items)
        second = self._chosen(catalogue)
        return super().vectors(catalogue) if second is None else second.vectors(catalogue)

    def unread(self, texts: Sequence[str]) -> float:
        """See :meth:`RankingEngine.unread`; of the pack that ranks items with such texts."""
        self._check_open()
        second = self._chosen_for(texts)
        return super().unread(texts) if second is None else second.unread(texts)

    def refresh_tables(self, tables: str | Path | Tables) -> tuple[str, ...]:
        """See :meth:`RankingEngine.refresh_tables`; both packs then rank with them."""
        read = tables_of(tables, self._trust)
        taken = super().refresh_tables(read)
        if self._second is not None:
            self._second.refresh_tables(read)
        return taken

    def close(self) -> None:
        """Free both packs' models and vectors."""
        if not self._process.here:
            return
        super().close()
        if self._second is not None:
            self._second.close()

    def pack_for(self, items: Iterable[Item]) -> Pack:
        """See :meth:`RankingEngine.pack_for`."""
        self._check_open()
        second = self._chosen(items_of(items))
        return self.pack if second is None else second.pack

    def _chosen(self, items: Sequence[Item]) -> RankingEngine | None:
        return self._chosen_for(_compared_texts(items))

    def _chosen_for(self, texts: Sequence[str]) -> RankingEngine | None:
        return self._chosen_where(lambda: self._in_chinese(texts) or self._spelt_out(texts))

    def _second_for(self, candidates: Candidates) -> RankingEngine | None:
        """The second engine where it is to rank these, ``None`` for this one."""
        return self._chosen_where(
            lambda: (
                candidates.together(self._chinese, self._are_in_chinese)
                or candidates.whole.together(self._fertility, self._are_spelt_out)
            )
        )

    def _are_in_chinese(self, candidates: Candidates) -> bool:
        # Nothing in ASCII is in Chinese, and a catalogue knows of each part that it is.
        return not candidates.ascii.all() and self._in_chinese(_compared_texts(candidates))

    def _in_chinese(self, texts: Sequence[str]) -> bool:
        return self._chinese.share(texts) >= CHOICE_SHARE

    def _are_spelt_out(self, whole: Candidates) -> bool:
        # Of a catalogue all decide: a part has too few words to tell the language by.
        return self._spelt_out(_compared_texts(whole))

    def _spelt_out(self, texts: Sequence[str]) -> bool:
        return self._fertility.of(texts).foreign

    def _chosen_where(self, foreign: Callable[[], bool]) -> RankingEngine | None:
        """The second engine where it is to rank, ``None`` for this one.

        Args:
            foreign: says whether only the second reads the texts; asked where that says.
        """
        if self._second is None or not (self._settled or foreign()):
            return None
        return self._second.get()


class SecondEngine:
    """An engine that is opened when it is first needed. Safe from several threads."""

    def __init__(self, opener: Callable[[], RankingEngine]) -> None:
        self._opener = opener
        self._engine: RankingEngine | None = None
        self._tables: Tables | None = None
        self._tried = False
        self._lock = threading.Lock()

    def get(self) -> RankingEngine | None:
        """The engine; ``None`` where it cannot be opened, which is tried once, and logged."""
        if not self._tried:
            with self._lock:
                if not self._tried:
                    self._engine = self._opened()
                    self._tried = True
        return self._engine

    def refresh_tables(self, tables: Tables) -> None:
        """Rank with newer tables, also if the engine is opened later."""
        with self._lock:
            self._tables = tables
            if self._engine is not None:
                self._engine.refresh_tables(tables)

    def forget(self, user: str | None = None) -> None:
        """Drop what was derived from a person; nothing was where it is not open."""
        if self._engine is not None:
            self._engine.forget(user)

    def close(self) -> None:
        """Close it; one that is just being opened first."""
        with self._lock:
            self._tried = True
            if self._engine is not None:
                self._engine.close()

    def _opened(self) -> RankingEngine | None:
        try:
            engine = self._opener()
            if self._tables is not None:
                engine.refresh_tables(self._tables)
        except PackError as error:
            logger.warning("no pack for texts that are not English: %s", type(error).__name__)
            return None
        logger.info("texts that are not English: ranked by %s", engine.pack.manifest.name)
        return engine


class ChineseTexts:
    """Tells what share of texts is in Chinese. Safe from several threads.

    A text is known by its hash in this process, so that none is kept.

    Args:
        unreadable: says which texts the first pack cannot read, bool of shape (texts,).
    """

    def __init__(self, unreadable: Callable[[Sequence[str]], NDArray[np.bool_]]) -> None:
        self._unreadable = unreadable
        self._known: dict[int, bool] = {}

    def share(self, texts: Sequence[str]) -> float:
        """0 to 1; blank texts do not count."""
        told = [text for text in texts if text and not text.isspace()]
        # Nothing in ASCII is in Chinese, and most lists are all of it.
        suspects = [text for text in told if not text.isascii()]
        return sum(self._are_chinese(suspects)) / len(told) if suspects else 0.0

    def _are_chinese(self, texts: Sequence[str]) -> list[bool]:
        found = {text: self._known.get(hash(text)) for text in texts}
        new = [text for text, chinese in found.items() if chinese is None]
        chinese = [text for text in new if _is_chinese(text)]
        blind = set() if not chinese else self._blind_to(chinese)
        fresh = {text: text in blind for text in new}
        if len(self._known) + len(fresh) > _MOST_REMEMBERED:
            self._known = {}
        self._known.update({hash(text): foreign for text, foreign in fresh.items()})
        return [bool(found[text] or fresh.get(text)) for text in texts]

    def _blind_to(self, texts: Sequence[str]) -> set[str]:
        unread = self._unreadable(texts)
        return {text for text, blind in zip(texts, unread.tolist(), strict=True) if blind}


def _compared_texts(items: Iterable[Item]) -> list[str]:
    """Texts of items that are compared by them, and not by vectors of the host's."""
    return [item.text for item in items if item.vector is None]


def _is_chinese(text: str) -> bool:
    """Whether half of a text's letters are Chinese, or Japanese."""
    letters = [sign for sign in text if sign.isalpha()]
    return 2 * sum(script_of(sign) == _SCRIPT for sign in letters) >= max(len(letters), 1)
