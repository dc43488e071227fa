"""Invented items, vectors and people for measurements: nothing is read, and nobody is meant."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.history.vault.vault import Vault
from edge_rerank.reranker import Reranker
from edge_rerank.types import Event, Item

KEY = bytes(range(32))
"""Of history files that are measured and thrown away."""

_READ = 100

_WORDS = (
    *("quiet", "river", "garden", "night", "paper", "copper", "winter", "engine", "orange"),
    *("signal", "market", "harbour", "stone", "window", "forest", "kettle", "bicycle", "letter"),
    *("island", "mirror", "violin", "planet", "ladder", "thunder", "basket"),
)


def invented_items(count: int, *, seed: int = 0) -> list[Item]:
    """Items with titles of twelve words, two categories, and a popularity."""
    rng = random.Random(seed)  # noqa: S311 - invented item titles, not secrets
    return [
        Item(
            f"{seed}-{number}",
            " ".join(rng.choices(_WORDS, k=12)),
            rng.sample(_WORDS, 2),
            popularity=rng.randrange(1000),
        )
        for number in range(count)
    ]


def make_known(reranker: Reranker, items: list[Item]) -> None:
    """Have a reranker know items, as after :meth:`~edge_rerank.Reranker.warmup`.

    To read 10,000 texts takes longer than all measurements. Of a pack without a scorer, the first
    hundred are read, and the vectors of the others are mixtures of theirs and of noise.
    """
    engine = reranker.engine
    read = engine.vectors(items[:_READ])
    if has_scorer(reranker) or len(items) <= _READ:
        reranker.warmup(items)
        return
    engine.warmup(items, vectors=_mixtures(read, len(items)))


def have_clicked(reranker: Reranker, user: str, chosen: Sequence[Item]) -> None:
    """Have a person click items, a minute between two, the last a minute ago."""
    now = time.time()
    reranker.consent(user, True)
    reranker.record(
        [Event("click", item, timestamp=now - 60 * n) for n, item in enumerate(chosen, start=1)],
        user=user,
    )


def has_scorer(reranker: Reranker) -> bool:
    """Whether a language model judges each candidate, which takes it milliseconds."""
    engine = reranker.engine
    return engine.scorer is not None or engine.pair_scorer is not None


def _mixtures(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """These unit vectors, and mixtures with noise, float32 of shape (count, dim)."""
    read, dim = vectors.shape
    noise = np.random.default_rng(0).standard_normal((count, dim), dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    noise += vectors[np.arange(count) % read]
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    noise[:read] = vectors
    return noise


def add_people(path: Path, first: int, last: int) -> None:
    """People of one event each, "user N" with ``first`` ≤ N < ``last``, in a file under KEY."""
    HistoryStore.open(path, KEY).close()
    event = Event("click", invented_items(1)[0], timestamp=0.0)
    vault = Vault(HistoryFile(path), KEY, None, time.time)
    with vault.write() as change:  # in one transaction, which no public call does
        for number in range(first, last):
            person = change.person(f"user {number}", create=True)
            vault.rows.insert(person, [event], recorded=change.root.clock)
            change.save(person)
    vault.close()
