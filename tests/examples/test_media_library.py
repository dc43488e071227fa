"""The media library, driven with clicks and keys: once without a screen, once on one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("drive_media_library.py")
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "examples" / "media_library")])


def drive(act: str, folder: Path, **variables: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(DRIVER), act, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=450,
        env={**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1", **variables},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, Any]:
    return drive("first", folder, QT_QPA_PLATFORM="offscreen")


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """A real X server without a monitor."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().decode().strip()}"
        server.terminate()


@pytest.fixture(scope="module")
def second(first: dict[str, Any], folder: Path, screen: str) -> dict[str, Any]:
    return drive("second", folder, DISPLAY=screen, QT_QPA_PLATFORM="xcb", QT_SCALE_FACTOR="2")


def test_nothing_is_kept_before_consent(first: dict[str, Any]) -> None:
    assert first["asked for consent"]
    assert first["kept without consent"] == []
    assert first["unmoved without consent"]
    assert not first["asked again"]


def test_tiles_show_the_order(first: dict[str, Any]) -> None:
    assert first["shown in order"]
    assert len(set(first["everybody"])) == 90


def test_what_was_chosen_lifts_its_kind_and_why_says_so(first: dict[str, Any]) -> None:
    before, after = first["places"]
    assert after < before - 5
    chosen = [line for line in first["why"] if "Detective" in line or "because you chose" in line]
    assert chosen
    assert first["why by key"] == first["why"]


def test_the_slider_goes_from_everybodys_order_to_the_persons(first: dict[str, Any]) -> None:
    assert first["general"]
    assert first["personal"]
    before, after = first["places"]
    steps = [before, *first["slid"]]
    assert all(later <= earlier + 3 for earlier, later in pairwise(steps)), "or shared out"
    assert len(set(steps)) >= 4
    assert steps[-1] == after


def test_a_search_finds(first: dict[str, Any]) -> None:
    assert {"Bird Before Breakfast", "Field Guide to City Birds"} <= set(first["found"])


def test_arrow_keys_move_between_tiles_and_return_opens(first: dict[str, Any]) -> None:
    down, right, down_again, left, up = first["arrows"]
    assert 1 <= down <= 4 and right == down + 1
    assert down_again == right + 4
    assert left == down_again - 1 and up == down
    focused, opened = first["opened by key"]
    assert focused == opened


def test_a_slow_model_blocks_nothing_and_stale_requests_are_dropped(first: dict[str, Any]) -> None:
    """Of 52 requests the one at work and the newest are begun, and the newest is shown."""
    assert first["busy"]["asked"] == [0.99, 1.0]
    assert first["busy"]["listed"] == 1
    assert first["busy"]["ticks"] > 20


def test_the_privacy_page_shows_what_was_done_with_how_long(first: dict[str, Any]) -> None:
    *newer, looked, opened = first["kept"]
    assert opened == ["opened", "The Clockmaker Vanishes"]
    words, title = looked
    assert title == opened[1] and words.startswith("looked at for ") and int(words.split()[3]) >= 1
    assert ["liked", "A Colder Harbour"] in newer
    assert ["searched for", "songs of birds"] in newer


def test_pausing_and_removing(first: dict[str, Any]) -> None:
    assert first["kept while paused"] == first["kept"]
    assert first["kept after removal"] == first["kept"][1:]


def test_the_export_is_the_owners_alone_and_complete(first: dict[str, Any]) -> None:
    path = Path(first["exported"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = json.loads(path.read_text(encoding="utf-8"))
    assert len(data["events"]) == len(first["kept after removal"])
    assert data["consents"]["personalisation"]["granted"] is True


def test_dark_follows_the_systems_palette(first: dict[str, Any]) -> None:
    assert first["dark"]["ground"] < 60
    assert first["dark"]["words"] > 200


def test_on_a_real_screen_the_next_day(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert second["platform"] == "xcb"
    assert second["pixels a point"] == 2
    assert second["colours on the screen"] > 50
    assert not second["asked for consent"]
    assert second["kept"] == len(first["kept after removal"])
    assert second["order"] != first["everybody"]


def test_a_second_window_says_that_there_is_one(second: dict[str, Any]) -> None:
    assert second["a second window says"] == "The library is open already."


def test_erased_is_gone(first: dict[str, Any], second: dict[str, Any], folder: Path) -> None:
    assert second["still kept before the second click"] == second["kept"]
    assert second["kept after erasure"] == []
    assert second["asked again"]
    assert second["order after erasure"] == first["everybody"]
    assert (folder / "data" / "history.db").exists()
