"""What a person would expect of the shipped pack, and whether the expectations could fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import pytest

from edge_rerank import Event, History, Item, RankedItem, Ranking, RankOptions, Reranker
from edge_rerank.evaluation.expectations.catalogue import CHINESE, Catalogue, Language
from edge_rerank.evaluation.expectations.expectation import ExpectationReport, Group
from edge_rerank.evaluation.expectations.suite import all_expectations, play, run
from edge_rerank.ranking.answer import Answer
from edge_rerank.ranking.engine import RankingEngine

AT_LEAST = 0.95

ALL = all_expectations()


class AsTheyCame(RankingEngine):
    """Orders nothing, whatever it is told."""

    def warmup(self, items: Sequence[Item] = (), **_: Any) -> None:
        """It reads no texts."""

    def answer(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        head_of: object = None,
        trial_of: object = None,
        **options: Unpack[RankOptions],
    ) -> Answer:
        kept = items[: options.get("top_k") or len(items)]
        ranking = Ranking(
            tuple(RankedItem(item, place, 0.0) for place, item in enumerate(kept, start=1)),
            id="as-they-came",
            personalised=bool(history),
        )
        return Answer(ranking)


class PopularFirst(AsTheyCame):
    """Knows nothing but popularity."""

    def answer(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        head_of: object = None,
        trial_of: object = None,
        **options: Unpack[RankOptions],
    ) -> Answer:
        popular = sorted(items, key=lambda item: -(item.popularity or 0.0))
        return super().answer(popular, history=history, **options)


@pytest.fixture(scope="session")
def report(engine: RankingEngine) -> Iterator[ExpectationReport]:
    reranker = Reranker(engine, History.open())
    yield play(reranker)
    reranker.history.close()


@pytest.mark.slow
def test_the_shipped_pack_does_what_a_person_would_expect(report: ExpectationReport) -> None:
    unmet = [
        f"{one.expectation.group}: {one.expectation.sentence}: "
        f"{one.got:.3g}, not {one.expectation.bound}"
        for one in report.unmet
    ]
    assert report.share >= AT_LEAST, "\n".join([f"{report.share:.3f} met; not:", *unmet])


@pytest.fixture(scope="session")
def chinese(multilingual: Path) -> ExpectationReport:
    return run(language=Language.ZH)


@pytest.mark.slow
def test_in_chinese_the_pack_for_it_does_so_as_well(chinese: ExpectationReport) -> None:
    unmet = [f"{one.expectation.sentence}: {one.got:.3g}" for one in chinese.unmet]
    assert chinese.model.startswith("multilingual ")
    assert chinese.share >= AT_LEAST, "\n".join([f"{chinese.share:.3f} met; not:", *unmet])


@pytest.mark.slow
@pytest.mark.parametrize("language", ["report", "chinese"])
def test_no_group_is_left_behind(language: str, request: pytest.FixtureRequest) -> None:
    """Many sentences of one group must not make up for none of another."""
    report: ExpectationReport = request.getfixturevalue(language)
    behind = {
        group.value: f"{sum(one.met for one in ones)} of {len(ones)}"
        for group, ones in report.groups.items()
        if sum(one.met for one in ones) < 0.75 * len(ones)
    }
    assert behind == {}


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [AsTheyCame, PopularFirst])
def test_an_order_that_ignores_what_it_is_told_meets_few(deaf: type[AsTheyCame]) -> None:
    with deaf.open() as engine:
        reranker = Reranker(engine, History.open())
        found = play(reranker)
        reranker.history.close()
    assert found.share < 0.3
    for group in (Group.STRENGTH, Group.QUERY, Group.SEARCH, Group.TASTES, Group.SWITCH):
        ones = found.groups[group]
        assert sum(one.met for one in ones) < 0.4 * len(ones), group


def test_a_play_gives_the_same_twice(engine: RankingEngine) -> None:
    some = [one for one in ALL if one.group is Group.STRENGTH][:4]
    reranker = Reranker(engine, History.open())
    assert play(reranker, some) == play(reranker, some)
    reranker.history.close()


def test_there_are_enough_and_each_is_another() -> None:
    sentences = [one.sentence for one in ALL]
    assert len({*sentences}) == len(sentences) >= 100
    assert {one.group for one in ALL} == {*Group}
    assert all(one.bound.low <= one.bound.high for one in ALL)
    assert all("\n" not in one and one[0] == one[0].upper() for one in sentences)


def test_a_third_is_about_chinese_kinds() -> None:
    """Of those that name a kind: what holds in one language alone is no property of a product."""
    kinds = Catalogue.shipped().kinds
    naming = [one.sentence for one in ALL if any(kind in one.sentence for kind in kinds)]
    chinese = [one for one in naming if any(kind in one for kind in CHINESE)]
    assert len(chinese) >= len(naming) / 3
