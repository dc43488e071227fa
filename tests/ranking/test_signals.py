"""Every signal, by hand and in batches; what follows from the registry. Needs no torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.ranking.signals import words as words_module
from edge_rerank.ranking.signals.categories import category_rows, numbered
from edge_rerank.ranking.signals.counts import Counts, CountTable, OwnShown
from edge_rerank.ranking.signals.inputs import (
    BITS,
    BY_NAME,
    KNOWN_BITS,
    SIGNALS,
    TABLES,
    Known,
    inputs,
)
from edge_rerank.ranking.signals.pairs import OwnShare, Pairs, PairTable
from edge_rerank.ranking.signals.sequence import SequenceTable, Successions
from edge_rerank.ranking.signals.signal import Axes
from edge_rerank.ranking.signals.situation import Past, Side, Situation, places
from edge_rerank.ranking.signals.table import item_key, item_keys
from edge_rerank.ranking.signals.words import Lexicon, SparseRows

NAMES = sorted(["a", "b", "c", "d"], key=item_key)
DAY = 86_400.0


def pair_table() -> PairTable:
    """a and b were chosen by two people out of four, b came soon after a once."""
    a, b = NAMES.index("a"), NAMES.index("b")
    counts = {(a, b): (2, 1.0), (b, a): (2, 0.0)}
    rows = sorted(counts)
    starts = np.searchsorted([row for row, _ in rows], np.arange(len(NAMES) + 1))
    return PairTable(
        ids=item_keys(NAMES),
        chosen=np.array([2, 2, 2, 2], dtype=np.uint32),
        starts=starts.astype(np.int64),
        columns=np.array([column for _, column in rows], dtype=np.int32),
        counts=np.array([counts[row][0] for row in rows], dtype=np.uint16),
        following=np.array([counts[row][1] for row in rows], dtype=np.float16),
        people=4,
    )


def count_table() -> CountTable:
    return CountTable(
        ids=item_keys(NAMES),
        starts=np.array([0, 1, 2, 3, 4]),
        moments=np.array([0, 8_192, 16_384, 24_576], dtype=np.uint16),
        edges=np.array([0.0, DAY, 2 * DAY, 3 * DAY, 4 * DAY]),
        shares=np.array([0, 8_192, 16_384, 24_576, 32_768], dtype=np.uint16),
        shown=np.array([10, 10, 10, 10], dtype=np.uint32),
        clicked=np.array([5, 1, 1, 1], dtype=np.uint32),
    )


def sequence_table() -> SequenceTable:
    return SequenceTable(
        ids=item_keys(NAMES),
        vectors=np.arange(8).reshape(4, 2).astype(np.float16),
        places=np.ones((2, 2), dtype=np.float32),
        inner=np.eye(2, dtype=np.float32),
        inner_bias=np.zeros(2, dtype=np.float32),
        outer=np.eye(2, dtype=np.float32),
        outer_bias=np.zeros(2, dtype=np.float32),
    )


EVERY_TABLE = {
    "together": pair_table(),
    "record": count_table(),
    "succession": sequence_table(),
}


def situation(rng: np.random.Generator, *lead: int, candidates: int, history: int) -> Situation:
    """Anything at all, with padding, unknown numbers and items on both sides."""
    own = rng.integers(-1, 4, (*lead, candidates))
    before = rng.integers(-1, 4, (*lead, history))

    def unit(*shape: int) -> np.ndarray:
        rows = rng.normal(size=shape).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    def maybe(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(values.shape) < 0.3, np.nan, values).astype(np.float32)

    def side(rows: np.ndarray) -> Side:
        return Side(
            items=rows,
            words=unit(*rows.shape, 3),
            categories=unit(*rows.shape, 2),
            leaves=rng.integers(-1, 2, rows.shape),
            popularity=maybe(rng.integers(0, 50, rows.shape)),
            rows=dict.fromkeys(EVERY_TABLE, rows),
        )

    mine = unit(*lead, history, 3)
    return Situation(
        candidates=side(own),
        history=side(before),
        cosine=rng.normal(size=(*lead, candidates, history)).clip(-1, 1),
        likeness=np.matmul(mine, mine.swapaxes(-1, -2)),
        strength=np.where(before >= 0, rng.random(before.shape) + 0.1, 0.0),
        place=np.broadcast_to(np.arange(history)[::-1].astype(np.float32), before.shape),
        age_s=maybe(rng.random(before.shape) * 9 * DAY),
        present=own >= 0,
        now=maybe(np.full(lead, 2.5 * DAY)).astype(np.float64),
        tables=EVERY_TABLE,
    )


def at(one: Situation, row: int) -> Situation:
    """A single request of a batch."""

    def side(of: Side) -> Side:
        return Side(
            of.items[row],
            of.words[row],
            of.categories[row],
            of.leaves[row],
            of.popularity[row],
            {name: rows[row] for name, rows in of.rows.items()},
        )

    return replace(
        one,
        candidates=side(one.candidates),
        history=side(one.history),
        cosine=one.cosine[row],
        likeness=one.likeness[row],
        strength=one.strength[row],
        place=one.place[row],
        age_s=one.age_s[row],
        present=one.present[row],
        now=one.now[row],
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 4))
def test_a_batch_gives_what_each_request_gives_alone(
    seed: int, candidates: int, history: int
) -> None:
    many = situation(np.random.default_rng(seed), 3, candidates=candidates, history=history)
    batch = inputs(many)
    for row in range(3):
        for name, values in inputs(at(many, row)).items():
            np.testing.assert_allclose(values, batch[name][row], atol=1e-6, err_msg=name)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 4))
def test_shapes_are_those_of_the_axes_and_padding_is_zero(
    seed: int, candidates: int, history: int
) -> None:
    one = situation(np.random.default_rng(seed), candidates=candidates, history=history)
    for name, values in inputs(one).items():
        signal = BY_NAME[name]
        assert values.shape == signal.axes.shape(candidates, history, signal.width), name
        assert values.dtype == np.float32
        assert np.isfinite(values).all(), name
        if signal.axes.of_candidates is not None:
            rows = np.moveaxis(values, values.ndim + signal.axes.of_candidates, 0)
            assert not rows[~one.present].any(), name
        if signal.axes.of_history is not None:
            rows = np.moveaxis(values, values.ndim + signal.axes.of_history, 0)
            assert not rows[one.strength == 0].any(), name


def test_without_tables_what_they_say_is_zero_and_not_known() -> None:
    one = situation(np.random.default_rng(1), candidates=30, history=6)
    bare = inputs(replace(one, tables={}))
    known = dict(zip(KNOWN_BITS, bare[Known.name], strict=True))
    for signal in TABLES:
        assert inputs(one)[signal.name].any(), signal.name
        assert not bare[signal.name].any(), signal.name
        assert not known.get(signal.bit), signal.name
    assert known["history"]


def test_only_what_a_model_takes_is_made() -> None:
    one = situation(np.random.default_rng(2), candidates=2, history=2)
    names = [signal.name for signal in SIGNALS if not isinstance(signal, Successions)]
    assert list(inputs(one, names)) == names


def test_the_contract_with_models_that_are_out_there() -> None:
    """Names, order, widths and bits of the shipped model; a new signal is added behind them."""
    shipped = {
        "content": (Axes.PAIRS, 2),
        "category": (Axes.PAIRS, 2),
        "together": (Axes.PAIRS, 4),
        "events": (Axes.EVENTS, 4),
        "history": (Axes.EVENT, 1),
        "popularity": (Axes.CANDIDATES, 4),
        "record": (Axes.CANDIDATES, 7),
        "context": (Axes.REQUEST, 13),
        "succession": (Axes.CANDIDATE, 1),
        "strength": (Axes.EVENT, 1),
    }
    ours = {signal.name: (signal.axes, signal.width) for signal in SIGNALS}
    assert [name for name in ours if name != "known"][: len(shipped)] == list(shipped)
    assert {name: ours[name] for name in shipped} == shipped
    first = ["history", "category", "together", "popularity", "time", "record"]
    assert list(KNOWN_BITS)[:6] == first  # it takes these, and a later model those behind them
    assert [signal.bit for signal in BITS] == list(KNOWN_BITS)
    assert {signal.bit for signal in SIGNALS if signal.bit} == set(KNOWN_BITS)
    assert [signal.file for signal in TABLES] == ["together.npz", "record.npz", "succession.npz"]


def test_an_item_beside_itself_says_nothing_in_words() -> None:
    one = situation(np.random.default_rng(3), candidates=2, history=2)
    same = replace(
        one,
        candidates=replace(one.candidates, items=np.array([5, 6])),
        history=replace(one.history, items=np.array([6, 7])),
        strength=np.ones(2),
        present=np.ones(2, dtype=np.bool_),
    )
    words = inputs(same)["content"][1]
    assert words[1, 0] == 0
    assert np.count_nonzero(words) == 3


def test_categories_by_hand() -> None:
    names = numbered([["Food", "Baking"], ["Sport"]])
    assert names == {"Food": 0, "Baking": 1, "Sport": 2}
    rows, leaves = category_rows([["Food", "Baking"], ["Food", "Other"], ["New"], []], names)
    half = 2**-0.5
    expected = np.array([[half, half, 0], [half, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert rows[:, :3] == pytest.approx(expected)
    assert rows.shape == (4, 8)  # so that more people's have one shape
    assert not rows[:, 3:].any()
    assert leaves.tolist() == [1, -1, -1, -1]


def test_popularity_by_hand() -> None:
    one = situation(np.random.default_rng(4), candidates=3, history=1)
    nothing = replace(one.history, popularity=np.array([np.nan], dtype=np.float32))
    counts = np.array([0.0, np.e**2 - 1, np.nan], dtype=np.float32)
    known = replace(
        one,
        candidates=replace(one.candidates, popularity=counts),
        history=nothing,
        present=np.ones(3, dtype=np.bool_),
    )
    log, standard, against, rank = inputs(known)["popularity"].T
    # Logs 0 and 2; the third is as good as their mean, and so is the history.
    spread = np.sqrt(2 / 3) + 0.3
    assert log == pytest.approx([0, 2 / 5, 1 / 5], abs=1e-5)
    assert standard == pytest.approx([-1 / spread, 1 / spread, 0], abs=1e-5)
    assert against == pytest.approx([-1 / 3, 1 / 3, 0], abs=1e-5)
    assert rank == pytest.approx([1 / 6, 5 / 6, 3 / 6])


def test_pairs_by_hand_and_without_ones_own_share() -> None:
    a, b, c = (NAMES.index(name) for name in "abc")
    one = situation(np.random.default_rng(5), candidates=2, history=1)

    def rows(side: Side, *of: int) -> Side:
        return replace(side, rows=dict.fromkeys(EVERY_TABLE, np.array(of)))

    asked = replace(
        one,
        candidates=rows(one.candidates, b, c),
        history=rows(one.history, a),
        strength=np.ones(1),
        present=np.ones(2, dtype=np.bool_),
    )
    cosine, common, lift, soon = Pairs().raw(asked)
    assert cosine[:, 0] == pytest.approx([1.0, 0.0])
    assert common[:, 0] == pytest.approx([np.log(3) / 3, 0.0])
    assert lift[:, 0] == pytest.approx([np.log(2 * 4 / 4) / 8, 0.0])
    assert soon[:, 0] == pytest.approx([np.sqrt(1 / 2), 0.0])
    own = OwnShare(np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]]), np.zeros(1))
    less = Pairs().raw(replace(asked, own={"together": own}))
    assert less[1, 0, 0] == pytest.approx(np.log(2) / 3)
    assert less[3, 0, 0] == 0


def test_counts_by_hand_and_without_what_the_request_showed() -> None:
    one = situation(np.random.default_rng(6), candidates=2, history=1)
    first, last = 0, 3  # chosen in the first and in the last quarter of the log
    asked = replace(
        one,
        candidates=replace(one.candidates, rows={"record": np.array([first, last])}),
        present=np.ones(2, dtype=np.bool_),
        now=np.array(2.5 * DAY),
    )
    values = Counts().raw(asked)
    assert values[:, :3].tolist() == [[0, 0, 0], [0, 0, 0]]  # nothing in the last sixteenth
    assert values[:, 3] == pytest.approx([np.log(2) / 4, 0.0])  # the last one is yet to come
    assert values[:, 4] == pytest.approx([np.sqrt(0.5), 1.0])
    rate = 8 / 40
    assert values[:, 5] == pytest.approx([np.log(35 / 20), np.log((1 / rate + 10) / 20)])
    own = OwnShown(np.ones(2, dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32))
    less = Counts().raw(replace(asked, own={"record": own}))
    assert less[:, 5] == pytest.approx([np.log(30 / 19), np.log((1 / rate + 10) / 19)])


def test_successions_are_judged_against_their_mean() -> None:
    one = situation(np.random.default_rng(7), candidates=3, history=2)
    asked = replace(
        one,
        candidates=replace(one.candidates, rows={"succession": np.array([0, 1, -1])}),
        history=replace(one.history, rows={"succession": np.array([2, 3])}),
        strength=np.ones(2),
        present=np.ones(3, dtype=np.bool_),
    )
    values = Successions().raw(asked)
    assert values[2] == 0
    assert values[:2].sum() == pytest.approx(0, abs=1e-6)


def test_an_event_of_no_strength_is_as_if_it_were_not_there() -> None:
    one = situation(np.random.default_rng(8), candidates=4, history=5)
    strength = np.array([1.0, 0.5, 2.0, 1.0, 0.8])
    dated = replace(one, strength=strength, age_s=np.arange(5, 0, -1) * DAY, place=places(strength))
    silent = replace(dated, strength=strength * (np.arange(5) != 2))
    silent = replace(silent, place=places(silent.strength))
    faint = replace(dated, strength=np.where(np.arange(5) == 2, 1e-6, strength))
    faint = replace(faint, place=places(faint.strength))
    kept = np.array([0, 1, 3, 4])
    before = dated.history
    without = replace(
        dated,
        history=Side(
            before.items[kept],
            before.words[kept],
            before.categories[kept],
            before.leaves[kept],
            before.popularity[kept],
            {name: rows[kept] for name, rows in before.rows.items()},
        ),
        cosine=dated.cosine[:, kept],
        likeness=dated.likeness[np.ix_(kept, kept)],
        strength=strength[kept],
        place=places(strength[kept]),
        age_s=dated.age_s[kept],
    )
    expected, near, plain = inputs(without), inputs(faint), inputs(dated)
    for name, values in inputs(silent).items():
        axis = BY_NAME[name].axes.of_history
        rest = values if axis is None else values.take(kept, axis=axis)
        np.testing.assert_allclose(rest, expected[name], atol=1e-6, err_msg=name)
        faintly = near[name] if axis is None else near[name].take(kept, axis=axis)
        if name != "succession":  # places in that table are whole
            np.testing.assert_allclose(faintly, expected[name], atol=1e-4, err_msg=name)
    assert np.abs(plain["context"] - expected["context"]).max() > 1e-3


def test_models_that_take_no_strength_see_what_they_were_trained_with() -> None:
    one = situation(np.random.default_rng(9), candidates=4, history=5)
    liked = replace(one, strength=np.full(5, 0.3))
    earlier = [name for name in BY_NAME if name not in {"strength", "succession"}]
    ones = inputs(replace(liked, strength=np.ones(5)), earlier)
    for name, values in inputs(liked, earlier).items():
        columns = slice(None, -1) if name == "events" else slice(None)  # the last is the strength
        np.testing.assert_allclose(values[..., columns], ones[name][..., columns], atol=1e-6)


@pytest.mark.parametrize(
    ("strengths", "certainty"),
    [
        ([], 0.0),
        ([0.0, 0.0], 0.0),
        ([0.04], 0.04 * 1.5 / 0.54),
        ([0.25, 0.25], 0.75),
        ([1.0], 1.0),
        ([-1.0], 1.0),
        ([2.5, -1.6, 0.02], 1.0),
    ],
)
def test_less_than_a_click_is_believed_by_how_much_it_says(
    strengths: list[float], certainty: float
) -> None:
    count = len(strengths)
    past = Past(
        strength=np.array(strengths),
        place=np.zeros(count),
        likeness=np.zeros((count, count)),
        popularity=np.zeros(count, dtype=np.float32),
        weighted=True,
    )
    assert float(past.certainty) == pytest.approx(certainty)


def test_neither_a_bounce_nor_a_dislike_pushes_what_is_liked_into_the_past() -> None:
    assert places(np.array([1.0, 1.0, 2.0])).tolist() == [2.0, 1.0, 0.0]
    assert places(np.array([1.0, 0.05, -1.5])) == pytest.approx([0.05, 0.0, 0.0])


def test_what_is_disliked_says_nothing_of_what_the_history_is_like() -> None:
    one = situation(np.random.default_rng(10), candidates=4, history=3)
    signed = replace(one, strength=np.array([1.0, -1.5, 1.0]))
    silent = inputs(replace(one, strength=np.array([1.0, 0.0, 1.0])))
    arrays = inputs(signed)
    assert arrays["strength"].tolist() == [1.0, -1.5, 1.0]
    assert arrays["history"].tolist() == [1.0, 0.0, 1.0]
    for name in ("context", "popularity", "known", "succession"):
        np.testing.assert_allclose(arrays[name], silent[name], atol=1e-6, err_msg=name)
    assert arrays["content"][:, :, 1].any()


def test_sparse_rows_are_those_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "_BLOCK", 3)
    lexicon = Lexicon.count(["red lamp", "blue lamp", "teapot"])
    texts = ["red lamp", "", "blue teapot of old", "lamp", "...", "red red teapot", "new"]
    dense, sparse = lexicon.encode(texts), SparseRows.of(lexicon.encode, texts)
    for rows in ([0], [6, 2, 2, 1], [], range(7)):
        asked = np.array(list(rows), dtype=np.intp)
        np.testing.assert_array_equal(sparse[asked], dense[asked])
