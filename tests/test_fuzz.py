"""10,000 bad inputs: a result or a typed error of ours, never another exception."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import EdgeRerankError

CALLS = 10_000
SMALL: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.5, 1e308, 5e-324),
    *(math.nan, math.inf, -math.inf, np.float32(1), np.int64(-5), np.nan, np.zeros(3), np.array(7)),
    *("", " ", "a", "\0", "\ud800", "x\udfff", "é" * 600, "\u202e", "<script>", "' OR 1=1 --"),
    *("[CLS] [SEP] [MASK]", "<|im_start|>", "\U0001f600" * 50, b"bytes", bytearray(4)),
    *([], (), {}, set(), [None], ["a", "a"], [[]], {"a": 1}, {1: 2}, [math.nan], ["\ud800"]),
    *(object(), date(2026, 1, 1), Decimal("1.5"), 1 + 2j, range(3), lambda: None, Item, Event),
]
HUGE = "10 MB of text " * (10_000_000 // 14)
KINDS = ("impression", "click", "view", "search", "like", "dislike", "dismiss", "rating", "fly")


class Fuzzer:
    """Draws arguments: half of them plausible, the rest from the list of horrors."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.items = [Item(str(n), f"item number {n}", ["k"], popularity=n) for n in range(8)]

    def odd(self, *plausible: Any) -> Any:
        if plausible and self.rng.random() < 0.6:
            return self.rng.choice(plausible)
        if self.rng.random() < 0.002:
            return HUGE
        return self.rng.choice(SMALL)

    def item(self) -> Item:
        return Item(
            self.odd("a", "b", "0"),
            self.odd("text", "more text"),
            self.odd((), ["k"], ["k", "l"]),
            self.odd(None, 3, 0.5),
            score=self.odd(None, 1.0, -1e300),
            vector=self.odd(None, [1.0, 2.0], np.ones(4)),
            fields=self.odd(None, {"price": 3}),
        )

    def event(self) -> Event:
        return Event(
            self.odd(*KINDS),
            self.odd(*self.items, None),
            timestamp=self.odd(None, 1.0, 1.7e9),
            dwell_s=self.odd(None, 3.0, 9 * 3600),
            scroll=self.odd(None, 0.4, 7),
            query=self.odd(None, "words"),
            value=self.odd(None, 4.0),
            ranking=self.odd(None, "r1"),
            position=self.odd(None, 1),
            id=self.odd(None, "e1", "e2"),
        )

    def candidates(self) -> Any:
        if self.rng.random() < 0.2:
            return self.odd()
        drawn: list[Any] = self.rng.choices(self.items, k=self.rng.randrange(0, 9))
        if self.rng.random() < 0.1:
            drawn.append(self.odd())
        return drawn


def actions(fuzz: Fuzzer, reranker: Reranker, folder: Path) -> list[Callable[[], object]]:
    odd = fuzz.odd

    def rank() -> object:
        items = fuzz.candidates()
        before = copy.copy(items)
        try:
            return reranker.rank(
                items,
                odd("alice", "bob", None),
                query=odd(None, "words"),
                top_k=odd(None, 3),
                diversity=odd(0.0, 0.5),
                host_order=odd(True, False),
                now=odd(None, 1.7e9),
            )
        finally:
            if isinstance(items, list):
                assert len(items) == len(before)
                assert all(one is other for one, other in zip(items, before, strict=True))

    def log() -> object:
        path = folder / fuzz.rng.choice(["log.jsonl", "log.csv", "log.txt", "log.jsonl.gz"])
        path.write_bytes(fuzz.rng.randbytes(60) + b'\n{"type":"click","item":"a"}\n')
        return reranker.history.import_log(odd(path, str(path), folder), user=odd("alice", None))

    return [
        fuzz.item,
        fuzz.event,
        rank,
        rank,
        lambda: reranker.record(odd(fuzz.event(), [fuzz.event()]), user=odd("alice", "bob")),
        lambda: reranker.record([fuzz.event(), odd(fuzz.event())], user="alice"),
        lambda: reranker.consent(odd("alice"), odd(True, False), odd("personalisation")),
        lambda: reranker.profile(odd("alice", "nobody")),
        lambda: reranker.forget(odd("bob", "nobody")),
        lambda: reranker.warmup(fuzz.candidates()),
        lambda: Reranker.open(odd(None, "no/such/pack"), history=odd(), key=odd()).close(),
        log,
    ]


@pytest.mark.slow
def test_ten_thousand_bad_inputs(tmp_path: Path) -> None:
    refused = answered = 0
    with Reranker.open(history=tmp_path / "me.db", key=bytes(range(32))) as reranker:
        reranker.consent("alice", True)
        for seed in range(CALLS):
            fuzz = Fuzzer(seed)
            choices = actions(fuzz, reranker, tmp_path)
            # Opening a pack and importing a file cost a hundred times as much as the rest.
            weights = [1.0] * (len(choices) - 2) + [0.01, 0.05]
            action = fuzz.rng.choices(choices, weights)[0]
            try:
                action()
                answered += 1
            except EdgeRerankError as error:
                refused += 1
                assert "item number" not in str(error)
            except Exception as error:
                pytest.fail(f"seed {seed}: {type(error).__name__} instead of one of ours: {error}")
        # Both must happen often, or the generator tests nothing.
        assert min(refused, answered) > CALLS / 10
        ranking = reranker.rank([Item("a", "still working"), Item("b", "fine")], user="alice")
    assert len(ranking) == 2
