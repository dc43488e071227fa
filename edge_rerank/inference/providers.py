"""Execution providers, and which of them take a pack: tried where installed, else as documented.

Documented is which of its own operators (domain ``com.microsoft``) onnxruntime has kernels of, for
CUDA and DirectML: https://github.com/microsoft/onnxruntime/blob/001d12d2/docs/OperatorKernels.md.
Nodes without a kernel run on the processor, and what they read and
write is copied there and back each time. Of other providers nothing is said but what a trial shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_rerank.errors import EdgeRerankError
from edge_rerank.inference.session import SHORT_NAMES, Session, available_providers
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.onnx_wire import Message
from edge_rerank.packs.pack import Pack

if TYPE_CHECKING:
    from edge_rerank.packs.manifest import Manifest

_UINT8 = 2

_EVERYWHERE = {
    *("BiasGelu", "FastGelu", "FusedMatMul", "Gelu", "MatMulNBits", "QuickGelu"),
    *("RotaryEmbedding", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
}
_KERNELS = {
    "cuda": _EVERYWHERE,
    "directml": {
        *_EVERYWHERE,
        *("DequantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QuantizeLinear"),
    },
}
"""Operators of ``com.microsoft`` in the tables of OperatorKernels.md, of those that a pack may have
(:data:`edge_rerank.packs.onnx_rules.MICROSOFT`)."""

_INSTALLED_BY = {
    "cuda": "onnxruntime-gpu",
    "directml": "onnxruntime-directml",
    "openvino": "onnxruntime-openvino",
}
"""Packages of onnxruntime with a provider, https://onnxruntime.ai/docs/install/."""

Trial = Callable[[Model, str], Mapping[str, Mapping[str, int]]]
"""Makes a session, and gives how many nodes of each kind each provider takes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a provider makes of a pack.

    Attributes:
        provider: its short name.
        installed: whether it is part of this onnxruntime.
        found: what a trial showed, or what is documented.
        takes: whether it runs all that matters there; ``None`` where nobody can say.
    """

    provider: str
    installed: bool
    found: str
    takes: bool | None


def forms(manifest: Manifest) -> dict[str, str]:
    """The forms of weights that a pack holds, as "int8", by the names of its parts."""
    parts = {
        "encoder": manifest.encoder,
        "scorer": manifest.scorer,
        "pair_scorer": manifest.pair_scorer,
    }
    found = {
        name: "float32" if spec.quantisation == "none" else spec.quantisation
        for name, spec in parts.items()
        if spec is not None
    }
    return found | ({"history_encoder": "float32"} if manifest.history_encoder else {})


def judge(
    pack: Pack,
    *,
    installed: Sequence[str] | None = None,
    trial: Trial | None = None,
) -> Iterator[Verdict]:
    """What each provider that a host can ask for by a short name makes of a pack.

    Args:
        pack: with its files.
        installed: full names of providers; ``None`` for those of this onnxruntime.
        trial: makes a session; ``None`` for a real one.
    """
    present = available_providers() if installed is None else installed
    models = [pack.model(name) for name in _model_names(pack.manifest)]
    for short, name in SHORT_NAMES.items():
        if name in present:
            yield _tried(short, models, trial or assignment)
        else:
            yield _documented(short, models)


def assignment(model: Model, provider: str) -> dict[str, dict[str, int]]:
    """Which provider takes how many nodes of each kind, in a session for ``provider``.

    Raises:
        EdgeRerankError: when there is none.
    """
    found: dict[str, Counter[str]] = {}
    for node, taken_by in Session(
        model, providers=[provider], threads=1, recorded=True
    ).assignment():
        found.setdefault(taken_by, Counter())[node] += 1
    return {name: dict(counts) for name, counts in found.items()}


def _tried(short: str, models: Sequence[Model], trial: Trial) -> Verdict:
    name = SHORT_NAMES[short]
    taken, left = 0, Counter[str]()
    for model in models:
        try:
            nodes = trial(model, name)
        except EdgeRerankError as error:
            return Verdict(short, True, f"cannot run it: {error}", False)
        taken += sum(nodes.get(name, {}).values())
        for other, counts in nodes.items():
            left.update({} if other == name else counts)
    if not left:
        found = f"runs it, all {taken} nodes" if taken else "runs it"
        return Verdict(short, True, found, True)
    whole = taken + left.total()
    found = f"runs {taken} of its {whole} nodes, the processor runs {_named(left)}"
    return Verdict(short, True, found, not left.keys() & _PRODUCTS and taken > 0)


def _documented(short: str, models: Sequence[Model]) -> Verdict:
    package = _INSTALLED_BY.get(short)
    missing = "not in this onnxruntime" + (f" (pip install {package})" if package else "")
    if short not in _KERNELS:
        return Verdict(short, False, f"{missing}; where it is, this command tries it", None)
    left = Counter[str]()
    for model in models:
        left.update(_without_kernel(short, model.graph))
    if not left.keys() & _PRODUCTS:
        found = f"{missing}; it has kernels of {'most' if left else 'all'} of onnxruntime's own"
        return Verdict(short, False, f"{found} operators in it", True)
    found = (
        f"{missing}; it has no kernel, or not in every release, of {_named(left)}: the processor "
        "then runs these; a pack in float16 has none"
    )
    return Verdict(short, False, found, False)


_PRODUCTS = {"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits"}
"""Products with weights, on which a model spends its time."""


def _without_kernel(short: str, graph: bytes) -> Counter[str]:
    """A model's nodes that a provider has no kernel of, by the names of their operators."""
    left = Counter[str]()
    for message in Message("model", memoryview(graph)).messages(7, "graph"):
        unsigned = {
            one.text(8) for one in message.messages(5, "tensor") if one.integer(2) == _UINT8
        }
        for node in message.messages(1, "node"):
            operator, inputs = node.text(4), node.texts(1)
            if node.text(7) == "com.microsoft":
                left[operator] += operator not in _KERNELS[short]
            # CUDA's kernel of ONNX's own is for signed integers, in newer releases for others too.
            elif operator == "MatMulInteger" and short == "cuda" and inputs[1] in unsigned:
                left[operator] += 1
    return +left


def _model_names(manifest: Manifest) -> list[str]:
    parts = (manifest.encoder, manifest.scorer, manifest.pair_scorer, manifest.history_encoder)
    return sorted({part.model for part in parts if part is not None})


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common(3)) + (
        " and others" if len(counts) > 3 else ""
    )
