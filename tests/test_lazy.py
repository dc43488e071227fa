"""Cached properties: once for each object, and no object waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_rerank import Item, Reranker
from edge_rerank._lazy import cached_property
from edge_rerank.inference.encoders.text import TextEncoder

ROOT = Path(__file__).parents[1]
WAIT_S = 30.0


class Counted:
    """Something with a cached property that counts its computing."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.before = before
        self.computed = 0

    @cached_property
    def value(self) -> int:
        """A number."""
        self.before()
        self.computed += 1
        return 7


def test_it_is_computed_once_for_each_object() -> None:
    one, other = Counted(), Counted()
    assert (one.value, one.value, one.computed) == (7, 7, 1)
    assert other.computed == 0
    assert Counted.value.__doc__ == "A number."


def test_it_raises_and_is_computed_anew() -> None:
    answers: Iterator[BaseException | None] = iter([ValueError("no"), None])

    def fail() -> None:
        error = next(answers)
        if error is not None:
            raise error

    one = Counted(fail)
    with pytest.raises(ValueError, match="no"):
        _ = one.value
    assert one.value == 7


def test_no_object_waits_for_another() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        go_on.wait(WAIT_S)

    slow = Counted(slowly)
    thread = threading.Thread(target=lambda: slow.value, daemon=True)
    thread.start()
    assert begun.wait(WAIT_S)
    quick: list[int] = []
    other = threading.Thread(target=lambda: quick.append(Counted().value), daemon=True)
    other.start()
    other.join(WAIT_S / 6)
    waited = other.is_alive()
    go_on.set()
    thread.join(WAIT_S)
    assert not waited
    assert quick == [7]


def test_a_list_is_ranked_while_another_waits_for_its_texts(
    reranker: Reranker, shelf: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Issue: reading 2,000 new texts held up every other list of the process for 14 s.
    reranker.rank(shelf)
    begun, go_on = threading.Event(), threading.Event()
    encode = TextEncoder.encode

    def slowly(self: TextEncoder, *texts: object, **options: object) -> object:
        begun.set()
        go_on.wait(WAIT_S)
        return encode(self, *texts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(TextEncoder, "encode", slowly)
    new = [Item("new", "A text that nobody has read yet")]
    slow = threading.Thread(target=lambda: reranker.rank(new), daemon=True)
    slow.start()
    assert begun.wait(WAIT_S)
    ranked: list[str] = []
    quick = threading.Thread(
        target=lambda: ranked.extend(one.item.id for one in reranker.rank(shelf)), daemon=True
    )
    quick.start()
    quick.join(WAIT_S / 6)
    waited = quick.is_alive()
    go_on.set()
    slow.join(WAIT_S)
    quick.join(WAIT_S)
    assert not waited
    assert sorted(ranked) == sorted(item.id for item in shelf)


def test_the_runtime_has_no_cached_property_with_a_lock() -> None:
    with_lock = [
        path.name
        for path in (ROOT / "edge_rerank").rglob("*.py")
        if "functools import cached_property" in path.read_text()
        or "functools.cached_property\n" in path.read_text()
    ]
    assert with_lock == []
