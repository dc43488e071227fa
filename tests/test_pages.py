"""The pages beside the code: every block of theirs runs, and the README leads to each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import blocks_of, run_page

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in (ROOT / "edge_rerank").rglob("*.md")
    if "models" not in path.parts and path.name != "FORMAT.md"
)
OWN_TESTS = {
    "integrations": "integrations/test_page.py",
    "render": "render/test_presentation.py",
    "serve": "serve/test_page_of_the_server.py",
}
"""Pages whose blocks take more than a working folder, and what runs them."""

LANGUAGES = {"python", "sh", "json", "text", "html", "ini", "js", "ts", "toml"}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name not in OWN_TESTS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_block_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (home := tmp_path / "home", here := tmp_path / "here"):
        folder.mkdir(mode=0o700)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert run_page(page), "expected a page with code that runs"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_name_their_language(page: Path) -> None:
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks_of(page))
    assert {block.language for block in blocks_of(page)} <= LANGUAGES


def test_there_is_a_page_for_every_topic() -> None:
    topics = {path.parent.name for path in PAGES}
    assert topics >= {"edge_rerank", "formats", "history", "packs", *OWN_TESTS}
    assert all((ROOT / "tests" / name).is_file() for name in OWN_TESTS.values())
