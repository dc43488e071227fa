"""Files of trained changes that a recipe names."""

from __future__ import annotations

from pathlib import Path

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.pack import ADAPTER_SUFFIX


def find_adapter(name: str) -> Path:
    """The adapter ``name`` stands for: an absolute path, or the name of one that comes with this.

    Raises:
        RecipeError: when there is none.
    """
    package = Path(__file__).resolve().parents[1]
    inside, checkout = package / "models", package.parents[1] / "models"
    places = (
        [Path(name)]
        if name.endswith(ADAPTER_SUFFIX)
        else [folder / name / "adapter.safetensors" for folder in (inside, checkout)]
    )
    for path in places:
        if path.is_file():
            return path
    raise RecipeError(f"source.adapter: expected a .safetensors file or a known name, got {name!r}")
