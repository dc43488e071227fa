from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank import (
    Degradation,
    Event,
    Exposure,
    History,
    Item,
    Ranking,
    ReasonCode,
    Reranker,
    Trust,
    Unread,
)
from edge_rerank.errors import (
    ClosedError,
    ConsentRequired,
    HistoryCorrupt,
    HistoryKeyError,
    InvalidItem,
    InvalidRequest,
    PackNotFound,
)
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))


def order(ranking: object) -> list[str]:
    return [ranked.item.id for ranked in ranking]  # type: ignore[attr-defined]


def test_the_order_follows_the_person(reranker: Reranker, shelf: list[Item]) -> None:
    before = reranker.rank(shelf, user="alice")
    assert not before.personalised
    assert order(before)[0] == "football"  # the most popular
    reranker.consent("alice", True)
    reranker.record(
        Event("click", Item("new", "A simple sourdough loaf for weekends")), user="alice"
    )
    after = reranker.rank(shelf, user="alice")
    assert after.personalised
    assert order(after)[0] == "sourdough"
    assert any(
        reason.code is ReasonCode.SIMILAR and reason.item_id == "new" for reason in after[0].reasons
    )
    reranker.record(Event("dislike", shelf[1]), user="alice")
    assert order(reranker.rank(shelf, user="alice"))[-1] == "sourdough"


