from __future__ import annotations

from pathlib import Path

import pytest

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.quantize.integers import Scheme
from edge_rerank_export.recipes.pack import find_recipe, read_recipe

GOOD = """
name = "tiny"
release = 1
licence = "MIT"
summary = "A model."
[source]
uri = "path:x"
sha256 = "00"
[encoder]
max_tokens = 16
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    assert recipe.encoder.quantisation is Scheme.INT8
    assert recipe.bounds.min_tau == 0.95
    assert recipe.source.subfolder == ""


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('name = "tiny"', "", "name: expected, not found"),
        ("release = 1", "release = 0", "release: expected an integer ≥ 1"),
        ("release = 1", "release = '1'", "release: expected int, got str"),
        ("release = 1", "release = true", "release: expected int, got bool"),
        ("max_tokens = 16", "max_tokens = 2", "max_tokens: expected an integer ≥ 3"),
        ("max_tokens = 16", "max_token = 16", "encoder.max_token: not a known key"),
        ("max_tokens = 16", "max_tokens = 16\nquantisation = 'int3'", "expected one of none, int8"),
        ("[encoder]", "[[encoder]]", "encoder: expected a table, got list"),
        ("[source]", "[bounds]\nmin_taw = 1.0\n[source]", "bounds.min_taw: not a known key"),
        ("[source]", "[source", "not readable as TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, before: str, after: str, reason: str) -> None:
    assert before in GOOD
    with pytest.raises(RecipeError, match=reason) as caught:
        read_recipe(written(tmp_path, GOOD.replace(before, after, 1)))
    assert str(caught.value).startswith("recipe.toml: ")


def test_recipes_that_come_along_are_found_by_name() -> None:
    assert read_recipe(find_recipe("default")).name == "default"
    with pytest.raises(RecipeError, match=r"one of .*default"):
        find_recipe("defualt")
    with pytest.raises(RecipeError, match="no such recipe file"):
        find_recipe("missing.toml")
