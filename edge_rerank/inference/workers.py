"""Worker threads: several runs of a model at once, each on one thread that never spins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Calls a function for several values, some at once. Safe from several threads.

    The caller's own thread takes part: where the others are busy with another caller's values it
    does all of its own, and nobody waits for a thread. They begin with the first call that has
    work for them, and sleep in between.

    Attributes:
        count: threads that work at once, the caller's among them.

    Args:
        count: ≥ 1; with 1 there are no others.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, call: Callable[[T], R], values: Sequence[T]) -> list[R]:
        """``call(value)`` for each of ``values``, in their order.

        Raises:
            Exception: what ``call`` raised; that of the caller's own thread goes first.
        """
        if self.count == 1 or len(values) < 2:
            return [call(value) for value in values]
        found: dict[int, R] = {}
        waiting = deque(enumerate(values))

        def work() -> None:
            while True:
                try:
                    place, value = waiting.popleft()
                except IndexError:
                    return
                found[place] = call(value)

        others = self._begin(work, min(self.count, len(values)) - 1)
        try:
            work()
        finally:
            waiting.clear()
            begun = [other for other in others if not other.cancel()]
            errors = [other.exception() for other in begun]
        for error in errors:
            if error is not None:
                raise error
        return [found[place] for place in range(len(values))]

    def _begin(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.count - 1, thread_name_prefix="edge-rerank")
            try:
                return [self._pool.submit(work) for _ in range(count)]
            except RuntimeError:  # the interpreter is about to end, and begins no more threads
                return []
