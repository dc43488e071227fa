"""What is left in memory of somebody who was forgotten, or of a guest who has gone."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from edge_rerank import Event, Item, RankingEngine, Reranker
from edge_rerank.history.crypto import SealingKey
from edge_rerank.ranking.sources.rules import Rules

ITEMS = [Item(f"i{n}", f"a title about subject {n}", ["books"]) for n in range(6)]
EVENTS = [
    Event("click", ITEMS[2], timestamp=1e9),
    Event("search", query="personal words of mine", timestamp=1e9 + 5),
]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """One with a scorer, where the toolchain is at hand to make it; else the shipped one."""
    try:
        import torch  # noqa: F401

        from tests.inference.tiny import make_pack
    except ImportError:
        return None
    return make_pack(tmp_path_factory.mktemp("scorer") / "tiny")


class Pause:
    """Holds a ranking back in its midst until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        before = getattr(kind, name)

        def paused(*args: object, **options: object) -> object:
            self.reached.set()
            assert self.go_on.wait(30)
            return before(*args, **options)

        monkeypatch.setattr(kind, name, paused)

    def around(self, rank: Callable[[], object], forget: Callable[[], object]) -> None:
        """Rank in a thread, forget while it is held back, and let it end."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                rank()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert self.reached.wait(30)
        forget()
        self.go_on.set()
        thread.join(30)
        assert not failures


def traces(engine: RankingEngine) -> dict[str, int]:
    found = {"words": len(engine._comparer._words)}
    if engine.scorer is not None:
        found["prefixes"] = engine.scorer.cached_bytes
        found["scores"] = len(engine.scorer._scores)
    return found


PLACES = [(Rules, "fill"), (RankingEngine, "_answer")]


@pytest.mark.parametrize(("kind", "name"), PLACES, ids=["within", "history read"])
def test_a_ranking_in_flight_puts_nothing_back(
    pack: Path | None, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    with Reranker.open(pack) as reranker:
        reranker.consent("alice", True)
        reranker.record(EVENTS, user="alice")
        reranker.rank(ITEMS, "alice", query="shoes")
        assert all(traces(reranker.engine).values()), "the control: there is something to forget"
        feedback = reranker._feedback
        assert feedback._learner is not None
        assert feedback._places._rankings
        assert feedback._learner._pupils
        Pause(monkeypatch, kind, name).around(
            lambda: reranker.rank(ITEMS, "alice", query="shoes"),
            lambda: reranker.forget("alice"),
        )
        assert not any(traces(reranker.engine).values())
        assert not feedback._places._rankings
        assert not feedback._learner._pupils


@pytest.mark.parametrize(("kind", "name"), PLACES, ids=["within", "history read"])
def test_nor_does_one_of_a_guest_who_has_gone(
    pack: Path | None, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    with Reranker.open(pack) as reranker:
        session = reranker.guest_session()
        session.record(EVENTS)
        Pause(monkeypatch, kind, name).around(
            lambda: session.rank(ITEMS, query="shoes"), session.close
        )
        assert not any(traces(reranker.engine).values())
        assert not session._feedback._places._rankings


def reachable(root: object, wanted: str) -> list[object]:
    """What holds a string that contains ``wanted``, of all that ``root`` leads to."""
    found, seen, pending = [], {id(root)}, [root]
    while pending:
        one = pending.pop()
        for next_ in gc.get_referents(one):
            if isinstance(next_, str) and wanted in next_:
                found.append(one)
            if id(next_) not in seen and not isinstance(next_, type | ModuleType | FunctionType):
                seen.add(id(next_))
                pending.append(next_)
    return found


def test_nothing_leads_to_the_words_of_a_guest_who_has_gone() -> None:
    with Reranker.open() as reranker:
        session = reranker.guest_session()
        session.record([Event("search", query="personal " * 2 + "words", timestamp=1e9), EVENTS[0]])
        session.rank(ITEMS, query="personal " * 2 + "wish")
        assert reachable(session, "personal personal")
        session.close()
        assert not reachable(session, "personal personal")
        assert not reachable(reranker, "personal personal")


KEY_IN_MEMORY = '''
import gc, sys
from edge_rerank import Event, History, Item, KeyFile

MASK = bytes(code ^ 0x55 for code in range(256))

def copies(masked):
    """How often the key stands in memory; only its mask is looked for, not to find itself."""
    count = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in list(maps):
            span, rights = line.split()[:2]
            if "rw" in rights and "[v" not in line:
                start, stop = (int(part, 16) for part in span.split("-"))
                for at in range(start, stop, 1 << 20):
                    try:
                        memory.seek(at)
                        part = memory.read(min(1 << 20, stop - at))
                    except (OSError, ValueError):
                        continue
                    count += part.translate(MASK).count(masked)
    return count

folder = sys.argv[1]
source = KeyFile.create(folder + "/key")
masked = source.load().translate(MASK)[16:]  # what is freed loses its beginning anyway
history = History.open(folder + "/h.db", source)
history.consent("u", True)
history.record([Event("click", Item(f"i{n}")) for n in range(50)], user="u")
opened = copies(masked)
history.close()
gc.collect()
print(opened, copies(masked))
'''


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/mem")
def test_the_outer_key_is_overwritten_when_the_history_is_closed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KEY_IN_MEMORY, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    opened, closed = map(int, done.stdout.split())
    assert opened > 0, "the control: it is found while it is in use"
    assert closed == 0


def test_a_key_that_was_overwritten_seals_nothing_any_more() -> None:
    key = SealingKey(bytes(range(32)))
    key.wipe()
    with pytest.raises(AttributeError):
        key.seal(b"text", b"")
