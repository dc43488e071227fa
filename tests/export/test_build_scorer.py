"""From a checkpoint of two layers to a scorer, by the commands alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.sources.weights import file_sha256
from edge_rerank_export.verify.texts import texts_of
from tests.export.records import write_records
from tests.inference.tiny import tiny_llama, tokenizer

pytestmark = pytest.mark.slow

ITEMS = ["bread", "sourdough", "telescope", "mars", "garden roses", "river maps"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-llama")
    torch.manual_seed(0)
    tiny_llama().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    path = folder / "tiny-scorer.toml"
    path.write_text(
        "kind = 'scorer'\n"
        "name = 'tiny-scorer'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{folder}')}\n"
        f"sha256 = '{file_sha256(folder / 'model.safetensors')}'\n"
        "[scorer]\nheading = 'Liked:'\nstart = '<s>'\nline_tokens = 12\nhistory_tokens = 60\n"
        "vocabulary = 100\nquantisation = 'int8'\nfine = '/down/'\n"
        "[bounds]\nmin_tau = 0.95\nmax_ndcg_loss = 0.5\n"
    )
    return path


def data_set(folder: Path, *, reverse: bool) -> Path:
    """Three requests; the items of the folder turned round are others."""
    folder.mkdir()
    texts = [text[::-1] if reverse else text for text in ITEMS]
    items = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    requests = [
        {
            "user": f"u{n}",
            "history": [{"item": str(n), "timestamp": 1}, {"item": str(n + 1), "timestamp": 2}],
            "candidates": [str(other) for other in range(len(ITEMS)) if other not in {n, n + 1}],
            "clicked": [str((n + 3) % len(ITEMS))],
            "timestamp": 3,
        }
        for n in range(3)
    ]
    for name, rows in (("items", items), ("test", requests)):
        write_records(folder / f"{name}.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def pack(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("scorer")
    out, texts = work / "pack", data_set(work / "data", reverse=False)
    assert main(["build", str(recipe), "--out", str(out), "--texts", str(texts)]) == 0
    return out


def test_build_gives_a_scorer(pack: Path) -> None:
    opened = Pack.open(pack)
    assert set(opened.manifest.verification) >= {"kendall_tau", "conversion_error"}
    scores = Scorer(opened).score(ITEMS[2:], ITEMS[:2])
    assert len(set(scores.tolist())) == len(ITEMS) - 2


@pytest.mark.parametrize("scheme", ["float16", "int4", "none"])
def test_build_in_other_forms(recipe: Path, tmp_path: Path, scheme: str) -> None:
    other = tmp_path / "other.toml"
    text = recipe.read_text().replace("'int8'", f"'{scheme}'")
    other.write_text(text)
    if scheme != "none":
        assert main(["build", str(other), "--out", str(tmp_path / "pack")]) == 2
    other.write_text(
        text.replace("fine = '/down/'\n", "").replace("min_tau = 0.95", "min_tau = 0.7")
    )
    assert main(["build", str(other), "--out", str(tmp_path / "pack")]) == 0
    opened = Pack.open(tmp_path / "pack")
    assert opened.manifest.scorer is not None
    assert opened.manifest.scorer.quantisation == scheme
    assert opened.manifest.verification["company_effect"] <= 1e-4


def test_verify_counts_the_requests_of_every_folder(
    pack: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [data_set(tmp_path / name, reverse=name == "b") for name in ("a", "b")]
    options = [word for folder in folders for word in ("--texts", str(folder))]
    command = ["verify", str(pack), str(recipe), *options, "--json"]
    assert main([*command, "--requests", "2"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["rankings"] == 4
    assert figures["kendall_tau"] >= 0.5
    assert "ndcg_loss" in figures
    assert set(figures["orders"][0]["by_source"]) == {"a", "b"}
    names = {one["name"]: one["fine"] for one in figures["layers"]["layers"]}
    assert {"qkv", "gate_1", "down", "down_1"} <= set(names)
    assert {name for name, fine in names.items() if fine} == {"down"}  # as the recipe says


def test_a_scorer_of_another_model_falls_short(pack: Path, recipe: Path, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "other"
    folder.mkdir()
    for source in recipe.parent.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    torch.manual_seed(5)
    tiny_llama().save_pretrained(folder)
    other = folder / "other.toml"
    other.write_text(
        recipe.read_text()
        .replace(str(recipe.parent), str(folder))
        .replace(
            file_sha256(recipe.parent / "model.safetensors"),
            file_sha256(folder / "model.safetensors"),
        )
    )
    texts = data_set(tmp_path / "data", reverse=False)
    assert main(["verify", str(pack), str(other), "--texts", str(texts)]) == 3


def test_texts_of_folders_are_told_apart(tmp_path: Path) -> None:
    folders = [data_set(tmp_path / name, reverse=name == "b") for name in ("a", "b")]
    texts = texts_of(*folders, limit=1)
    assert len(texts.cases) == 2
    assert [texts.texts[place] for place in texts.cases[1].history] == [
        text[::-1] for text in ITEMS[:2]
    ]
