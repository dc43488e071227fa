"""Tuning a text encoder: items that the same people choose come to lie near each other.

A candidate's score is how similar it is to the items of a history, pooled by attention; the loss
is the listwise softmax over the candidates of all requests in a batch. Most of these are other
people's choices, which come up as often as they are popular, so that what is learnt is the
logarithm of P(item | history) / P(item) (Yi et al., "Sampling-bias-corrected neural modeling",
RecSys 2019): how well it goes with the history, and not how popular it is, which the history
encoder knows by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from edge_rerank_export.models.text_encoder import TextEncoder
from edge_rerank_export.recipes.train import Precision
from edge_rerank_export.train.domain import Batch, Domain, chunks
from edge_rerank_export.train.loop import learning_rate, mean_ndcg
from edge_rerank_export.train.requests import make_requests
from edge_rerank_export.train.text.recipe import TextTraining

_RISE = 10
"""The learning rate rises over this part of the steps, one in ten."""

_HEAD_RATE = 100.0
"""The few numbers that pool similarities learn so many times as fast as the weights."""

_ENCODED_AT_ONCE = 64
_LEAST_STRENGTH = 1e-6
_ABSENT = -1e4


class Similarity(nn.Module):
    """Pools how similar a candidate is to each item of a history, to one number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.focus = nn.Parameter(torch.tensor(2.0))
        self.recency = nn.Parameter(torch.tensor(0.0))

    def forward(self, cosine: Tensor, strength: Tensor) -> Tensor:
        """Shapes (B, C, H) and (B, H) to (B, C); a strength of 0 is no item."""
        newest_first = torch.arange(cosine.shape[2] - 1, -1, -1, dtype=cosine.dtype)
        # An item that is liked half as much gets half the attention.
        liked = strength.clamp(min=_LEAST_STRENGTH).log() - self.recency * newest_first
        liked = liked.masked_fill(strength <= 0, _ABSENT)
        weights = (self.focus.exp() * cosine + liked[:, None]).softmax(2)
        pooled: Tensor = (weights * cosine).sum(2) * self.scale.exp()
        return pooled * (strength.amax(1) > 0)[:, None]


@dataclass(frozen=True, slots=True, repr=False)
class TextRequests:
    """Requests of one domain, and its texts in tokens.

    Attributes:
        tokens: token ids of each item, special ones included.
        batch: requests by row of ``tokens``.
    """

    tokens: Sequence[Sequence[int]]
    batch: Batch


