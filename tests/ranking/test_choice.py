"""Which of the shipped packs ranks a list: its texts decide, and the ranking says it."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import (
    Degradation,
    Event,
    Item,
    RankingEngine,
    RatingScale,
    Repeats,
    Reranker,
    Runtime,
)
from edge_rerank.errors import ClosedError, PackNotFound
from edge_rerank.packs.manifest import MANIFEST_NAME
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking import choice
from edge_rerank.ranking.choice import ChineseTexts, ChoosingEngine, SecondEngine, open_engine
from tests.languages import QUERIES, TITLES

ENGLISH = [Item(f"en{n}", text) for n, text in enumerate(["rye bread", "a telescope", "jazz"])]
CHINESE = [
    Item(f"zh{n}", text) for n, text in enumerate(["黑麦面包的做法", "望远镜怎么选", "爵士乐入门"])
]
GERMAN = [Item(f"de{n}", text) for n, text in enumerate(TITLES["German"])]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped pack by another name, in the place of the multilingual one."""
    folder = shutil.copytree(shipped_pack(), tmp_path_factory.mktemp("packs") / "second")
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    (folder / MANIFEST_NAME).write_text(json.dumps({**manifest, "name": "second"}))
    return Path(folder)


@pytest.fixture
def opened(second: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has an entry each time that the second pack is asked for."""
    asked: list[str] = []

    def find() -> Path:
        asked.append("second")
        return second

    monkeypatch.setattr(choice, "multilingual_pack", find)
    return asked


@pytest.fixture
def chooser(opened: list[str]) -> Iterator[RankingEngine]:
    with open_engine(None, runtime=Runtime(threads=1)) as engine:
        yield engine


def test_the_texts_of_a_list_decide_and_equal_lists_are_ranked_alike(
    chooser: RankingEngine, opened: list[str]
) -> None:
    assert chooser.rank(ENGLISH).pack == "default"
    assert chooser.rank([*ENGLISH, *CHINESE[:2]]).pack == "default"
    assert not opened, "it is not opened before it is needed"
    assert chooser.rank([*ENGLISH, *CHINESE]).pack == "second"
    assert chooser.rank(CHINESE).pack == "second"
    assert chooser.rank(ENGLISH).pack == "default"
    assert opened == ["second"]


def test_a_list_in_another_language_of_the_same_letters_is_the_seconds(
    chooser: RankingEngine, opened: list[str]
) -> None:
    english = [Item(f"en{n}", text) for n, text in enumerate(TITLES["English"])]
    assert chooser.rank(english).pack == "default"
    assert not opened
    assert chooser.pack_for(GERMAN).manifest.name == "second"
    assert chooser.rank(GERMAN).pack == "second"
    assert chooser.rank([*english, *GERMAN[:4]]).pack == "default"
    vector = np.ones(4, dtype=np.float32)
    assert chooser.rank([Item(one.id, one.text, vector=vector) for one in GERMAN]).pack == "default"
    assert chooser.pack_for(english).manifest.name == "default"


def test_of_a_catalogue_all_items_decide_for_each_part(chooser: RankingEngine) -> None:
    english = [Item(f"en{n}", text) for n, text in enumerate(TITLES["English"])]
    mixed = chooser.prepare([*english, *GERMAN[:8]])
    assert chooser.rank(GERMAN[:8]).pack == "second"
    assert chooser.rank(mixed.select([item.id for item in GERMAN[:8]])).pack == "default"
    german = chooser.prepare(GERMAN)
    assert chooser.rank(german.select(["de1", "de2"])).pack == "second"


def test_what_a_person_did_or_asks_for_decides_nothing(chooser: RankingEngine) -> None:
    history = [Event("like", item, timestamp=n) for n, item in enumerate(CHINESE, start=1)]
    ranking = chooser.rank(ENGLISH, history=history, query="黑麦面包", now=10)
    assert ranking.pack == "default"
    assert ranking.degraded == (Degradation.TEXT_NOT_READ,)


def test_blank_texts_and_those_with_a_vector_of_the_hosts_do_not_count(
    chooser: RankingEngine,
) -> None:
    blank = [Item(f"blank{n}", " ") for n in range(9)]
    assert chooser.rank([*blank, *CHINESE[:1]]).pack == "second"
    vector = np.ones(4, dtype=np.float32)
    compared = [Item(item.id, item.text, vector=vector) for item in CHINESE]
    assert chooser.rank([*compared, *ENGLISH[:1]]).pack == "default"
    assert chooser.rank(blank).pack == "default"
    assert chooser.rank([]).pack == "default"


def test_scripts_that_neither_pack_reads_open_nothing(
    chooser: RankingEngine, opened: list[str]
) -> None:
    russian = [Item("ru", "Ржаной хлеб дома"), Item("ar", "كيف تختار تلسكوبا")]
    ranking = chooser.rank(russian)
    assert (ranking.pack, ranking.degraded) == ("default", (Degradation.TEXT_NOT_READ,))
    assert not opened


def test_a_catalogue_that_is_warmed_up_settles_it(chooser: RankingEngine) -> None:
    chooser.warmup(ENGLISH)
    assert chooser.rank(ENGLISH).pack == "default"
    chooser.warmup([*CHINESE, *ENGLISH[:2]])
    assert chooser.rank(ENGLISH).pack == "second"
    chooser.warmup(ENGLISH[:1])
    assert chooser.rank(ENGLISH).pack == "second"


def test_vectors_and_shares_are_those_of_the_pack_that_ranks(
    chooser: RankingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vectors(engine: RankingEngine, items: Sequence[Item]) -> str:
        return engine.pack.manifest.name

    monkeypatch.setattr(RankingEngine, "vectors", vectors)
    monkeypatch.setattr(RankingEngine, "unread", vectors)
    assert chooser.vectors(ENGLISH) == chooser.unread(["rye"]) == "default"
    assert chooser.vectors(CHINESE) == chooser.unread([CHINESE[0].text]) == "second"


def test_packs_that_are_named_are_not_exchanged(opened: list[str]) -> None:
    for named in ("shipped", shipped_pack(), [shipped_pack()]):
        with Reranker.open(named) as reranker:
            assert reranker.rank(CHINESE).pack == "default"
    assert not opened


def test_the_second_pack_is_opened_with_what_the_first_was(
    second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "multilingual_pack", lambda: second)
    scale = RatingScale(1, 7)
    given = {"runtime": Runtime(threads=1), "ratings": scale, "repeats": "never"}
    with open_engine(None, **given) as engine:  # type: ignore[arg-type]
        other = engine._chosen(CHINESE)  # type: ignore[attr-defined]
        assert other.ratings == engine.ratings == scale
        assert other.repeats == engine.repeats == Repeats.NEVER
        assert other.threads == engine.threads == 1


def test_a_door_a_guest_and_their_history_go_with_the_list(opened: list[str]) -> None:
    with Reranker.open() as reranker, reranker.guest_session() as guest:
        reranker.consent("li", True)
        reranker.record(Event("like", CHINESE[0]), user="li")
        guest.record(Event("like", CHINESE[0]))
        for ranking in (reranker.rank(CHINESE[1:], user="li"), guest.rank(CHINESE[1:])):
            assert (ranking.pack, ranking.personalised) == ("second", True)
            assert json.loads(ranking.to_json())["pack"] == "second"
        assert reranker.rank(ENGLISH, user="li").pack == "default"


def test_many_threads_open_it_once(chooser: RankingEngine, opened: list[str]) -> None:
    start, found = threading.Barrier(6), []

    def rank() -> None:
        start.wait()
        found.append(chooser.rank(CHINESE).pack)

    threads = [threading.Thread(target=rank) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["second"] * 6
    assert opened == ["second"]


def test_without_it_the_list_says_what_is_unread_and_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> Path:
        raise PackNotFound("this installation lacks it")

    monkeypatch.setattr(choice, "multilingual_pack", missing)
    with open_engine(None) as engine, caplog.at_level(logging.INFO, "edge_rerank"):
        for _ in range(2):
            ranking = engine.rank(CHINESE)
            assert (ranking.pack, ranking.unread.candidates) == ("default", 1.0)
            assert ranking.degraded == (Degradation.TEXT_NOT_READ,)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "PackNotFound" in record.getMessage()


def test_the_log_says_which_pack_and_nothing_of_the_texts(
    chooser: RankingEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "edge_rerank.ranking.choice"):
        chooser.rank(CHINESE)
        chooser.rank(CHINESE)
    (record,) = caplog.records
    assert "second" in record.getMessage()
    assert not any(item.text in record.getMessage() for item in CHINESE)


def test_both_are_closed(chooser: RankingEngine) -> None:
    chooser.rank(CHINESE)
    other = chooser._chosen(CHINESE)  # type: ignore[attr-defined]
    chooser.close()
    chooser.close()
    for engine in (chooser, other):
        for items in (CHINESE, ENGLISH):
            with pytest.raises(ClosedError):
                engine.rank(items)


def test_both_forget(chooser: RankingEngine) -> None:
    history = [Event("like", CHINESE[0], timestamp=1.0)]
    asked = {"history": history, "query": "望远镜", "now": 5.0}
    chooser.rank(CHINESE[1:], **asked)  # type: ignore[arg-type]
    chooser.rank(ENGLISH, **asked)  # type: ignore[arg-type]
    other = chooser._chosen(CHINESE)  # type: ignore[attr-defined]
    assert len(chooser._comparer._words)
    assert len(other._comparer._words)
    chooser.forget("anyone")
    assert not len(chooser._comparer._words)
    assert not len(other._comparer._words)


def test_whoever_is_forgotten_while_the_second_ranks_leaves_nothing(
    chooser: RankingEngine,
) -> None:
    with chooser.in_flight():
        chooser.forget("li")
        chooser.rank(CHINESE, query="望远镜")
        other = chooser._chosen(CHINESE)  # type: ignore[attr-defined]
        assert len(other._comparer._words)
    assert not len(other._comparer._words)


class Readers:
    """Says that every text is unreadable, and counts how many it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        self.asked += len(texts)
        return np.ones(len(texts), dtype=np.bool_)


def test_a_text_is_looked_at_once_and_none_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    readers = Readers()
    foreign = ChineseTexts(readers)
    assert foreign.share(["plain", "text", ""]) == 0.0
    assert foreign.share([]) == 0.0
    assert readers.asked == 0
    for _ in range(3):
        assert foreign.share(["面包", "bread", "Ž dlouhý text", "面包"]) == 0.5
    assert readers.asked == 1, "what has Latin letters is none for the other pack"
    monkeypatch.setattr(choice, "_MOST_REMEMBERED", 3)
    assert foreign.share(["茶", "咖啡"]) == 1.0
    assert len(foreign._known) == 2
    assert not any(isinstance(key, str) for key in foreign._known)


def test_newer_tables_reach_the_second_pack_opened_or_not() -> None:
    taken: list[str] = []

    class Other:
        pack = type("P", (), {"manifest": type("M", (), {"name": "second"})})

        def refresh_tables(self, tables: str) -> None:
            taken.append(tables)

        def close(self) -> None:
            taken.append("closed")

    second = SecondEngine(Other)  # type: ignore[arg-type]
    second.refresh_tables("monday")  # type: ignore[arg-type]
    assert not taken
    second.get()
    second.refresh_tables("tuesday")  # type: ignore[arg-type]
    second.close()
    assert taken == ["monday", "tuesday", "closed"]


def test_one_that_is_closed_opens_nothing() -> None:
    second = SecondEngine(lambda: pytest.fail("opened"))
    second.close()
    assert second.get() is None


def test_an_engine_with_no_second_ranks_everything() -> None:
    with ChoosingEngine.open() as engine:
        assert engine.rank(CHINESE).pack == "default"


def test_a_german_kiosk_needs_no_word_either(multilingual: Path) -> None:
    items = [Item(str(place), title) for place, title in enumerate(TITLES["German"])]
    with Reranker.open() as reranker:
        ranking = reranker.rank(items, query=QUERIES["German"][0])
        assert ranking.pack == "multilingual"
        assert "0" in [ranked.item.id for ranked in ranking][:3]


def test_a_chinese_list_is_read_without_a_word_from_the_host(multilingual: Path) -> None:
    with Reranker.open() as reranker:
        reranker.consent("li", True)
        reranker.record(Event("view", Item("seen", "面包机食谱"), dwell_s=90), user="li")
        ranking = reranker.rank(CHINESE, user="li")
        assert ranking.pack == "multilingual"
        assert not ranking.degraded
        assert ranking[0].item is CHINESE[0]
        asked = reranker.rank(CHINESE, query="看星星用什么")
        assert asked[0].item is CHINESE[1]
