"""Layout of a personal head's features: which numbers of a candidate its weights belong to."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.prior import Prior

AXES = 48
"""Most principal axes of item vectors that a head reads."""

CATEGORY_SLOTS = 16
"""Numbers that categories are folded into."""

CROSS_SLOTS = 12
"""Likewise crosses of a category and something of the person or the moment."""

MOST_COLUMNS = 8
"""Most columns of evidence that a head weighs anew; with all of these a sealed state stays below
16 KiB."""

COLUMN_PRECISION, SLOT_PRECISION = 10.0, 30.0
"""Of the prior over weights, which has mean 0: of columns of evidence in log-odds, and of the
scaled numbers of texts and categories. Chosen on the replay of 200 people's film choices and
200 people's games, see export/EXPERIMENTS.md."""

_NAME_CHARS = 32


@dataclass(frozen=True, slots=True)
class Layout:
    """Which features there are; a head is of one layout alone.

    Attributes:
        pack: name of the pack that gives them.
        digest: of that pack.
        columns: names of the columns of evidence, at most ``MOST_COLUMNS``.
        axes: principal axes of item vectors, at most ``AXES``; 0 for a pack without them.
        start: where the weights begin, of ``width`` numbers; ``None`` for 0, with the precisions
            of this module.
    """

    pack: str
    digest: str
    columns: tuple[str, ...]
    axes: int
    start: Prior | None = None

    @property
    def width(self) -> int:
        """Numbers of a candidate."""
        return len(self.columns) + self.axes + CATEGORY_SLOTS + CROSS_SLOTS

    @property
    def mark(self) -> bytes:
        """16 bytes that are others for any other features, wherever the weights begin."""
        slots = (self.axes, CATEGORY_SLOTS, CROSS_SLOTS)
        return sha256(repr((self.digest, self.columns, slots)).encode()).digest()[:16]

    def prior(self) -> NDArray[np.float64]:
        """Precisions of the weights before anything is learnt, float64 of shape (width,)."""
        if self.start is not None:
            return self.start.precision.astype(np.float64)
        precisions = np.full(self.width, SLOT_PRECISION)
        precisions[: len(self.columns)] = COLUMN_PRECISION
        return precisions


def state_of(kind: str, pack: str) -> str:
    """Name of a person's state in the vault that is of one pack alone, at most 32 characters.

    Args:
        kind: of the state, as "head"; what is of one kind is alike up to the dot.
        pack: its name; of a long one a digest stands there.
    """
    room = _NAME_CHARS - len(kind) - 1
    return f"{kind}.{pack if len(pack) <= room else sha256(pack.encode()).hexdigest()[:room]}"
