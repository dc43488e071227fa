"""Verification of text encoders: a pack beside the model of its recipe.

The original runs in PyTorch float32, the packed one as the runtime will run it. Compared
are the vectors, whether a text's vector depends on its neighbours and on padding, and the
order in which real item texts come out: by the cosine to the query where there is one, else by the
largest cosine to one item of the history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import EncoderSpec
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.progress import Update
from edge_rerank_export.recipes.bounds import EncoderBounds
from edge_rerank_export.verify.figures import Figure, Verification, ndcg_figures, tau_figure
from edge_rerank_export.verify.orders import agreement
from edge_rerank_export.verify.texts import RankingCase, Texts

BATCH_SIZES = (1, 2, 7, 32)
EXTRA_PADDING = (0, 1, 13)
_BATCH_TEXTS = 48

Vectors = NDArray[np.float32]


def verify_encoder(
    original: torch.nn.Module,
    pack: Pack,
    texts: Texts,
    bounds: EncoderBounds,
    *,
    progress: Update = lambda _done, _total: None,
) -> Verification:
    """Compare the encoder in ``pack`` with the PyTorch model it was made from.

    Args:
        original: see :class:`edge_rerank_export.models.text_encoder.TextEncoder`.
        pack: a pack that the runtime has accepted.
        texts: what to encode and in which lists to rank it.
        bounds: what must be reached.
        progress: called with (texts encoded, texts to encode) by the slower model.

    Raises:
        InferenceError: when the packed model cannot be run.
    """
    asked, encoder = _queries(texts), TextEncoder(pack)
    packed = np.concatenate(
        [encoder.encode(texts.texts), encoder.encode(_places(texts, asked), query=True)]
    )
    rows = [
        *encoder_rows(pack, texts.texts),
        *encoder_rows(pack, _places(texts, asked), query=True),
    ]
    reference = _original_vectors(original, rows, progress)
    # A text that the tokeniser cannot read has no vector in a pack, whatever the original makes
    # of its unknown tokens.
    read = packed.any(axis=1)
    reference[~read] = 0.0
    cosines = (packed * reference).sum(axis=1)[read]
    at = {place: len(texts.texts) + number for number, place in enumerate(asked)}
    orders = agreement(
        texts.cases,
        [
            (order_scores(reference, case, at), order_scores(packed, case, at))
            for case in texts.cases
        ],
    )
    figures = [
        tau_figure(orders, bounds.min_tau),
        Figure(
            "cosine",
            float(cosines.min()) if cosines.size else float("nan"),
            bounds.min_cosine,
            at_least=True,
        ),
        Figure(
            "difference",
            float(np.abs(packed - reference).max()),
            bounds.max_difference,
            at_least=False,
        ),
        Figure(
            "batch_effect",
            _batch_effect(pack, rows[:_BATCH_TEXTS]),
            bounds.max_batch_effect,
            at_least=False,
        ),
    ]
    figures += ndcg_figures(orders, bounds.max_ndcg_loss)
    return Verification(tuple(figures), len(texts.texts), len(texts.cases), (orders,))


def _queries(texts: Texts) -> list[int]:
    """Places of what was asked for, each once."""
    return list(dict.fromkeys(case.query for case in texts.cases if case.query is not None))


def _places(texts: Texts, places: Sequence[int]) -> list[str]:
    return [texts.texts[place] for place in places]


def order_scores(
    vectors: Vectors, case: RankingCase, queries: Mapping[int, int] | None = None
) -> Vectors:
    """The core of the untrained ranking, shape (candidates,): the largest cosine to what is near.

    Args:
        vectors: of all texts, shape (texts, dim), and of queries behind them.
        case: whose candidates are scored, by its query or else by its history.
        queries: where the vector of a query lies; by the history alone without it.
    """
    near = list(case.history)
    if case.query is not None and queries is not None:
        near = [queries[case.query]]
    scores: Vectors = (vectors[list(case.candidates)] @ vectors[near].T).max(axis=1)
    return scores


def encoder_rows(pack: Pack, texts: Sequence[str], *, query: bool = False) -> list[list[int]]:
    """Tokens of texts as the pack's encoder reads them.

    Args:
        pack: with an encoder.
        texts: of items.
        query: whether they are what somebody asks for, which some encoders read in another way.
    """
    spec = encoder_spec(pack)
    tokenizer = Tokenizer.from_buffer(pack.read(spec.tokenizer))
    tokenizer.encode_special_tokens = True
    rows = [list(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
    prompt = spec.query_prompt
    if not query or prompt is None:
        return rows
    closing = tokenizer.num_special_tokens_to_add(is_pair=False) - prompt.at - prompt.replaces
    asked = []
    for row in rows:
        whole = [*row[: prompt.at], *prompt.ids, *row[prompt.at + prompt.replaces :]]
        end = len(whole) - closing
        asked.append(whole[: min(end, spec.max_tokens - closing)] + whole[end:])
    return asked


def encoder_spec(pack: Pack) -> EncoderSpec:
    """The description of the pack's encoder.

    Raises:
        UnsupportedModel: when it has none.
    """
    if pack.manifest.encoder is None:
        raise UnsupportedModel("verification: expected a pack with an encoder")
    return pack.manifest.encoder


def _original_vectors(
    original: torch.nn.Module, rows: Sequence[list[int]], progress: Update
) -> Vectors:
    """One text at a time: the reference must not depend on batches or padding either."""
    vectors = []
    with torch.inference_mode():
        for done, row in enumerate(rows, start=1):
            ids = torch.tensor([row])
            vectors.append(original(ids, torch.ones_like(ids))["vector"][0].numpy())
            progress(done, len(rows))
    return np.stack(vectors)


def _batch_effect(pack: Pack, rows: Sequence[list[int]]) -> float:
    """The largest difference between rows run alone and in batches, padded and not."""
    spec = encoder_spec(pack)
    session = Session(pack.model(spec.model))

    def run(batch: Sequence[list[int]], extra: int) -> Vectors:
        width = min(max(map(len, batch)) + extra, spec.fixed_tokens or spec.max_tokens)
        ids = np.full((len(batch), width), spec.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(batch):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        vectors: Vectors = session.run({"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    alone = np.concatenate([run([row], 0) for row in rows])
    largest = 0.0
    for size in BATCH_SIZES:
        for extra in EXTRA_PADDING:
            together = [
                run(rows[first : first + size], extra) for first in range(0, len(rows), size)
            ]
            largest = max(largest, float(np.abs(np.concatenate(together) - alone).max()))
    return largest
