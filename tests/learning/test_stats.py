"""Statistics of lists: figures by hand, intervals that hold, refusals in words."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.feedback_log import NEWEST, FeedbackLog
from edge_rerank.learning.figures import Figure
from edge_rerank.learning.list_record import ListRecord, Used
from edge_rerank.learning.stats import LEAST_CHOICES, Note, NoteCode, Stats, stats_of
from edge_rerank.learning.stats_page import stats_as_html
from edge_rerank.learning.stats_words import CHINESE, ENGLISH, PHRASES, StatsWords
from edge_rerank.learning.variety import PLACES
from tests.learning.test_feedback_log import MONTH_S, START, record


def log_of(*records: ListRecord, surface: str = "") -> FeedbackLog:
    log = FeedbackLog()
    for one in records:
        log = log.after(one, surface)
    return log


def in_words(stats: Stats, words: StatsWords = ENGLISH) -> str:
    return " / ".join(words.note(one) for one in stats.notes)


def test_figures_by_hand() -> None:
    log = log_of(record(1), record(4, success=0.5), replace(record(), refused=2), record())
    whole = stats_of(log).whole
    assert (whole.lists, whole.clicked, whole.refused) == (4, 2, 2)
    assert whole.click_through is not None
    assert whole.satisfied is not None
    assert whole.place is not None
    assert whole.mrr is not None
    assert whole.click_through.value == 0.5
    # Wilson's interval of 2 of 4.
    assert (whole.click_through.low, whole.click_through.high) == (
        pytest.approx(0.1500, abs=1e-4),
        pytest.approx(0.8500, abs=1e-4),
    )
    assert whole.satisfied.value == pytest.approx(1.5 / 4, abs=1e-3)  # kept to 1 in 255
    assert (whole.place.value, whole.mrr.value) == (2.5, (1 + 1 / 4) / 2)
    assert whole.place.low is None  # of two lists there is none to speak of


def test_nothing_is_said_of_nothing() -> None:
    stats = stats_of(FeedbackLog())
    assert stats.whole.click_through is stats.whole.place is None
    assert stats.against_host is stats.against_pack is None
    assert (stats.by_month, stats.estimates) == ((), ())
    assert stats.notes[0] == Note(NoteCode.NO_LIST)
    assert (stats.diversity, stats.coverage, stats.by_order) == (None, None, ())


def test_over_time_and_by_surface() -> None:
    log = log_of(record(1), record(), surface="home").merged(
        log_of(record(3, at=START + MONTH_S), surface="search")
    )
    stats = stats_of(log)
    assert [(one.name, one.lists) for one in stats.by_month] == [("2023-11", 2), ("2023-12", 1)]
    assert [(one.name, one.clicked) for one in stats.by_surface] == [("home", 1), ("search", 1)]
    assert dict(stats.places)["1"] == dict(stats.places)["3"] == 1
    assert sum(count for _, count in stats.places) == 2


@pytest.mark.parametrize("place", [5, 6, 10, 11, 20, 21, 99])
def test_every_place_has_its_bar(place: int) -> None:
    (bar,) = [name for name, count in stats_of(log_of(record(place))).places if count]
    low, _, high = bar.replace("+", "-999").partition("-")
    assert int(low) <= place <= int(high or low)


def test_the_interval_holds_the_true_mean_of_places() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        places = rng.geometric(0.3, size=150).clip(1, 99)
        place = stats_of(log_of(*(record(int(one)) for one in places))).whole.place
        assert place is not None
        assert place.low is not None
        assert place.high is not None
        held += place.low <= 1 / 0.3 <= place.high
    assert held >= 52


def test_against_other_orders() -> None:
    better = [replace(record(2), host=6, without=3) for _ in range(30)]
    stats = stats_of(log_of(*better, *(record(1) for _ in range(10))))
    host, pack = stats.against_host, stats.against_pack
    assert host is not None
    assert pack is not None
    assert (host.lists, host.place.value, host.other.value, host.higher.value) == (30, 2, 6, 4)
    assert host.mrr.value == pytest.approx(1 / 2 - 1 / 6)
    assert (pack.lists, pack.higher.value) == (40, 0.75)
    assert pack.higher.low is not None
    assert pack.higher.low < 0.75
    assert Note(NoteCode.FAVOURS_SHOWN) in stats.notes


def test_too_few_choices_are_not_compared() -> None:
    few = [replace(record(2), host=6) for _ in range(LEAST_CHOICES - 1)]
    stats = stats_of(log_of(*few))
    assert stats.against_host is None
    assert Note(NoteCode.NOT_AGAINST_HOST, have=9, need=10) in stats.notes
    assert "not compared with the application's order" in in_words(stats)


def explored(rng: np.random.Generator) -> ListRecord:
    """Two neighbours that chance swaps; what the head prefers is chosen half as often."""
    swapped = rng.random() < 0.25
    chosen = rng.random() < (0.6 if swapped else 0.3)
    same = (swapped, swapped, *[True] * (PLACES - 2))
    return replace(
        record(1 if chosen else 0),
        epsilon=0.5,
        tried=(True, *[False] * (PLACES - 1)),
        swapped=(swapped, *[False] * (PLACES - 1)),
        same=same,
        rewards=(float(chosen), *[0.0] * (PLACES - 1)),
    )


def test_estimates_hold_what_the_other_order_earns() -> None:
    held = dict.fromkeys(("ips", "snips", "rips", "dm", "dr"), 0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        stats = stats_of(log_of(*(explored(rng) for _ in range(NEWEST))))
        shown, *others = stats.estimates
        assert (shown.estimator, shown.lists) == ("shown", NEWEST)
        assert shown.value.value == pytest.approx(0.375, abs=0.15)
        assert [one.estimator for one in others] == list(held)
        assert not {NoteCode.NO_ESTIMATES, NoteCode.CLIPPED} & {one.code for one in stats.notes}
        for one in others:
            assert one.value.low is not None
            assert one.value.high is not None
            held[one.estimator] += one.value.low <= 0.6 <= one.value.high
    assert min(held.values()) >= 16, held


def test_estimates_are_refused_in_words_below_100_lists_left_to_chance() -> None:
    rng = np.random.default_rng(0)
    stats = stats_of(log_of(*(record(1) for _ in range(90)), *(explored(rng) for _ in range(99))))
    assert stats.estimates == ()
    assert Note(NoteCode.NO_ESTIMATES, have=99, need=100, newest=189) in stats.notes
    assert "need 100 lists" in in_words(stats)
    assert "99 of the newest 189" in in_words(stats)


@pytest.fixture
def some() -> Stats:
    rng = np.random.default_rng(0)
    lists = [replace(explored(rng), host=3, without=2) for _ in range(150)]
    return stats_of(log_of(*lists, surface="home & <away>"))


def test_as_json_and_the_same_again(some: Stats) -> None:
    told = json.loads(some.to_json())
    assert told == json.loads(json.dumps(some.to_dict()))
    assert told["whole"]["click_through"]["low"] < told["whole"]["click_through"]["value"]
    assert told["places"]["6-10"] == 0


def test_as_a_page(some: Stats) -> None:
    page = stats_as_html(some)
    for words in (
        "lists shown: 150",
        "2023-11",
        "Against other orders",
        "SNIPS",
        "home &amp; &lt;",
    ):
        assert words in page
    assert "<away>" not in page
    assert "Off-policy estimates" not in stats_as_html(stats_of(FeedbackLog()))


def test_variety_of_the_newest_lists_and_the_orders_they_were_shown_in() -> None:
    varied = [replace(record(1), categories=0.5, vectors=None, recall=0.25) for _ in range(10)]
    learnt = [
        replace(record(3), categories=1.0, recall=0.75, used=Used.LEARNT, rating=4.5)
        for _ in range(10)
    ]
    stats = stats_of(log_of(*varied, *learnt))
    assert stats.diversity is not None
    assert stats.diversity.categories is not None
    assert stats.diversity.recall is not None
    assert stats.diversity.categories.value == pytest.approx(0.75, abs=1 / 254)
    assert stats.diversity.recall.value == pytest.approx(0.5, abs=1 / 254)
    assert stats.diversity.recall.low is not None
    assert stats.diversity.vectors is None
    first, second = stats.by_order
    assert (first.name, first.lists, first.rating) == ("pack", 10, None)
    assert second.name == "learnt"
    assert second.place == Figure(3.0, 3.0, 3.0)
    assert second.rating == Figure(4.5, 4.5, 4.5)


def test_what_chance_cannot_reach_and_what_was_cut_is_said() -> None:
    rng = np.random.default_rng(0)
    far = (*[False] * 2, *[True] * (PLACES - 2))
    lists = [replace(explored(rng), within=far) for _ in range(120)]
    notes = stats_of(log_of(*lists)).notes
    assert Note(NoteCode.OUT_OF_REACH, have=20) in notes
    rare = [
        replace(one, epsilon=0.1, same=one.swapped[:1] * 2 + one.same[2:])
        for one in (explored(rng) for _ in range(120))
    ]
    few = sum(one.same[0] for one in rare)
    assert Note(NoteCode.FEW_EFFECTIVE, have=few, need=30) in stats_of(log_of(*rare)).notes
    (cut,) = [one for one in stats_of(log_of(*rare)).notes if one.code is NoteCode.CLIPPED]
    # Once the two stand swapped, the weights of RIPS are beyond 10 all the way down.
    assert cut.have == round(100 * sum(one.swapped[0] for one in rare) / len(rare))
    assert f"up to {cut.have} %" in ENGLISH.note(cut)


def test_the_direct_estimate_is_the_mean_of_lists_that_show_the_same_drawn_to_the_place() -> None:
    rng = np.random.default_rng(5)
    lists = [explored(rng) for _ in range(150)]
    same = [one for one in lists if one.same[0]]
    hits, everywhere = (sum(one.rewards[0] for one in of) for of in (same, lists))
    (direct,) = [one for one in stats_of(log_of(*lists)).estimates if one.estimator == "dm"]
    expected = (hits + 5 * everywhere / 150) / (len(same) + 5)
    assert direct.value.value == pytest.approx(expected, abs=1e-9)
    assert direct.effective_size == len(same)
    assert direct.value.low is not None
    assert direct.value.low < expected < (direct.value.high or 0)


def test_every_phrase_is_there_in_chinese_or_the_same_in_both() -> None:
    same = {"estimate.ips", "estimate.snips", "estimate.rips"}
    assert set(PHRASES) - set(CHINESE.phrases) == same
    assert {f"note.{one}" for one in NoteCode} <= set(PHRASES)
    assert {f"order.{one}" for one in Used} <= set(PHRASES)
    for name, phrase in CHINESE.phrases.items():
        filled = phrase.format_map(dict.fromkeys(PLACES_TO_FILL, "9"))
        assert name in {"mrr"} or re.search("[\u4e00-\u9fff]|^9", filled), name


PLACES_TO_FILL = (
    *("lists", "value", "low", "high", "order", "place", "other", "higher", "estimator"),
    *("have", "need", "newest", "note", "range"),
)


def test_the_page_in_chinese(some: Stats) -> None:
    page = stats_as_html(some, words=CHINESE)
    assert '<html lang="zh" dir="ltr">' in page
    for words in ("列表效果", "已展示 150 个列表", "双重稳健", "按月份", "注意事项", "至"):
        assert words in page
    visible = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    left = set(re.findall("[A-Za-z]{2,}", visible))
    assert left <= {"MRR", "IPS", "SNIPS", "RIPS", "home", "away", "amp", "lt", "gt"}
    assert "没有列表记录" in in_words(stats_of(FeedbackLog()), CHINESE)


def test_words_of_the_host(some: Stats) -> None:
    mine = StatsWords({"title": "<Listen>", "share": "{value} von 100"}, "de")
    page = stats_as_html(some, words=mine)
    assert '<html lang="de"' in page
    assert "&lt;Listen&gt;" in page
    assert "<Listen>" not in page
    assert " von 100" in page
    assert "By month" in page  # what is left out is English
    assert 'dir="rtl"' in stats_as_html(some, words=StatsWords({}, "ar"))
    for wrong in ({"titel": "x"}, {"title": "{x}"}, {"shown": "{lists.a}"}, {"shown": "{"}):
        with pytest.raises(InvalidRequest, match="expected"):
            StatsWords(wrong)
