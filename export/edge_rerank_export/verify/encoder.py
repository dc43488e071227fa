"""Does the packed model do what the original does?

The original runs in PyTorch float32, the packed one as the runtime will run it. Compared
are the vectors, whether a text's vector depends on its neighbours and on padding, and the
order in which real item texts come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.evaluation.metrics import ndcg
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.manifest import EncoderSpec
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import UnsupportedModel, VerificationFailed
from edge_rerank_export.verify.texts import RankingCase, Texts

BATCH_SIZES = (1, 2, 7, 32)
EXTRA_PADDING = (0, 1, 13)
_BATCH_TEXTS = 48
_NDCG_AT = 10

Vectors = NDArray[np.float32]
ScorePair = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Scores of the same candidates by the original and by the packed model, shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the packed model must reach.

    Attributes:
        min_tau: mean Kendall τ of the candidates' order, original against packed.
        min_cosine: smallest cosine of a text's two vectors.
        max_difference: largest difference in one component of a vector.
        max_batch_effect: largest difference in one component between a text alone and the
            same text in a batch, padded or not.
        max_ndcg_loss: share of the original's NDCG@10 that may be lost, where the texts
            come with clicks.
    """

    min_tau: float = 0.95
    min_cosine: float = 0.98
    max_difference: float = 0.05
    max_batch_effect: float = 1e-5
    max_ndcg_loss: float = 0.01


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``at_least`` tells on which side of ``bound`` it must lie."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def ok(self) -> bool:
        """Whether the bound holds; a figure that is not a number holds nothing."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Verification:
    """All figures of one comparison."""

    figures: tuple[Figure, ...]
    texts: int
    rankings: int

    @property
    def ok(self) -> bool:
        """Whether every bound holds."""
        return all(figure.ok for figure in self.figures)

    def for_manifest(self) -> dict[str, float]:
        """The figures by name, rounded to six digits, with the number of texts and rankings."""
        values = {figure.name: float(f"{figure.value:.6g}") for figure in self.figures}
        return {**values, "texts": float(self.texts), "rankings": float(self.rankings)}

    def require(self) -> None:
        """Raise unless every bound holds.

        Raises:
            VerificationFailed: naming the figures that fall short.
        """
        short = [figure.name for figure in self.figures if not figure.ok]
        if short:
            raise VerificationFailed(f"falls short of the original in: {', '.join(short)}")


def verify_encoder(
    original: torch.nn.Module,
    pack: Pack,
    texts: Texts,
    bounds: Bounds,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
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
    packed = TextEncoder(pack).encode(texts.texts)
    rows = _tokens(pack, texts.texts)
    reference = _original_vectors(original, rows, progress)
    cosines = (packed * reference).sum(axis=1)
    pairs = [(_order_scores(reference, case), _order_scores(packed, case)) for case in texts.cases]
    figures = [
        tau_figure(pairs, bounds.min_tau),
        Figure("cosine", float(cosines.min()), bounds.min_cosine, at_least=True),
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
    figures += ndcg_figures(texts.cases, pairs, bounds.max_ndcg_loss)
    return Verification(tuple(figures), len(texts.texts), len(texts.cases))


def kendall_tau(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Kendall's τ-b of two score lists of one length; 1 for lists without two different scores.

    Kendall, "The treatment of ties in ranking problems", Biometrika 1945.
    """
    upper = np.triu_indices(len(left), 1)
    signs_left = np.sign(left[:, None] - left[None, :])[upper]
    signs_right = np.sign(right[:, None] - right[None, :])[upper]
    size = np.sqrt((signs_left**2).sum() * (signs_right**2).sum())
    return float((signs_left * signs_right).sum() / size) if size else 1.0


def tau_figure(pairs: Sequence[ScorePair], bound: float) -> Figure:
    """Mean Kendall τ between the two score lists of each pair."""
    value = float(np.mean([kendall_tau(*pair) for pair in pairs]))
    return Figure("kendall_tau", value, bound, at_least=True)


def ndcg_figures(
    cases: Sequence[RankingCase], pairs: Sequence[ScorePair], bound: float
) -> list[Figure]:
    """The share of NDCG@10 lost; nothing where no case has a click."""
    judged = [(case.clicked, pair) for case, pair in zip(cases, pairs, strict=True) if case.clicked]
    if not judged:
        return []
    before, after = (
        float(np.mean([_ndcg(pair[side], clicked) for clicked, pair in judged])) for side in (0, 1)
    )
    return [Figure("ndcg_loss", 1 - after / before, bound, at_least=False)]


def _ndcg(scores: NDArray[np.floating], clicked: Sequence[int]) -> float:
    """NDCG@10 of the order by falling score, gain 1 for each clicked place of ``scores``."""
    return ndcg(np.isin(np.argsort(-scores, kind="stable"), clicked), _NDCG_AT)


def _order_scores(vectors: Vectors, case: RankingCase) -> Vectors:
    """The largest cosine to one item of the history: the core of the untrained ranking."""
    scores: Vectors = (vectors[list(case.candidates)] @ vectors[list(case.history)].T).max(axis=1)
    return scores


def _tokens(pack: Pack, texts: Sequence[str]) -> list[list[int]]:
    tokenizer = Tokenizer.from_buffer(pack.read(encoder_spec(pack).tokenizer))
    tokenizer.encode_special_tokens = True
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def encoder_spec(pack: Pack) -> EncoderSpec:
    """The description of the pack's encoder.

    Raises:
        UnsupportedModel: when it has none.
    """
    if pack.manifest.encoder is None:
        raise UnsupportedModel("verification: expected a pack with an encoder")
    return pack.manifest.encoder


def _original_vectors(
    original: torch.nn.Module, rows: Sequence[list[int]], progress: Callable[[int, int], None]
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
    session = Session(pack.read(spec.model))

    def run(batch: Sequence[list[int]], extra: int) -> Vectors:
        width = min(max(map(len, batch)) + extra, spec.max_tokens)
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
