"""Memory that a build is expected to take: said, and compared with what there is, beforehand."""

from __future__ import annotations

from pathlib import Path

from edge_rerank_export.models.memory import available_memory, check_memory, memory_of
from edge_rerank_export.progress import Steps
from edge_rerank_export.sources.weights import count_weights

_GIB = 1 << 30


def expect_memory(folder: Path, steps: Steps, *, ignore: bool = False) -> None:
    """Say what a build of the model in ``folder`` takes at most, of its weights' headers alone.

    Args:
        folder: holds the weights.
        steps: told of it.
        ignore: whether it is tried where less is free.

    Raises:
        NotEnoughMemory: when less is free.
        SourceError: when a header cannot be read.
    """
    needed = memory_of(count_weights(folder))
    with steps(f"expect up to {needed / _GIB:.1f} GiB of memory"):
        if not ignore:
            check_memory(needed, available_memory())
