from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidInput
from edge_rerank.ranking.markov import MAX_SUCCESSORS, MarkovChain


def test_known_answer() -> None:
    """P(A)=0.4, P(B|A)=0.3, P(C|B)=0.3: the example the product was specified with."""
    chain = MarkovChain.from_probabilities({"A": 0.4}, {"A": {"B": 0.3}, "B": {"C": 0.3}})
    assert chain.joint("ABC") == pytest.approx(0.036)
    assert chain.chosen("A") * chain.probability("B", "C") == pytest.approx(0.12)
    assert chain.conditional("ABC", given=[0, 2]) == pytest.approx(0.30)


def test_counts_by_hand() -> None:
    chain = MarkovChain(smoothing=0.0)
    chain.observe("ABAC")
    chain.observe("AB")
    assert chain.chosen("A") == pytest.approx(3 / 6)
    assert chain.probability("A", "B") == pytest.approx(2 / 3)
    assert chain.probability("A", "C") == pytest.approx(1 / 3)
    assert chain.probability("B", "A") == 1.0
    # C was never left: what follows it is anyone's guess, so Q decides.
    assert chain.probability("C", "B") == chain.chosen("B")


def test_smoothing_leaves_nothing_impossible() -> None:
    chain = MarkovChain(smoothing=1.0)
    chain.observe("ABC")
    # n(A, C) = 0, n(A, .) = 1, Q(C) = 1/3
    assert chain.probability("A", "C") == pytest.approx((0 + 1 / 3) / (1 + 1))


@given(st.lists(st.lists(st.sampled_from("ABCDE"), max_size=20), max_size=10))
def test_rows_are_distributions(paths: list[list[str]]) -> None:
    chain = MarkovChain()
    for path in paths:
        chain.observe(path)
    if not len(chain):
        return
    states = sorted({state for path in paths for state in path})
    for previous in states:
        assert chain.scores(previous, states).sum() == pytest.approx(1.0)


def test_memory_is_bounded() -> None:
    chain = MarkovChain(max_states=100)
    for start in range(0, 5000, 10):
        chain.observe(list(range(start, start + 10)))
    assert len(chain) <= 100
    wide = MarkovChain()
    for following in range(2 * MAX_SUCCESSORS):
        wide.observe(["hub", following])
    assert len(wide._next["hub"]) <= MAX_SUCCESSORS


def test_the_empty_chain_and_the_empty_path() -> None:
    chain = MarkovChain()
    assert chain.joint([]) == 1.0
    assert chain.chosen("A") == 0.0
    assert chain.scores("A", ["B", "C"]).tolist() == [0.0, 0.0]
    assert chain.scores("A", []).shape == (0,)


@pytest.mark.parametrize(
    ("chosen", "transitions"),
    [({"A": 1.2}, {}), ({"A": -0.1}, {}), ({"A": 0.6, "B": 0.6}, {}), ({}, {"A": {"B": 1.5}})],
)
def test_what_is_no_distribution_is_refused(
    chosen: dict[str, float], transitions: dict[str, dict[str, float]]
) -> None:
    with pytest.raises(InvalidInput, match="probabilities"):
        MarkovChain.from_probabilities(chosen, transitions)


def test_positions_outside_the_path_are_refused() -> None:
    with pytest.raises(InvalidInput, match="positions from 0 to 1"):
        MarkovChain().conditional("AB", given=[2])
