"""Whatever is raised, and wherever: no variable of our frames shows a key, a person or a text."""

from __future__ import annotations

import asyncio
import base64
import inspect
import io
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import pytest
from rich import traceback as rich_traceback
from rich.console import Console

import edge_rerank
from edge_rerank import (
    Argon2Cost,
    Event,
    History,
    Item,
    KeyCallback,
    KeyFile,
    Passphrase,
    Reranker,
    Scrubber,
    as_html,
    as_table,
    generate_recipient_key,
    import_sealed,
)
from edge_rerank._discreet import discreet
from edge_rerank.cli.main import main
from edge_rerank.inference.numpy_threads import ONE_THREAD

PACKAGE = Path(edge_rerank.__file__).parent
KEY = bytes.fromhex("c0ffee00" * 8)
WORDS = "correct horse canary staple"
USER, ITEM, TITLE, QUERY = "canary-user-77", "canary-item-77", "canary title", "canary query"
LIKED, CATEGORY = "canary-liked-77", "canary category"
FORBIDDEN = (
    "canary",
    repr(KEY)[2:-1],
    KEY.hex(),
    base64.b64encode(KEY).decode(),
    str(int.from_bytes(KEY, "big")),
)

CHEAP = Argon2Cost(memory_kib=19_456, iterations=1, lanes=1)
POINTS = 12
"""Places in each call, from the first function of ours that runs to the last, where it fails."""


class Setting:
    """A person with a history, and what can be called about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = count()
        self.path = folder / "h.db"
        self.key = KeyFile.create(folder / "key")
        self.items = [Item(ITEM, f"{TITLE} 12", [CATEGORY], 3.0), Item("canary-2", TITLE)]
        self.event = Event("click", Item(LIKED, f"{TITLE} {QUERY}", [CATEGORY]), id=USER)
        self.search = Event("search", query=f"{QUERY} 12")
        self.reranker = Reranker.open(history=self.path, key=self.key)
        self.reranker.consent(USER, True)
        self.reranker.record([self.event, self.search], user=USER)
        self.guest = self.reranker.guest_session()
        self.guest.record([self.event, self.search])
        self.ranking = self.reranker.rank(self.items, USER, query=QUERY)
        self.held = self.reranker.history.access(USER).to_json()
        generate_recipient_key(folder / "private", folder / "public")
        self.recipient = (folder / "public").read_bytes()
        self.log = folder / "log.jsonl"
        self.log.write_text(f'{{"user": "{USER}", "type": "search", "query": "{QUERY} 99"}}\n')

    def calls(self) -> dict[str, Callable[[], object]]:
        r, h, g = self.reranker, self.reranker.history, self.guest
        fresh = Item("canary-3", f"{TITLE} 77")
        return {
            "rank": lambda: r.rank([*self.items, fresh], USER, query=f"{QUERY} more"),
            "rank_async": lambda: asyncio.run(
                r.rank_async([*self.items, fresh], USER, query="canary")
            ),
            "record": lambda: r.record(Event("view", fresh, query=f"{QUERY} 3"), user=USER),
            "consent": lambda: r.consent(USER, True, "canary purpose"),
            "profile": lambda: r.profile(USER),
            "warmup": lambda: r.warmup([fresh]),
            "engine.rank": lambda: r.engine.rank([fresh], history=[], query=QUERY),
            "engine.vectors": lambda: r.engine.vectors([fresh]),
            "engine.unread": lambda: r.engine.unread([TITLE]),
            "events": lambda: h.events("canary-other"),
            "all_events": lambda: h.all_events(USER),
            "access": lambda: h.access(USER),
            "export": lambda: h.export(USER, self.recipient, self.folder / "canary.sealed"),
            "import_log": lambda: h.import_log(self.log, user=USER),
            "restore": lambda: h.restore(self.held, user=USER),
            "remove_event": lambda: h.remove_event(USER, 1),
            "pause": lambda: (h.pause(USER), h.resume(USER)),
            "release_counts": lambda: h.release_counts([CATEGORY], epsilon=1.0),
            "audit_log": h.audit_log,
            "verify": h.verify,
            "rotate_key": lambda: h.rotate_key(KEY),
            "guest.rank": lambda: g.rank([fresh], query=QUERY),
            "guest.record": lambda: g.record(Event("view", fresh)),
            "guest.profile": g.profile,
            # A ranking of its own each time: its reasons are found when they are first read.
            "ranking": lambda: self.reranker.rank(self.items, USER, query=QUERY).to_json(),
            "cards": lambda: self.ranking.to_cards({LIKED: TITLE}),
            "as_html": lambda: as_html(self.ranking, {LIKED: TITLE}),
            "as_table": lambda: as_table(self.ranking, {LIKED: TITLE}),
            "scrub": lambda: Scrubber().scrub(f"{TITLE} {QUERY} 12 a@b.de"),
            "Item": lambda: Item("canary-4", TITLE, [CATEGORY]),
            "Event": lambda: Event("click", self.items[0], query=QUERY, id=USER),
            "open": lambda: History.open(self.folder / f"{next(self.count)}.db", KEY).close(),
            "KeyFile.create": lambda: KeyFile.create(self.folder / f"{next(self.count)}"),
            "KeyCallback": lambda: KeyCallback(lambda: KEY).load(),
            "Passphrase": lambda: Passphrase.create(
                WORDS, self.folder / f"canary {next(self.count)}", cost=CHEAP
            ).load(),
            "import_sealed": lambda: import_sealed(self.folder / "private", KEY),
            "cli": lambda: main(["rank", str(self.log), "--query", QUERY]),
            "forget": lambda: (
                r.consent(USER, True),
                r.record(self.event, user=USER),
                r.forget(USER),
            ),
        }


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    made = Setting(tmp_path_factory.mktemp("tracebacks"))
    made.calls()["events"]()  # the first look of all sweeps, and calls much that later ones do not
    yield made
    made.reranker.close()
    ONE_THREAD.leave_to_parent()  # a call that failed as it began to leave is inside of it for ever


class CollapseError(Exception):
    """Nothing in the package expects it."""


@cache
def is_ours(name: str) -> bool:
    """Whether a file of code is one of the package; asked at every call of anything."""
    file = Path(name)
    return PACKAGE in file.parents and file.name != "_discreet.py"


class Failing:
    """Raises in a function of the package when so many have been called; counts them if never."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and is_ours(frame.f_code.co_filename):
            self.calls += 1
            if self.calls == self.at:
                raise CollapseError

    def __enter__(self) -> Self:
        threading.setprofile(self)
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # as the documentation says


