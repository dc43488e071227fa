"""A worker thread: what takes longer than a frame happens beside the interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

T = TypeVar("T")


class Worker(QObject):
    """Runs jobs one after the other; what they give comes back in the interface's thread."""

    failed = Signal(object)
    _finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._newest: dict[str, int] = {}
        self._finished.connect(self._deliver)

    def submit(
        self,
        job: Callable[[], T],
        done: Callable[[T], object] | None = None,
        *,
        topic: str | None = None,
    ) -> None:
        """Run ``job`` later.

        Args:
            job: must not touch a widget.
            done: called with what it gave; may touch any.
            topic: a newer job of the same topic makes this one stale: it is not begun, and what
                it gives is dropped.
        """
        number = self._newest.get(topic or "", 0) + 1
        self._newest[topic or ""] = number

        def stale() -> bool:
            return topic is not None and self._newest[topic] != number

        def run() -> None:
            if stale():
                return
            try:
                given = job()
            except Exception as error:  # whatever it is, the window has to say so
                self._finished.emit(partial(self.failed.emit, error))
                return
            if done is not None:
                self._finished.emit(lambda: None if stale() else done(given))

        self._pool.start(run)

    def finish(self) -> None:
        """Wait for every job; what they give is dropped."""
        self._finished.disconnect(self._deliver)
        self._pool.waitForDone()

    @Slot(object)
    def _deliver(self, deliver: Callable[[], object]) -> None:
        deliver()
