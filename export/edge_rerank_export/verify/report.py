"""A verification in full: figures, orders, differences by layer, cost, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import LanguagePackRecipe
from edge_rerank_export.verify.advice import advice
from edge_rerank_export.verify.cost import Cost, cost_of
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.layers import LayerErrors, layer_errors
from edge_rerank_export.verify.readings import Reading, readings_of
from edge_rerank_export.verify.texts import Texts


@dataclass(frozen=True, slots=True)
class Report:
    """A pack beside the model that it was made of.

    Attributes:
        name, release: of the pack.
        uri: of the model.
        quantisation: of the pack's model.
        texts: what was read, in words that name no text.
        verification: its figures.
        layers: how far each product is off.
        original: what the model costs as float32 ONNX.
        packed: what the pack's model costs.
        advice: what to try next; empty where every bound holds.
    """

    name: str
    release: int
    uri: str
    quantisation: Scheme
    texts: str
    verification: Verification
    layers: LayerErrors
    original: Cost
    packed: Cost
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the figures by name, then ``orders``, ``layers``, ``cost`` and ``advice``."""
        return {
            **self.verification.for_manifest(),
            "orders": [one.to_dict() for one in self.verification.orders],
            "layers": asdict(self.layers),
            "cost": {"original": asdict(self.original), "packed": asdict(self.packed)},
            "advice": self.advice,
        }


def report_on(
    verification: Verification,
    recipe: LanguagePackRecipe,
    pack: Pack,
    exact: Path,
    texts: Texts,
    *,
    steps: Steps = silent,
) -> Report:
    """Measure what a verification leaves out.

    Args:
        verification: the figures of ``pack``.
        recipe: that it was made by.
        pack: read from a folder.
        exact: the recipe's model as float32 ONNX.
        texts: that it was verified on.
        steps: told of each step.

    Raises:
        InferenceError: when one of the models cannot be run.
    """
    readings = readings_of(pack, exact, texts)
    name, scheme = _model(pack)
    recipe = recipe.quantised_as(scheme)
    layers = _layers(pack, name, exact, readings, steps)
    with steps("cost"):
        original, packed = cost_of(exact, readings), cost_of(pack.path / name, readings)
    manifest = pack.manifest
    return Report(
        name=manifest.name,
        release=manifest.release,
        uri=recipe.source.uri,
        quantisation=scheme,
        texts=texts.source,
        verification=verification,
        layers=layers,
        original=original,
        packed=packed,
        advice=advice(verification, recipe, layers),
    )


def advice_on(
    verification: Verification,
    recipe: LanguagePackRecipe,
    pack: Pack,
    exact: Path,
    texts: Texts,
    *,
    steps: Steps = silent,
) -> str:
    """What to try next, see :func:`report_on` and :mod:`~.advice`; empty where all bounds hold."""
    if verification.ok:
        return ""
    name, scheme = _model(pack)
    layers = _layers(pack, name, exact, readings_of(pack, exact, texts), steps)
    return advice(verification, recipe.quantised_as(scheme), layers)


def _model(pack: Pack) -> tuple[str, Scheme]:
    """File name of the model that was made as it is, and how it was quantised."""
    manifest = pack.manifest
    spec = manifest.scorer or manifest.pair_scorer or manifest.encoder
    if spec is None:
        raise UnsupportedModel("verification: expected a pack with a language model")
    return spec.model, Scheme(spec.quantisation)


def _layers(
    pack: Pack, name: str, exact: Path, readings: Sequence[Reading], steps: Steps
) -> LayerErrors:
    with steps("layers") as update:
        return layer_errors(exact, pack.path / name, readings, progress=update)
