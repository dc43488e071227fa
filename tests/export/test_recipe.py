from __future__ import annotations

from pathlib import Path

import pytest

from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.file import RecipeFile, find_recipe, recipes_folder
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.recipes.train import CheckpointRecipe, TrainingRecipe
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.scorer.recipe import ScorerFinetuneRecipe
from edge_rerank_export.train.text.recipe import TextFinetuneRecipe

TRAININGS: tuple[type[TrainingRecipe], ...] = (
    *(HistoryFinetuneRecipe, TextFinetuneRecipe, ScorerFinetuneRecipe),
)

GOOD = """
kind = "encoder"
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
        (
            "max_tokens = 16",
            "max_tokens = 16\nquantisation = 'float16'\nembedding = 'int4'",
            "embedding: expected int4 only with",
        ),
        (
            "max_tokens = 16",
            "max_tokens = 16\nvocabulary = 9000",
            "vocabulary: expected only with English",
        ),
        ("max_tokens = 16", "max_tokens = 16\ndim = -1", "encoder.dim: expected an integer ≥ 0"),
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


TRAINING = 'name = "t"\nrelease = 1\nsummary = "s"\n'
SCORER = GOOD.replace('"encoder"', '"scorer"').replace("[encoder]", "[scorer]")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (GOOD, "encoder"),
        (SCORER, "scorer"),
        (TRAINING, "history"),
        (f"{TRAINING}base = 'x'\n[teacher]\npack = 'x'\n", "history"),
        (f"{TRAINING}checkpoint = 'encoder.toml'\n", "text"),
        (f"{TRAINING}checkpoint = 'scorer.toml'\n", "scorer"),
        (f"{TRAINING}checkpoint = 'missing.toml'\n[adapter]\nrank = 1\n", "scorer"),
        (f"{TRAINING}checkpoint = 'missing.toml'\n", "text"),
    ],
)
def test_without_a_kind_the_line_to_add_is_said(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "encoder.toml").write_text(GOOD)
    (tmp_path / "scorer.toml").write_text(SCORER)
    lines = [line for line in text.splitlines() if not line.startswith("kind = ")]
    path = written(tmp_path, "\n".join(lines))
    with pytest.raises(RecipeError) as caught:
        RecipeFile.read(path)
    assert str(caught.value) == f'recipe.toml: kind: missing; add the line: kind = "{kind}"'


def test_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    known = "encoder, scorer, pair, dual, image, audio, history, text"
    with pytest.raises(RecipeError, match=f"kind: expected one of {known}"):
        RecipeFile.read(written(tmp_path, GOOD.replace('"encoder"', '"decoder"')))
    with pytest.raises(RecipeError, match="kind: expected one of"):
        RecipeFile.read(written(tmp_path, GOOD.replace('"encoder"', '["encoder"]')))


def test_the_kind_says_which_table_is_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="encoder: not a known key"):
        read_recipe(written(tmp_path, GOOD.replace('"encoder"', '"scorer"', 1)))


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("build", "multi-domain", "--out", "x"), "finetune"),
        (("convert", "finetune-text", "--out", "x"), "finetune"),
        (("verify", "x", "finetune-scorer"), "finetune"),
        (("pack", "x.onnx", "finetune-domain", "--out", "x"), "finetune"),
        (("finetune", "default", "--data", "x", "--out", "x"), "build"),
        (("finetune", "smollm2", "--data", "x", "--out", "x"), "build"),
        (("tune", "finetune-text", "--data", "x", "--out", "x.toml", "--minutes", "1"), "finetune"),
        (("tune", "default", "--data", "x", "--out", "x.toml", "--minutes", "1"), "build"),
    ],
)
def test_a_command_for_another_kind_names_the_right_one(
    arguments: tuple[str, ...], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == EXIT_USAGE
    assert capsys.readouterr().err.rstrip().endswith(f"is for the command {command}")


@pytest.mark.parametrize(
    "path", sorted(recipes_folder().glob("*.toml")), ids=lambda path: path.stem
)
def test_every_recipe_that_comes_along_is_of_its_kind(path: Path) -> None:
    kinds = {kind.kind: kind for kind in TRAININGS}
    file = RecipeFile.read(path)
    if not file.trains:
        read_recipe(path)
        return
    recipe = kinds[file.kind].read(path)
    if isinstance(recipe, CheckpointRecipe):
        assert RecipeFile.read(Path(recipe.checkpoint)).command == "build"
