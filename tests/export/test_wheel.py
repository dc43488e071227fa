"""Wheels of packs: installed by pip's own rules, opened by name, and the same bytes twice."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from edge_rerank import Reranker
from edge_rerank.cli.main import main as runtime_main
from edge_rerank.errors import PackInvalid, PackNotFound
from edge_rerank.packs.installed import find_pack, installed_packs
from edge_rerank.packs.manifest import SIGNATURE_NAME
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.trust import Trust
from tests.packs import hostile as packs

wheels = pytest.importorskip("edge_rerank_export.packing.wheel")
RecipeError = pytest.importorskip("edge_rerank_export.errors").RecipeError
main = pytest.importorskip("edge_rerank_export.cli").main


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("packs") / "pack")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Path:
    found: Path = wheels.write_wheel(pack, tmp_path_factory.mktemp("wheels"))
    return found


@pytest.fixture
def site(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for packages in, with the wheel unpacked in it, as pip does."""
    folder = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def test_an_installed_pack_opens_by_name_signature_and_all(site: Path, pack: Path) -> None:
    opened = Pack.open("tiny", trust=Trust([packs.PUBLIC_KEY]))
    assert opened.signed
    assert opened.digest == Pack.open(pack).digest
    assert opened.path == site / "edge_rerank_packs" / "tiny"
    with Reranker.open("tiny") as reranker:
        assert reranker.engine.pack.digest == opened.digest


def test_nothing_in_a_wheel_is_code(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert f"edge_rerank_packs/tiny/{SIGNATURE_NAME}" in names
    assert not [name for name in names if name.endswith((".py", ".pth", ".so"))]


def test_a_path_is_a_folder_whatever_is_installed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_pack("tiny") == site / "edge_rerank_packs" / "tiny"
    assert find_pack("./tiny") == Path("tiny")
    assert find_pack(Path("tiny")) == Path("tiny")
    assert find_pack("other") == Path("other")


def test_a_name_that_is_not_installed_is_told_with_those_that_are(
    site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackNotFound, match=r"installed: shipped, multilingual, tiny"):
        Pack.open("tiniest")


def test_installers_may_link_files_and_others_may_not(site: Path, pack: Path) -> None:
    installed = site / "edge_rerank_packs" / "tiny"
    for path in installed.iterdir():
        os.link(path, site / path.name)
    assert Pack.open("tiny").manifest.name == "tiny"
    elsewhere = site / "edge_rerank_packs" / "other"
    installed.rename(elsewhere)
    with pytest.raises(PackInvalid, match="hard link"):
        Pack.open(elsewhere)


def test_an_entry_point_to_anywhere_else_is_no_pack(site: Path) -> None:
    entries = next(site.glob("*.dist-info")) / "entry_points.txt"
    entries.write_text("[edge_rerank.packs]\ntiny = os.path\nup = edge_rerank_packs...up\n")
    assert installed_packs() == {}


def test_the_same_pack_gives_the_same_bytes(wheel: Path, pack: Path, tmp_path: Path) -> None:
    assert wheels.write_wheel(pack, tmp_path).read_bytes() == wheel.read_bytes()
    with pytest.raises(RecipeError, match="expected no file there yet"):
        wheels.write_wheel(pack, tmp_path)


def test_a_pack_with_a_changed_byte_becomes_no_wheel(tmp_path: Path) -> None:
    folder = packs.write(tmp_path / "pack")
    (folder / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(PackInvalid):
        wheels.write_wheel(folder, tmp_path / "wheels")
    assert not list((tmp_path / "wheels").glob("*"))


@pytest.mark.parametrize("name", ["a pack", "-tiny", "ti/ny", ""])
def test_a_name_that_pip_cannot_use_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="expected a pack whose name"):
        wheels.distribution_name(name)


def test_no_folder_is_made_for_a_wheel_that_cannot_be(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "_NAME", re.compile("none"))
    with pytest.raises(RecipeError, match="expected a pack whose name"):
        wheels.write_wheel(pack, tmp_path / "wheels")
    assert not (tmp_path / "wheels").exists()


def test_the_command_prints_where_the_wheel_is(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wheel", str(pack), "--out", str(tmp_path)]) == 0
    assert Path(capsys.readouterr().out.strip()).parent == tmp_path


def test_packs_lists_what_opens_by_name_and_what_is_damaged(
    site: Path, multilingual: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runtime_main(["packs", "--json"]) == 0
    shipped, chinese, tiny = json.loads(capsys.readouterr().out)["packs"]
    assert (shipped["name"], shipped["needs"]) == ("shipped", [])
    assert (chinese["name"], chinese["needs"], chinese["error"]) == ("multilingual", [], "")
    assert (tiny["name"], tiny["signed"], tiny["error"]) == ("tiny", True, "")
    assert tiny["holds"] == ["encoder (float32)"]
    (site / "edge_rerank_packs" / "tiny" / "tokenizer.json").write_bytes(b"{}")
    assert runtime_main(["packs", "--json"]) == 1
    *_, damaged = json.loads(capsys.readouterr().out)["packs"]
    assert damaged["error"] == "tokenizer.json: not the file that the manifest describes"
    assert runtime_main(["packs"]) == 1
    assert [sign for sign in capsys.readouterr().out if sign in "✓✗"] == ["✓", "✓", "✗"]
