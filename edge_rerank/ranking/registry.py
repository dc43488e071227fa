"""All sources of evidence of an engine, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.ranking.evidence import Column, Evidence, Source
from edge_rerank.ranking.media_comparisons import MediaComparer
from edge_rerank.ranking.opening import Models
from edge_rerank.ranking.relevance.relevance import Judge
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.history import HistorySource
from edge_rerank.ranking.sources.media import MediaSources
from edge_rerank.ranking.sources.pairs import PairRelevance, PairSource
from edge_rerank.ranking.sources.repeats import RepeatSource
from edge_rerank.ranking.sources.rules import Rules
from edge_rerank.ranking.sources.scorer import ScorerSource
from edge_rerank.ranking.sources.search import SearchSource
from edge_rerank.ranking.sources.timing import TimingSource


def sources_of(models: Models, cache_items: int) -> list[Source]:
    """What scores in every call, but for the personal head.

    Args:
        models: loaded.
        cache_items: vectors that each of them keeps in memory.
    """
    history = models.history
    trained = history is not None
    judged = history is not None and history.judges_dislikes
    sources: list[Source] = [Rules(beside_model=trained, dislikes=not judged), RepeatSource()]
    if history is not None:
        sources.append(HistorySource(history, cache_items=cache_items))
    judge = Judge(
        cache_items=cache_items,
        is_word=models.encoder.is_word,
        rarity=None if history is None else history.lexicon.rarity,
    )
    pairs = models.pair_scorer
    sources.append(SearchSource(judge, None if pairs is None else PairRelevance(pairs).refine))
    if models.scorer is not None:
        sources.append(ScorerSource(models.scorer, beside_model=trained))
    if pairs is not None:
        sources.append(PairSource(pairs, beside_model=trained))
    sources.append(TimingSource())
    return sources


def media_of(models: Models, cache_items: int) -> MediaSources:
    """What scores where items carry pictures or sounds that a pack reads."""
    readers = (("image", models.images), ("audio", models.sounds))
    return MediaSources(
        MediaComparer(reader, part, cache_items=cache_items)
        for part, reader in readers
        if reader is not None
    )


def columns_of(sources: Sequence[Source]) -> list[Column]:
    """Columns of sources, in their order."""
    return [column for source in sources for column in source.columns]


def evidence_of(request: Request, sources: Sequence[Source], media: MediaSources) -> Evidence:
    """What all sources say in a call, see :func:`evidence_of_each`."""
    return evidence_of_each([request], sources, media)[0]


def evidence_of_each(
    requests: Sequence[Request], sources: Sequence[Source], media: MediaSources
) -> list[Evidence]:
    """What all sources say in some calls, each as if it were alone.

    Args:
        requests: the calls.
        sources: in their order.
        media: those by pictures and sounds, which take part where they know something.
    """
    calls = [(request, _begun(request, sources, media)) for request in requests]
    some = [call for call in calls if call[0].candidates]
    for source in sources:
        source.fill_each(some)
    return [evidence for _, evidence in calls]


def _begun(request: Request, sources: Sequence[Source], media: MediaSources) -> Evidence:
    """With what pictures and sounds say, which comes first."""
    known = media.known(request) if request.candidates else ()
    seen = (column for source, _ in known for column in source.columns)
    evidence = Evidence((*columns_of(sources), *seen), len(request.candidates))
    for one, there in known:
        one.fill(request, evidence, there)
    return evidence
