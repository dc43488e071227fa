"""BPR and SASRec, the trained baselines."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from edge_rerank.formats.dataset import DataSet
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.studies.baselines.bpr import train_bpr
from edge_rerank_export.studies.baselines.choices import Choices, validation_ndcg
from edge_rerank_export.studies.baselines.sasrec import SasRec, SasRecSettings, train_sasrec
from tests.export.records import write_records

ITEMS = 24
SMALL = SasRecSettings(width=16, negatives=16, batch=32, steps=240, evaluate_every=60, dropout=0.1)


def silent(_done: int, _total: int) -> None:
    pass


def folder_of(folder: Path, walk: list[list[int]]) -> Path:
    """People who walked over items; the last step of some is hidden among all other items."""
    rng = random.Random(1)
    folder.mkdir()
    write_records(
        folder / "items.jsonl", [{"id": str(n), "text": f"thing {n}"} for n in range(ITEMS)]
    )
    hidden = range(0, len(walk), 4)
    paths = [path[:-1] if n in hidden else path for n, path in enumerate(walk)]
    write_records(
        folder / "train.jsonl",
        [{"user": f"u{n}", "items": [str(i) for i in path]} for n, path in enumerate(paths)],
    )
    requests: list[dict[str, object]] = []
    for n in hidden:
        *before, last = walk[n]
        candidates = [last, *rng.sample([i for i in range(ITEMS) if i not in walk[n]], 9)]
        rng.shuffle(candidates)
        requests.append(
            {
                "user": f"u{n}",
                "history": [str(i) for i in before],
                "candidates": [str(i) for i in candidates],
                "clicked": [str(last)],
            }
        )
    write_records(folder / "valid.jsonl", requests[::2])
    write_records(folder / "test.jsonl", requests[1::2])
    return folder


def test_without_validation_requests_last_choices_are_held_out(tmp_path: Path) -> None:
    rng = random.Random(5)
    walk = [rng.sample(range(ITEMS), 6) for _ in range(95)]
    folder = folder_of(tmp_path / "walks", walk)
    (folder / "valid.jsonl").unlink()
    data = DataSet.open(folder)
    whole = list(data.people())
    choices = Choices.read(data)
    assert len(choices.valid) == 10
    for request in choices.valid:
        (name,) = request.clicked
        path = next(one.items for one in whole if one.user == request.user)
        assert path == (*(event.item.id for event in request.history if event.item), name)
        beside = {item.id for item in request.candidates} - {name}
        assert beside
        assert beside.isdisjoint(path)
        learnt = choices.people[choices.rows[request.user or ""]].tolist()
        assert learnt == [choices.numbers[one] for one in path[:-1]]
    others = sum(len(one.items) for one in whole) - len(choices.valid)
    assert sum(map(len, choices.people)) == others
    assert Choices.read(data).valid == choices.valid
    assert 0 <= validation_ndcg(train_bpr(choices, seed=0, progress=silent), choices) <= 1


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everyone goes round: what comes next is known from the last item alone."""
    rng = random.Random(0)
    starts = [(rng.randrange(ITEMS), rng.randrange(4, 9)) for _ in range(240)]
    walk = [[(start + step) % ITEMS for step in range(length)] for start, length in starts]
    return folder_of(tmp_path_factory.mktemp("circle") / "data", walk)


