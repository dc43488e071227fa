"""The documents: short, in step with each other, and without a link that leads nowhere."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CHINESE = ROOT / "README.zh-CN.md"
TOOLCHAIN = ROOT / "export" / "README.md"
EXPERIMENTS = ROOT / "export" / "EXPERIMENTS.md"
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "shared" for part in path.relative_to(ROOT).parts)
)
TRANSLATED = [path.with_name("README.md") for path in DOCUMENTS if path.name == "README.zh-CN.md"]

OURS = [path for path in DOCUMENTS if "models" not in path.relative_to(ROOT).parts]
"""Without the model cards, which their packs' digests pin."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_PERCENT = re.compile(
    r"NDCG(?:@\d+)?(?: \w+)? [1-9]\d*\.\d|\| (?:\*\*)?[1-9]\d*\.\d+(?:/\S+)?(?:\*\*)? (?=\|)"
)
"""NDCG in hundredths: in a sentence, or as a cell of a table that names no unit."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    return _FENCE.sub("", read(path))


def headings(path: Path) -> list[tuple[int, str]]:
    return [(len(marks), title) for marks, title in _HEADING.findall(prose(path))]


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    return {
        "".join(
            sign
            for sign in title.lower().replace(" ", "-")
            if sign in "-_" or unicodedata.category(sign)[0] in "LN"
        )
        for _, title in headings(path)
    }


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(read(README).split()) < 1000


def test_both_readmes_have_the_same_code() -> None:
    blocks = _FENCE.findall(read(README))
    assert len(blocks) == 4
    assert _FENCE.findall(read(CHINESE)) == blocks


def test_both_readmes_have_the_same_headings() -> None:
    assert [level for level, _ in headings(CHINESE)] == [level for level, _ in headings(README)]


def test_both_readmes_lead_to_the_same_places() -> None:
    assert sorted(_LINK.findall(read(CHINESE))) == sorted(_LINK.findall(read(README)))


def test_both_readmes_have_the_same_figures() -> None:
    def figures(path: Path) -> list[list[str]]:
        rows = [line for line in prose(path).splitlines() if line.startswith("|")]
        return [re.findall(r"\d+(?:\.\d+)?", row) for row in rows]

    assert figures(CHINESE) == figures(README)


def test_both_readmes_name_the_same_commands() -> None:
    def named(path: Path) -> list[str]:
        return re.findall(r"^\| `(edge-rerank [^`]+)`", read(path), re.MULTILINE)

    assert named(CHINESE) == named(README)


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_and_its_translation_keep_step(path: Path) -> None:
    """The same code, the same outline, and rows that name the same things in each table."""
    chinese = path.with_name("README.zh-CN.md")
    assert _FENCE.findall(read(chinese)) == _FENCE.findall(read(path))
    assert [level for level, _ in headings(chinese)] == [level for level, _ in headings(path)]

    def rows(page: Path) -> list[tuple[int, list[str]]]:
        lines = [line for line in prose(page).splitlines() if line.startswith("|")]
        return [(line.count("|"), sorted(re.findall(r"`[^`]+`", line))) for line in lines]

    assert rows(chinese) == rows(path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in _LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        linked = path.parent / place if place else path
        assert linked.exists(), f"links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"links to {target}"


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_ndcg_goes_from_0_to_1(path: Path) -> None:
    assert "× 100" not in read(path)
    assert not _PERCENT.findall(prose(path))


def test_every_experiment_is_in_the_table_of_decisions() -> None:
    table, _, _ = prose(EXPERIMENTS).partition("\n## ")
    linked = {target.removeprefix("#") for target in _LINK.findall(table) if target[0] == "#"}
    sections = {title for level, title in headings(EXPERIMENTS) if level == 2}
    assert len(linked) == len(sections)
    assert linked <= anchors(EXPERIMENTS)


def test_every_recipe_and_its_keys_are_described() -> None:
    page = read(TOOLCHAIN)
    for path in sorted((TOOLCHAIN.parent / "recipes").glob("*.toml")):
        assert f"](recipes/{path.name})" in page
        for name, value in tomllib.loads(read(path)).items():
            keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
            for key in keys:
                assert f"`{key}`" in page, f"{path.name} has {key}"
