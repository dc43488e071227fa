"""The example applications: what a person would check in each list, and that the stories print."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_rerank import (
    History,
    KeyFile,
    Ranking,
    RankingEngine,
    ReasonCode,
    Reranker,
    Retention,
)
from examples.courses import main as courses
from examples.games import main as games
from examples.health import main as health
from examples.news import main as news
from examples.shop import main as shop
from examples.story import Scene
from examples.transport import main as transport

ROOT = Path(__file__).parents[2]


def place(ranking: Ranking, name: str) -> int:
    return next(ranked.rank for ranked in ranking if ranked.item.id == name)


def moved(scene: Scene, name: str) -> int:
    """Places up."""
    return place(scene.before, name) - place(scene.after, name)


def first(ranking: Ranking, count: int = 8) -> list[str]:
    return [ranked.item.id for ranked in ranking[:count]]


def of_kind(ranking: Ranking, category: str, count: int = 8) -> int:
    return sum(category in ranked.item.categories for ranked in ranking[:count])


def lifted_by(ranking: Ranking, name: str) -> set[ReasonCode]:
    ranked = ranking[place(ranking, name) - 1]
    return {reason.code for reason in ranked.reasons if reason.weight > 0}


def test_shop(reranker: Reranker) -> None:
    looked, cart, bought, without, found = shop.story(reranker)
    assert {"tent-ridge-2", "tent-solo", "tent-pegs"} <= set(first(looked.after, 4))
    assert moved(looked, "phone-case") < -20, "what she left after two seconds is not pushed"
    assert of_kind(looked.after, "Outdoor") == 8
    assert of_kind(looked.before, "Outdoor") <= 2
    assert of_kind(cart.before, "Sleeping") == 0
    assert of_kind(cart.after, "Sleeping") >= 3
    assert place(bought.after, "tent-ridge-2") == len(shop.SHOP), "she has it"
    assert of_kind(without.after, "Tents") == 0
    assert {"bag-summer", "bag-winter", "pillow-camp"} <= set(first(without.after))
    assert re.match("Banner of the day: (Summer|Winter down) sleeping bag", without.notes[0])
    assert of_kind(found.after, "Coffee") == 8
    assert all(ReasonCode.QUERY in lifted_by(found.after, name) for name in first(found.after))


def test_news(reranker: Reranker) -> None:
    read, disliked, feed, mixed = news.story(reranker)
    assert place(read.after, "storm-warning") <= 5, "what everybody must know stays"
    assert moved(read, "comet-visible") > 30
    assert ReasonCode.CATEGORY in lifted_by(read.after, "comet-visible")
    assert place(read.after, "moon-lander") > 40, "she has read it"
    assert moved(read, "coach-sacked") <= 0
    assert 1 <= of_kind(read.after, "Celebrities") <= 2
    assert of_kind(disliked.after, "Celebrities", 50) == 0
    stays = set(first(disliked.after)) & set(first(disliked.before))
    assert stays >= {"comet-visible", "storm-warning"}
    assert moved(disliked, "cup-final") > 0
    assert first(feed.after, 1) == ["p-001"], "the newest is hers, too"
    assert moved(feed, "p-023") > 15
    assert ReasonCode.CATEGORY in lifted_by(feed.after, "p-023")
    assert of_kind(feed.after, "hot.takes", 20) == 0 < of_kind(feed.before, "hot.takes")
    assert _likeness(reranker, mixed.after) < _likeness(reranker, feed.after)


def _likeness(reranker: Reranker, ranking: Ranking) -> float:
    """Mean cosine of neighbours among the first eight."""
    vectors = reranker.engine.vectors([ranked.item for ranked in ranking[:8]])
    return float((vectors[:-1] * vectors[1:]).sum(axis=1).mean())


def test_courses(reranker: Reranker) -> None:
    learnt, ready, words, sense = courses.story(reranker)
    assert learnt.after.unread.candidates == 1, "the shipped pack reads no Chinese"
    assert of_kind(learnt.before, "编程") == 1
    assert of_kind(learnt.after, "编程") >= 6
    assert place(learnt.after, "py-first") == len(courses.COURSES), "finished"
    levels = [ranked.item.fields["level"] for ranked in ready.after[:6]]
    assert levels == ["进阶"] * 6
    assert {"py-data", "py-oop", "pandas-deep"} <= set(first(ready.after, 6))
    assert set(first(words.after, 2)) == {"sql-first", "java-spring"}, "both have the word"
    assert first(sense.after, 5) == first(learnt.after, 5)
    assert "读不懂" in sense.notes[0]
    told = "".join(courses.why(learnt.after))
    assert "因为你选了《零基础学 Python》" in told
    assert told.isascii() is False
    assert "you" not in told


def test_games(reranker: Reranker) -> None:
    played, stars, finished = games.story(reranker)
    assert first(played.after, 1) == ["farm-hollow"]
    assert lifted_by(played.after, "farm-hollow") >= {ReasonCode.HABIT}
    assert moved(played, "sheep-valley") > 20
    assert moved(played, "squad-zero") < 0, "four minutes are no taste"
    assert first(stars.after, 1) == ["farm-hollow"], "five stars do not end it"
    assert place(stars.after, "squad-zero") == len(games.GAMES)
    assert of_kind(stars.after, "Shooter") == 0 < of_kind(stars.before, "Shooter")
    assert place(finished.after, "mystery-train") > 70, "played through"
    assert moved(finished, "court-turn") > 15
    assert of_kind(finished.after, "Detective") == 2


@pytest.fixture
def telephone(engine: RankingEngine, tmp_path: Path) -> Iterator[Reranker]:
    key = KeyFile.create(tmp_path / "key")
    kept = Retention(max_age_days=30)
    with History.open(tmp_path / "history.db", key, retention=kept) as history:
        yield Reranker(engine, history)


def test_health(reranker: Reranker, telephone: Reranker, tmp_path: Path) -> None:
    read, gone = health.waiting_room(reranker)
    assert of_kind(read.before, "Diabetes") == 0
    assert of_kind(read.after, "Diabetes") == 6
    assert gone.after == read.before, "nothing is left of a visitor"
    titles = {page.text.splitlines()[0] for page in health.PAGES}
    assert not any(title in line for line in health.without_titles(read.after) for title in titles)
    assert not {*health.ALWAYS_FIRST} & {ranked.item.id for ranked in read.after}

    agreed, enough, erased = health.own_telephone(telephone)
    assert 4 <= of_kind(agreed.after, "Pregnancy and birth") <= 6
    assert "151" not in agreed.notes[1]
    assert of_kind(enough.after, "Pregnancy and birth", 60) == 0
    assert first(erased.after) == first(agreed.before)
    assert erased.notes == ["Receipt: 6 events erased, outer key replaced: True.", _NOTHING]
    assert b"Morning" not in (tmp_path / "history.db").read_bytes()


_NOTHING = "Still known: 0 events."


def test_transport(reranker: Reranker) -> None:
    week, evening, soon, lake, monday = transport.story(reranker)
    daily = {"t6-university", "b12-northfield"}
    for scene in (week, evening):
        assert set(first(scene.after, 2)) == daily
    assert daily <= set(first(monday.after, 3)), "after a day at the lake"
    assert first(soon.after, 1) == ["t6-university"]
    for scene in (week, evening, soon, lake, monday):
        assert all(ReasonCode.HABIT in lifted_by(scene.after, name) for name in daily)
    assert "hours of the day are not known yet" in evening.notes[0]
    assert set(first(evening.after)) == set(first(week.after))
    assert place(week.after, "n2-night") <= 8 < 25 < place(soon.after, "n2-night")
    assert {"b21-lake", "b21-lindenhof", "p-lake"} <= set(first(lake.after, 5))
    assert max(place(lake.after, name) for name in daily) <= 8


def test_a_story_says_what_was_done_what_moved_and_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as a script; that the others print what their pictures show, .ci/picture.py says."""
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "transport" / "main.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "Mon 07:36  opened  Tram 6 to University\n" in out
    line = next(line for line in out.splitlines() if line.startswith("  2  "))
    assert line.split() == [
        *("2", "▲", "20", "Bus", "12", "to", "Northfield", "you", "come", "back", "to", "this;"),
        *("from", "Line", "12,", "which", "you", "like"),
    ]
    assert "no longer among the first 8 (and where): Tram 2 to Harbour (11)" in out
    assert max(map(len, out.splitlines())) <= 96
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_the_page_names_every_example() -> None:
    folders = {path.parent.name for path in (ROOT / "examples").glob("*/main.py")}
    assert folders >= {"courses", "games", "health", "news", "shop", "transport"}
    page = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert all(f"`python -m examples.{name}.main`" in page for name in folders)
    assert all((ROOT / "examples" / name / "README.md").exists() for name in folders)


def test_they_import_from_the_door_alone() -> None:
    for path in [*(ROOT / "examples").glob("*/main.py"), ROOT / "examples" / "story.py"]:
        assert not re.findall(r"^(?:from|import) edge_rerank\..*", path.read_text("utf-8"), re.M)
