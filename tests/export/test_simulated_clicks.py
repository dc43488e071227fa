"""Click models of the simulator, against their formulas."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.simulate.clicks import (
    ACCIDENT_S,
    DISAPPOINTED_S,
    PLEASED_S,
    Cascade,
    ClickModel,
    Judging,
    Lots,
    PositionBased,
    against,
)

WANTED = np.array([0.9, 0.05, 0.4, 0.7, 0.0, 1.0])
JUDGING = Judging(noise=0.1, pleasing=0.8)
MODELS = (
    PositionBased(JUDGING),
    PositionBased(JUDGING, decline=1.5),
    PositionBased(JUDGING, even=True),
    Cascade(JUDGING),
    Cascade(JUDGING, perseverance=0.5),
)
VISITS = 1_500


@pytest.mark.parametrize("model", MODELS)
def test_visits_are_as_likely_as_the_formulas_say(model: ClickModel) -> None:
    rng = np.random.default_rng(1)
    visits = [model.visit(WANTED, Lots.draw(rng, len(WANTED))) for _ in range(VISITS)]
    examined, clicked, pleased = (
        np.array([getattr(one, what) for one in visits]).mean(axis=0)
        for what in ("examined", "clicked", "pleased")
    )
    looks = model.examination(WANTED)
    # Five standard errors of a share, of 1,500 visits.
    close = 5 * 0.5 / VISITS**0.5
    assert examined == pytest.approx(looks, abs=close)
    assert clicked == pytest.approx(looks * (WANTED + 0.1 * (1 - WANTED)), abs=close)
    assert pleased == pytest.approx(looks * WANTED * 0.8, abs=close)
    assert pleased.sum() == pytest.approx(model.pleasing_clicks(WANTED), abs=2 * close)


def test_examination_by_hand() -> None:
    assert PositionBased(decline=0.7).examination(WANTED)[:3] == pytest.approx(
        [1, 0.616, 0.463], abs=1e-3
    )
    even = PositionBased(decline=0.7, even=True).examination(WANTED)
    assert even == pytest.approx([PositionBased(decline=0.7).examination(WANTED).mean()] * 6)
    # Nine in ten go on from what did not please: 1 - 0.9 · 0.8 = 0.28 of the first item.
    down = Cascade(JUDGING, perseverance=0.9).examination(WANTED)
    assert down[:3] == pytest.approx([1, 0.28 * 0.9, 0.28 * 0.9 * (1 - 0.05 * 0.8) * 0.9])
    assert Cascade().examination(np.zeros(0)).shape == (0,)


def test_nobody_reads_on_after_what_pleased() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        visit = Cascade(JUDGING).visit(WANTED, Lots.draw(rng, len(WANTED)))
        assert visit.pleased.sum() <= 1
        last = int(np.flatnonzero(visit.examined)[-1])
        assert visit.examined[: last + 1].all()
        if visit.pleased.any():
            assert int(np.flatnonzero(visit.pleased)[0]) == last


def test_time_spent_follows_what_it_was_worth() -> None:
    rng = np.random.default_rng(3)
    seen = {"pleased": False, "disappointed": False, "accident": False}
    for _ in range(100):
        lots = Lots.draw(rng, len(WANTED))
        visit = PositionBased(JUDGING, decline=0).visit(WANTED, lots)
        for place in range(len(WANTED)):
            dwell_s = visit.dwell_s[place]
            if not visit.clicked[place]:
                assert dwell_s == 0
                continue
            kind = (
                "pleased"
                if visit.pleased[place]
                else "disappointed"
                if lots.appeal[place] < WANTED[place]
                else "accident"
            )
            low, high = {
                "pleased": PLEASED_S,
                "disappointed": DISAPPOINTED_S,
                "accident": ACCIDENT_S,
            }[kind]
            assert low <= dwell_s <= high
            seen[kind] = True
    assert all(seen.values())


@pytest.mark.parametrize("model", MODELS)
def test_the_best_order_is_by_what_is_wanted(model: ClickModel) -> None:
    few = WANTED[:4]
    best = model.pleasing_clicks(np.sort(few)[::-1])
    others = [model.pleasing_clicks(np.array(order)) for order in permutations(few)]
    assert best == pytest.approx(max(others))


def test_an_item_keeps_its_luck_in_another_order() -> None:
    lots = Lots.draw(np.random.default_rng(4), len(WANTED))
    order = np.array([5, 0, 3, 1, 4, 2])
    everywhere = PositionBased(JUDGING, decline=0)
    as_it_was = everywhere.visit(WANTED, lots)
    moved = everywhere.visit(WANTED[order], lots.shown(order))
    assert moved.clicked.tolist() == as_it_was.clicked[order].tolist()
    assert moved.dwell_s.tolist() == as_it_was.dwell_s[order].tolist()


def test_clicks_against_what_is_wanted() -> None:
    turned = against(WANTED)
    assert sorted(turned) == sorted(WANTED)
    assert np.argsort(turned).tolist() == np.argsort(WANTED)[::-1].tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Judging(noise=1.1),
        lambda: Judging(pleasing=-0.1),
        lambda: Judging(noise=float("nan")),
        lambda: Cascade(perseverance=2.0),
        lambda: PositionBased(decline=-1.0),
        lambda: PositionBased(decline=float("nan")),
    ],
)
def test_numbers_out_of_range(make: object) -> None:
    with pytest.raises(RecipeError, match="expected 0"):
        make()  # type: ignore[operator]
