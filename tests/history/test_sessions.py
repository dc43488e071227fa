from __future__ import annotations

from edge_rerank.history.sessions import session_ages


def test_thirty_minutes_of_silence_end_a_session() -> None:
    minutes = [0, 10, 39, 70, 100, 131]  # gaps: 10, 29, 31, 30, 31
    ages = session_ages([60 * m for m in minutes], now=60 * 140)
    assert ages.tolist() == [2, 2, 2, 1, 1, 0]


def test_the_last_session_may_be_over() -> None:
    assert session_ages([0.0, 60.0], now=10_000).tolist() == [1, 1]


def test_no_events() -> None:
    assert session_ages([], now=5.0).tolist() == []


def test_a_clock_that_went_back_does_not_open_a_session() -> None:
    assert session_ages([0.0, 100.0], now=50.0).tolist() == [0, 0]