def test_what_it_took_has_the_reading_of_the_history_in_it(
    reranker: Reranker, shelf: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = History.events

    def slowly(history: History, *args: Any, **options: Any) -> tuple[Event, ...]:
        time.sleep(0.2)
        return read(history, *args, **options)

    reranker.consent("alice", True)
    with reranker.guest_session() as guest:
        monkeypatch.setattr(History, "events", slowly)
        assert reranker.rank(shelf, user="alice").took_ms >= 200
        assert guest.rank(shelf).took_ms >= 200
    assert reranker.rank(shelf).took_ms > 0


def test_a_category_counts_without_a_word_of_text(reranker: Reranker) -> None:
    items = [Item("x", categories=["Maps"]), Item("y", categories=["Tea"])]
    reranker.consent("alice", True)
    reranker.record(Event("like", Item("z", categories=["Tea"])), user="alice")
    assert order(reranker.rank(items, user="alice")) == ["y", "x"]


def test_a_query_counts_without_history(reranker: Reranker, shelf: list[Item]) -> None:
    ranking = reranker.rank(shelf, query="looking at planets")
    assert {ranked.item.id for ranked in ranking[:2]} == {"telescope", "mars"}
    assert ranking[0].reasons[0].code is ReasonCode.QUERY


def test_the_hosts_order_survives_where_nothing_else_is_known(reranker: Reranker) -> None:
    items = [Item(f"i{n}") for n in range(10)]
    assert order(reranker.rank(items)) == [item.id for item in items]
    scored = [Item(f"i{n}", score=float(n)) for n in range(10)]
    assert order(reranker.rank(scored)) == [item.id for item in reversed(scored)]


def test_equal_calls_give_equal_answers_and_change_nothing(
    reranker: Reranker, shelf: list[Item]
) -> None:
    given, now = list(shelf), 1_700_000_000.0
    reranker.consent("alice", True)
    reranker.record(Event("click", shelf[0], timestamp=now - 60), user="alice")
    rankings = [reranker.rank(given, user="alice", query="bread", now=now) for _ in range(3)]
    assert rankings[0] == rankings[1] == rankings[2]
    assert len({ranking.id for ranking in rankings}) == 3
    assert given == shelf
    shuffled = reranker.rank(given[::-1], user="alice", query="bread", now=now)
    assert {r.item.id: r.score for r in shuffled} == pytest.approx(
        {r.item.id: r.score for r in rankings[0]}, abs=1e-6
    )


def test_top_k_diversity_and_the_empty_list(reranker: Reranker, shelf: list[Item]) -> None:
    everything = order(reranker.rank(shelf, query="bread"))
    assert order(reranker.rank(shelf, query="bread", top_k=2)) == everything[:2]
    assert order(reranker.rank(shelf, query="bread", top_k=99)) == everything
    varied = order(reranker.rank(shelf, query="baking bread", diversity=0.7))
    assert {"bread", "sourdough", "croissant"} != set(varied[:3])
    assert len(reranker.rank([])) == 0


def test_positions_are_filled_in_from_the_ranking(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    ranking = reranker.rank(shelf, user="alice")
    third = ranking[2].item
    reranker.record(Event("click", third, ranking=ranking.id), user="alice")
    (event,) = reranker.history.events("alice")
    assert event.position == 3


def test_consent_rules(reranker: Reranker, shelf: list[Item]) -> None:
    with pytest.raises(ConsentRequired):
        reranker.record(Event("click", shelf[0]), user="alice")
    reranker.consent("alice", True, purpose="statistics")
    with pytest.raises(ConsentRequired):
        reranker.record(Event("click", shelf[0]), user="alice")
    reranker.consent("alice", True)
    reranker.record(Event("click", shelf[0]), user="alice")
    reranker.consent("alice", False)
    assert not reranker.rank(shelf, user="alice").personalised
    with pytest.raises(ConsentRequired):
        reranker.record(Event("click", shelf[1]), user="alice")
    assert reranker.profile("alice").events == 1  # withdrawal hides, forget() erases
    assert dict(reranker.profile("alice").consents) == {
        "personalisation": False,
        "statistics": True,
    }


def test_a_batch_is_recorded_whole_or_not_at_all(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    with pytest.raises(InvalidRequest):
        reranker.record([Event("click", shelf[0]), "click"], user="alice")  # type: ignore[list-item]
    assert reranker.profile("alice").events == 0
    assert reranker.record([Event("click", item) for item in shelf], user="alice") == len(shelf)


def test_duplicates_are_dropped(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    click = Event("click", shelf[0], timestamp=100.2)
    assert reranker.record(click, user="alice") == 1
    assert reranker.record(Event("click", shelf[0], timestamp=100.9), user="alice") == 0
    assert reranker.record(Event("click", shelf[0], timestamp=101.0, id="e"), user="alice") == 1
    assert reranker.record(Event("like", shelf[3], timestamp=500, id="e"), user="alice") == 0
    assert reranker.profile("alice").events == 2


def test_late_events_are_put_in_order(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    for when in (300.0, 100.0, 200.0):
        reranker.record(Event("click", shelf[0], timestamp=when), user="alice")
    assert [event.timestamp for event in reranker.history.events("alice")] == [100, 200, 300]


def test_a_history_file_outlives_the_process(tmp_path: Path, shelf: list[Item]) -> None:
    path = tmp_path / "me.db"
    with Reranker.open(history=path, key=KEY) as reranker:
        reranker.consent("alice", True)
        reranker.record([Event("click", shelf[0]), Event("like", shelf[4])], user="alice")
        first = reranker.rank(shelf, user="alice", now=2e9)
    with Reranker.open(history=path, key=KEY) as reranker:
        assert reranker.rank(shelf, user="alice", now=2e9) == first
    with pytest.raises(HistoryKeyError):
        Reranker.open(history=path, key=bytes(reversed(KEY)))
    with pytest.raises(HistoryKeyError, match="got None"):
        Reranker.open(history=path)


def test_forgetting(tmp_path: Path, shelf: list[Item]) -> None:
    with Reranker.open(history=tmp_path / "me.db", key=KEY) as reranker:
        for user in ("alice", "bob"):
            reranker.consent(user, True)
            reranker.record([Event("click", item) for item in shelf], user=user)
        assert reranker.forget("alice").events == len(shelf)
        assert not reranker.rank(shelf, user="alice").personalised
        assert reranker.profile("alice").events == 0
        assert reranker.profile("bob").events == len(shelf)
        assert reranker.forget("nobody").events == 0


def test_a_history_that_cannot_be_read_degrades_and_says_so(
    reranker: Reranker,
    shelf: list[Item],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reranker.consent("alice", True)

    def broken(*_: object, **__: object) -> None:
        raise HistoryCorrupt("a row cannot be opened")

    monkeypatch.setattr(HistoryStore, "load", broken)
    with caplog.at_level(logging.WARNING, logger="edge_rerank"):
        ranking = reranker.rank(shelf, user="alice")
    assert ranking.degraded == (Degradation.HISTORY_UNAVAILABLE,)
    assert len(ranking) == len(shelf)
    assert json.loads(ranking.to_json())["degraded"] == ["history-unavailable"]
    assert "HistoryCorrupt" in caplog.text
    assert "alice" not in caplog.text


def test_a_guest_leaves_no_trace(tmp_path: Path, shelf: list[Item]) -> None:
    path = tmp_path / "me.db"
    with Reranker.open(history=path, key=KEY) as reranker:
        size = path.stat().st_size
        with reranker.guest_session() as guest:
            before = guest.rank(shelf)
            guest.record(Event("view", shelf[4], dwell_s=60))
            after = guest.rank(shelf)
            assert order(after) != order(before)
            assert guest.profile().events == 1
            guest.consent(False)
            with pytest.raises(ConsentRequired):
                guest.record(Event("click", shelf[0]))
            assert not guest.rank(shelf).personalised
        with pytest.raises(ClosedError):
            guest.rank(shelf)
        assert path.stat().st_size == size
        with reranker.guest_session() as next_guest:
            assert order(next_guest.rank(shelf)) == order(before)


def test_rank_async(reranker: Reranker, shelf: list[Item]) -> None:
    async def several() -> list[object]:
        return await asyncio.gather(
            *(reranker.rank_async(shelf, query="bread", now=2e9) for _ in range(4))
        )

    rankings = asyncio.run(several())
    assert all(ranking == reranker.rank(shelf, query="bread", now=2e9) for ranking in rankings)


def test_four_threads_give_what_one_gives(reranker: Reranker, shelf: list[Item]) -> None:
    users = [f"user{n}" for n in range(4)]
    for n, user in enumerate(users):
        reranker.consent(user, True)
        reranker.record(Event("like", shelf[n], timestamp=1000), user=user)
    got: dict[tuple[str, int], Ranking] = {}

    def rank(user: str, turn: int) -> Ranking:
        # A new text each time, so that the cache is written to by all at once.
        extra = Item("extra", f"text number {turn} of {user}", popularity=0)
        return reranker.rank([*shelf, extra], user=user, now=2000)

    def work(user: str) -> None:
        for turn in range(50):
            got[user, turn] = rank(user, turn)

    threads = [threading.Thread(target=work, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 200
    assert all(ranking == rank(user, turn) for (user, turn), ranking in got.items())


def test_items_known_by_id_alone_are_compared_by_the_candidates_text(reranker: Reranker) -> None:
    reranker.consent("alice", True)
    reranker.record(Event("click", Item("a")), user="alice")
    items = [Item("a", "green tea"), Item("b", "jasmine tea"), Item("c", "football boots")]
    ranking = order(reranker.rank(items, user="alice"))
    assert ranking.index("b") < ranking.index("c")


def test_the_hosts_vectors_replace_the_text(reranker: Reranker) -> None:
    reranker.consent("alice", True)
    reranker.record(Event("click", Item("seen", "irrelevant", vector=[1.0, 0.0])), user="alice")
    near = Item("near", "quite other words", vector=[0.9, 0.1])
    far = Item("far", "something irrelevant to all of us", vector=[0.0, 1.0])
    assert order(reranker.rank([far, near], user="alice")) == ["near", "far"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"items": None},
        {"items": "abc"},
        {"items": [1]},
        {"items": [Item("a")] * 10_001},
        {"items": [], "top_k": 0},
        {"items": [], "top_k": True},
        {"items": [], "top_k": 2.0},
        {"items": [], "query": 5},
        {"items": [], "user": ""},
        {"items": [], "user": 3.5},
        {"items": {"a": Item("a")}},
        {"items": Item("a")},
        {"items": [Item("a"), Item("b"), Item("a")]},
        {"items": itertools.repeat(Item("a"))},
        {"items": np.array([[Item("a")]])},
        {"items": [Item("a")], "now": datetime(2026, 1, 1)},
        {"items": [], "diversity": 2},
        {"items": [], "diversity": float("nan")},
        {"items": [], "host_order": 1},
        {"items": [Item("a")], "now": "today"},
    ],
)
def test_malformed_requests(reranker: Reranker, arguments: dict[str, object]) -> None:
    before = copy.copy(arguments)
    with pytest.raises(InvalidRequest, match="expected"):
        reranker.rank(**arguments)  # type: ignore[arg-type]
    assert arguments == before


def test_a_repeated_id_is_named_by_its_places_alone(reranker: Reranker) -> None:
    with pytest.raises(InvalidRequest) as caught:
        reranker.rank([Item("secret", "tea"), Item("b"), Item("secret", "football")])
    assert str(caught.value) == "items: expected each id once, got the same at index 0 and 2"


def test_what_hosts_have_at_hand_is_taken(reranker: Reranker, shelf: list[Item]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    reranker.consent("7", True)
    seen = (Event("view", item, timestamp=moment, dwell_s=90) for item in shelf[:2])
    assert reranker.record(seen, user=7) == 2  # type: ignore[arg-type]
    assert reranker.record(np.array([Event("like", shelf[0])], dtype=object), user="7") == 1
    rest = shelf[2:]
    wanted = reranker.rank(rest, "7", now=moment.timestamp())
    for items in ((item for item in rest), np.array(rest), dict(enumerate(rest)).values()):
        assert reranker.rank(items, "7", now=moment, diversity=np.float32(0)) == wanted
    reranker.warmup(item for item in shelf)
    history = (Event("view", item, timestamp=moment) for item in shelf[:2])
    assert reranker.engine.rank(rest, history=history, now=moment).personalised
    with reranker.guest_session() as guest:
        assert guest.record(Event("click", item) for item in shelf[:2]) == 2


def test_milliseconds_are_no_time_to_rank_at(shelf: list[Item], reranker: Reranker) -> None:
    late = 1000.0 * 1_790_000_000
    with pytest.raises(InvalidRequest, match=r"^now: expected UTC seconds.*milliseconds"):
        reranker.rank(shelf, now=late)
    with pytest.raises(InvalidRequest, match="milliseconds"):
        Exposure(1, last=late)
    with pytest.raises(InvalidItem, match=r"^published: .*milliseconds"):
        Item("late", published=late)


@pytest.mark.parametrize("key", ["ab" * 32, b"short"])
def test_a_key_to_trust_is_bytes(key: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"got (str: bytes\.fromhex|5 bytes)"):
        Trust(keys=[key])


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("retention", 30, "Retention(max_age_days=30)"),
        ("runtime", 4, "Runtime(threads=4)"),
        ("trust", b"key", "Trust(keys=[...])"),
        ("ratings", (1, 5), "RatingScale(1, 5)"),
        ("scrubber", "all", "Scrubber()"),
    ],
)
def test_a_plain_value_where_one_of_ours_is_wanted(name: str, value: Any, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Reranker.open(**{name: value})
    assert str(caught.value).startswith(f"{name}: expected a ")
    assert str(caught.value).endswith(f"got {type(value).__name__}: {remedy} is one")


@pytest.mark.slow
def test_a_type_checker_sees_an_event_that_is_none(tmp_path: Path) -> None:
    snippet = tmp_path / "host.py"
    snippet.write_text(
        "from datetime import UTC, datetime\n"
        "from edge_rerank import Event, EventType, Item\n"
        "Event('click', Item('a'), timestamp=datetime.now(UTC))\n"
        "Event(EventType.CLICK, Item(7))\n"
        "Event('clik', Item('a'))\n",
        encoding="utf-8",
    )
    light = ("--follow-imports=silent", "--no-site-packages")  # else it reads numpy: 19 s, not 3
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *light, "--cache-dir", tmp_path / "c", snippet],
        env={"MYPYPATH": str(Path(__file__).parents[1]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(complaints) == 1, done.stdout
    assert "host.py:5: error:" in complaints[0]
    assert "EventType | Literal['impression', 'click'" in complaints[0]


def test_after_close(shelf: list[Item]) -> None:
    reranker = Reranker.open()
    reranker.close()
    reranker.close()
    for call in (
        lambda: reranker.rank(shelf),
        lambda: reranker.record(Event("click", shelf[0]), user="a"),
        lambda: reranker.consent("a", True),
        lambda: reranker.profile("a"),
        lambda: reranker.forget("a"),
        reranker.guest_session,
        reranker.warmup,
    ):
        with pytest.raises(ClosedError):
            call()


def test_opening(tmp_path: Path) -> None:
    with pytest.raises(PackNotFound):
        Reranker.open(tmp_path / "nothing")
    with pytest.raises(InvalidRequest, match="history"):
        Reranker.open(history=5, key=KEY)  # type: ignore[arg-type]
    with pytest.raises(HistoryKeyError, match="32 bytes"):
        Reranker.open(history=tmp_path / "a.db", key=b"short")
    assert not (tmp_path / "a.db").exists()


def test_warmup_reports_progress_and_makes_the_first_call_fast(shelf: list[Item]) -> None:
    seen: list[tuple[int, int]] = []
    with Reranker.open() as reranker:
        reranker.warmup(shelf, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(shelf), len(shelf))


def test_import_log(reranker: Reranker, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"user": "alice", "type": "click", "item": {"id": "a", "text": "tea"}, "timestamp": 5}\n'
        '{"user": "alice", "type": "click", "item": "a", "timestamp": 5.5}\n'
        '{"user": "bob", "type": "click", "item": "a", "timestamp": 5}\n'
        '{"type": "search", "query": "cups", "timestamp": 9}\n'
        '{"user": "alice", "type": "click", "item": "a", "dwell_s": -1}\n'
        "nonsense\n"
    )
    reranker.consent("alice", True)
    summary = reranker.history.import_log(log)
    assert (summary.read, summary.stored, summary.duplicates) == (4, 1, 1)
    assert (summary.without_user, summary.without_consent, summary.bad) == (1, 1, 2)
    assert [bad.line for bad in summary.bad_lines] == [5, 6]
    assert reranker.history.import_log(log, user="alice").stored == 1  # the search is now alice's


def test_an_option_that_is_none_is_refused_as_python_does(
    reranker: Reranker, shelf: list[Item]
) -> None:
    with reranker.guest_session() as guest:
        for rank in (reranker.rank, reranker.engine.rank, guest.rank):
            with pytest.raises(TypeError, match=r"unexpected keyword argument 'topk'.*top_k"):
                rank(shelf, topk=3)  # type: ignore[call-arg]


CHINESE = ["红烧肉的家常做法", "第一次买望远镜怎么选", "月球表面的环形山"]


def test_what_the_pack_cannot_read_is_said(reranker: Reranker, shelf: list[Item]) -> None:
    assert reranker.rank(shelf, query="bread").unread == Unread()
    asked = reranker.rank(shelf, query="望远镜和星空")
    assert asked.degraded == (Degradation.TEXT_NOT_READ,)
    assert asked.unread == Unread(query=1.0)
    foreign = [Item(str(n), text) for n, text in enumerate(CHINESE)]
    mixed = reranker.rank([*shelf, *foreign, Item("no text")])
    assert mixed.unread == Unread(candidates=3 / 10)
    assert mixed.degraded == (Degradation.TEXT_NOT_READ,)
    assert json.loads(mixed.to_json())["unread"]["candidates"] == 3 / 10
    few = reranker.rank([*shelf, foreign[0]])
    assert few.unread == Unread(candidates=1 / 8)  # a fifth is a degradation, a title is none
    assert not few.degraded


def test_a_history_that_cannot_be_read_is_said(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("li", True)
    reranker.record(Event("click", shelf[0]), user="li")
    reranker.record(Event("dislike", Item("a", CHINESE[0])), user="li")
    reranker.record(Event("search", query="天文望远镜推荐"), user="li")
    vector = np.ones(4, dtype=np.float32)
    reranker.record(Event("click", Item("b", CHINESE[1], vector=vector)), user="li")
    ranking = reranker.rank(shelf[1:], user="li")
    # The click on bread was read; the host's vector stands for the text of the last one.
    assert ranking.unread == Unread(history=2 / 3)
    assert ranking.degraded == (Degradation.TEXT_NOT_READ,)
    assert ranking.personalised


def test_a_dislike_of_what_cannot_be_read_lowers_what_shares_its_words(
    reranker: Reranker,
) -> None:
    reranker.consent("li", True)
    titles = ["大学物理——力学与热学", "大学物理2", "现代礼仪", "经济学", "Общая физика", "Вязание"]
    foreign = [Item(str(n), text) for n, text in enumerate(titles)]
    reranker.record(Event("dislike", Item("a", "大学物理1")), user="li")
    reranker.record(Event("dismiss", Item("b", "Физика для всех")), user="li")
    ranking = reranker.rank(foreign, user="li")
    assert [ranked.item.id for ranked in ranking[:3]] == ["2", "3", "5"]
    lowered = {
        one.item.id for one in ranking if ReasonCode.DISLIKED in {r.code for r in one.reasons}
    }
    assert lowered == {"0", "1"}


def test_a_profile_says_what_of_the_history_was_not_understood(
    reranker: Reranker, shelf: list[Item]
) -> None:
    reranker.consent("alice", True)
    reranker.record(Event("click", shelf[0]), user="alice")
    assert (reranker.profile("alice").unread, reranker.profile("alice").degraded) == (0.0, ())
    foreign = Item("zh", CHINESE[0])
    reranker.record([Event("dislike", foreign), Event("search", query=CHINESE[1])], user="alice")
    profile = reranker.profile("alice")
    assert profile.unread == pytest.approx(2 / 3)
    assert profile.degraded == (Degradation.TEXT_NOT_READ,)
    assert json.loads(profile.to_json())["degraded"] == ["text-not-read"]
    ranking = reranker.rank(shelf, user="alice")
    assert ranking.unread.history == profile.unread, "the ranking says the same"
    with reranker.guest_session() as guest:
        guest.record(Event("like", foreign))
        assert guest.profile().unread == 1.0


def test_an_engine_says_what_share_of_texts_it_cannot_read(reranker: Reranker) -> None:
    engine = reranker.engine
    assert engine.unread([]) == 0.0
    assert engine.unread(["", "  "]) == 0.0
    assert engine.unread(["rye bread", CHINESE[0], " "]) == 0.5


def test_scores_never_rise_down_the_list(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    for item in (shelf[0], shelf[3], shelf[1]):
        reranker.record(Event("click", item), user="alice")
    for query in (None, "bread"):
        scores = [ranked.score for ranked in reranker.rank(shelf, user="alice", query=query)]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) > 2


def test_a_count_that_is_too_large_for_the_model_is_still_a_count(reranker: Reranker) -> None:
    reranker.consent("ada", True)
    reranker.record(Event("like", Item("x", "Rye bread", popularity=1e300)), user="ada")
    items = [Item("a", "Bread", popularity=1e300), Item("b", "The moon", popularity=3)]
    for user in (None, "ada"):
        ranking = reranker.rank(items, user)
        assert ranking[0].item.id == "a"
        assert all(0 <= ranked.score <= 1 for ranked in ranking)
