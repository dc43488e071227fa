from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.tables.gradients import Adam, Gradients, Kept, Parameters, learn
from edge_rerank.tables.sequence import (
    SuccessionTraining,
    begin,
    common_steps,
    table_of,
    train_succession,
)

BATCH = np.array([[-1, -1, 3, 1], [0, 1, 2, 3], [4, 5, 0, 5]])
DRAWN = np.array([3, 3, 6, 2])


def exact(model: Parameters) -> Parameters:
    """In double precision, as differences need it."""
    return Parameters(
        **{one.name: getattr(model, one.name).astype(np.float64) for one in fields(model)}
    )


@pytest.mark.parametrize("name", [one.name for one in fields(Parameters)])
def test_gradients_are_those_of_differences(name: str) -> None:
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(7, 6))
    settings = SuccessionTraining(width=4, dropout=0.3)
    model = exact(begin(texts.astype(np.float32), settings, rng))
    model.own[:] = rng.normal(size=model.own.shape)
    kept = Kept.lots(BATCH, 4, 0.3, rng)
    _, gradients = learn(model, texts, BATCH, DRAWN, kept)
    found = getattr(gradients.of, name)
    if name == "own":
        found = np.zeros_like(model.own)
        found[gradients.items] = gradients.of.own
    values = getattr(model, name)
    step = 1e-6
    for place in np.ndindex(values.shape):
        middle = values[place]
        losses = []
        for value in (middle + step, middle - step):
            values[place] = value
            losses.append(learn(model, texts, BATCH, DRAWN, kept)[0])
        values[place] = middle
        assert found[place] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-7)
    assert np.abs(found).max() > 1e-3


def test_the_loss_is_that_of_the_table() -> None:
    """What is trained is what is computed when ranking: cross entropy of the table's scores."""
    rng = np.random.default_rng(1)
    texts = rng.normal(size=(9, 6)).astype(np.float32)
    model = begin(texts, SuccessionTraining(width=8), rng)
    model.own[:] = rng.normal(size=model.own.shape)
    table = table_of(model, texts, [str(number) for number in range(9)])
    rows = table.rows(item_keys(str(number) for number in range(9)))
    path, drawn = np.array([4, 0, 7, 2, 5]), np.array([1, 3, 8, 2])
    losses = []
    for end in range(1, len(path)):
        wanted = path[end]
        against = [wanted, *(one for one in drawn if one != wanted)]
        scores = 4 * table.signals(rows[against], rows[path[:end]], np.ones(end)).astype(float)
        losses.append(np.log(np.exp(scores - scores[0]).sum()))
    ones = Kept(*(np.ones((*shape, 8), np.float32) for shape in ((1, 4), (4,), (4,))))
    loss, _ = learn(model, texts, path[None], drawn, ones)
    # The table's vectors are kept in half precision.
    assert loss == pytest.approx(np.mean(losses), abs=1e-2)


def test_adam_by_hand() -> None:
    model = begin(
        np.zeros((3, 1), np.float32), SuccessionTraining(width=2), np.random.default_rng()
    )
    before = model.own.copy()
    optimizer = Adam(model)
    zeros = {one.name: np.zeros_like(getattr(model, one.name)) for one in fields(model)}
    slopes = np.array([[4.0, -0.01]], dtype=np.float32)
    optimizer.step(model, Gradients(np.array([1]), Parameters(**zeros | {"own": slopes})), 0.1)
    # The first step is as long as the rate, whatever the slope.
    assert model.own[1] - before[1] == pytest.approx([-0.1, 0.1], rel=1e-4)
    assert (model.own[[0, 2]] == before[[0, 2]]).all()
    first = model.own.copy()
    nothing = np.zeros((1, 2), dtype=np.float32)
    optimizer.step(model, Gradients(np.array([0]), Parameters(**zeros | {"own": nothing})), 0.1)
    # What took no part goes on as it went: first moment 0.9 × 0.1 / 0.19, second ^ 1/2.
    on = 0.1 * (0.09 / 0.19) / (0.98 * 0.02 / (1 - 0.98**2)) ** 0.5
    assert model.own[1] - first[1] == pytest.approx([-on, on], rel=1e-4)


def test_successions_are_learnt_and_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    begins = rng.integers(0, 12, 200)
    people = [(start + np.arange(5)) % 12 for start in begins]  # what comes next is one higher
    names = [str(number) for number in range(12)]
    told = []

    def trained(seed: int) -> SequenceTable:
        return train_succession(
            names,
            np.zeros((12, 1), dtype=np.float32),
            people,
            SuccessionTraining(
                width=16, steps=250, batch=80, drawn=16, dropout=0.1, learning_rate=1e-2
            ),
            seed=[seed],
            progress=lambda done, total: told.append((done, total)),
        )

    table = trained(0)
    assert told == [(step, 250) for step in range(1, 251)]
    rows = table.rows(item_keys(names))
    scores = table.signals(np.broadcast_to(rows, (12, 12)), rows[:, None], np.ones((12, 1)))
    assert (scores.argmax(axis=1) == (np.arange(12) + 1) % 12).all()
    assert trained(0).to_bytes() == table.to_bytes()
    assert trained(1).to_bytes() != table.to_bytes()


def test_texts_are_learnt_through() -> None:
    """An item that nobody chose follows as what has its text does."""
    names = ["a", "b", "c", "like b"]
    texts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], dtype=np.float32)
    table = train_succession(
        names,
        texts,
        [np.array([0, 1])] * 50 + [np.array([1, 2])] * 50,
        SuccessionTraining(width=8, steps=200, batch=50, drawn=4, dropout=0, learning_rate=1e-2),
        seed=[0],
    )
    a, b, c, like = table.rows(item_keys(names))
    scores = table.signals(np.array([b, c, like]), np.array([a]), np.ones(1))
    assert scores[2] > scores[1]


def test_a_table_that_has_seen_nothing_is_still_a_table() -> None:
    table = train_succession(
        ["a", "b"],
        np.eye(2, dtype=np.float32),
        [np.array([0]), np.array([1])],
        SuccessionTraining(width=4),
        seed=[0],
    )
    assert np.isfinite(table.signals(np.array([0, 1]), np.array([0]), np.ones(1))).all()
    again = SequenceTable.from_bytes(table.to_bytes())
    assert again.to_bytes() == table.to_bytes()


def test_paths_are_cut_where_few_went() -> None:
    people = [np.array([0, 1, 2])] * 3 + [np.array([1, 2, 0])] * 2 + [np.array([3])]
    assert [path.tolist() for path in common_steps(people, 3, 4)] == [
        *([[0, 1, 2]] * 3),
        *([[1, 2], [0]] * 2),
        [3],
    ]
    assert common_steps(people, 1, 4) == people
    assert [path.tolist() for path in common_steps(people, 6, 4)][:3] == [[0], [1], [2]]
    assert common_steps([np.zeros(0, dtype=np.int64)], 2, 4) == []


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"dropout": 1.0}, {"learning_rate": 0.0}])
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest, match="expected"):
        SuccessionTraining(**wrong)  # type: ignore[arg-type]
