"""Reading of a pack's recipe, of whichever kind it is."""

from __future__ import annotations

from pathlib import Path

from edge_rerank_export.recipes.dual import DualPackRecipe
from edge_rerank_export.recipes.file import Kind, RecipeFile
from edge_rerank_export.recipes.media import AudioPackRecipe, ImagePackRecipe
from edge_rerank_export.recipes.pack import (
    ADAPTER_SUFFIX,
    EncoderPackRecipe,
    PackRecipe,
    PairPackRecipe,
    ScorerPackRecipe,
)

_TABLES: dict[Kind, type[PackRecipe]] = {
    one.kind: one
    for one in (
        AudioPackRecipe,
        DualPackRecipe,
        EncoderPackRecipe,
        ImagePackRecipe,
        PairPackRecipe,
        ScorerPackRecipe,
    )
}


def read_recipe(path: Path) -> PackRecipe:
    """Read and check the recipe of a pack.

    Raises:
        RecipeError: when it cannot be read or is for ``finetune``, has a key that is not known,
            lacks one, or a value has the wrong type or is out of range.
    """
    file = RecipeFile.read(path)
    file.expect(*Kind.of_packs(), trains=False)
    source = file.members.get("source")
    own = isinstance(source, dict) and str(source.get("adapter", "")).endswith(ADAPTER_SUFFIX)
    return file.table(_TABLES[file.kind], relative=("source.adapter",) if own else ())
