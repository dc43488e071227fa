"""Worker threads: several runs of a model at once, each on one thread that never spins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar
from weakref import finalize

T = TypeVar("T")
R = TypeVar("R")

QUIET_S = 0.3
"""Seconds without work after which workers are idle."""


WhenIdle: TypeAlias = Callable[[], float | None]
"""Does what is to be done, or says for how many more seconds to wait."""


class Workers:
    """Calls a function for several values, some at once. Safe from several threads.

    The caller's own thread takes part: where the others are busy with another caller's values it
    does all of its own, and nobody waits for a thread. They begin with the first call that has
    work for them, and sleep in between: once they have waited for :data:`QUIET_S` they do what is
    to be done when idle, and then wait without waking. They are daemons, which hold no process.

    Attributes:
        count: threads that work at once, the caller's among them.

    Args:
        count: ≥ 1; with 1 there are no others, and nothing is done when idle.
        when_idle: what is to be done.
    """

    def __init__(self, count: int, *, when_idle: WhenIdle | None = None) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._threads = 0
        self._line = _Line(when_idle)
        # The threads know the line alone, so that they end with what they work for.
        finalize(self, self._line.close).atexit = False

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

    def rest(self) -> None:
        """Have a worker do what is to be done when idle, if no work comes before."""
        if self.count > 1 and not self._line.watched:
            self._begin(_nothing, 1)

    def _begin(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        with self._lock:
            try:
                while self._threads < count:
                    self._line.serve()
                    self._threads += 1
            except RuntimeError:  # the interpreter is about to end, and begins no more threads
                count = self._threads
        return [self._line.put(work) for _ in range(count)]


class _Line:
    """Work in the order in which it came, and threads that wait for it.

    Attributes:
        watched: whether a thread waits to see whether more comes.

    Args:
        when_idle: see :class:`Workers`.
    """

    def __init__(self, when_idle: WhenIdle | None) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()
        self._when_idle = when_idle
        self.watched = False

    def put(self, work: Callable[[], None]) -> Future[None]:
        """Have a thread do some work."""
        done: Future[None] = Future()
        self.watched = True
        self._tasks.put((work, done))
        return done

    def close(self) -> None:
        """End each thread, one after the other, once it has done its work."""
        self._tasks.put(None)

    def serve(self) -> None:
        """Begin a thread."""
        threading.Thread(target=self._serve, name="edge-rerank", daemon=True).start()

    def _serve(self) -> None:
        patience: float | None = None
        while True:
            try:
                task = self._tasks.get(timeout=patience)
            except Empty:
                self.watched = False
                patience = None if self._when_idle is None else self._when_idle()
                self.watched |= patience is not None
                continue
            if task is None:
                self._tasks.put(None)  # for the next
                return
            _do(*task)
            del task  # what it holds may be large
            patience = QUIET_S


def _do(work: Callable[[], None], done: Future[None]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        work()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(None)


def _nothing() -> None:
    """No work: whoever takes it waits for more, and so finds out that none comes."""
