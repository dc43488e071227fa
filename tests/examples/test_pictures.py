"""The shop of pictures: what looks like a like leads, and says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_rerank import Reranker
from examples.pictures import main as pictures
from tests.packs.media_packs import write_media_pack
from tests.ranking.test_media import COLOURS, painted

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for at in range(4):
        for colour in COLOURS:
            Image.fromarray(painted(colour, at)).save(made / f"{colour}-{at}.png")
    (made / "notes.txt").write_text("no picture")
    return made


def test_what_looks_like_a_like_leads(folder: Path, tmp_path: Path) -> None:
    with Reranker.open(write_media_pack(tmp_path / "pack", weight=2.0)) as reranker:
        ranking = pictures.shown(reranker, pictures.gallery(folder), ["red-0.png", "red-1.png"])
    assert len(ranking) == 10
    assert ranking[0].item.id in {"red-2.png", "red-3.png"}


def test_the_command_prints_why(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pack = write_media_pack(tmp_path / "pack", weight=2.0)
    monkeypatch.setattr(sys, "argv", ["main", str(pack), str(folder), "blue-0.png"])
    pictures.main()
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(" 1 blue-")
    assert "looks like what you chose: blue-0.png" in first
