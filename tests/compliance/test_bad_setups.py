"""Set-ups of a history that are bad, each made on disk for real: the report fails or owes them."""

from __future__ import annotations

import base64
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from edge_rerank import (
    AnchorCallback,
    Argon2Cost,
    Event,
    Item,
    KeyEnv,
    KeyFile,
    Passphrase,
    Retention,
    inspect_history,
)
from edge_rerank._files import write_new
from edge_rerank.compliance import report as requirements
from edge_rerank.compliance import trials
from edge_rerank.compliance.findings import Check, Verdict
from edge_rerank.compliance.places import MAX_FILES
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber

from .conftest import USER, Site, failed, findings

CHEAP = Argon2Cost(memory_kib=19_456, iterations=1, lanes=1)
CLICK = Event("click", Item("canary-item"), timestamp=1.0)

Spoil = Callable[[Site], object]


@pytest.fixture(scope="module", autouse=True)
def tried_once() -> Iterator[None]:
    """Trials make histories of their own, whatever the set-up: three quarters of a report."""

    def once(check: Check) -> Check:
        tried = cache(lambda: tuple(check(None)))  # type: ignore[arg-type]
        return lambda _: iter(tried())

    every = {check for _, checks in requirements.REQUIREMENTS for check in checks}
    known = {one: once(one) for one in every if one.__module__ == trials.__name__}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            requirements,
            "REQUIREMENTS",
            [
                (what, tuple(known.get(one, one) for one in checks))
                for what, checks in requirements.REQUIREMENTS
            ],
        )
        yield


