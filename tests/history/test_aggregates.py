from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_rerank import Event, EventType, History, Item
from edge_rerank.errors import HistoryCorrupt, InvalidRequest, PrivacyBudgetSpent
from edge_rerank.history.aggregates import (
    AGGREGATES,
    FALSE_RELEASE,
    LIFETIME_EPSILON,
    MIN_PEOPLE,
    Coin,
    epsilon_left,
    release_counts,
)
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))


class Crowd:
    """People in memory: ``yes`` of ``total`` have an event of the category "a"."""

    def __init__(self, yes: int, total: int) -> None:
        mine = [Event("click", Item("i", "", ["a"]))]
        self._histories = [mine if number < yes else [] for number in range(total)]
        self._notes: dict[str, bytes] = {}
        self.logged: list[str] = []

    def everyone(self) -> Iterable[tuple[Mapping[str, bool], Sequence[Event]]]:
        return [({AGGREGATES: True}, history) for history in self._histories]

    def read_note(self, name: str) -> bytes | None:
        return self._notes.get(name)

    def write_note(self, name: str, content: bytes) -> None:
        self._notes[name] = content

    def log(self, action: AuditAction, *, purpose: str) -> None:
        self.logged.append(f"{action} {purpose}")


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, math.log(3), 4.0, 8.0])
def test_an_answer_is_never_less_private_than_stated(epsilon: float) -> None:
    lies = Coin(epsilon).lies
    truths = 2**64 - lies
    assert math.log(truths / lies) <= epsilon * (1 + 1e-13)
    assert math.log(truths / lies) == pytest.approx(epsilon, rel=1e-9)


def test_warners_coin_of_ln_3_lies_one_time_in_four() -> None:
    rng = random.Random(1)
    coin = Coin(math.log(3), rng.getrandbits)
    lies = sum(not coin.answer(True) for _ in range(40_000))
    assert lies == pytest.approx(10_000, abs=5 * math.sqrt(40_000 * 0.25 * 0.75))


def test_the_estimate_by_hand() -> None:
    # 1,000 people, one lie in four, 600 said yes: (600 - 250) / (1 - 0.5).
    assert Coin(math.log(3)).estimate(600, 1_000) == 700
    assert Coin(math.log(3)).estimate(1_000, 1_000) == 1_000
    assert Coin(math.log(3)).standard_error(1_000) == pytest.approx(math.sqrt(187.5) / 0.5)


def test_estimates_are_unbiased_with_the_stated_error() -> None:
    rng = random.Random(7)
    estimates = []
    for _ in range(300):
        result = release_counts(Crowd(700, 1_000), ["a"], epsilon=2.0, _random_bits=rng.getrandbits)
        assert result.counts[0].people is not None
        estimates.append(result.counts[0].people)
    error = result.standard_error
    assert statistics.mean(estimates) == pytest.approx(700, abs=5 * error / math.sqrt(300))
    assert statistics.stdev(estimates) == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize("total", [19, 20, 50, 300])
def test_fewer_than_20_people_are_never_shown(total: int) -> None:
    rng = random.Random(total)
    for _ in range(400):
        crowd = Crowd(min(MIN_PEOPLE - 1, total), total)
        result = release_counts(crowd, ["a"], epsilon=2.0, _random_bits=rng.getrandbits)
        assert result.counts[0].people is None


def test_the_chance_of_showing_19_people_is_below_one_in_a_million_exactly() -> None:
    coin = Coin(1.0)
    lie = coin.lies / 2**64
    for total in (20, 100, 1_000):
        least = next(
            (yes for yes in range(total + 1) if coin.estimate(yes, total) is not None), None
        )
        if least is not None:
            assert _tail(least, 19, total, lie) <= FALSE_RELEASE


def _tail(least: int, truths: int, total: int, lie: float) -> float:
    """P(at least ``least`` say yes), by the two binomials."""

    def binomial(n: int, k: int, p: float) -> float:
        return math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
        )

    return sum(
        binomial(truths, a, 1 - lie) * binomial(total - truths, b, lie)
        for a in range(truths + 1)
        for b in range(max(least - a, 0), total - truths + 1)
    )


