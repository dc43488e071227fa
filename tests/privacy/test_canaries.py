"""Nothing that a person did, or is, can be read anywhere but through the door."""

from __future__ import annotations

import base64
import logging
import shutil
import sqlite3
import traceback
from pathlib import Path

import pytest

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import EdgeRerankError
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.retention import Retention

CANARIES = tuple(f"Canary{n:02d}Qz{n * 7919:06d}" for n in range(28))


def forms(canary: str) -> set[bytes]:
    """A string as it might be found: raw, UTF-16, hexadecimal, base64 at each alignment."""
    found = set[bytes]()
    for raw in (canary.encode(), canary.encode("utf-16-le"), canary.encode("utf-16-be")):
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + raw)
            found.add(encoded[4 if shift else 0 : len(encoded) - 4])
    return found


def events() -> list[Event]:
    def item(n: int) -> Item:
        return Item(CANARIES[n], CANARIES[n + 1], [CANARIES[n + 2]], fields={"x": CANARIES[n + 3]})

    return [
        Event("click", item(0), ranking=CANARIES[4], id=CANARIES[5], timestamp=10),
        Event("view", item(6), dwell_s=3, query=CANARIES[10], timestamp=11),
        Event("search", query=CANARIES[11], timestamp=12),
        Event("purchase", item(12), value=7, id=CANARIES[16], timestamp=13),
        Event("rating", item(17), value=4, timestamp=14),
    ]


def test_the_forms_are_found_where_they_are() -> None:
    """The control: each form is found in text that does hold the string."""
    text = f"x{CANARIES[0]}y"
    for held in (
        text.encode(),
        text.encode("utf-16-le"),
        text.encode().hex().encode(),
        base64.b64encode(text.encode()),
        base64.b64encode(b"xx" + text.encode()),
    ):
        assert any(form in held for form in forms(CANARIES[0]))


def test_canaries_are_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("SQLITE_TMPDIR", str(temporary))
    folder = tmp_path / "store"
    folder.mkdir()
    users = CANARIES[21], CANARIES[22]
    seen: list[bytes] = []
    statements: list[str] = []
    failures: list[str] = []

    def look() -> None:
        files = [*folder.iterdir(), *temporary.iterdir()]
        seen.extend(file.name.encode() + file.read_bytes() for file in files)

    def fails(call: object, *arguments: object, **options: object) -> None:
        try:
            call(*arguments, **options)  # type: ignore[operator]
        except EdgeRerankError as error:
            failures.append("".join(traceback.format_exception(error)))
            return
        raise AssertionError("expected an error")

    path, source = folder / "me.db", KeyFile.create(folder / "key")
    with Reranker.open(history=path, key=source, retention=Retention(30, 50)) as reranker:
        database = reranker._history._store._vault.file.db.conn
        database.set_trace_callback(statements.append)
        fails(reranker.record, events(), user=users[0])
        fails(reranker.describe, users[0], {CANARIES[24]: CANARIES[25]})
        for user in users:
            reranker.consent(user, True)
            reranker.consent(user, True, purpose="aggregates")
            reranker.record(events(), user=user)
            reranker.describe(user, {CANARIES[24]: CANARIES[25], "other": CANARIES[26]})
            look()
        reranker.describe(users[1], {CANARIES[24]: None})
        fails(reranker.describe, users[1], {CANARIES[24]: [CANARIES[25]]})
        moment = {CANARIES[26]: CANARIES[27]}
        candidates = [Item(CANARIES[0], CANARIES[1])]
        reranker.rank(
            candidates, user=users[0], query=CANARIES[11], context=moment, surface=CANARIES[27]
        )
        fails(reranker.rank, candidates, context=dict(moment, hour=99), surface=CANARIES[27])
        fails(reranker.rank, candidates, surface=f" {CANARIES[27]}")
        record = reranker.history.access(users[0]).events[1].record
        reranker.history.remove_event(users[0], record)
        reranker.history.pause(users[0])
        fails(reranker.record, events(), user=users[0])
        fails(reranker.record, Event("click", Item(CANARIES[0]), timestamp=1e15), user=users[1])
        fails(reranker.history.restore, CANARIES[3], user=users[1])
        fails(reranker.consent, users[0], True, purpose=f" {CANARIES[23]}")
        reranker._history._store.rotate_person_key(users[1])
        reranker.history.verify()
        reranker.history.audit_log()
        look()
        shutil.copy(path, tmp_path / "damaged.db")
        reranker.forget(users[1])
        look()
    look()
    fails(reranker.record, events(), user=users[0])
    assert any(statement.startswith("INSERT INTO events") for statement in statements)

    damaged = tmp_path / "damaged.db"
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE events SET sealed = zeroblob(length(sealed))")
    connection.close()
    fails(Reranker.open, history=damaged, key=source)

    assert len(failures) >= 6
    logged = "\n".join(record.getMessage() for record in caplog.records)
    texts = [logged, *statements, *failures]
    for canary in CANARIES:
        for form in forms(canary):
            assert not any(form in content for content in seen)
            assert not any(form in text.encode("utf-8", "replace") for text in texts)
