"""Candidates for a query made of an item: what is to be found among what is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from edge_rerank._check import check_text
from edge_rerank.errors import InvalidInput
from edge_rerank.formats.dataset import DataSet
from edge_rerank.formats.jsonl import Record, read_records
from edge_rerank.inference.encoders.cache import Encoder
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.comparisons import TextComparer
from edge_rerank.ranking.relevance.relevance import K1, WEIGHTS, B, Judge
from edge_rerank.ranking.relevance.terms import item_counts, terms
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.types import Item
from edge_rerank_export.files import kept_array
from edge_rerank_export.studies.relevance.queries import BY_NAME, NOTHING_FITS, Asked, Kind

MAX_ITEMS = 5_000
"""Items of a catalogue, drawn at random, each text once: of two alike neither is the known one."""

SIZES = (99, 199)
"""Items beside the one to be found; half of them are those most alike to it by vectors."""

SHORT = (4, 9, 19, 49, 99)
"""Likewise where a level is fitted: what a retriever hands over is a handful to a hundred."""

MAX_FITTING = 10
"""Items of one category in a list."""

RRF_K = 60
"""Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual
rank learning methods", SIGIR 2009."""

_CACHED_TERMS = 100_000
_EVERY = 1 - 1e-6


def judge_of(pack: Pack, encoder: TextEncoder) -> Judge:
    """The judge that an engine of a pack has."""
    spec = pack.manifest.history_encoder
    lexicon = None if spec is None else Lexicon.from_bytes(pack.read(spec.lexicon))
    return Judge(
        cache_items=_CACHED_TERMS,
        is_word=encoder.is_word,
        rarity=None if lexicon is None else lexicon.rarity,
    )


@dataclass(frozen=True, slots=True, repr=False)
class Catalogue:
    """A data set's items.

    Attributes:
        name: the folder's.
        items: n of them.
        vectors: of their texts, float32 of shape (n, dim).
    """

    name: str
    items: tuple[Item, ...]
    vectors: NDArray[np.float32]

    @classmethod
    def read(cls, folder: Path, encoder: Encoder, *, work: Path | None, seed: int) -> Self:
        """Draw items of a folder and encode their texts.

        Args:
            folder: a data set.
            encoder: of the pack that is to be used.
            work: folder in which vectors of this encoder are kept from one run to the next.
            seed: of the draw.
        """
        texts = {item.text.casefold(): item for item in DataSet.open(folder).items.values()}
        texts.pop("", None)
        items = list(texts.values())
        rows = np.random.default_rng(seed).permutation(len(items))[:MAX_ITEMS]
        chosen = tuple(items[row] for row in rows.tolist())
        vectors = _vectors(chosen, encoder, work)
        return cls(folder.name, chosen, vectors)


def read_pairs(file: Path, encoder: Encoder, *, work: Path | None) -> tuple[Catalogue, list[Asked]]:
    """Texts of a file, each with the query that somebody wrote for it.

    Args:
        file: JSON lines with "query" and "text".
        encoder: of the pack that is to be used.
        work: folder in which vectors of this encoder are kept from one run to the next.

    Raises:
        DataError: when the file cannot be read.
    """
    pairs = [pair for _, pair in read_records(file, _pair)]
    items = tuple(Item(str(place), text) for place, (_, text) in enumerate(pairs))
    queries = [Asked(query, (place,)) for place, (query, _) in enumerate(pairs)]
    vectors = _vectors(items, encoder, work)
    return Catalogue(file.stem, items, vectors), queries


def _pair(record: Record) -> tuple[str, str]:
    query, text = (check_text(record.get(name), name, InvalidInput) for name in ("query", "text"))
    return query, text


def _vectors(items: Sequence[Item], encoder: Encoder, work: Path | None) -> NDArray[np.float32]:
    texts = [item.text for item in items]
    if work is None:
        return encoder.encode(texts)
    digest = sha256()
    for text in texts:
        digest.update(sha256(text.encode("utf-8", "replace")).digest())
    path = work / f"vectors-{digest.hexdigest()[:32]}.npy"
    return kept_array(path, lambda: encoder.encode(texts))


