"""The builder of a pack whose texts and pictures share a space, made of one model's two towers.

The text tower goes the way of every text encoder, step by step; the picture tower is converted,
quantised and put beside it when the pack is described.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import AlignmentSpec, EncoderSpec, QueryPrompt
from edge_rerank.ranking.alignment import Alignment
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.text_encoder import OPSET
from edge_rerank_export.models.text_tower import (
    TextTower,
    TowerDescription,
    convert,
    describe_tower,
    load_tower,
    padding,
    tower_tokenizer,
)
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.cards.dual import dual_card
from edge_rerank_export.packing.encoder import prefixed
from edge_rerank_export.packing.expected import expect_memory
from edge_rerank_export.packing.folder import file_entries
from edge_rerank_export.packing.image import IMAGE_NAME, ImageBuilder, image_builder
from edge_rerank_export.packing.vectors import ENCODER_NAME, TOKENIZER_NAME, VectorBuilder
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.dual import DualPackRecipe
from edge_rerank_export.recipes.pack import EncoderRecipe
from edge_rerank_export.verify.dual import DualVerification, dual_verification
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.pictures import calibration_pictures
from edge_rerank_export.verify.texts import Texts, own_texts

ALIGNMENT_NAME = "alignment.npy"

_MEANT = 32
"""Pictures that the mean of all is taken of."""


@dataclass(frozen=True, slots=True)
class TextStart:
    """The text tower that a recipe starts from.

    Attributes:
        tower: in PyTorch float32.
        tokenizer: cuts off after the recipe's number of tokens, and fills up where the tower reads
            a fixed number.
        described: what its files say.
        pad_id: what texts are filled up with.
        query: what a query's tokens have in place of an item's; ``None`` for the same.
    """

    tower: TextTower
    tokenizer: Tokenizer
    described: TowerDescription
    pad_id: int
    query: QueryPrompt | None


@dataclass(frozen=True, slots=True, repr=False)
class DualBuilder(VectorBuilder):
    """Both towers of a model on their way to a pack.

    Attributes:
        start: the text tower.
        pictures: the picture tower, as the builder of a pack by itself.
    """

    start: TextStart
    pictures: ImageBuilder

    @property
    def encoder(self) -> TextTower:
        """The original that reads texts."""
        return self.start.tower

    def describe(self, folder: Path) -> Manifest:
        """See :meth:`~.builder.PackBuilder.describe`; the pictures' part is put there, too."""
        manifest = VectorBuilder.describe(self, folder)
        exact = self.pictures.exact() / IMAGE_NAME
        self.pictures.quantize(exact, folder / IMAGE_NAME)
        (folder / ALIGNMENT_NAME).write_bytes(write_array(self.means().to_array()))
        return replace(
            manifest,
            files=file_entries(folder),
            image_encoder=self.pictures.spec,
            alignment=AlignmentSpec(ALIGNMENT_NAME),
        )

    def means(self) -> Alignment:
        """Where each kind lies in the space: means over the toolchain's own texts and pictures."""
        rows = self.start.tokenizer.encode_batch(list(own_texts().texts))
        texts = np.concatenate([self.encoder.vector(row.ids) for row in rows])
        looks = self.pictures.encoder
        some = calibration_pictures(_MEANT, looks.prepare.side).images
        seen = np.concatenate([np.asarray(looks(one).numpy()) for one in some])
        return Alignment(_mean(seen), _mean(texts), None)

    def verify(self, pack: Pack, material: Texts, *, steps: Steps = silent) -> Verification:
        """Compare both parts of ``pack`` with the model."""
        texts = VectorBuilder.verify(self, pack, material, steps=steps)
        pictures = self.pictures
        return dual_verification(texts, pictures.verify(pack, pictures.material(None), steps=steps))

    def advice(
        self, verification: Verification, pack: Pack, material: Texts, *, steps: Steps = silent
    ) -> str:
        """What to try next, for the part that falls short."""
        if isinstance(verification, DualVerification) and not verification.pictures.ok:
            seen = verification.pictures
            return self.pictures.advice(seen, pack, self.pictures.material(None), steps=steps)
        return VectorBuilder.advice(self, verification, pack, material, steps=steps)

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        return dual_card(
            self.recipe,
            self.fetched,
            verification,
            made=self.start.described.made,
            pictures=self.pictures.changed,
            training=training,
        )

    def _convert(self, target: Path) -> None:
        convert(self.start.tower, target, inline_bytes=self.inline_bytes)

    def _backend(self) -> Tokenizer:
        return self.start.tokenizer

    def _spec(self, scheme: Scheme) -> EncoderSpec:
        described = self.start.described
        return EncoderSpec(
            model=ENCODER_NAME,
            tokenizer=TOKENIZER_NAME,
            dim=described.dim,
            max_tokens=self.recipe.encoder.max_tokens,
            pad_id=self.start.pad_id,
            opset=OPSET,
            quantisation=scheme,
            query_prompt=self.start.query,
            fixed_tokens=described.positions if described.fixed else None,
        )


def dual_builder(
    recipe: DualPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> DualBuilder:
    """Fetch the recipe's model.

    Args:
        recipe: names the source.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: whether it is tried where less memory is free than it may take.

    Raises:
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they cannot be used.
        NotEnoughMemory: when less is free than that takes.
    """
    with steps("fetch"):
        fetched = fetch_model(recipe.source, work, accept=describe_tower)
    expect_memory(fetched.folder, steps, ignore=ignore_memory)
    beside = work / "pictures"
    beside.mkdir()
    pictures = image_builder(recipe.pictures, beside, steps=steps, fetched=fetched)
    with steps("load"):
        start = _text_start(fetched.folder, recipe.encoder)
    if start.described.dim != pictures.encoder.dim:
        raise UnsupportedModel(
            f"expected texts and pictures of one length, got {start.described.dim} and "
            f"{pictures.encoder.dim}"
        )
    return DualBuilder(recipe, fetched, work, start, pictures)


def _text_start(folder: Path, encoder: EncoderRecipe) -> TextStart:
    described = describe_tower(folder)
    if encoder.max_tokens > described.positions:
        raise UnsupportedModel(
            f"encoder.max_tokens: expected at most {described.positions}, which the model has "
            f"positions for, got {encoder.max_tokens}"
        )
    if described.fixed and encoder.query_prefix not in {"", encoder.prefix}:
        raise UnsupportedModel("encoder.query_prefix: expected none, texts are filled up")
    plain = tower_tokenizer(folder, described)
    pad_id, pad_token = padding(folder, plain)
    tokenizer, query = prefixed(plain, encoder)
    tokenizer.enable_truncation(encoder.max_tokens)
    if described.fixed:
        tokenizer.enable_padding(pad_id=pad_id, pad_token=pad_token, length=described.positions)
    return TextStart(load_tower(folder), tokenizer, described, pad_id, query)


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
