"""Models of the shipped packs, loaded once for all engines that a test process opens.

Opening the default pack takes half a second on a small machine, and reading the example catalogue
a quarter more; a run of all tests opened it a thousand times. Files are read and hashed as ever,
engines have caches and tables of their own, and what an encoder computes once for some tokens it
gives again, to the last bit. Other packs, and whatever makes an encoder or a session itself, are
loaded as ever: tests of loading do so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.inference import session
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking import opening
from edge_rerank.ranking.sources import history_graphs
from edge_rerank.ranking.sources.history_model import HistoryModel

Inputs = Mapping[str, NDArray[Any]]

MOST_RUNS = 20_000
"""Runs whose vectors are kept: 80 MiB where each has three rows."""


def keep_models(patch: pytest.MonkeyPatch) -> None:
    """Have engines share the models of shipped packs, as long as ``patch`` holds."""
    patch.setattr(opening, "TextEncoder", _Encoders())
    patch.setattr(opening, "HistoryModel", _Histories())
    # Those of a history model take its weights as inputs, and so are the same for every pack.
    patch.setattr(history_graphs, "Session", cache(Session))


class _Encoders:
    """Makes encoders, those of shipped packs around one model each."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], TextEncoder] = {}

    def __call__(
        self, pack: Pack, *, providers: object = None, threads: int | None = None, last: bool
    ) -> TextEncoder:
        if not pack.pinned or providers is not None:
            return TextEncoder(pack, providers=providers, threads=threads, last=last)  # type: ignore[arg-type]
        key = pack.digest, threads or session.default_threads()
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = TextEncoder(pack, threads=threads, last=last)
            found._session.run = _Remembered(found._session.run)  # type: ignore[method-assign]
        elif last and pack.manifest.encoder is not None:
            del pack._files[pack.manifest.encoder.model]
        own = copy(found)
        if found.queries is found:
            own.queries = own
        return own


class _Histories:
    """Makes history models, those of shipped packs around the same graphs."""

    def __init__(self) -> None:
        self._kept: dict[str, HistoryModel] = {}

    def __call__(self, pack: Pack, *, providers: object = None, tables: Any = None) -> HistoryModel:
        if not pack.pinned or providers is not None:
            return HistoryModel(pack, providers=providers, tables=tables)  # type: ignore[arg-type]
        if pack.digest not in self._kept:
            self._kept[pack.digest] = HistoryModel(pack)
        own = copy(self._kept[pack.digest])
        if tables is not None:
            own.take(tables)
        return own


class _Remembered:
    """A model's run that computes the same inputs once."""

    def __init__(self, run: Callable[[Inputs], list[NDArray[Any]]]) -> None:
        self._run = run
        self._found: dict[object, list[NDArray[Any]]] = {}

    def __call__(self, inputs: Inputs) -> list[NDArray[Any]]:
        key = tuple((name, value.shape, value.tobytes()) for name, value in inputs.items())
        found = self._found.get(key)
        if found is None:
            found = self._run(inputs)
            if len(self._found) < MOST_RUNS:
                self._found[key] = found
        return [np.array(one) for one in found]