def test_a_large_group_is_shown() -> None:
    result = release_counts(Crowd(900, 1_000), ["a", "never"], epsilon=4.0)
    assert [count.category for count in result.counts] == ["a", "never"]
    assert result.counts[0].people == pytest.approx(900, abs=6 * result.standard_error)
    assert result.counts[1].people is None
    assert (result.people, result.epsilon, result.epsilon_left) == (1_000, 4.0, 4.0)


def test_only_events_of_the_type_asked_for_count() -> None:
    result = release_counts(Crowd(1_000, 1_000), ["a"], epsilon=4.0, event=EventType.PURCHASE)
    assert result.counts[0].people is None


def test_the_price_is_noted_before_anything_is_counted() -> None:
    class Crashing(Crowd):
        def everyone(self) -> Iterable[tuple[Mapping[str, bool], Sequence[Event]]]:
            raise KeyboardInterrupt

    crowd = Crashing(0, 0)
    with pytest.raises(KeyboardInterrupt):
        release_counts(crowd, ["a"], epsilon=3.0)
    assert epsilon_left(crowd) == LIFETIME_EPSILON - 3.0
    assert crowd.logged == ["released aggregates"]


def test_a_note_that_is_not_ours_is_no_refund() -> None:
    crowd = Crowd(0, 0)
    for content in (b"{}", b"[]", b"x", b'{"spent_micro_epsilon": -5}'):
        crowd.write_note("aggregates", content)
        with pytest.raises(HistoryCorrupt):
            release_counts(crowd, ["a"], epsilon=1.0)


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), 8.1, True, "1"])
def test_malformed_prices_are_refused(epsilon: object) -> None:
    with pytest.raises(InvalidRequest, match="epsilon"):
        release_counts(Crowd(0, 0), ["a"], epsilon=epsilon)


@pytest.mark.parametrize("categories", ["a", [], ["a", "a"], [1], ["a"] * 17])
def test_malformed_categories_are_refused(categories: object) -> None:
    with pytest.raises(InvalidRequest, match="categor"):
        release_counts(Crowd(0, 0), categories, epsilon=1.0)


def test_the_budget_survives_restarts_and_runs_out(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for used in (3.0, 3.0):
        with HistoryStore.open(path, KEY) as store:
            store.set_consent("alice", AGGREGATES, True)
            release_counts(store, ["a"], epsilon=used)
    with HistoryStore.open(path, KEY) as store:
        assert epsilon_left(store) == LIFETIME_EPSILON - 6.0
        with pytest.raises(PrivacyBudgetSpent, match="2 is left"):
            release_counts(store, ["a"], epsilon=2.5)
        assert epsilon_left(store) == 2.0


def test_threads_at_once_do_not_spend_the_budget_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    read = HistoryStore.read_note

    def read_slowly(store: HistoryStore, name: str) -> bytes | None:
        note = read(store, name)
        time.sleep(0.05)  # the other thread's turn
        return note

    monkeypatch.setattr(HistoryStore, "read_note", read_slowly)
    with History.open() as history, ThreadPoolExecutor(2) as threads:
        releases = [
            threads.submit(history.release_counts, [name], epsilon=5.0) for name in ("a", "b")
        ]
        errors = [one.exception() for one in releases]
    assert [type(error) for error in errors if error] == [PrivacyBudgetSpent]


def test_only_people_who_agreed_take_part(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "history.db", KEY) as store:
        for number in range(60):
            user = f"u{number}"
            store.set_consent(user, "personalisation", True)
            store.append(user, [Event("click", Item("i", "", ["a"]), timestamp=1.0)])
            if number < 40:
                store.set_consent(user, AGGREGATES, True)
        store.set_consent("u0", AGGREGATES, False)
        result = release_counts(store, ["a"], epsilon=8.0)
        assert result.people == 39
        assert store.audit_log()[-1].action is AuditAction.RELEASED
        assert store.audit_log()[-1].purpose == AGGREGATES
        assert result.counts[0].people is None or result.counts[0].people <= 39
