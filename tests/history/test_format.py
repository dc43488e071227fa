"""FORMAT.md says what is in a file: a second reader, written from it alone, opens real ones."""

from __future__ import annotations

from pathlib import Path

from edge_rerank import Event, Item
from edge_rerank.history.vault.rekey import Rekey, begin_epoch
from edge_rerank.history.vault.store import HistoryStore
from tests.history.reader import Reader, derive, imprint, keyed_hash

KEY = bytes(range(32))


def test_a_second_reader_reads_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with HistoryStore.open(
        path, KEY, anchor=tmp_path / "anchor", new=True, _clock=lambda: 50.0
    ) as store:
        store.set_consent("alice", "personalisation", True)
        store.append(
            "alice",
            [
                Event("view", Item("i", "a text", ["A"], 3), timestamp=7, dwell_s=2.5, id="e"),
                Event("search", query="tea", timestamp=9),
            ],
        )
        store.append("bob", [Event("like", Item("j", vector=[1.0, -2.0]), timestamp=3)])
        store.write_note("budget", b"3")
        store.set_state("bob", "head", b"old")
        store.set_state("bob", "head", bytes(range(256)) * 20)
        store.rotate_person_key("bob")
    reader = Reader(path, KEY)
    fields, events = reader.person("alice")
    assert fields["consents"] == {"personalisation": [True, 50]}
    item = ["i", "a text", ["A"], 3.0, None]
    assert events == [
        [1, 50, "view", 7, item, 2.5, None, None, None, None, None, "e"],
        [1, 50, "search", 9, None, None, None, "tea", None, None, None, None],
    ]
    bob, events = reader.person("bob")
    assert events[0][4] == ["j", "", [], None, "ADwAwA=="]
    assert (bob["states"], bob["last_state"]) == ({"head": [2, 2, 50]}, 3)
    assert reader.state("bob", "head") == bytes(range(256)) * 20
    assert reader.root_holds()
    actions = [entry["action"] for entry in reader.audit()]
    assert actions == ["created", "consent-granted", "person-key-rotated"]
    anchor = (tmp_path / "anchor").read_bytes()
    key = reader.newest.key(b"anchor")
    print_ = keyed_hash(key, imprint(reader.meta["root"])).to_bytes(16, "big")
    body = reader.store + reader.root["generation"].to_bytes(8, "big") + print_
    assert anchor == body + derive(key, b"state", body)


def test_a_second_reader_reads_a_file_that_is_being_rekeyed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        for user in ("alice", "bob", "carol"):
            store.set_consent(user, "personalisation", True)
            store.append(user, [Event("search", query="tea", timestamp=9)])
            store.set_state(user, "head", user.encode() * 1000)
        store.write_note("budget", b"3")
        for _ in range(2):
            begin_epoch(store._vault)
            work = Rekey(store._vault)
            while work._audited is not None:
                work.step(2)
            work.step(2)
        store.append("dora", [Event("search", query="milk", timestamp=9)])
    reader = Reader(path, KEY)
    assert sorted(reader.rings) == [1, 2, 3]
    epochs = {epoch for (epoch,) in reader.db.execute("SELECT epoch FROM people")}
    assert len(epochs) > 1
    for user in ("alice", "bob", "carol", "dora"):
        assert reader.person(user)[1][0][7] == ("milk" if user == "dora" else "tea")
        assert user == "dora" or reader.state(user, "head") == user.encode() * 1000
    assert reader.root_holds()
    assert reader.note("budget") == b"3"
    assert len(reader.audit()) == 4