@dataclass(frozen=True, slots=True, repr=False)
class Listed:
    """A query with n candidates.

    Attributes:
        kind: how the query was made.
        features: what the judge sees, in the order of its weights, shape (n, features).
        cosine: of the vectors with the query's, shape (n,), on some scale.
        bm25: shape (n,).
        fits: what is to be found, bool of shape (n,).
        every: what has all the words of the query, in whatever form, bool of shape (n,).
    """

    kind: Kind
    features: NDArray[np.float64]
    cosine: NDArray[np.float64]
    bm25: NDArray[np.float64]
    fits: NDArray[np.bool_]
    every: NDArray[np.bool_]

    @property
    def fused(self) -> NDArray[np.float64]:
        """BM25 and cosine by reciprocal rank, shape (n,); equals share their mean rank."""
        return np.asarray(1 / (RRF_K + rankdata(-self.bm25)) + 1 / (RRF_K + rankdata(-self.cosine)))


def listed(
    catalogue: Catalogue,
    kind: Kind,
    queries: Iterable[Asked],
    *,
    judge: Judge,
    encoder: Encoder,
    rng: np.random.Generator,
    whole: bool = False,
    size: int | None = None,
) -> Iterator[Listed]:
    """Draw candidates for queries.

    Args:
        catalogue: to draw from.
        kind: of the queries.
        queries: made of that catalogue, or of another of which nothing is in it.
        judge: gives the features.
        encoder: reads queries, and texts that lack words.
        rng: of the draws.
        whole: take the whole catalogue as candidates.
        size: how many that do not fit; drawn from :data:`SIZES` if ``None``.
    """
    comparer = TextComparer(encoder, cache_items=1)
    for one in queries:
        rows = np.arange(len(catalogue.items))
        if not whole:
            known = kind not in BY_NAME | NOTHING_FITS
            rows = _drawn(catalogue, one, rng, alike=known, size=size)
        items = [catalogue.items[row] for row in rows.tolist()]
        vectors = catalogue.vectors[rows]
        if kind is Kind.TOPIC:
            items, vectors = _without(items, vectors, one.without, encoder)

        def likeness(words: str, vectors: NDArray[np.float32] = vectors) -> NDArray[np.float64]:
            return comparer.likeness(vectors, words)

        features = judge.features(one.text, items, likeness)
        yield Listed(
            kind=kind,
            features=np.column_stack([features[name] for name in WEIGHTS]),
            cosine=likeness(one.text),
            bm25=bm25(one.text, items),
            fits=np.isin(rows, one.fits),
            every=features["found"] >= _EVERY,
        )


def bm25(query: str, items: Sequence[Item]) -> NDArray[np.float64]:
    """Okapi BM25 over the terms of texts and categories, shape (items,)."""
    read = [item_counts(item) for item in items]
    lengths = np.array([sum(one.values()) for one in read], dtype=np.float64)
    scores = np.zeros(len(items))
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
    for word in terms(query):
        times = np.array([one.get(word, 0) for one in read], dtype=np.float64)
        has = int((times > 0).sum())
        rarity = np.log1p((len(items) - has + 0.5) / (has + 0.5))
        scores += rarity * times * (K1 + 1) / (times + norm)
    return scores


def _drawn(
    catalogue: Catalogue,
    query: Asked,
    rng: np.random.Generator,
    *,
    alike: bool,
    size: int | None,
) -> NDArray[np.intp]:
    """Places of candidates: some that fit, some most alike to it if wished, and any."""
    size = int(rng.choice(SIZES)) if size is None else size
    fits = np.array(query.fits[:MAX_FITTING], dtype=np.intp)
    others = rng.permutation(np.setdiff1d(np.arange(len(catalogue.items)), query.fits))
    if alike:
        near = np.argsort(-(catalogue.vectors[others] @ catalogue.vectors[fits[0]]), kind="stable")
        others = np.concatenate([others[near[: size // 2]], others[np.sort(near[size // 2 :])]])
    return np.concatenate([fits, others[:size]])


def _without(
    items: Sequence[Item],
    vectors: NDArray[np.float32],
    words: Sequence[str],
    encoder: Encoder,
) -> tuple[list[Item], NDArray[np.float32]]:
    """The same without their categories, and without words in their texts."""
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
    plain = [replace(item, text=pattern.sub(" ", item.text), categories=()) for item in items]
    changed = [
        row
        for row, (one, item) in enumerate(zip(plain, items, strict=True))
        if one.text != item.text
    ]
    vectors = vectors.copy()
    if changed:
        vectors[changed] = encoder.encode([plain[row].text for row in changed])
    return plain, vectors
