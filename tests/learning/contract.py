"""The contract of whatever learns on the device, and those who are held to it.

Each :class:`Subject` is one learner as the tests of ``test_contract`` see it: what it is before
anything, what an example is, what it foretells, how it is kept, and states that are none of its.
A new learner is held to the contract by one more subject in :data:`SUBJECTS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.head import Head
from edge_rerank.learning.host_guard import HostTests
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Features, Lesson, Shown
from edge_rerank.learning.list_record import ListRecord
from edge_rerank.learning.stats import stats_of
from edge_rerank.types import Event, Item

LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 4)
START = 1_700_000_000.0


class Subject(Protocol):
    """A learner as the contract sees it.

    Attributes:
        largest: bytes that its state may take.
    """

    largest: int

    def fresh(self) -> Any:
        """One that has learnt nothing."""

    def examples(self, count: int, *, seed: int) -> list[Any]:
        """What it learns from."""

    def learn(self, learner: Any, example: Any) -> Any:
        """The learner after an example."""

    def foretold(self, learner: Any) -> NDArray[np.float64]:
        """What it says now, in numbers."""

    def save(self, learner: Any) -> bytes:
        """What is kept of it."""

    def load(self, raw: bytes) -> Any:
        """What was kept; ``None``, or an InvalidRequest, where it is no such state."""

    def damaged(self, raw: bytes) -> Iterator[bytes]:
        """States that are none of its."""


@dataclass(frozen=True)
class HeadSubject:
    """The personal head."""

    largest: int = 16 * 1024

    def fresh(self) -> Head:
        return Head.blank(LAYOUT)

    def examples(self, count: int, *, seed: int) -> list[Lesson]:
        rng = np.random.default_rng(seed)
        return [_lesson(rng, START + 3_600 * number) for number in range(count)]

    def learn(self, learner: Head, example: Lesson) -> Head:
        return learner.learn(example)

    def foretold(self, learner: Head) -> NDArray[np.float64]:
        return learner.weights

    def save(self, learner: Head) -> bytes:
        return learner.to_bytes()

    def load(self, raw: bytes) -> Head | None:
        return Head.from_bytes(raw, LAYOUT)

    def damaged(self, raw: bytes) -> Iterator[bytes]:
        yield from _cut(raw)
        yield raw[:1] + bytes([raw[1] ^ 1]) + raw[2:]  # of another layout
        yield raw[:-4] + np.float32(np.nan).tobytes()
        yield raw[:-4] + np.float32(np.inf).tobytes()


def _lesson(rng: np.random.Generator, at: float) -> Lesson:
    count = int(rng.integers(2, 9))
    chosen = np.zeros(count)
    chosen[-1] = rng.uniform(0.2, 1.0)
    preferred = ((count - 1, 0),) if rng.random() < 0.2 else ()
    features = rng.normal(size=(count, LAYOUT.width)).astype(np.float32)
    return Lesson(rng.normal(size=count), features, chosen, preferred, at)


@dataclass(frozen=True)
class LogSubject:
    """The counters of statistics, and the newest lists."""

    largest: int = 16 * 1024

    def fresh(self) -> FeedbackLog:
        return FeedbackLog()

    def examples(self, count: int, *, seed: int) -> list[tuple[ListRecord, str]]:
        rng = np.random.default_rng(seed)
        return [
            (_record(rng, START + 90_000 * number), f"surface {rng.integers(8)}")
            for number in range(count)
        ]

    def learn(self, learner: FeedbackLog, example: tuple[ListRecord, str]) -> FeedbackLog:
        return learner.after(*example)

    def foretold(self, learner: FeedbackLog) -> NDArray[np.float64]:
        whole = stats_of(learner).whole
        shares = [0.0 if one is None else one.value for one in (whole.click_through, whole.mrr)]
        return np.array([whole.lists, whole.clicked, whole.refused, *shares])

    def save(self, learner: FeedbackLog) -> bytes:
        return learner.to_bytes()

    def load(self, raw: bytes) -> FeedbackLog | None:
        return FeedbackLog.from_bytes(raw)

    def damaged(self, raw: bytes) -> Iterator[bytes]:
        yield from _cut(raw)
        yield raw[:1] + bytes([raw[1] + 1]) + raw[2:]  # one more name than there is


def _record(rng: np.random.Generator, at: float) -> ListRecord:
    features = Features(lambda: np.zeros((5, LAYOUT.width), dtype=np.float32))
    base = np.zeros(5, dtype=np.float32)
    deeds = Deeds()
    if rng.random() < 0.7:
        item = Item("abcde"[rng.integers(5)])
        deeds.heed(Event("click", item, dwell_s=float(rng.uniform(0, 60))))
    shown = Shown("r", at, tuple("abcde"), base, features, LAYOUT)
    return ListRecord.of(shown, deeds)


@dataclass(frozen=True)
class HostTestsSubject:
    """The tests of the host's order against ours, by surface."""

    largest: int = 512

    def fresh(self) -> HostTests:
        return HostTests()

    def examples(self, count: int, *, seed: int) -> list[tuple[str, str]]:
        """Surfaces, and what was chosen: of the host's, of nobody's, of ours."""
        rng = np.random.default_rng(seed)
        return [(f"s{rng.integers(8)}", "aab_"[rng.integers(4)]) for _ in range(count)]

    def learn(self, learner: HostTests, example: tuple[str, str]) -> HostTests:
        surface, item = example
        rows = np.zeros((2, LAYOUT.width), np.float32)
        base = np.zeros(2, np.float32)
        shown = Shown("r", START, ("a", "b"), base, Features(lambda: rows), LAYOUT, surface)
        deeds = Deeds()
        deeds.heed(Event("click", Item(item)))
        if surface == "s0":  # one that tells of room, not of teams
            return learner.after(replace(shown, tilt=np.array([-0.4, 0.9])), deeds)
        return learner.after(replace(shown, teams=(Side.HOST, Side.OURS)), deeds)

    def foretold(self, learner: HostTests) -> NDArray[np.float64]:
        tests = [learner.of(f"s{number}") for number in range(8)]
        rooms = [learner.room_of(f"s{number}").wealth for number in range(8)]
        return np.array(
            [[*map(one.evidence, Side), room] for one, room in zip(tests, rooms, strict=True)]
        )

    def save(self, learner: HostTests) -> bytes:
        return learner.to_bytes(LAYOUT)

    def load(self, raw: bytes) -> HostTests | None:
        return HostTests.from_bytes(raw, LAYOUT)

    def damaged(self, raw: bytes) -> Iterator[bytes]:
        yield from _cut(raw)
        yield raw[:1] + bytes([raw[1] ^ 1]) + raw[2:]  # of another layout


SUBJECTS: Mapping[str, Subject] = {
    "head": HeadSubject(),
    "counters": LogSubject(),
    "host tests": HostTestsSubject(),
}


def taught(subject: Subject, count: int, *, seed: int = 0) -> Any:
    """One that learnt from so many examples."""
    learner = subject.fresh()
    for example in subject.examples(count, seed=seed):
        learner = subject.learn(learner, example)
    return learner


def _cut(raw: bytes) -> Iterator[bytes]:
    """Bytes that are too few, too many, or of a later version."""
    yield from (b"", raw[:1], raw[: len(raw) // 2], raw[:-1], raw + b"\0", bytes([255]) + raw[1:])
