from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_rerank import Item, Reranker
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.errors import UnsupportedModel, VerificationFailed
from edge_rerank_export.models.text_encoder import load_encoder
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.verify.orders import _ndcg, kendall_tau


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


def test_build_gives_a_pack_that_ranks(tiny_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    assert main(["build", str(tiny_recipe), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "MODEL_CARD.md",
        "recipe.toml",
        "encoder.onnx",
        "manifest.json",
        "tokenizer.json",
    }
    manifest = Pack.open(out).manifest
    assert manifest.encoder is not None
    assert manifest.encoder.dim == 32
    assert set(manifest.verification) >= {"kendall_tau", "cosine", "difference", "batch_effect"}
    assert "kendall_tau" not in (out / "MODEL_CARD.md").read_text()  # explained in words
    with Reranker.open(out) as reranker:
        ranking = reranker.rank(
            [Item("1", "Cast iron skillet"), Item("2", "steel knife")], query="Cast iron"
        )
    assert ranking[0].item.id == "1"
    # A second build of the same recipe gives the same bytes.
    again = tmp_path / "again"
    assert main(["build", str(tiny_recipe), "--out", str(again)]) == 0
    assert (again / "manifest.json").read_bytes() == (out / "manifest.json").read_bytes()
    assert main(["build", str(tiny_recipe), "--out", str(out)]) == 2  # something is there
    assert main(["build", str(tiny_recipe), "--out", str(out), "--overwrite"]) == 0


def test_the_steps_one_by_one(tiny_recipe: Path, tiny_bert: Path, tmp_path: Path) -> None:
    converted, quantised, out = (tmp_path / name for name in ("f.onnx", "q.onnx", "pack"))
    assert main(["convert", str(tiny_recipe), "--out", str(converted)]) == 0
    assert main(["convert", str(tiny_recipe), "--out", str(converted)]) == 2  # there already
    tokenizer = str(tiny_bert / "tokenizer.json")
    arguments = ["quantize", str(converted), "--out", str(quantised), "--tokenizer", tokenizer]
    assert main(arguments) == 0
    assert quantised.stat().st_size < converted.stat().st_size
    assert main(["pack", str(quantised), str(tiny_recipe), "--out", str(out)]) == 0
    assert main(["verify", str(out), str(tiny_recipe)]) == 0


def test_a_model_that_ranks_differently_is_not_packed(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    converted = tmp_path / "f.onnx"
    assert main(["convert", str(tiny_recipe), "--out", str(converted)]) == 0
    model = onnx.load(str(converted))
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 2:
            matrix = numpy_helper.to_array(tensor)
            noisy = matrix + rng.normal(scale=matrix.std(), size=matrix.shape)
            tensor.CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), tensor.name))
    onnx.save(model, str(converted))
    out = tmp_path / "pack"
    assert main(["pack", str(converted), str(tiny_recipe), "--out", str(out)]) == 3
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".pack")] == []
    assert "falls short of the original in:" in capsys.readouterr().err


def test_an_error_midway_leaves_nothing_and_the_old_pack_in_place(tmp_path: Path) -> None:
    out = tmp_path / "pack"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    with pytest.raises(VerificationFailed), staged(out, overwrite=True) as stage:
        (stage / "new").write_text("new")
        raise VerificationFailed("short")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert (out / "manifest.json").read_text() == "old"


def test_other_model_types_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(UnsupportedModel, match="got 'mamba'"):
        load_encoder(tmp_path)
    with pytest.raises(UnsupportedModel, match=r"config\.json cannot be read"):
        load_encoder(tmp_path / "nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "unknown", "--out", "x"],
        ["quantize", "missing.onnx", "--out", "x.onnx"],
        ["verify", "no-pack", "default"],
        ["pack", "missing.onnx", "default", "--out", "x"],
    ],
)
def test_wrong_arguments_end_with_two_and_one_line(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("edge-rerank.export: ")
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_usage_mistakes_end_with_two() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build"])
    assert caught.value.code == 2


def test_rank_agreement_by_hand() -> None:
    assert kendall_tau(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == 1.0
    assert kendall_tau(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1.0
    assert kendall_tau(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(1 / 3)
    # One tie on the left: (2 concordant) / sqrt(2 · 3).
    assert kendall_tau(np.array([1.0, 1, 3]), np.array([1.0, 2, 3])) == pytest.approx(2 / 6**0.5)
    assert _ndcg(np.array([0.1, 0.9, 0.5]), [2]) == pytest.approx(1 / np.log2(3))


def test_without_the_toolchain_the_command_says_how_to_install_it() -> None:
    script = (
        "import sys, importlib.abc\n"
        "class Block(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('edge_rerank_export'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from edge_rerank.export import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install ./export" in done.stderr
    assert len(done.stderr.splitlines()) == 1
