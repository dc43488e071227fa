"""The journal: written seldom, never while ranking, and only what may be kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rerank import History, Retention
from edge_rerank.errors import HistoryUnavailable
from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.journal import KEPT_AT, PEOPLE, STATE, Journal
from edge_rerank.learning.learner import Learner
from edge_rerank.learning.lessons import Deeds
from edge_rerank.learning.open_lists import OPEN_LISTS, OPEN_S
from edge_rerank.learning.stats import read_stats
from tests.learning.test_learner import LAYOUT, START, USER, a_list, did, following, teach, tell


@pytest.fixture
def history() -> History:
    kept = History.open(retention=Retention.UNLIMITED)
    kept.consent(USER, True)
    return kept


@pytest.fixture
def learner(history: History) -> Learner:
    learner = following(history)
    history.on_forget(learner.drop)
    return learner


def lists(history: History) -> int:
    """How many are in the vault."""
    raw = history.state(USER, STATE)
    log = FeedbackLog() if raw is None else FeedbackLog.from_bytes(raw)
    assert log is not None
    assert len(log.records) == sum(tally.lists for tally in log.tallies.values())
    return len(log.records)


def test_closed_lists_are_written_a_few_at_a_time(learner: Learner, history: History) -> None:
    for number in range(OPEN_LISTS + KEPT_AT - 1):
        teach(learner, number, "d", at=START + number)
        assert not lists(history)
    teach(learner, 99, "d", at=START + 99)
    assert lists(history) == KEPT_AT


def test_nothing_is_written_while_ranking(
    learner: Learner, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(history, "set_state", refuse)
    for number in range(10 * OPEN_LISTS):
        learner.watch(USER, a_list(number, at=START + number))


def test_what_is_open_is_told_as_it_stands_and_written_at_the_end(
    learner: Learner, history: History
) -> None:
    for number in range(3):
        teach(learner, number, "d", at=START + number)
    learner.watch(USER, a_list(3))
    before = read_stats(history, USER, beside=learner.log(USER))
    assert (before.whole.lists, before.whole.clicked) == (4, 3)
    assert not lists(history)
    learner.close()
    assert lists(history) == 4
    assert read_stats(history, USER, beside=learner.log(USER)) == before


def test_a_dwell_time_that_comes_later_still_counts(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    tell(learner, did("view", "d", "r0", at=START + 2, dwell_s=1.0))
    learner.close()
    whole = read_stats(history, USER).whole
    assert whole.clicked == 1
    assert whole.satisfied is not None
    assert whole.satisfied.value == 0.0
    assert whole.place is not None
    assert whole.place.value == 4


def test_a_closed_list_takes_no_more_events(learner: Learner, history: History) -> None:
    learner.watch(USER, a_list())
    tell(learner, did("click", "d", "r0", at=START + OPEN_S + 1))
    learner.close()
    assert read_stats(history, USER).whole.clicked == 0


def test_it_goes_on_in_the_next_process(tmp_path: Path) -> None:
    key = os.urandom(32)
    for turn in range(3):
        with History.open(tmp_path / "h.db", key, retention=Retention.UNLIMITED) as kept:
            kept.consent(USER, True)
            learner = following(kept)
            teach(learner, turn, "d")
            learner.close()
            assert read_stats(kept, USER).whole.lists == turn + 1


def test_what_came_of_lists_is_kept_with_consent_alone(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    history.consent(USER, False)
    learner.close()
    history.consent(USER, True)
    learner.close()
    assert lists(history) == 0


def test_nothing_is_kept_while_recording_is_paused(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    learner.close()
    history.pause(USER)
    learner.watch(USER, a_list(1))
    learner.close()
    history.resume(USER)
    learner.close()
    assert lists(history) == 1


def test_what_came_of_lists_is_gone_with_the_person(learner: Learner, history: History) -> None:
    for number in range(OPEN_LISTS + KEPT_AT + 1):
        teach(learner, number, "d", at=START + number)
    assert lists(history)
    history.forget(USER)
    history.consent(USER, True)
    learner.close()
    assert lists(history) == 0
    assert read_stats(history, USER).whole.lists == 0


def test_a_person_who_makes_room_for_others_is_not_lost(history: History) -> None:
    learner = following(history)
    teach(learner, 0, "d")
    for number in range(70):  # more than a learner holds the open lists of
        history.consent(f"user {number}", True)
        learner.watch(f"user {number}", a_list(number))
    learner.close()
    assert lists(history) == 1


def test_memory_is_bounded(history: History) -> None:
    journal = Journal(history)
    for number in range(2 * PEOPLE):
        journal.note(f"user {number}", a_list(number, layout=LAYOUT), Deeds())
    assert len(journal._pending) == PEOPLE


def test_what_cannot_be_written_stops_nobody(
    learner: Learner,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> bool:
        raise HistoryUnavailable("full")

    teach(learner, 0, "d")
    monkeypatch.setattr(history, "set_state", refuse)
    learner.close()
    assert "what came of lists was not kept: HistoryUnavailable" in caplog.text
    assert USER not in caplog.text


def test_what_another_version_wrote_is_begun_anew(learner: Learner, history: History) -> None:
    history.set_state(USER, STATE, b"\xff and more")
    assert read_stats(history, USER).whole.lists == 0
    teach(learner, 0, "d")
    learner.close()
    assert lists(history) == 1


def test_months_that_retention_does_not_allow_are_left_out() -> None:
    kept = History.open(retention=Retention(max_age_days=30))
    kept.consent(USER, True)
    learner = following(kept)  # years ago
    teach(learner, 0, "d")
    assert read_stats(kept, USER, beside=learner.log(USER)).whole.lists == 0
    learner.close()
    assert read_stats(kept, USER).whole.lists == 0
