"""SASRec: self-attention over the items a person chose.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018. Two things differ from
the paper, both in its favour: the loss is a softmax against many sampled items in place of
one, which closes its known gap to BERT4Rec (Klenitskiy and Vasilev, "Turning Dross Into Gold
Loss", RecSys 2023), and sequences of like length share a batch, so that little is padded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edge_rerank.formats.dataset import Request
from edge_rerank_export.progress import Update
from edge_rerank_export.studies.baselines.choices import UNKNOWN, Choices, validation_ndcg

_TRACE_OF_ITEMS = 0.02

_AT_ONCE = 256
"""Requests in one batch."""


@dataclass(frozen=True, slots=True)
class SasRecSettings:
    """How large, and how it is trained.

    Attributes:
        width: of an item's vector.
        blocks: attention layers.
        heads: of each.
        dropout: share of the numbers that are left out while training.
        length: items of a sequence that are looked at, the newest.
        negatives: items drawn evenly for each batch, against which each place is scored.
        learning_rate: of Adam.
        batch: sequences of a step.
        steps: at most.
        evaluate_every: steps from one look at the validation requests to the next.
        patience: looks without gain before it stops.
    """

    width: int = 128
    blocks: int = 1
    heads: int = 1
    dropout: float = 0.4
    length: int = 50
    negatives: int = 1024
    learning_rate: float = 1e-3
    batch: int = 128
    steps: int = 10_000
    evaluate_every: int = 350
    patience: int = 4


class SasRec(nn.Module):
    """The network, and the way it orders candidates.

    Args:
        choices: the catalogue.
        settings: see there.
    """

    def __init__(self, choices: Choices, settings: SasRecSettings) -> None:
        super().__init__()
        self._choices = choices
        self._length = settings.length
        self.items = nn.Embedding(len(choices.numbers) + 1, settings.width, padding_idx=UNKNOWN)
        self.places = nn.Embedding(settings.length, settings.width)
        for table in (self.items, self.places):
            nn.init.normal_(table.weight, std=_TRACE_OF_ITEMS)
        self.dropout = nn.Dropout(settings.dropout)
        layer = nn.TransformerEncoderLayer(
            settings.width,
            settings.heads,
            dim_feedforward=settings.width,
            dropout=settings.dropout,
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, settings.blocks, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(settings.width)

    def forward(self, history: Tensor) -> Tensor:
        """What comes next, at every place.

        Args:
            history: int64 of shape (b, n), padded in front with :data:`UNKNOWN`.

        Returns:
            float32 of shape (b, n, width), to be compared with the items' vectors.
        """
        count = history.shape[1]
        # Places are counted from the newest item on, so that padding in front moves none.
        places = torch.arange(count - 1, -1, -1)
        state = self.dropout(
            self.items(history) * self.items.embedding_dim**0.5 + self.places(places)
        )
        hidden = torch.ones(count, count, dtype=torch.bool).triu(1)
        padding = history == UNKNOWN
        # A padded place may see itself: a row without anything to see would be NaN.
        blocked = (hidden | padding[:, None, :]) & ~torch.eye(count, dtype=torch.bool)
        heads = self.blocks.layers[0].self_attn.num_heads
        mask = blocked.repeat_interleave(int(heads), dim=0)
        return self.norm(self.blocks(state, mask=mask))  # type: ignore[no-any-return]

    def score(self, requests: Sequence[Request]) -> list[NDArray[np.float32]]:
        """See :class:`~edge_rerank_export.studies.baselines.choices.Recommender`."""
        scores: list[NDArray[np.float32]] = []
        for start in range(0, len(requests), _AT_ONCE):
            some = requests[start : start + _AT_ONCE]
            for request, own in zip(some, self._people(some), strict=True):
                scores.append(self._vectors[self._choices.candidates(request)] @ own)
        return scores

    def score_all(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """See :class:`~edge_rerank_export.studies.baselines.choices.Recommender`."""
        return np.asarray(self._people(requests) @ self._vectors[UNKNOWN + 1 :].T)

    @property
    def _vectors(self) -> NDArray[np.float32]:
        return self.items.weight.detach().numpy()

    @torch.no_grad()
    def _people(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """What comes next for each person, float32 of shape (requests, width)."""
        self.eval()
        before = [self._choices.before(request)[-self._length :] for request in requests]
        return np.asarray(self(_padded(before))[:, -1].numpy())


def train_sasrec(
    choices: Choices,
    *,
    seed: int,
    progress: Update,
    settings: SasRecSettings | None = None,
) -> SasRec:
    """Train until the validation requests gain nothing more; the best state is returned.

    Args:
        choices: what to learn from, and the requests to stop by.
        seed: the same one gives the same model on the same number of threads.
        progress: called with (steps done, steps at most).
        settings: the default ones if ``None``.
    """
    settings = settings or SasRecSettings()
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SasRec(choices, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98))
    best, best_state, stale = -1.0, copy.deepcopy(model.state_dict()), 0
    batches = _batches(choices, settings, rng)
    for step in range(1, settings.steps + 1):
        model.train()
        _step(model, optimizer, next(batches), settings.negatives)
        progress(step, settings.steps)
        if step % settings.evaluate_every and step < settings.steps:
            continue
        value = validation_ndcg(model, choices)
        stale += 1
        if value > best:
            best, best_state, stale = value, copy.deepcopy(model.state_dict()), 0
        if stale >= settings.patience:
            break
    model.load_state_dict(best_state)
    return model


def _step(
    model: SasRec, optimizer: torch.optim.Optimizer, sequences: Tensor, negatives: int
) -> None:
    history, target = sequences[:, :-1], sequences[:, 1:]
    there = (history != UNKNOWN) & (target != UNKNOWN)
    state, wanted = model(history)[there], target[there]
    drawn = torch.randint(1, model.items.num_embeddings, (negatives,))
    right = (state * model.items(wanted)).sum(dim=1, keepdim=True)
    wrong = state @ model.items(drawn).T
    # A drawn item that happens to be the right one is no negative.
    wrong = wrong.masked_fill(wanted[:, None] == drawn[None, :], -torch.inf)
    first = torch.zeros(len(wanted), dtype=torch.int64)
    loss = functional.cross_entropy(torch.cat([right, wrong], dim=1), first)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _batches(
    choices: Choices, settings: SasRecSettings, rng: np.random.Generator
) -> Iterator[Tensor]:
    """All sequences in a new random order each time round, those of like length together."""
    pieces = [piece for path in choices.people for piece in _pieces(path, settings.length)]
    lengths = np.array([len(piece) for piece in pieces])
    while True:
        order = np.lexsort((rng.random(len(lengths)), lengths))
        parts = np.array_split(order, max(len(order) // settings.batch, 1))
        for number in rng.permutation(len(parts)):
            yield _padded([pieces[row] for row in parts[number]])


def _pieces(path: NDArray[np.int64], length: int) -> list[NDArray[np.int64]]:
    """A long path cut so that each of its items but the first is predicted once."""
    ends = range(len(path), 1, -length)
    return [path[max(end - length - 1, 0) : end] for end in ends]


def _padded(paths: Sequence[NDArray[np.int64]]) -> Tensor:
    rows = np.full((len(paths), max(1, *(len(path) for path in paths))), UNKNOWN, dtype=np.int64)
    for row, path in zip(rows, paths, strict=True):
        if len(path):
            row[-len(path) :] = path
    return torch.from_numpy(rows)
