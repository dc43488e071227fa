"""Whatever learns on the device keeps one contract."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from edge_rerank.errors import InvalidRequest
from tests.learning.contract import SUBJECTS, Subject, taught

FEW, MANY = 40, 800

pytestmark = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())


def test_it_foretells_before_it_has_learnt_and_learns_nothing_by_that(subject: Subject) -> None:
    for count in (0, FEW):
        learner = taught(subject, count)
        before = subject.save(learner)
        assert np.isfinite(subject.foretold(learner)).all()
        assert np.array_equal(subject.foretold(learner), subject.foretold(learner))
        assert subject.save(learner) == before


def test_what_it_learns_changes_what_it_foretells(subject: Subject) -> None:
    blank, learner = subject.foretold(subject.fresh()), taught(subject, FEW)
    assert not np.array_equal(subject.foretold(learner), blank)


def test_examples_are_not_changed_and_values_stay(subject: Subject) -> None:
    learner = taught(subject, FEW)
    for example in subject.examples(FEW, seed=1):
        before, kept = pickle.dumps(example), subject.save(learner)
        after = subject.learn(learner, example)
        assert pickle.dumps(example) == before
        assert subject.save(learner) == kept
        learner = after


def test_the_same_examples_give_the_same_bytes(subject: Subject) -> None:
    assert subject.save(taught(subject, FEW)) == subject.save(taught(subject, FEW))
    assert subject.save(taught(subject, FEW)) != subject.save(taught(subject, FEW, seed=1))


def test_kept_and_loaded_it_goes_on_as_if_it_had_not_been(subject: Subject) -> None:
    learner = taught(subject, FEW)
    loaded = subject.load(subject.save(learner))
    for example in [None, *subject.examples(5, seed=2)]:
        if example is not None:
            learner, loaded = (subject.learn(one, example) for one in (learner, loaded))
            loaded = subject.load(subject.save(loaded))
        assert subject.save(loaded) == subject.save(learner)
        assert np.array_equal(subject.foretold(loaded), subject.foretold(learner))


def test_its_state_and_its_memory_are_bounded(subject: Subject) -> None:
    sizes, learner = [], subject.fresh()
    for number, example in enumerate(subject.examples(MANY, seed=0), start=1):
        learner = subject.learn(learner, example)
        if number in {MANY // 2, MANY}:
            sizes.append(len(pickle.dumps(learner)))
            assert len(subject.save(learner)) <= subject.largest
    # Numbers grow by a digit, and nothing else does.
    assert sizes[1] <= sizes[0] + 256


def test_what_is_no_state_of_its_is_refused(subject: Subject) -> None:
    whole = subject.save(taught(subject, FEW))
    for raw in subject.damaged(whole):
        assert raw != whole
        try:
            assert subject.load(raw) is None
        except InvalidRequest as error:
            assert "expected" in str(error)
