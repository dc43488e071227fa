"""Finer inputs where a measurement asks for them, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import transformers

from edge_rerank_export.cli import main
from edge_rerank_export.packing.language import LanguageBuilder
from edge_rerank_export.quantize.fine import (
    ALL,
    NONE,
    Measured,
    ProductGroup,
    find_fine,
    most_measurements,
    pattern_of,
    product_groups,
)
from edge_rerank_export.recipes.read import read_recipe
from tests.export.encoders import recipe_file, save_encoder


def groups(*weights: int) -> list[ProductGroup]:
    return [ProductGroup((f"/p{n}/MatMul",), count) for n, count in enumerate(weights)]


def model(errors: Sequence[float], asked: list[str]) -> Callable[[str, bool], Measured]:
    """A model whose error is a sum over the groups that are not fine; τ is what is left of 1."""

    def measure(pattern: str, few: bool) -> Measured:
        asked.append(pattern)
        coarse = [
            error
            for n, error in enumerate(errors)
            if not (pattern and re.search(pattern, f"/p{n}/MatMul"))
        ]
        return Measured(1 - sum(coarse), sum(coarse))

    return measure


def test_where_the_order_is_kept_one_measurement_says_so() -> None:
    asked: list[str] = []
    assert find_fine(groups(1, 1), model([0.01, 0.02], asked), 0.95) == NONE
    assert asked == [NONE]


def test_the_fewest_that_do_become_fine_the_worst_first() -> None:
    errors = [0.02, 0.2, 0.01, 0.1, 0.015, 0.005]
    asked: list[str] = []
    of = groups(1, 1, 1, 1, 1, 1)
    told: list[tuple[int, int]] = []
    found = find_fine(
        of, model(errors, asked), 0.94, progress=lambda done, total: told.append((done, total))
    )
    # 0.05 without the two worst.
    assert found == pattern_of([of[1], of[3]])
    assert len(asked) <= most_measurements(6)
    assert [done for done, _ in told] == list(range(1, len(asked) + 1))
    assert {total for _, total in told} == {most_measurements(6)}
    again: list[str] = []
    assert find_fine(of, model(errors, again), 0.94) == found
    assert again == asked


def test_a_gain_counts_for_its_share_of_the_work() -> None:
    of = groups(100, 1, 1)
    assert find_fine(of, model([0.1, 0.05, 0.05], []), 0.89) == pattern_of(of[1:])


def test_where_nothing_helps_all_is_fine() -> None:
    of = groups(1, 1)
    assert find_fine(of, lambda _pattern, _few: Measured(0.5, 1.0), 0.95) == ALL
    every = find_fine(of, model([0.1, 0.1], []), 0.96)
    assert every == ALL


def test_a_pattern_names_its_products_alone() -> None:
    pattern = pattern_of([ProductGroup(("/a.1/q/MatMul", "/a.2/q/MatMul"), 1)])
    found = [
        name
        for name in ("/a.1/q/MatMul", "/a.2/q/MatMul", "/a.21/q/MatMul", "/ax1/q/MatMul")
        if re.search(pattern, name)
    ]
    assert found == ["/a.1/q/MatMul", "/a.2/q/MatMul"]


@pytest.fixture(scope="module")
def with_outliers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder with a few channels much larger than the rest."""
    from edge_rerank_export.packing.calibration import calibration_texts

    folder = tmp_path_factory.mktemp("outliers")
    save_encoder(folder, "bert", more=calibration_texts())
    enlarged = transformers.AutoModel.from_pretrained(folder)
    with torch.no_grad():
        for layer in enlarged.encoder.layer:
            layer.attention.self.value.weight[:3] *= 2000
            layer.intermediate.dense.weight[:3] *= 2000
    enlarged.save_pretrained(folder)
    return folder


_BOUNDS = "min_tau = 0.955\nmin_cosine = 0.5\nmax_difference = 1.0\n"


def test_a_model_with_outliers_falls_short_plain_and_passes_as_searched(
    with_outliers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LanguageBuilder, "search_lists", 16)
    plain = recipe_file(with_outliers, tmp_path / "plain.toml", "fine = ''", _BOUNDS)
    assert main(["build", str(plain), "--out", str(tmp_path / "plain")]) == 3
    searched = recipe_file(with_outliers, tmp_path / "searched.toml", "", _BOUNDS)
    capsys.readouterr()
    assert main(["build", str(searched), "--out", str(tmp_path / "pack")]) == 0
    assert "look for fine inputs (1 to" in capsys.readouterr().err
    found = read_recipe(tmp_path / "pack" / "recipe.toml").model.fine
    assert found
    # Not all of the eight inputs, and one that the outliers are in among them.
    assert found.count("MatMul") <= 6
    assert "attention/output/dense" in found
    # What was found is made again without a search, to the same bytes.
    kept = recipe_file(
        with_outliers, tmp_path / "kept.toml", f"fine = {json.dumps(found)}", _BOUNDS
    )
    assert main(["build", str(kept), "--out", str(tmp_path / "again")]) == 0
    assert "look for" not in capsys.readouterr().err
    first, second = ((tmp_path / name / "encoder.onnx").read_bytes() for name in ("pack", "again"))
    assert first == second


def test_groups_are_kinds_in_order(with_outliers: Path, tmp_path: Path) -> None:
    recipe = recipe_file(with_outliers, tmp_path / "r.toml")
    assert main(["convert", str(recipe), "--out", str(tmp_path / "f.onnx")]) == 0
    found = product_groups(tmp_path / "f.onnx")
    # Query, key and value read one input.
    assert len(found) == 2 * 4
    assert all(len(group.names) == 1 for group in found)
    hidden, inner = 32, 64
    assert sorted(group.weights for group in found) == sorted(
        2 * [3 * hidden**2, hidden**2, hidden * inner, inner * hidden]
    )
