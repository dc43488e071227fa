"""Cross-encoders of all-MiniLM-L6-v2 weights, through the packages that people run them with.

The weights have no trained head; a random one costs the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from edge_rerank.inference.session import default_threads
from edge_rerank.inference.signed_products import exact_products
from edge_rerank_export.models.text_encoder import quiet
from edge_rerank_export.studies.peers.contender import NotRunnable, optional

GRAPH = "model_quantized.onnx"
_FLASHRANK_NAME = "ms-marco-MiniLM-L-12-v2"
"""FlashRank runs only models of names it knows; the graph in the folder is ours."""


def make_checkpoint(encoder: Path, folder: Path) -> None:
    """Write a cross-encoder with the weights of ``encoder`` to ``folder``."""
    torch.manual_seed(0)
    load: Any = AutoModelForSequenceClassification.from_pretrained
    with quiet():
        model = load(encoder, num_labels=1, local_files_only=True)
        model.save_pretrained(folder)
    copy_tokenizer(encoder, folder)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Write the tokeniser in ``source`` to ``folder``, for texts as long as the model reads.

    The encoder's cuts at 128 tokens, and fastembed keeps to that: it would read part of a history.
    """
    load: Any = AutoTokenizer.from_pretrained
    tokenizer = load(source, local_files_only=True)
    tokenizer.init_kwargs.pop("max_length", None)
    tokenizer.save_pretrained(folder)


def make_graph(checkpoint: Path, folder: Path) -> None:
    """Export and quantise ``checkpoint`` as Optimum does it for this processor, int8, dynamic."""
    runtime: Any = optional("optimum.onnxruntime", "optimum-onnx[onnxruntime]")
    configurations: Any = optional("optimum.onnxruntime.configuration", "optimum-onnx[onnxruntime]")
    choice: Any = configurations.AutoQuantizationConfig
    # Signed weights where they are multiplied exactly, which with AMX is much faster.
    exact = exact_products()
    choose = choice.avx2 if exact is None or exact.in_pairs else choice.avx512_vnni
    with quiet():
        exported = folder / "float32"
        model = runtime.ORTModelForSequenceClassification.from_pretrained(checkpoint, export=True)
        model.save_pretrained(exported)
        runtime.ORTQuantizer.from_pretrained(exported).quantize(
            save_dir=folder,
            quantization_config=choose(is_static=False, per_channel=False),
        )
    copy_tokenizer(checkpoint, folder)


class _Pairs:
    """Reads every (history, candidate) pair anew."""

    def __init__(self) -> None:
        self._history = ""

    def read(self, history: Sequence[str]) -> None:
        """Keep ``history``."""
        self._history = " ".join(history)

    def meet(self, candidates: Sequence[str]) -> None:
        """Nothing can be done ahead."""


class SentenceTransformers(_Pairs):
    """``CrossEncoder`` of sentence-transformers.

    Args:
        folder: a checkpoint, or one with a graph.
        onnx: whether to run the int8 graph instead of PyTorch in float32.
    """

    def __init__(self, folder: Path, *, onnx: bool) -> None:
        super().__init__()
        package = optional("sentence_transformers", "sentence-transformers")
        torch.set_num_threads(default_threads())
        options: dict[str, Any] = {"device": "cpu", "local_files_only": True}
        if onnx:
            options |= {"backend": "onnx", "model_kwargs": {"file_name": GRAPH}}
        with quiet():
            self._model: Any = package.CrossEncoder(str(folder), **options)

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        pairs = [(self._history, candidate) for candidate in candidates]
        self._model.predict(pairs, show_progress_bar=False)


class FlashRank(_Pairs):
    """``Ranker`` of FlashRank."""

    def __init__(self, folder: Path, work: Path) -> None:
        super().__init__()
        package = optional("flashrank", "flashrank")
        files = optional("flashrank.Config", "flashrank").model_file_map
        place = work / _FLASHRANK_NAME
        place.mkdir(parents=True)
        for source in folder.iterdir():
            if source.suffix in {".json", ".txt"}:
                (place / source.name).write_bytes(source.read_bytes())
        (place / files[_FLASHRANK_NAME]).write_bytes((folder / GRAPH).read_bytes())
        self._request = package.RerankRequest
        self._ranker: Any = package.Ranker(_FLASHRANK_NAME, cache_dir=str(work), log_level="ERROR")

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        passages = [{"id": place, "text": text} for place, text in enumerate(candidates)]
        self._ranker.rerank(self._request(query=self._history, passages=passages))


class FastEmbed(_Pairs):
    """``TextCrossEncoder`` of fastembed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        package = optional("fastembed.rerank.cross_encoder", "fastembed")
        described = optional("fastembed.common.model_description", "fastembed")
        name = "edge-rerank/minilm"
        encoder = package.TextCrossEncoder
        if all(known["model"] != name for known in encoder.list_supported_models()):
            encoder.add_custom_model(name, sources=described.ModelSource(hf=name), model_file=GRAPH)
        try:
            self._model: Any = encoder(
                name, specific_model_path=str(folder), threads=default_threads()
            )
        except Exception as error:
            raise NotRunnable(f"does not start: {type(error).__name__}") from error

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        list(cast("Any", self._model.rerank(self._history, candidates)))
