"""The command line of the toolchain: what all commands have in common."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank_export.cli import EXIT_SHORT, EXIT_USAGE, build_parser, main
from edge_rerank_export.commands._arguments import EXIT_CODES, pack_folder


def parsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)
    )
    return dict(action.choices)


def test_every_command_says_its_exit_codes_and_what_its_arguments_are() -> None:
    assert set(parsers()) == {
        *("build", "convert", "quantize", "verify", "pack", "finetune", "tune", "results"),
        *("baselines", "peers", "keygen", "sign", "wheel", "data", "replay"),
        *("simulate", "batch", "federate"),
    }
    for name, parser in parsers().items():
        assert parser.epilog == EXIT_CODES, name
        assert all(action.help for action in parser._actions), name


def test_one_flag_means_one_thing() -> None:
    kinds: dict[str, set[tuple[object, object]]] = {}
    for parser in parsers().values():
        for action in parser._actions:
            for flag in action.option_strings:
                kinds.setdefault(flag, set()).add((action.type, action.const))
    differing = {flag for flag, found in kinds.items() if len(found) > 1}
    # --only takes a baseline or a folder, results' --base one pack for each of several folders.
    assert differing == {"--only", "--base"}


def test_help_imports_nothing_that_takes_seconds() -> None:
    heavy = "{'torch', 'transformers', 'optimum', 'scipy', 'implicit', 'optuna', 'onnx'}"
    script = (
        "import sys\n"
        "from edge_rerank_export.cli import build_parser\n"
        "build_parser().format_help()\n"
        f"sys.exit(', '.join({heavy} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "edge_rerank_export.packing.build", None)
    assert main(["build", "default", "--out", str(tmp_path / "pack")]) == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "edge_rerank_export.packing.build is missing" in line


@pytest.mark.parametrize("member", ["uri", "base"])
def test_a_pack_verified_from_elsewhere_is_told_what_folder_is_missing(
    member: str,
    tiny_recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "edge_rerank_export.packing.build", None)
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "of-a-pack.toml"
    text = tiny_recipe.read_text()
    if member == "uri":
        text = re.sub('uri = "[^"]*"', 'uri = "path:my-model"', text)
    else:
        text = text.replace("[source]", '[source]\nbase = "path:my-model"')
    recipe.write_text(text)
    assert main(["verify", str(shipped_pack()), str(recipe)]) == EXIT_USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "expected a folder my-model, found none" in said
    assert "stand where my-model lies" in said


def test_a_pack_is_a_folder_or_the_shipped_one() -> None:
    assert pack_folder("shipped") == shipped_pack()
    assert pack_folder("mine") == Path("mine")


def test_the_figures_as_json(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, converted, again = (tmp_path / name for name in ("pack", "f.onnx", "again"))
    assert main(["build", str(tiny_recipe), "--out", str(out), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built == Pack.open(out).manifest.verification
    assert main(["verify", str(out), str(tiny_recipe), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert {name: verified[name] for name in built} == built
    assert main(["convert", str(tiny_recipe), "--out", str(converted)]) == 0
    assert capsys.readouterr().out == ""
    arguments = ["pack", str(converted), str(tiny_recipe), "--out", str(again), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == Pack.open(again).manifest.verification


def test_figures_that_fall_short_are_printed_all_the_same(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack"
    assert main(["build", str(tiny_recipe), "--out", str(out)]) == 0
    strict = tmp_path / "strict.toml"
    strict.write_text(tiny_recipe.read_text().replace("min_cosine = 0.9", "min_cosine = 1.1"))
    capsys.readouterr()
    assert main(["verify", str(out), str(strict), "--json"]) == EXIT_SHORT
    printed = capsys.readouterr()
    assert json.loads(printed.out)["cosine"] < 1.1
    assert "falls short of the original in: cosine; the layer that costs most is " in printed.err


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["federate", "simulate", "folder"], "flwr", "fleet"),
        (["batch", "--in", "people.parquet", "--items", "items.jsonl"], "pyarrow", "batch"),
    ],
)
def test_without_an_extra_the_command_that_installs_it_is_said(
    command: list[str],
    module: str,
    extra: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in {module, *(name for name in sys.modules if name.startswith(f"{module}."))}:
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("edge_rerank_export.fleet")]:
        monkeypatch.delitem(sys.modules, name)
    assert main([*command, "--out", str(tmp_path / "out")]) == EXIT_USAGE
    assert f'pip install "edge-rerank-export[{extra}]"' in capsys.readouterr().err
