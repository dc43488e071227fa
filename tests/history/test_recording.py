"""The way into the store: what is left in is noted for good, and long texts are cut first."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from edge_rerank import Event, History, Item, Scrubber
from edge_rerank.privacy.scrub import KEPT_NOTE, OVERLAP_CHARS

KEY = bytes(range(32))


def noted(history: History) -> list[str]:
    content = history._store.read_note(KEPT_NOTE)
    assert content is not None
    kinds: list[str] = json.loads(content)
    return kinds


def test_the_note_of_kept_kinds_only_grows(tmp_path: Path) -> None:
    """What one scrubber left in stays noted when the next leaves nothing in."""
    steps = (([], []), (["ip"], ["ip"]), (["phone", "ip"], ["ip", "phone"]), ([], ["ip", "phone"]))
    for number, (keep, expected) in enumerate(steps):
        with History.open(tmp_path / "h.db", KEY, scrubber=Scrubber(keep=keep)) as history:
            history.consent("u", True)
            history.record(Event("click", Item(f"i{number}")), user="u")
            assert noted(history) == expected


MB100 = 100_000_000
UNITS = ("a ", "jane@example.com ", "1 ", "é1 ", " ", "\u200b", "x")


@pytest.mark.bench
@pytest.mark.parametrize("unit", UNITS)
def test_recording_100_mb_of_text_takes_less_than_50_ms(unit: str) -> None:
    text = (unit * (MB100 // len(unit) + 1))[:MB100]
    events = [Event("click", Item("i", text)), Event("search", query="shoes" + text)]
    with History.open() as history:
        history.consent("u", True)
        history.record(Event("view", Item("w", "warm up 12 jane@example.com")), user="u")
        for event in events:
            started = time.process_time()
            assert history.record(event, user="u") == 1
            assert time.process_time() - started < 0.05


PERSONAL = (
    "jane.canary@example.com",
    "+49 171 5550199",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "jane.canary (at) example (dot) com",
    "ghp_a8F3k29dKq0ZbV7x1mNcghp0a8F3k29dKq0Z",
    "jane@ex\u200bample.com",
)


@pytest.mark.parametrize("personal", PERSONAL)
def test_nothing_at_the_cut_stays_half_readable(personal: str) -> None:
    """Wherever the cut falls in it, and however much comes after it, none of it is left."""
    scrubber = Scrubber()
    for offset in range(-2, len(personal) + 3):
        for after in ("", " end", " end" * 1000):
            for before in ("see ", "sée "):
                text = (before * 300)[: 1000 - offset - 1] + " " + personal + after
                left = scrubber.scrub(text, chars=1000).text
                assert len(left) <= 1000
                kept = left.replace("[", " ").split()
                assert not set(kept) & {"jane", "canary", "4111", "1111", "+49", "171", "DE89"}
                assert not any(word.startswith(("ghp_", "jane")) for word in kept), left[-60:]


def test_invisible_signs_do_not_hide_what_lies_at_the_cut() -> None:
    hidden = "jane@ex" + "\u200b" * 5000 + "ample.com"
    left = Scrubber().scrub("see " * 200 + hidden + " end" * 1000, chars=1000).text
    assert "jane" not in left


def test_a_cut_text_is_the_same_as_the_whole_one_cut_afterwards() -> None:
    text = "where to buy shoes of jane@example.com in size 12, " * 200
    scrubber = Scrubber()
    cut, whole = scrubber.scrub(text, chars=1000).text, scrubber.scrub(text).text
    assert whole.startswith(cut)
    assert len(text) - OVERLAP_CHARS > 1000 > len(cut) > 700