@pytest.fixture(scope="module")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everyone likes one of three kinds, in any order."""
    rng = random.Random(0)
    kinds = [[i for i in range(ITEMS) if i % 3 == kind] for kind in range(3)]
    walk = [rng.sample(rng.choice(kinds), 6) for _ in range(240)]
    return folder_of(tmp_path_factory.mktemp("tastes") / "data", walk)


@pytest.fixture(scope="module")
def round_and_round(circle: Path) -> tuple[Choices, SasRec]:
    choices = Choices.read(DataSet.open(circle))
    return choices, train_sasrec(choices, seed=0, progress=silent, settings=SMALL)


class TestSasRec:
    def test_learns_what_follows(self, round_and_round: tuple[Choices, SasRec]) -> None:
        choices, model = round_and_round
        assert validation_ndcg(model, choices) > 0.95

    def test_untrained_knows_nothing(self, circle: Path) -> None:
        choices = Choices.read(DataSet.open(circle))
        assert validation_ndcg(SasRec(choices, SMALL), choices) < 0.7

    def test_a_score_does_not_depend_on_the_batch(
        self, round_and_round: tuple[Choices, SasRec]
    ) -> None:
        choices, model = round_and_round
        requests = sorted(choices.valid, key=lambda one: len(one.history))
        together = model.score(requests)
        alone = [model.score([one])[0] for one in requests]
        np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-5)

    def test_no_place_sees_what_comes_after_it(
        self, round_and_round: tuple[Choices, SasRec]
    ) -> None:
        torch = pytest.importorskip("torch")
        _, model = round_and_round
        model.eval()
        one, other = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[3, 4, 5, 20]])
        np.testing.assert_allclose(
            model(one)[:, :3].detach().numpy(), model(other)[:, :3].detach().numpy(), atol=1e-6
        )
        assert not np.allclose(model(one)[:, 3].detach(), model(other)[:, 3].detach(), atol=1e-3)

    def test_the_same_seed_gives_the_same_scores(
        self, circle: Path, round_and_round: tuple[Choices, SasRec]
    ) -> None:
        choices, model = round_and_round
        again = train_sasrec(choices, seed=0, progress=silent, settings=SMALL)
        np.testing.assert_array_equal(
            np.stack(again.score(choices.valid)), np.stack(model.score(choices.valid))
        )


class TestBpr:
    def test_learns_tastes(self, tastes: Path) -> None:
        choices = Choices.read(DataSet.open(tastes))
        model = train_bpr(choices, seed=0, progress=silent)
        assert validation_ndcg(model, choices) > 0.75

    def test_the_same_seed_gives_the_same_scores(self, tastes: Path) -> None:
        choices = Choices.read(DataSet.open(tastes))
        one, other = (train_bpr(choices, seed=3, progress=silent) for _ in range(2))
        np.testing.assert_array_equal(
            np.stack(one.score(choices.valid)), np.stack(other.score(choices.valid))
        )


class TestCommand:
    def test_one_line_a_request(self, tastes: Path, tmp_path: Path) -> None:
        out = tmp_path / "scores"
        assert main(["baselines", str(tastes), "--out", str(out), "--only", "bpr"]) == 0
        rows = [json.loads(line) for line in (out / "bpr.jsonl").read_text().splitlines()]
        requests = list(DataSet.open(tastes).requests("test"))
        assert [row["request"] for row in rows] == list(range(len(requests)))
        assert [len(row["scores"]) for row in rows] == [len(one.candidates) for one in requests]
        first = [
            requests[n].candidates[int(np.argmax(row["scores"]))].id in requests[n].clicked
            for n, row in enumerate(rows)
        ]
        assert np.mean(first) > 0.3

    def test_a_broken_line_is_named_and_nothing_written(
        self, tastes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken = tmp_path / "broken"
        broken.mkdir()
        for path in tastes.iterdir():
            (broken / path.name).write_bytes(path.read_bytes())
        lines = (broken / "train.jsonl").read_text().splitlines()
        lines[6] = '{"items": 5}'
        (broken / "train.jsonl").write_text("\n".join(lines))
        out = tmp_path / "scores"
        assert main(["baselines", str(broken), "--out", str(out)]) == EXIT_USAGE
        said = capsys.readouterr().err.replace("\n", "")
        assert "train.jsonl" in said and "7" in said
        assert not out.exists()

    def test_nothing_to_stop_by(
        self, tastes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bare = tmp_path / "bare"
        bare.mkdir()
        for name in ("items.jsonl", "test.jsonl"):
            (bare / name).write_bytes((tastes / name).read_bytes())
        pair = {"user": "u", "items": ["1", "2"]}  # too few to hide one of them
        (bare / "train.jsonl").write_text(json.dumps(pair) + "\n")
        assert main(["baselines", str(bare), "--out", str(tmp_path / "scores")]) == EXIT_USAGE
        assert "valid" in capsys.readouterr().err