class TextTask:
    """An encoder and its requests, as :func:`edge_rerank_export.train.loop.train` wants them.

    Args:
        model: changed in place, but for its table of token embeddings.
        training: requests by domain; each gives a batch in turn.
        valid: validation requests by domain.
        settings: with what seed and rates.
    """

    def __init__(
        self,
        model: TextEncoder,
        training: Sequence[TextRequests],
        valid: Mapping[str, TextRequests],
        settings: TextTraining,
    ) -> None:
        self.model = model
        self._training = training
        self._valid = valid
        self._settings = settings
        self._pool = Similarity()
        # Words that the training never saw keep their place among the others.
        model.backbone.embeddings.requires_grad_(False)
        self._trained = {
            name: value for name, value in model.named_parameters() if value.requires_grad
        }
        rate = settings.learning_rate
        self.optimizer = torch.optim.AdamW(
            [
                {"params": list(self._trained.values()), "times": 1.0},
                {"params": list(self._pool.parameters()), "times": _HEAD_RATE, "weight_decay": 0.0},
            ],
            lr=rate,
            weight_decay=settings.weight_decay,
        )

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that training changes, by name."""
        pool = {f"similarity.{name}": value for name, value in self._pool.named_parameters()}
        return self._trained | pool

    def step(self, number: int) -> None:
        """One batch of one domain's requests."""
        settings = self._settings
        requests = self._training[number % len(self._training)]
        rng = np.random.default_rng([settings.seed, 4, number])
        torch.manual_seed(int(rng.integers(1 << 62)))  # of the encoder's dropout
        rows = rng.integers(0, len(requests.batch.candidates), settings.batch)
        rate = learning_rate(
            settings.learning_rate, number, settings.steps, warm_up=settings.steps / _RISE
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["times"]
        self.model.train()
        self.optimizer.zero_grad()
        self._loss(requests, rows).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*self._trained.values(), *self._pool.parameters()], 1.0)
        self.optimizer.step()

    def validate(self) -> dict[str, float]:
        """Mean NDCG@10 by domain, by similarity alone."""
        return {name: self._ndcg(requests) for name, requests in self._valid.items()}

    def data(self) -> Iterator[bytes]:
        """What tells the training requests from any others."""
        for requests in self._training:
            yield requests.batch.candidates.tobytes() + requests.batch.history.tobytes()
            yield repr(requests.tokens).encode()

    def _loss(self, requests: TextRequests, rows: NDArray[np.int64]) -> Tensor:
        batch = requests.batch
        own, before = batch.candidates[rows], batch.history[rows]
        items, place = np.unique(
            np.concatenate([own.ravel(), before.ravel()]).clip(min=0), return_inverse=True
        )
        vectors = self._encode([requests.tokens[item] for item in items.tolist()])
        pool = np.unique(place[: own.size][own.ravel() >= 0])
        history = vectors[torch.from_numpy(place[own.size :].reshape(before.shape))]
        cosine = torch.einsum("cd,bhd->bch", vectors[torch.from_numpy(pool)], history)
        scores = self._pool(cosine, torch.from_numpy(batch.strength[rows]))
        listed = items[pool]
        clicked = ((listed[None, :, None] == own[:, None]) & batch.clicked[rows][:, None]).any(2)
        # What a person has chosen before is no wrong answer.
        chosen = (listed[None, :, None] == before[:, None]).any(2) & ~clicked
        scores = scores.masked_fill(torch.from_numpy(chosen), _ABSENT)
        target = torch.from_numpy(clicked).to(scores)
        loss: Tensor = -(scores.log_softmax(1) * target).sum(1).div(target.sum(1)).mean()
        return loss

    def _ndcg(self, requests: TextRequests) -> float:
        self.model.eval()
        batch = requests.batch
        items = np.unique(np.concatenate([batch.candidates.ravel(), batch.history.ravel()]))
        items = items[items >= 0]
        vectors = torch.zeros(len(requests.tokens), self.model.dim)
        with torch.no_grad():
            vectors[torch.from_numpy(items)] = self._encode(
                [requests.tokens[item] for item in items.tolist()]
            )
            cosine = torch.einsum(
                "bcd,bhd->bch",
                vectors[torch.from_numpy(batch.candidates.clip(min=0))],
                vectors[torch.from_numpy(batch.history.clip(min=0))],
            )
            scores = self._pool(cosine, torch.from_numpy(batch.strength)).numpy()
        return mean_ndcg(
            (scores[row][there], batch.clicked[row][there])
            for row, there in enumerate(batch.candidates >= 0)
        )

    def _encode(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Unit vectors, float32 of shape (len(rows), dim); texts of like length go together."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        reduced = self._settings.precision is Precision.BFLOAT16
        parts = []
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            for start in range(0, len(order), _ENCODED_AT_ONCE):
                some = [rows[row] for row in order[start : start + _ENCODED_AT_ONCE]]
                ids, mask = _padded(some)
                parts.append(self.model(ids, mask)["vector"].float())
        vectors = torch.cat(parts)
        return vectors[torch.from_numpy(np.argsort(order))]


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and what of them is real, int64 of shape (len(rows), longest)."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def text_requests(
    domain: Domain, tokenizer: Tokenizer, settings: TextTraining, *, number: int
) -> tuple[list[TextRequests], TextRequests]:
    """A domain's training requests, each kind by itself, and its first validation requests.

    Args:
        domain: gives items and choices.
        tokenizer: of the encoder.
        settings: how many requests, of what size.
        number: of the domain among those trained on.
    """
    short = Tokenizer.from_str(tokenizer.to_str())
    short.encode_special_tokens = True
    short.enable_truncation(settings.max_tokens)
    tokens = [one.ids for one in short.encode_batch(list(domain.texts))]
    made = make_requests(
        domain,
        settings.requests,
        rng=np.random.default_rng([settings.seed, number, 2]),
        candidates=settings.candidates,
        history=settings.history,
    )
    first = next(iter(chunks(domain.valid, settings.valid_requests)))
    return [TextRequests(tokens, one) for one in made], TextRequests(tokens, first)


def mix(model: TextEncoder, original: TextEncoder, share: float) -> None:
    """Move ``model`` back towards ``original``: ``share`` of its own weights stays."""
    with torch.no_grad():
        others = dict(original.named_parameters())
        for name, value in model.named_parameters():
            value.lerp_(others[name], 1 - share)
