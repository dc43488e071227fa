"""Values of the public interface can be copied, pickled, and handed to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rerank import (
    Aggregate,
    BadLine,
    Banner,
    Block,
    Cap,
    Card,
    Degradation,
    ErasureReceipt,
    Event,
    EventType,
    Exposure,
    History,
    ImportSummary,
    Item,
    LeftOut,
    ListPolicy,
    RankedItem,
    Ranking,
    RatingScale,
    Reason,
    ReasonCode,
    Reranker,
    Retention,
    Runtime,
    StoredEvent,
    Trust,
    Unread,
    errors,
)

ITEM = Item(
    "a", "Tea", ["Drinks"], 3, 0.5, [1, 2.5], {"price": 5, "new": True, "note": None}, 9, b"a", b"b"
)
EVENT = Event("view", ITEM, timestamp=5, dwell_s=2, scroll=0.5, ranking="r", position=2, id="e")
REASON = Reason(ReasonCode.SIMILAR, 0.5, "b")
RANKED = RankedItem(ITEM, 1, 0.75, (REASON,))
RANKING = Ranking((RANKED,), "r", 1.5, True, (Degradation.TIME_BUDGET,), Unread(0.5))

VALUES = (
    ITEM,
    EVENT,
    REASON,
    RANKED,
    RANKING,
    *RANKING.to_cards(),
    RANKING.to_banner(),
    EventType.CLICK,
    ReasonCode.TOGETHER,
    Degradation.TIME_BUDGET,
    Unread(0.25),
    RatingScale(1, 5),
    Retention(30),
    Runtime(threads=2),
    Trust((b"k" * 32,)),
    ListPolicy(pin={"a": 1}, caps=[Cap("brand", most=2)], block=Block(words=["tea"])),
    Exposure(3, 1, 5.0),
    LeftOut("a", ReasonCode.CAP),
    BadLine(3, "expected more"),
    ImportSummary(1, 1, 0, 0, 0, 1, (BadLine(3, "expected more"),)),
    StoredEvent(1, 7, EVENT),
    errors.DataError(Path("log.csv"), "expected more", line=3),
    errors.InvalidItem("item id: expected a string, got float"),
    errors.HistoryRolledBack("expected a newer state"),
)
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
WAYS: dict[str, Callable[[object], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda value, protocol=protocol: pickle.loads(  # type: ignore[misc]
            pickle.dumps(value, protocol)
        )
        for protocol in PROTOCOLS
    },
}


def parts(value: object) -> object:
    """What two values have to agree in, beyond what ``==`` looks at."""
    if isinstance(value, Exception):
        return type(value), str(value), vars(value)
    if isinstance(value, Item):
        return value, None if value.vector is None else value.vector.tolist()
    if isinstance(value, Ranking):
        return value, value.id, value.took_ms, [parts(one.item) for one in value]
    return value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_copy_is_equal(value: object, way: str) -> None:
    again = WAYS[way](value)
    assert type(again) is type(value)
    assert parts(again) == parts(value)


def test_a_copy_is_frozen_like_the_original() -> None:
    again = pickle.loads(pickle.dumps(ITEM))
    with pytest.raises(ValueError, match="read-only"):
        again.vector[0] = 9
    with pytest.raises(TypeError):
        again.fields["price"] = 9


def test_what_a_history_gives_can_be_pickled() -> None:
    with Reranker.open() as reranker:
        reranker.consent("u", True)
        reranker.record(EVENT, user="u")
        history: History = reranker.history
        profile, data = reranker.profile("u"), history.access("u")
        receipt: ErasureReceipt = reranker.forget("u")
        found = (profile, data, receipt, history.verify(), *history.audit_log())
        counts: Aggregate = history.release_counts(["Drinks"], epsilon=1)
    for value in (*found, counts):
        assert pickle.loads(pickle.dumps(value)) == value


def test_every_kind_of_value_is_tried() -> None:
    assert {Banner, Card} <= {type(value) for value in VALUES}


def test_other_processes_hand_them_back() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(copy.copy, [ITEM, EVENT, RANKING]) == [ITEM, EVENT, RANKING]
