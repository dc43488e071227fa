"""Requests as the scorer reads them: one history, its candidates packed after it.

Tokens come from the runtime's own :class:`~edge_rerank.inference.prompt.Prompt`, and a candidate
sees the history and itself, as it will when it is ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_rerank.inference.prompt import Prompt, Tokens
from edge_rerank_export.train.domain import Batch, Domain, chunks
from edge_rerank_export.train.requests import make_requests
from edge_rerank_export.train.scorer.recipe import ScorerTraining

Others = Callable[[Batch], Iterable[NDArray[np.float64]]]
"""What other evidence says of a batch's requests, each float64 of shape (candidates,)."""


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """One request in tokens.

    Attributes:
        history: prefix and history, end to end.
        candidates: a line each, with its separator, on which the head sits.
        clicked: bool of shape (candidates,).
        others: what other evidence says, float32 of shape (candidates,); zeros for
            nothing.
    """

    history: Tokens
    candidates: tuple[Tokens, ...]
    clicked: NDArray[np.bool_]
    others: NDArray[np.float32]

    @property
    def tokens(self) -> int:
        """Tokens of history and candidates together."""
        return len(self.history) + sum(map(len, self.candidates))

    def to_bytes(self) -> bytes:
        """What tells it from any other."""
        return repr((self.history, self.candidates)).encode() + (
            self.clicked.tobytes() + self.others.tobytes()
        )


@dataclass(frozen=True, slots=True, repr=False)
class Packed:
    """What the model reads of one example.

    Attributes:
        input_ids, positions: int64 of shape (tokens,); a candidate's positions go on from the
            history's, whatever was packed before it.
        seen: bool of shape (tokens, tokens), which keys a query sees.
        ends: int64 of shape (candidates,), the last token of each.
    """

    input_ids: Tensor
    positions: Tensor
    seen: Tensor
    ends: Tensor


def pack(example: Example, *, causal: bool) -> Packed:
    """Lay history and candidates in one row.

    Args:
        example: what to read.
        causal: whether a token sees only those before it, see
            :class:`~edge_rerank.packs.specs.ScorerSpec`.
    """
    parts = (example.history, *example.candidates)
    lengths = torch.tensor([len(part) for part in parts])
    part = torch.repeat_interleave(torch.arange(len(parts)), lengths)
    starts = torch.cumsum(lengths, 0) - lengths
    inside = torch.arange(len(part)) - starts[part]
    positions = torch.where(part > 0, inside + len(example.history), inside)
    seen = (part[:, None] == part[None, :]) | (part[None, :] == 0)
    if causal:
        seen &= positions[:, None] >= positions[None, :]
    else:
        # The history does not see what may come after it.
        seen &= (part[:, None] > 0) | (part[None, :] == 0)
    return Packed(
        input_ids=torch.tensor(list(chain.from_iterable(parts))),
        positions=positions,
        seen=seen,
        ends=torch.cumsum(lengths, 0)[1:] - 1,
    )


def training_examples(
    domain: Domain,
    prompt: Prompt,
    settings: ScorerTraining,
    *,
    number: int,
    others: Others | None = None,
) -> list[Example]:
    """Requests to train on, see :func:`edge_rerank_export.train.requests.make_requests`.

    Args:
        domain: gives the items and what was chosen.
        prompt: makes tokens of them.
        settings: how many requests, of what size.
        number: of the domain among those trained on.
        others: says what other evidence says; ``None`` for nothing.
    """
    batches = make_requests(
        domain,
        settings.requests,
        rng=np.random.default_rng([settings.seed, number, 2]),
        candidates=settings.candidates,
        history=settings.history,
    )
    return [
        one
        for batch in batches
        for one in _examples(domain, prompt, batch, settings.history, others)
    ]


def validation_examples(
    domain: Domain, prompt: Prompt, settings: ScorerTraining, *, others: Others | None = None
) -> list[Example]:
    """The first requests of the validation split; for the arguments see training_examples()."""
    first = next(iter(chunks(domain.valid, settings.valid_requests)))
    return _examples(domain, prompt, first, settings.history, others)


def _examples(
    domain: Domain, prompt: Prompt, batch: Batch, history: int, others: Others | None
) -> list[Example]:
    lines: dict[int, Tokens] = {}

    def line(row: int) -> Tokens:
        if row not in lines:
            lines[row] = prompt.line(domain.texts[row])
        return lines[row]

    evidence = [None] * len(batch.candidates) if others is None else others(batch)
    made = []
    for before, rows, clicked, own in zip(
        batch.history, batch.candidates, batch.clicked, evidence, strict=True
    ):
        past = prompt.window([line(row) for row in _present(before)[-history:]])
        there = rows >= 0
        example = Example(
            (*prompt.prefix, *chain.from_iterable(past)),
            tuple(line(row) for row in rows[there].tolist()),
            clicked[there],
            np.zeros(there.sum(), np.float32) if own is None else own.astype(np.float32),
        )
        if 0 < example.clicked.sum() < len(example.clicked):
            made.append(example)
    return made


def _present(rows: NDArray[np.int64]) -> Sequence[int]:
    return [row for row in rows.tolist() if row >= 0]
