"""The personal head: what a list changes, what the guard and the alarm do, and how it is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.learning.head import FADES_DAYS, FADES_LISTS, TRUSTED, Head
from edge_rerank.learning.layout import (
    AXES,
    CATEGORY_SLOTS,
    COLUMN_PRECISION,
    CROSS_SLOTS,
    MOST_COLUMNS,
    SLOT_PRECISION,
    Layout,
)
from edge_rerank.learning.lessons import Lesson

LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 4)
WIDTH = 2 + 4 + CATEGORY_SLOTS + CROSS_SLOTS
DAY = 86_400.0


def lesson(
    rng: np.random.Generator,
    *,
    chosen: int = 0,
    at: float = 0.0,
    taste: float = 0.0,
    items: int = 8,
) -> Lesson:
    """A list; with a taste the chosen item is the one that has most of the first axis."""
    features = rng.normal(size=(items, WIDTH)).astype(np.float32)
    if taste:
        chosen = int((taste * features[:, 2]).argmax())
    picked = np.zeros(items)
    picked[chosen] = 1.0
    return Lesson(rng.normal(size=items), features, picked, (), at)


def taught(head: Head, rng: np.random.Generator, *, lists: int, taste: float) -> Head:
    for _ in range(lists):
        head = head.learn(lesson(rng, taste=taste))
    return head


def test_a_blank_head_changes_nothing() -> None:
    head = Head.blank(LAYOUT)
    assert not head.weights.any()
    assert np.allclose(np.diag(head.precision)[:2], COLUMN_PRECISION)
    assert np.allclose(np.diag(head.precision)[2:], SLOT_PRECISION)


def test_one_list_is_one_newton_step() -> None:
    # Three items on one feature at -1, 0 and 1, equal otherwise, the last one chosen: with chances
    # of a third each the gradient is 1, the curvature 2/3.
    features = np.zeros((3, WIDTH), dtype=np.float32)
    features[:, 2] = (-1.0, 0.0, 1.0)
    one = Lesson(np.zeros(3), features, np.array([0.0, 0.0, 1.0]), (), 0.0)
    head = Head.blank(LAYOUT).learn(one)
    precision = SLOT_PRECISION + 2 / 3
    assert head.precision[2, 2] == pytest.approx(precision, rel=1e-6)
    assert head.mean[2] == pytest.approx(1 / precision, rel=1e-6)
    assert np.count_nonzero(head.mean) == 1


def test_half_a_success_teaches_half() -> None:
    features = np.zeros((2, WIDTH), dtype=np.float32)
    features[0, 2] = 1.0
    whole = Lesson(np.zeros(2), features, np.array([1.0, 0.0]), (), 0.0)
    half = replace(whole, chosen=np.array([0.5, 0.0]))
    steps = [Head.blank(LAYOUT).learn(one) for one in (whole, half)]
    # A gradient of 1/2 beside a curvature of 1/4, and half of both.
    assert steps[0].mean[2] == pytest.approx(0.5 / (SLOT_PRECISION + 0.25), rel=1e-6)
    assert steps[1].mean[2] == pytest.approx(0.25 / (SLOT_PRECISION + 0.125), rel=1e-6)


def test_what_was_turned_down_is_moved_away_from() -> None:
    features = np.zeros((2, WIDTH), dtype=np.float32)
    features[1, 2] = 1.0
    chosen = np.array([1.0, 0.0])
    passed = Lesson(np.zeros(2), features, chosen, (), 0.0)
    refused = replace(passed, preferred=((0, 1),))
    plain, away = (Head.blank(LAYOUT).learn(one) for one in (passed, refused))
    assert away.mean[2] < plain.mean[2] < 0


def test_it_learns_a_taste_and_foretells_it_better() -> None:
    rng = np.random.default_rng(0)
    head = taught(Head.blank(LAYOUT), rng, lists=60, taste=1.0)
    assert head.mean[2] > 0.5
    assert head.trust[2] > 0.9
    later = [lesson(rng, taste=1.0) for _ in range(50)]
    before = np.mean([one.loss(one.base) for one in later])
    after = np.mean([one.loss(one.base + one.features @ head.weights) for one in later])
    assert after < before - 0.1


def test_whom_learning_does_not_help_falls_back_to_none() -> None:
    # Choices that follow the base alone, told by chance.
    rng = np.random.default_rng(1)
    head = Head.blank(LAYOUT)
    features = rng.normal(size=(8, WIDTH)).astype(np.float32)
    misled = replace(head, mean=np.full(WIDTH, 0.5, dtype=np.float32))
    for _ in range(40):
        base = 3 * rng.normal(size=8)
        chosen = np.zeros(8)
        chosen[rng.choice(8, p=np.exp(base) / np.exp(base).sum())] = 1.0
        one = Lesson(base, features, chosen, (), 0.0)
        trust, _ = misled._judged(one, features @ misled.mean.astype(float))
        misled = replace(misled, trust=trust)
    assert misled.trust[0] > 0.95
    assert misled.share < 0.05


def test_a_switch_of_taste_is_noticed_and_learnt_sooner_than_without_the_alarm() -> None:
    rng = np.random.default_rng(2)
    settled = taught(Head.blank(LAYOUT), rng, lists=80, taste=1.0)
    assert settled.alarms == 0
    switched = taught(settled, rng, lists=15, taste=-1.0)
    assert switched.alarms >= 1
    assert switched.mean[2] < 0.3 * settled.mean[2]


def test_the_past_fades_with_lists_and_with_days() -> None:
    rng = np.random.default_rng(3)
    head = taught(Head.blank(LAYOUT), rng, lists=30, taste=1.0)
    head = replace(head, at=DAY)
    extra = float(head.precision[2, 2]) - SLOT_PRECISION
    blank = Lesson(np.zeros(2), np.zeros((2, WIDTH), np.float32), np.array([1.0, 0.0]), (), DAY)
    after = head.learn(blank)
    left = (float(after.precision[2, 2]) - SLOT_PRECISION) / extra
    assert left == pytest.approx(0.5 ** (1 / FADES_LISTS), rel=1e-4)
    later = head.learn(replace(blank, at=DAY * (1 + FADES_DAYS)))
    left = (float(later.precision[2, 2]) - SLOT_PRECISION) / extra
    assert left == pytest.approx(0.5 ** (1 / FADES_LISTS + 1), rel=1e-4)


def test_learning_changes_neither_the_head_nor_the_lesson() -> None:
    rng = np.random.default_rng(4)
    head, one = taught(Head.blank(LAYOUT), rng, lists=3, taste=1.0), lesson(rng)
    before = head.to_bytes(), one.features.tobytes(), one.base.tobytes(), one.chosen.tobytes()
    head.learn(one)
    assert before == (
        head.to_bytes(),
        one.features.tobytes(),
        one.base.tobytes(),
        one.chosen.tobytes(),
    )


@given(seed=st.integers(0, 2**32 - 1), lists=st.integers(0, 20))
def test_what_was_kept_comes_back_and_learns_on_as_if_it_had_stayed(seed: int, lists: int) -> None:
    rng = np.random.default_rng(seed)
    head = taught(Head.blank(LAYOUT), rng, lists=lists, taste=1.0)
    raw = head.to_bytes()
    back = Head.from_bytes(raw, LAYOUT)
    assert back is not None
    assert back.to_bytes() == raw
    assert (back.weights == head.weights).all()
    one = lesson(rng)
    assert back.learn(one).to_bytes() == head.learn(one).to_bytes()


@given(seed=st.integers(0, 2**32 - 1), extreme=st.floats(0, 1e4))
def test_it_stays_finite_whatever_comes(seed: int, extreme: float) -> None:
    rng = np.random.default_rng(seed)
    head = Head.blank(LAYOUT)
    for _ in range(5):
        one = lesson(rng)
        head = head.learn(replace(one, base=extreme * one.base))
    assert np.isfinite(head.weights).all()
    assert np.linalg.eigvalsh(head.precision.astype(float)).min() > 0
    assert sum(head.trust) == pytest.approx(1)
    assert 0 <= head.share <= max(TRUSTED)


def test_a_head_of_another_pack_or_size_is_not_read() -> None:
    raw = Head.blank(LAYOUT).to_bytes()
    assert Head.from_bytes(raw, replace(LAYOUT, digest="b" * 64)) is None
    assert Head.from_bytes(raw, replace(LAYOUT, columns=("content", "category"))) is None
    assert Head.from_bytes(raw, replace(LAYOUT, axes=5)) is None
    assert Head.from_bytes(raw[:-1], LAYOUT) is None
    assert Head.from_bytes(b"", LAYOUT) is None
    assert Head.from_bytes(b"\x02" + raw[1:], LAYOUT) is None


def test_the_largest_head_fits_a_sealed_state() -> None:
    largest = Layout("pack", "a" * 64, tuple(map(str, range(MOST_COLUMNS))), AXES)
    assert len(Head.blank(largest).to_bytes()) <= 16 * 1024
