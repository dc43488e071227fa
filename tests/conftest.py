from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Before numpy and torch are imported. For matrices as small as these, handing work to threads costs
# more than it saves: on two idle cores the expectations take 40 s of processor with them and 26 s
# without. What is timed against a bound runs as it does for anyone.
if "bench" not in sys.argv:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from edge_rerank import History, Item, Reranker
from edge_rerank.ranking.engine import RankingEngine

# The same examples in every run: a check that is red by luck teaches people to run it twice.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

DATA = Path(os.environ.get("EDGE_RERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of data sets, where there is one: they are not part of the repository."""
    if not DATA.is_dir():
        pytest.skip("no data sets here: set EDGE_RERANK_DATA to a folder of them")
    return DATA


@pytest.fixture(scope="session")
def engine() -> Iterator[RankingEngine]:
    with RankingEngine.open() as opened:
        yield opened


@pytest.fixture
def reranker(engine: RankingEngine) -> Iterator[Reranker]:
    """With a history of its own, in memory; its model is loaded once for all tests."""
    opened = Reranker(engine, History.open())
    yield opened
    opened.history.close()


@pytest.fixture(scope="session")
def shelf() -> list[Item]:
    """A few items of three kinds; 'bread' and 'sourdough' are near, 'telescope' is far."""
    return [
        Item("bread", "How to bake rustic bread at home", ["Food", "Baking"], popularity=20),
        Item("sourdough", "Sourdough starter for beginners", ["Food", "Baking"], popularity=12),
        Item("croissant", "Flaky butter croissants step by step", ["Food", "Baking"], popularity=9),
        Item("telescope", "Choosing your first telescope", ["Science", "Astronomy"], popularity=30),
        Item(
            "mars", "New pictures from the surface of Mars", ["Science", "Astronomy"], popularity=25
        ),
        Item("football", "Cup final: late goal decides it", ["Sport", "Football"], popularity=40),
        Item(
            "tennis", "Young player wins the open in five sets", ["Sport", "Tennis"], popularity=35
        ),
    ]
