"""Models of packs, loaded once for all engines that a test process opens.

Opening the default pack takes half a second on a small machine, and reading the example catalogue
a quarter more; a run of all tests opened it a thousand times. Files are read, hashed and checked as
ever, engines have caches and tables of their own, and what an encoder computes once for some tokens
it gives again, to the last bit. Whatever makes an encoder or a session itself loads as ever: tests
of loading do so.
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

MOST_MODELS = 32
"""Of a kind, before all are let go of."""

MOST_BYTES = 32 << 20
"""Of vectors of one encoder."""


def keep_models(patch: pytest.MonkeyPatch) -> None:
    """Have engines share models that are made of the same bytes, as long as ``patch`` holds."""
    patch.setattr(opening, "TextEncoder", _Encoders())
    patch.setattr(opening, "HistoryModel", _Histories())
    # Those of a history model take its weights as inputs, and so are the same for every pack.
    patch.setattr(history_graphs, "Session", cache(Session))


def load_anew(patch: pytest.MonkeyPatch) -> None:
    """Have engines load their models as ever: for tests of what loading does."""
    patch.setattr(opening, "TextEncoder", TextEncoder)
    patch.setattr(opening, "HistoryModel", HistoryModel)
    patch.setattr(history_graphs, "Session", Session)


def _digests(pack: Pack, *names: str) -> tuple[str, ...]:
    """Of files, and of what lies beside them."""
    found = {entry.name: entry.sha256 for entry in pack.manifest.files}
    beside = pack.manifest.external_data
    return tuple(found[one] for name in names for one in (name, beside.get(name)) if one)


class _Encoders:
    """Makes encoders, those of the same files around one model."""

    def __init__(self) -> None:
        self._kept: dict[object, TextEncoder] = {}

    def __call__(
        self, pack: Pack, *, providers: object = None, threads: int | None = None, last: bool
    ) -> TextEncoder:
        spec = pack.manifest.encoder
        odd = threads is not None and (type(threads) is not int or threads < 1)
        if spec is None or providers is not None or odd:
            return TextEncoder(pack, providers=providers, threads=threads, last=last)  # type: ignore[arg-type]
        runs = threads or session.default_threads()
        key = repr(spec), runs, _digests(pack, spec.model, spec.tokenizer)
        found = self._kept.get(key)
        if found is None:
            found = TextEncoder(pack, threads=threads, last=last)
            found._session.run = _Remembered(found._session.run)  # type: ignore[method-assign]
            _keep(self._kept, key, found)
        elif last:
            for name in {spec.model, pack.manifest.external_data.get(spec.model, "")} - {""}:
                del pack._files[name]
        own = copy(found)
        if found.queries is found:
            own.queries = own
        return own


class _Histories:
    """Makes history models, those of the same files around the same graphs."""

    def __init__(self) -> None:
        self._kept: dict[object, HistoryModel] = {}

    def __call__(self, pack: Pack, *, providers: object = None, tables: Any = None) -> HistoryModel:
        spec = pack.manifest.history_encoder
        if spec is None or providers is not None:
            return HistoryModel(pack, providers=providers, tables=tables)  # type: ignore[arg-type]
        files = _digests(pack, spec.model, spec.lexicon, *spec.tables.values())
        key = repr(spec), files
        found = self._kept.get(key)
        if found is None:
            found = HistoryModel(pack)
            _keep(self._kept, key, found)
        own = copy(found)
        if tables is not None:
            own.take(tables)
        return own


def _keep(kept: dict[object, Any], key: object, model: object) -> None:
    if len(kept) >= MOST_MODELS:
        kept.clear()
    kept[key] = model


class _Remembered:
    """A model's run that computes the same inputs once."""

    def __init__(self, run: Callable[[Inputs], list[NDArray[Any]]]) -> None:
        self._run = run
        self._found: dict[object, list[NDArray[Any]]] = {}
        self._bytes = 0

    def __call__(self, inputs: Inputs) -> list[NDArray[Any]]:
        key = tuple((name, value.shape, value.tobytes()) for name, value in inputs.items())
        found = self._found.get(key)
        if found is None:
            found = self._run(inputs)
            self._bytes += sum(one.nbytes for one in found)
            if self._bytes < MOST_BYTES:
                self._found[key] = found
        return [np.array(one) for one in found]
