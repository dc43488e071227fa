"""The script that switches defences off has no gaps, and tells red from green."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.defences import control, gaps, switched_off
from tests.defences_table import DEFENCES

QUICK = "tests/history/test_store.py::test_published_vectors"
(MASK,) = [defence for defence in DEFENCES if defence.test == QUICK]


def test_every_promise_has_a_defence_that_can_be_switched_off() -> None:
    assert list(gaps()) == []


def test_a_gap_is_found() -> None:
    others = [defence for defence in DEFENCES if defence.test != QUICK]
    assert list(gaps(others)) == [f"no defence for {QUICK}"]
    (found,) = gaps([*others, replace(MASK, old="no such line")])
    assert "found 0 times" in found
    (found,) = gaps([*DEFENCES, replace(MASK, test="tests/test_types.py::test_item")])
    assert found == "SECURITY.md does not name tests/test_types.py::test_item"


@pytest.mark.slow
def test_red_is_told_from_green_and_from_what_does_not_run() -> None:
    harmless = replace(MASK, new=f"{MASK.old} ^ 0")
    broken = replace(MASK, new="doubled ^ (")
    assert control([MASK]) == ""
    red, green, neither = switched_off([MASK, harmless, broken], jobs=2)
    assert (red.missed, green.missed) == ("", "stays green")
    assert neither.missed.startswith("does not run")
