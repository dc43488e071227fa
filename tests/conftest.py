from __future__ import annotations

import gc
import os
import shutil
import sys
from collections import Counter
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
from edge_rerank.errors import PackNotFound
from edge_rerank.inference import session
from edge_rerank.packs.shipped import multilingual_pack
from edge_rerank.ranking.engine import RankingEngine
from tests.kept_models import keep_models
from tests.things import write_things

# The same examples in every run: a check that is red by luck teaches people to run it twice.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# What tests write lies in memory where there is room for it: on a small machine's disk each sync
# takes 8 ms, and the tests of histories wait for two thirds of their time (104 s, 36 s in memory).
# On a disk run the counts that the promises name, and what is timed.
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes; a run leaves 0.6 GiB at most."""


def _has_room(folder: Path) -> bool:
    """Whether programs may be run from a folder in memory, and all that tests write fits in."""
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(folder).free >= ROOM


if "bench" not in sys.argv and os.environ.get("EDGE_RERANK_FULL") != "1" and _has_room(MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_configure(config: pytest.Config) -> None:
    """Leave the order of files to what follows, not to how many tests each has."""
    if hasattr(config.option, "loadscopereorder"):  # of pytest-xdist
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with most slow tests first: a long one begun last keeps all waiting for it."""
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.path], -tests[item.path]))


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what stays: torch, and five thousand tests."""
    gc.freeze()


DATA = Path(os.environ.get("EDGE_RERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Models run on one thread where nobody says otherwise, but for what is timed.

    The other processors have workers of their own; threads of onnxruntime that wait for work spin
    on them: of expectations, 8.6 s of processor with two threads and 4.3 s with one.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "bench" not in sys.argv:
            patch.setattr(session, "default_threads", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def kept_models() -> Iterator[None]:
    """Engines share models that are made of the same bytes, but for what is timed."""
    with pytest.MonkeyPatch.context() as patch:
        if "bench" not in sys.argv:
            keep_models(patch)
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of data sets, where there is one: they are not part of the repository."""
    if not DATA.is_dir():
        pytest.skip("no data sets here: set EDGE_RERANK_DATA to a folder of them")
    return DATA


@pytest.fixture(scope="session")
def multilingual() -> Path:
    """The folder of the shipped pack that reads Chinese."""
    try:
        return multilingual_pack()
    except PackNotFound:
        pytest.skip("models/multilingual is not here")


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


@pytest.fixture(scope="session")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set folder with people to replay; to be read, not written."""
    return write_things(tmp_path_factory.mktemp("things"))