CALLS = (
    *("rank", "rank_async", "record", "consent", "profile", "warmup", "engine.rank"),
    *("engine.vectors", "engine.unread", "events", "all_events", "access", "export"),
    *("import_log", "restore", "remove_event", "pause", "release_counts", "audit_log"),
    *("verify", "rotate_key", "guest.rank", "guest.record", "guest.profile", "ranking"),
    *("cards", "as_html", "as_table", "scrub", "Item", "Event", "open", "KeyFile.create"),
    *("KeyCallback", "Passphrase", "import_sealed", "cli", "forget"),
)


def our_frames(error: BaseException) -> TracebackType | None:
    """The traceback from our first frame on: those before are the host's."""
    step = error.__traceback__
    while step is not None and PACKAGE not in Path(step.tb_frame.f_code.co_filename).parents:
        step = step.tb_next
    return step


def rendered(error: BaseException) -> str:
    """The traceback with the variables of each frame, as error monitors print them."""
    told = traceback.TracebackException(type(error), error, our_frames(error), capture_locals=True)
    return "".join(told.format())


def rendered_by_rich(error: BaseException) -> str:
    """The same by rich, which is slow."""
    told = rich_traceback.Traceback.from_exception(
        type(error),
        error,
        our_frames(error),
        show_locals=True,
        locals_max_string=None,
        locals_max_length=None,
    )
    stream = io.StringIO()
    Console(file=stream, width=4000).print(told)
    return stream.getvalue()


def leaks(text: str) -> list[str]:
    return [one for one in FORBIDDEN if one in text]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLS)
def test_no_variable_of_our_frames_shows_anything(setting: Setting, name: str) -> None:
    """Each public call fails at places all over it, and so does each by itself, if it does."""
    failures: list[BaseException] = []
    call, counter = setting.calls()[name], Failing()
    with counter:
        failures += attempt(call)
    points = {1 + (counter.calls - 1) * step // (POINTS - 1) for step in range(POINTS)}
    for at in sorted(points):
        call = setting.calls()[name]
        with Failing(at):
            failures += attempt(call)
    assert len(failures) >= len(points) / 2, "most of them are passed on, not swallowed"
    texts = [*map(rendered, failures), rendered_by_rich(failures[len(failures) // 2])]
    for text in texts:
        assert "edge_rerank" in text, "files and lines are still told"
        assert not leaks(text), (leaks(text), text[-3000:])


def attempt(call: Callable[[], object]) -> list[BaseException]:
    try:
        call()
    except (Exception, SystemExit) as error:
        return [error]
    return []


def test_without_it_they_would(setting: Setting) -> None:
    """The control: the same function as it was before it was wrapped."""
    bare = inspect.unwrap(Reranker.record)
    with pytest.raises(edge_rerank.errors.EdgeRerankError) as caught:
        bare(setting.reranker, Event("click", Item(ITEM)), user=USER + "-unknown")
    assert leaks(rendered(caught.value)) == ["canary"]


def test_every_public_call_is_among_them() -> None:
    """What takes or gives something of a person, by name; the rest takes none."""
    wrapped = {
        f"{name}.{member}"
        for name in edge_rerank.__all__
        if inspect.isclass(value := getattr(edge_rerank, name))
        for member, one in inspect.getmembers(value)
        if hasattr(getattr(one, "fget", one), "__wrapped__")
    }
    for name in ("Reranker", "History", "GuestSession", "RankingEngine"):
        kind = getattr(edge_rerank, name)
        for member, one in inspect.getmembers(kind):
            if not member.startswith("_") and callable(one):
                assert f"{name}.{member}" in wrapped, one
    assert {"Item.__init__", "Event.__init__", "Reranker.history"} <= wrapped
    assert hasattr(import_sealed, "__wrapped__")


def test_frames_of_the_host_keep_their_variables() -> None:
    """Those above the call, and of an error that was being handled when it was made."""

    def earlier() -> None:
        mine = "of the host"
        raise KeyError(len(mine))

    try:
        earlier()
    except KeyError as first:
        with pytest.raises(edge_rerank.errors.InvalidItem) as caught:
            Item("")
        frames = first.__traceback__
        assert frames is not None
        assert frames.tb_next is not None
        assert frames.tb_next.tb_frame.f_locals["mine"] == "of the host"
    assert caught.value.__traceback__ is not None
    assert "earlier" in caught.value.__traceback__.tb_frame.f_locals


def test_a_wrapped_door_looks_like_the_one_behind_it() -> None:
    assert str(inspect.signature(Reranker.record)).startswith("(self, event:")
    assert inspect.iscoroutinefunction(Reranker.rank_async)
    assert discreet(7) == 7
    assert discreet(edge_rerank.EventType) is edge_rerank.EventType
