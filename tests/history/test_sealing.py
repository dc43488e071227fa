from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, Item
from edge_rerank.history import crypto as _primitives
from edge_rerank.history.crypto import (
    BUCKETS,
    MAX_PLAINTEXT,
    OVERHEAD,
    SealingKey,
    Unsealable,
    key_id_of,
)
from edge_rerank.history.vault.codec import decode, encode, minimise

KEY = SealingKey(bytes(range(32)), 7)


class Stream:
    """SHAKE-128 of nothing, read bit by bit."""

    def __init__(self, size: int) -> None:
        self._bytes = hashlib.shake_128(b"").digest(size)
        self._at = 0

    def read(self, size: int) -> bytes:
        self._at += size
        return self._bytes[self._at - size : self._at]

    def string(self) -> bytes:
        return self.read(self.read(1)[0])


def test_accumulated_vectors() -> None:
    """ "Accumulated randomized tests" of https://c2sp.org/XAES-256-GCM, 10,000 iterations."""
    stream, found = Stream(10_000 * (32 + 24 + 512)), hashlib.shake_128()
    assert stream.read(16).hex() == "7f9c2ba4e88f827d616045507605853e"
    stream = Stream(10_000 * (32 + 24 + 512))
    for _ in range(10_000):
        key, nonce = stream.read(32), stream.read(24)
        plaintext, associated_data = stream.string(), stream.string()
        found.update(SealingKey(key).encrypt(nonce, plaintext, associated_data))
    assert found.hexdigest(32) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@given(st.binary(max_size=MAX_PLAINTEXT), st.binary(max_size=64))
def test_round_trip_in_padded_sizes(plaintext: bytes, context: bytes) -> None:
    sealed = KEY.seal(plaintext, context)
    assert KEY.open(sealed, context) == plaintext
    assert len(sealed) - OVERHEAD in BUCKETS
    assert key_id_of(sealed) == 7


def test_another_key_id_is_refused() -> None:
    sealed = KEY.seal(b"x", b"")
    with pytest.raises(Unsealable):
        SealingKey(bytes(range(32)), 8).open(sealed, b"")


def test_nonces_of_cloned_machines_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clones draw the same random bytes, and seal different things."""
    monkeypatch.setattr(_primitives.os, "urandom", bytes)
    first, again, other = (KEY.seal(text, b"ctx") for text in (b"one", b"one", b"two"))
    assert first == again
    assert first[6:30] != other[6:30]
    assert first[6:30] != KEY.seal(b"one", b"another")[6:30]
    assert os.urandom(4) == bytes(4)


texts = st.text(max_size=1200)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=512)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
items = st.builds(
    Item,
    ids,
    texts,
    st.lists(ids, max_size=10),
    st.none() | st.floats(0, 1e9),
    vector=st.none() | st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=800),
)
events = st.builds(
    Event,
    st.sampled_from(["click", "view", "rating"]),
    items,
    timestamp=st.floats(0, 2**40),
    dwell_s=st.none() | st.floats(0, 1800),
    scroll=st.none() | st.floats(0, 1),
    query=st.none() | texts,
    value=numbers,
    ranking=st.none() | ids,
    position=st.none() | st.integers(1, 2**31 - 1),
    id=st.none() | ids,
)


@given(events)
def test_any_event_fits_and_comes_back_as_it_was_kept(event: Event) -> None:
    payload, kept = encode(event, recorded=5)
    assert len(payload) <= MAX_PLAINTEXT
    ((read, recorded),) = decode([payload])
    assert (read, recorded) == (kept, 5)
    assert read.item is not None
    assert kept.item is not None
    if kept.item.vector is not None:
        assert read.item.vector is not None
        assert read.item.vector.tolist() == kept.item.vector.tolist()
    assert read.item.id == event.item.id  # type: ignore[union-attr]


def test_the_longest_event_there_can_be() -> None:
    worst = "\x01" * 512  # six bytes each in JSON
    event = Event(
        "click",
        Item(worst, "\x01" * 5000, [worst] * 64, 1.0, vector=[0.1] * 4096),
        timestamp=2.0**40,
        query="\x01" * 5000,
        ranking=worst,
        id=worst,
    )
    payload, kept = encode(event, recorded=2**40)
    assert len(payload) <= MAX_PLAINTEXT
    assert kept.item is not None
    assert kept.item.id == worst


def test_a_small_event_is_kept_whole() -> None:
    event = Event("view", Item("i", "t", ["a"], 2.0), timestamp=7.0, ranking="r", id="e")
    assert encode(event, recorded=1)[1] == minimise(event) == event


def test_the_bytes_of_an_event() -> None:
    """As in files of 0.1: what is written in another order or form needs another format."""
    item = Item("i", "t é", ["a"], 2.0, vector=[0.5, -1.0], score=3.0, fields={"url": "u"})
    event = Event("view", item, timestamp=7.9, dwell_s=3, position=4, ranking="r", id="e")
    assert encode(event, recorded=9)[0] == (
        '[1,9,"view",7,["i","t é",["a"],2.0,"ADgAvA=="],3.0,null,null,null,"r",4,"e"]'.encode()
    )
