"""Runtime settings: execution providers, threads, and the memory given to caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_CACHE_ITEMS = 20_000
DEFAULT_PREFIX_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Runtime:
    """How the models of a pack are run.

    Attributes:
        providers: execution providers by preference, "cuda" or "CUDAExecutionProvider"; CPU
            if ``None``. No silent fallback.
        threads: threads that compute at once in one call, models and numpy together; with 1 no
            other begins, so that nobody gives memory back when no call comes, only calls do.
            ``None`` for one a processor, four at most.
        cache_items: item vectors kept in memory, 1.8 KB each in the shipped pack with the words of
            the item and the keys of both.
        prefix_bytes: memory for the histories that a scorer has read.
    """

    providers: Sequence[str] | None = None
    threads: int | None = None
    cache_items: int = DEFAULT_CACHE_ITEMS
    prefix_bytes: int = DEFAULT_PREFIX_BYTES


DEFAULT_RUNTIME = Runtime()