def private(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new(path, content)
    return path


def copied(original: Path, target: Path) -> None:
    private(target, original.read_bytes())


def key_moved(site: Site, target: Path) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    site.key = site.key.rename(target)
    site.source = KeyFile(target)


def key_linked(site: Site) -> None:
    """The key's path is a link to a file beside the history."""
    site.key.rename(site.history.with_name("kept"))
    site.key.symlink_to(site.history.with_name("kept"))


def history_linked(site: Site) -> None:
    """Whoever can change the link's folder chooses the history."""
    link = site.folder / "links" / "me.db"
    link.parent.mkdir()
    link.parent.chmod(0o770)
    link.symlink_to(site.history)
    site.history = link


def sidecar_left_open(site: Site) -> None:
    private(site.history.with_name("me.db-wal"), b"").chmod(0o644)


MADE_BEFORE: dict[str, tuple[Spoil, str]] = {
    "the key lies beside the history": (
        lambda site: key_moved(site, site.history.with_name("key")),
        "key",
    ),
    "the key lies in a sub-folder of the history's": (
        lambda site: key_moved(site, site.history.parent / "keys" / "key"),
        "key",
    ),
    "the key's path is a link to beside the history": (key_linked, "key"),
    "the key can be read by anyone": (lambda site: site.key.chmod(0o644), "key"),
    "the key can be read by its group": (lambda site: site.key.chmod(0o640), "key"),
    "the key has a second name": (
        lambda site: (site.folder / "data" / "x").hardlink_to(site.key),
        "key",
    ),
    "the key's folder can be changed by its group": (
        lambda site: site.key.parent.chmod(0o770),
        "key",
    ),
    "the key lies in a git tree": (lambda site: (site.key.parent / ".git").mkdir(), "key"),
    "the key was copied to .bak": (
        lambda site: copied(site.key, site.key.with_name("secret.bak")),
        "copies",
    ),
    "the key was copied to beside the history": (
        lambda site: copied(site.key, site.history.with_name("settings")),
        "copies",
    ),
    "the key was copied to deep below the history's folder": (
        lambda site: copied(site.key, site.history.parent / "a" / "b" / "c" / "d" / "e"),
        "copies",
    ),
    "the key stands in hexadecimal in a .env": (
        lambda site: private(
            site.folder / ".env", b"export KEY=" + site.key.read_bytes().hex().upper().encode()
        ),
        "copies",
    ),
    "the key stands in base64 in a settings file": (
        lambda site: private(
            site.folder / "etc" / "app.toml",
            b'key = "' + base64.urlsafe_b64encode(site.key.read_bytes()) + b'"\n',
        ),
        "copies",
    ),
    "a rotation left the key it had staged": (
        lambda site: private(site.key.with_name("secret.new"), os.urandom(32)),
        "copies",
    ),
    "the history can be read by anyone": (lambda site: site.history.chmod(0o644), "history file"),
    "its log can be read by anyone": (sidecar_left_open, "history file"),
    "the history has a second name": (
        lambda site: (site.folder / "anchors" / "x").hardlink_to(site.history),
        "history file",
    ),
    "the history is a link that others may change": (history_linked, "history file"),
    "anyone can change the history's folder": (
        lambda site: site.history.parent.chmod(0o777),
        "history file",
    ),
    "the group can change the history's folder": (
        lambda site: site.history.parent.chmod(0o770),
        "history file",
    ),
    "the group can change a folder above": (lambda site: site.folder.chmod(0o770), "history file"),
    "the history lies in a git tree": (
        lambda site: private(site.folder / ".git", b"gitdir: elsewhere"),
        "history file",
    ),
    "the history was copied to .bak": (
        lambda site: copied(site.history, site.history.with_name("me.db.bak")),
        "copies",
    ),
    "the history was copied and compressed": (
        lambda site: private(site.history.with_name("me-2024-05.gz"), b"compressed"),
        "copies",
    ),
    "the history was copied under another name": (
        lambda site: copied(site.history, site.folder / "cache" / "thumbnails"),
        "copies",
    ),
}


@pytest.mark.parametrize("case", MADE_BEFORE)
def test_a_history_that_lies_badly_fails(site: Site, case: str) -> None:
    spoil, check = MADE_BEFORE[case]
    site.make()
    assert failed(site.report()) == set()
    spoil(site)
    report = site.report()
    assert check in failed(report)
    assert not report.passed


def weak(key: bytes) -> Spoil:
    def make(site: Site) -> None:
        site.source = KeyFile(private(site.key, key))

    return make


def words(text: str) -> Spoil:
    def make(site: Site) -> None:
        site.source = Passphrase.create(text, site.key, cost=CHEAP)

    return make


def weak_variable(site: Site) -> None:
    os.environ["EDGE_RERANK_TEST_KEY"] = (b"\x01\x02" * 16).hex()
    site.source = KeyEnv("EDGE_RERANK_TEST_KEY")


EIGHT = (3, 17, 44, 91, 130, 171, 200, 251)

WEAK: dict[str, Spoil] = {
    "letters": weak(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
    "a password": weak(b"my dog's name is Bello, 12 years"),
    "32 hexadecimal digits": weak(os.urandom(16).hex().encode()),
    "eight bytes in disorder": weak(bytes(random.Random(6).choices(EIGHT, k=32))),
    "two bytes in turn": weak(b"\x00\xff" * 16),
    "counted up": weak(bytes(range(100, 132))),
    "counted by threes": weak(bytes(range(0, 96, 3))),
    "half of it zeros": weak(os.urandom(16) + bytes(16)),
    "a random half, twice": weak(os.urandom(16) * 2),
    "a short passphrase": words("rosebud9"),
    "a passphrase of one letter": words("a" * 40),
    "a short passphrase, five times": words("Xy7#" * 5),
    "a passphrase counted up": words("1234567890123456"),
    "bytes in a variable": weak_variable,
}


@pytest.mark.parametrize("case", WEAK)
def test_a_key_that_can_be_guessed_fails(
    site: Site, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_RERANK_TEST_KEY", "")
    WEAK[case](site)
    assert failed(site.make().report()) == {"key"}


def test_a_passphrase_s_file_that_others_read_stays_closed_and_fails(site: Site) -> None:
    words("an oyster counts 9 green lamps")(site)
    site.make()
    site.key.chmod(0o644)
    assert {"key", "sealing"} <= failed(site.report())


def anchored(site: Site) -> Path:
    site.anchor = site.folder / "anchors" / "anchor"
    site.make()
    return site.anchor


def anchor_dropped(site: Site) -> None:
    anchored(site)
    site.anchor = None


def anchor_erased(site: Site) -> None:
    anchored(site).unlink()


def anchor_beside(site: Site) -> None:
    site.anchor = site.history.with_name("anchor")
    site.make()


def anchor_open(site: Site) -> None:
    anchored(site).chmod(0o666)


def rolled_back(site: Site) -> None:
    anchored(site)
    before = site.history.read_bytes()
    site.then(0, lambda store: store.set_consent(USER, "aggregates", True))
    site.history.write_bytes(before)


def exchanged(site: Site) -> None:
    """Another history, under the same key."""
    anchored(site)
    site.history.unlink()
    anchor, site.anchor = site.anchor, None
    site.make()
    site.anchor = anchor


def emptied(site: Site) -> None:
    site.make()
    site.history.write_bytes(b"")


def emptied_with_anchor(site: Site) -> None:
    anchored(site)
    site.history.write_bytes(b"")


def planted(statement: str) -> Spoil:
    def plant(site: Site) -> None:
        site.make()
        connection = sqlite3.connect(site.history)
        connection.executescript(statement)
        connection.close()

    return plant


def kept(**limits: float | None) -> Spoil:
    return lambda site: site.make(retention=Retention(**limits))  # type: ignore[arg-type]


def recorded(store: HistoryStore) -> None:
    store.set_consent(USER, "personalisation", True)
    store.append(USER, [CLICK])


def expired(days: float) -> Spoil:
    """Nobody has opened the history since; its own clock believes a month of that."""
    return lambda site: site.then(days, recorded)


def too_many(site: Site) -> None:
    """The number of events was lowered, and nobody's turn has come since."""
    events = [Event("click", Item(str(n)), timestamp=float(n)) for n in range(5)]
    site.make().then(0, lambda store: store.append(USER, events))
    HistoryStore.open(site.history, site.source, retention=Retention(30, 3)).close()


def held(site: Site) -> None:
    site.source = os.urandom(32)


def never_rotated(days: float) -> Spoil:
    """The host holds the key; somebody was erased and the key never replaced."""

    def make(site: Site) -> None:
        held(site)
        site.then(days, recorded).then(days, lambda store: store.erase(USER))

    return make


def never_rotated_and_in_a_file_now(site: Site) -> None:
    """As ``audit report --key-file`` is given the key that a host holds."""
    never_rotated(30)(site)
    assert isinstance(site.source, bytes)
    site.source = KeyFile(private(site.key, site.source))


def rotation_cut_short(site: Site) -> None:
    """A kill between the erasure and the new key."""
    site.make()

    class Killed(BaseException):
        pass

    class Dying(KeyFile):
        def replace(self, key: bytes) -> None:
            raise Killed

    store = HistoryStore.open(site.history, Dying(site.key))
    with pytest.raises(Killed):
        store.erase(USER)
    store._vault.file.abandon()


def old_key(site: Site) -> None:
    site.then(800, lambda store: store.set_consent(USER, "personalisation", True))


def without_consent(site: Site) -> None:
    site.then(0, lambda store: store.append(USER, [CLICK]))


def described_without_consent(site: Site) -> None:
    site.then(0, lambda store: store.set_state(USER, "attributes", b"{}"))


def described_long_ago(site: Site) -> None:
    site.then(400, lambda store: store.set_consent(USER, "personalisation", True))
    site.then(400, lambda store: store.set_state(USER, "attributes", b"{}"))


def damaged(site: Site) -> None:
    planted("UPDATE events SET sealed = zeroblob(length(sealed))")(site)


def log_lost(site: Site) -> None:
    """A kill, and a clean-up that took the log and left the lock file."""
    site.source = KeyFile.create(site.key)
    with HistoryStore.open(site.history, site.source) as store:
        recorded(store)
        kept = {file: file.read_bytes() for file in site.history.parent.iterdir()}
    for file, content in kept.items():
        if not file.name.endswith("-wal"):
            file.unlink(missing_ok=True)
            private(file, content)


STATES: dict[str, tuple[Spoil, str]] = {
    "acknowledged events are gone with their log": (log_lost, "sealing"),
    "the history has an anchor, but not here": (anchor_dropped, "roll-back"),
    "the anchor was erased": (anchor_erased, "roll-back"),
    "the anchor lies beside the history": (anchor_beside, "roll-back"),
    "anyone can change the anchor": (anchor_open, "roll-back"),
    "an old copy was put in its place": (rolled_back, "roll-back"),
    "another history was put in its place": (exchanged, "roll-back"),
    "the file was emptied": (emptied, "sealing"),
    "the file with an anchor was emptied": (emptied_with_anchor, "roll-back"),
    "a trigger was planted": (
        planted("CREATE TRIGGER t BEFORE DELETE ON people BEGIN SELECT raise(IGNORE); END"),
        "sealing",
    ),
    "a table was planted": (planted("CREATE TABLE t (a)"), "sealing"),
    "a view was planted": (planted("CREATE VIEW v AS SELECT 1"), "sealing"),
    "an index was planted": (planted("CREATE INDEX i ON events (sealed)"), "sealing"),
    "a table was exchanged for a view": (
        planted(
            "ALTER TABLE notes RENAME TO other;"
            "CREATE VIEW notes AS WITH RECURSIVE n(name) AS (SELECT 1 UNION ALL SELECT name + 1"
            " FROM n) SELECT name, zeroblob(302) AS sealed FROM n"
        ),
        "sealing",
    ),
    "events are kept for ever": (kept(max_age_days=None), "retention"),
    "events are kept for 100 years": (kept(max_age_days=36_500), "retention"),
    "events are kept a day longer than recommended": (kept(max_age_days=761), "retention"),
    "events are past their time": (expired(400), "retention"),
    "events are past their time by years": (expired(2_000), "retention"),
    "there are more events than may stay": (too_many, "retention"),
    "somebody was erased and the key never replaced": (never_rotated(30), "erasure"),
    "... and it lies in a file now": (never_rotated_and_in_a_file_now, "erasure"),
    "the rotation after an erasure was cut short": (rotation_cut_short, "erasure"),
    "the key is 800 days old": (old_key, "key age"),
    "somebody has never agreed": (without_consent, "consent"),
    "somebody has never agreed and was described": (described_without_consent, "consent"),
    "somebody was described and not again in time": (described_long_ago, "retention"),
    "a row was changed": (damaged, "sealing"),
}


@pytest.mark.parametrize("case", STATES)
def test_a_history_in_a_bad_state_fails(site: Site, case: str) -> None:
    spoil, check = STATES[case]
    spoil(site)
    # A second look finds the same: the first has mended, expired and erased nothing.
    assert check in failed(site.report())
    assert check in failed(site.report())


def test_a_clock_that_began_in_1970_once_makes_nothing_look_old(site: Site) -> None:
    site.make().then(20_000, lambda store: store.tend())
    assert failed(site.report()) == set()


def without_anchor(site: Site) -> None:
    """A whole old copy, with its key, is in itself consistent: nothing inside can tell."""
    site.make()
    before = site.history.read_bytes()
    site.then(0, lambda store: store.set_consent(USER, "aggregates", True))
    site.history.write_bytes(before)


def anchor_unused(site: Site) -> None:
    site.make().anchor = site.folder / "anchors" / "anchor"


def key_above(site: Site) -> None:
    """A backup of that folder takes both along; whether there is one, no program sees."""
    site.make()
    key_moved(site, site.folder / "key")


def removed(site: Site) -> None:
    """Erasure closes old copies; the removal of one event does not, as SECURITY.md says."""
    site.make().then(0, lambda store: store.remove_event(USER, 1))


def withdrawn(site: Site) -> None:
    site.make().then(0, lambda store: store.set_consent(USER, "personalisation", False))


def crowded(site: Site) -> None:
    site.make()
    for number in range(MAX_FILES):
        (site.history.parent / str(number)).touch()


OWED: dict[str, tuple[Spoil, str]] = {
    "an old copy without an anchor": (without_anchor, "roll-back"),
    "an anchor never used": (anchor_unused, "roll-back"),
    "somebody was erased yesterday, and the host is to replace the key": (
        never_rotated(1),
        "erasure",
    ),
    "one event was removed": (removed, "erasure"),
    "consent was withdrawn, and the events kept": (withdrawn, "consent"),
    "the key lies in a folder above": (key_above, "key"),
    "events are kept for two years": (kept(max_age_days=730), "retention"),
    "personal data is left in": (
        lambda site: site.make(scrubber=Scrubber(keep=["phone"])),
        "minimisation",
    ),
    "there are too many files around to look at": (crowded, "copies"),
}


@pytest.mark.parametrize("case", OWED)
def test_what_the_host_has_to_see_to_is_owed(site: Site, case: str) -> None:
    spoil, check = OWED[case]
    spoil(site)
    report = site.report()
    assert check in findings(report, Verdict.OWED)
    assert failed(report) == set()


def test_a_copy_is_told_by_where_it_lies(site: Site) -> None:
    site.make()
    copied(site.history, site.folder / "cache" / site.history.name)
    evidence = findings(site.report(), Verdict.FAILED)["copies"].evidence
    assert os.path.relpath(site.folder / "cache" / "me.db", site.history.parent) in evidence


def test_other_histories_and_other_files_are_no_copies(site: Site) -> None:
    site.make()
    with HistoryStore.open(site.history.with_name("other.db"), os.urandom(32)) as store:
        recorded(store)
    private(site.history.with_name("menu.zip"), b"x")
    private(site.key.with_name("secretary"), os.urandom(32))
    shutil.copy(__file__, site.history.parent)
    assert failed(site.report()) == set()


def test_a_link_to_a_history_and_to_its_key_is_followed(site: Site) -> None:
    """A log that was left behind lies where the link leads to."""
    site.source = KeyFile.create(site.key)
    store = HistoryStore.open(site.history, site.source)
    recorded(store)
    links = site.folder / "links"
    links.mkdir(mode=0o700)
    (links / "me.db").symlink_to(site.history)
    (links / "key").symlink_to(site.key)
    site.history, site.source = links / "me.db", KeyFile(links / "key")
    report = site.report()
    store.close()
    assert failed(report) == set()
    assert "1 events" in findings(report, Verdict.PASSED)["sealing"].evidence


def test_what_was_erased_and_then_closed_passes(site: Site) -> None:
    site.make().then(0, lambda store: store.erase(USER))
    assert "1 people erased" in findings(site.report(), Verdict.PASSED)["erasure"].evidence


def test_what_was_erased_is_closed_by_the_host_s_own_rotation(site: Site) -> None:
    never_rotated(30)(site)
    new = os.urandom(32)
    site.then(0, lambda store: store.rotate_key(new)).source = new
    assert failed(site.report()) == set()


def test_an_anchor_that_is_no_file_is_compared_and_left_alone(site: Site) -> None:
    site.source = KeyFile.create(site.key)
    kept: list[bytes] = []
    anchor = AnchorCallback(lambda: kept[-1] if kept else None, kept.append)
    site.make()
    HistoryStore.open(site.history, site.source, anchor=anchor).close()
    states = len(kept)
    assert states
    assert failed(inspect_history(site.history, site.source, anchor=anchor)) == set()
    kept[-1] = bytes(len(kept[-1]))
    assert failed(inspect_history(site.history, site.source, anchor=anchor)) == {"roll-back"}
    assert len(kept) == states
