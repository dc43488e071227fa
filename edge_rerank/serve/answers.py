"""Answers as they go over the wire: our own, and those of the shapes that others speak."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_rerank.learning.stats import Stats
from edge_rerank.learning.stats_words import StatsWords
from edge_rerank.ranked import items_and_scores
from edge_rerank.result import Ranking
from edge_rerank.serve.wire import OPTIONS, WHOSE, RankCall
from edge_rerank.texts import RankedText, RankedTexts
from edge_rerank.types import Item, Reason

Answer = dict[str, Any]


def ranking_answer(ranking: Ranking, items: Sequence[Item], call: RankCall) -> Answer:
    """A ranking of ``items``: their places, ids and scores, and what else was asked for."""
    places = {item.id: place for place, item in enumerate(items)}
    told = zip(*items_and_scores(ranking.items), strict=True)
    entries: list[Answer] = [
        {"index": places[item.id], "id": item.id, "rank": rank, "score": score}
        for rank, (item, score) in enumerate(told, start=1)
    ]
    if call.reasons:
        for entry, ranked in zip(entries, ranking, strict=True):
            entry["reasons"] = [_reason(reason) for reason in ranked.reasons]
    if call.return_items:
        for entry, ranked in zip(entries, ranking, strict=True):
            entry.update(_shown(ranked.item))
    if call.why:
        for entry, card in zip(entries, ranking.to_cards(), strict=True):
            entry["why"] = list(card.reasons)
    return {
        "id": ranking.id,
        "took_ms": round(ranking.took_ms, 3),
        "personalised": ranking.personalised,
        "degraded": [one.value for one in ranking.degraded],
        "unread": asdict(ranking.unread),
        "pack": ranking.pack,
        "order": ranking.order.value,
        "left_out": [{"id": one.id, "code": one.code.value} for one in ranking.left_out],
        "chances": list(ranking.chances),
        "items": entries,
    }


def texts_answer(ranked: RankedTexts, echo: bool | None) -> Answer:
    """Ranked texts in our own form."""
    return {
        "id": ranked.id,
        "took_ms": round(ranked.took_ms, 3),
        "personalised": ranked.personalised,
        "degraded": [one.value for one in ranked.degraded],
        "results": [
            {
                "index": one.index,
                "id": one.id,
                "score": one.score,
                **({"text": one.text} if echo else {}),
            }
            for one in ranked
        ],
    }


def stats_answer(stats: Stats, words: StatsWords) -> Answer:
    """Statistics of a person's lists, with each note in words as well."""
    told = stats.to_dict()
    for entry, note in zip(told["notes"], stats.notes, strict=True):
        entry["text"] = words.note(note)
    return told


def _reason(reason: Reason) -> Answer:
    return {
        "code": reason.code.value,
        "weight": reason.weight,
        "item_id": reason.item_id,
        "category": reason.category,
    }


def _shown(item: Item) -> Answer:
    return {
        "text": item.text,
        "categories": list(item.categories),
        "fields": dict(item.fields),
    }


@dataclass(frozen=True, slots=True)
class Shape:
    """How others ask for a ranking of texts, and what they read.

    Attributes:
        members: that a request may have.
        texts: the member with the texts.
        echo: the member that says whether the answer is to hold them.
        answer: makes the answer of what was ranked, of what ``echo`` says and of the model's name.
    """

    members: Collection[str]
    texts: str
    echo: str
    answer: Callable[[RankedTexts, bool | None, str], Any]


def _cohere(ranked: RankedTexts, echo: bool | None, model: str) -> Answer:
    del echo, model
    results = [{"index": one.index, "relevance_score": one.score} for one in ranked]
    return {"id": ranked.id, "results": results, "meta": _META}


def _jina(ranked: RankedTexts, echo: bool | None, model: str) -> Answer:
    return _with_documents(ranked, model, _in_object if echo is not False else None)


def _vllm_or_infinity(ranked: RankedTexts, echo: bool | None, model: str) -> Answer:
    write = _in_object if echo is None else _plain if echo else None
    return _with_documents(ranked, model, write)


def _tei(ranked: RankedTexts, echo: bool | None, model: str) -> Sequence[Answer]:
    del model
    return [
        {"index": one.index, "score": one.score, **({"text": one.text} if echo else {})}
        for one in ranked
    ]


def _with_documents(
    ranked: RankedTexts, model: str, write: Callable[[RankedText], object] | None
) -> Answer:
    return {
        "id": ranked.id,
        "model": model,
        "object": "list",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        "meta": _META,
        "results": [
            {
                "index": one.index,
                "relevance_score": one.score,
                **({"document": write(one)} if write else {}),
            }
            for one in ranked
        ],
    }


def _in_object(one: RankedText) -> object:
    return {"text": one.text}


def _plain(one: RankedText) -> object:
    return one.text


_META = {"api_version": {"version": "2"}, "billed_units": {"search_units": 0}}

_OURS = (*WHOSE, *OPTIONS, "top_k")
_ASKED = ("model", "query", "top_n")
_CUT = ("max_tokens_per_doc", "truncate_prompt_tokens", "truncation", "max_chunks_per_doc")
"""Where to cut texts: the pack's own limit counts."""

COHERE = Shape(
    (*_ASKED, "documents", "priority", *_CUT, *_OURS), "documents", "return_documents", _cohere
)
JINA = Shape(
    (*_ASKED, "documents", "return_documents", *_CUT, *_OURS),
    "documents",
    "return_documents",
    _jina,
)
VLLM = Shape(
    (*_ASKED, "documents", "return_documents", "raw_scores", *_CUT, *_OURS),
    "documents",
    "return_documents",
    _vllm_or_infinity,
)
TEI = Shape(
    (
        *_ASKED,
        "texts",
        "raw_scores",
        "return_text",
        "truncate",
        "truncation_direction",
        *_OURS,
    ),
    "texts",
    "return_text",
    _tei,
)
