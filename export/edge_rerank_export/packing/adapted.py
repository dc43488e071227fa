"""Adapters of the peft library: merged into the model that they were trained on.

An adapter's folder holds adapter_config.json and adapter_model.safetensors, and names its base by
a repository of a hub or a folder. The library itself merges it, whatever its method, so that from
then on there is one checkpoint of transformers in float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models.text_encoder import quiet
from edge_rerank_export.recipes.pack import SourceRecipe
from edge_rerank_export.sources.fetch import Fetched, fetch

CONFIG_NAME = "adapter_config.json"

_WEIGHTS_NAME = "adapter_model.safetensors"
_HEADS = ("score.weight", "classifier.weight", "classifier.out_proj.weight")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What an adapter says of itself.

    Attributes:
        base: a repository of a hub or a folder.
        task: peft's name of what it was trained for, as "CAUSAL_LM".
    """

    base: str
    task: str

    @property
    def base_uri(self) -> str:
        """See :mod:`edge_rerank_export.sources.fetch`; of a hub's model without a revision."""
        return f"path:{self.base}" if Path(self.base).expanduser().is_dir() else f"hf:{self.base}"

    @property
    def architecture(self) -> str:
        """The end of the name of the class in transformers that it changes.

        Raises:
            UnsupportedModel: when nothing that ranks comes of this task.
        """
        return self._changed()[0]

    @property
    def loader(self) -> Any:
        """What loads the model that it changes.

        Raises:
            UnsupportedModel: when nothing that ranks comes of this task.
        """
        return self._changed()[1]

    def _changed(self) -> tuple[str, Any]:
        if self.task not in _TASKS:
            known = ", ".join(_TASKS)
            raise UnsupportedModel(f"adapter's task_type: expected one of {known}, got {self.task}")
        return _TASKS[self.task]


_TASKS: dict[str, tuple[str, Any]] = {
    "FEATURE_EXTRACTION": ("Model", AutoModel),
    "CAUSAL_LM": ("ForCausalLM", AutoModelForCausalLM),
    "SEQ_CLS": ("ForSequenceClassification", AutoModelForSequenceClassification),
}


def adapter_config(folder: Path) -> AdapterConfig | None:
    """What the adapter in ``folder`` says of itself; ``None`` where there is none.

    Raises:
        SourceError: when its configuration cannot be read.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        return None
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        return AdapterConfig(str(members["base_model_name_or_path"]), str(members["task_type"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{CONFIG_NAME} cannot be read: {type(error).__name__}") from error


def fetch_model(
    source: SourceRecipe, work: Path, *, accept: Callable[[Path], object] | None = None
) -> Fetched:
    """Bring a recipe's model to this machine, with its adapter merged if there is one.

    Args:
        source: where it comes from.
        work: folder for downloads.
        accept: see :func:`~edge_rerank_export.sources.fetch.fetch`; asked of the base.

    Raises:
        SourceError: when something cannot be fetched, is not the pinned one, or does not fit.
    """
    if not source.base:
        return fetch(
            source.uri,
            sha256=source.sha256,
            work=work,
            subfolder=source.subfolder,
            accept=accept,
        )
    adapter = fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    below = work / "base"
    below.mkdir(exist_ok=True)
    base = fetch(source.base, sha256=source.base_sha256, work=below, accept=accept)
    merged = work / "merged"
    if not merged.exists():
        merge(adapter.folder, base.folder, merged)
    return replace(adapter, folder=merged)


def merge(adapter: Path, base: Path, target: Path) -> None:
    """Write the base with the adapter in it to ``target``, in float32, its tokeniser beside it.

    Args:
        adapter: folder of the adapter.
        base: folder of the model that it was trained on.
        target: folder to be.

    Raises:
        SourceError: when the two do not fit.
        UnsupportedModel: when nothing that ranks comes of the adapter's task.
    """
    from peft import PeftModel  # noqa: PLC0415 - takes a second, and few have an adapter

    config = adapter_config(adapter)
    if config is None:
        raise SourceError(f"source: expected {CONFIG_NAME}, found none")
    options: dict[str, Any] = {"dtype": torch.float32, "local_files_only": True}
    if config.task == "SEQ_CLS" and (labels := _labels(adapter)) is not None:
        options["num_labels"] = labels
    with quiet():
        try:
            model = config.loader.from_pretrained(base, use_safetensors=True, **options)
            whole = PeftModel.from_pretrained(model, adapter).merge_and_unload()
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise SourceError(
                f"source: the adapter does not fit its base: {type(error).__name__}"
            ) from error
        whole.save_pretrained(target)
        own = any((adapter / name).is_file() for name in ("tokenizer.json", "vocab.txt"))
        load: Any = AutoTokenizer.from_pretrained
        load(adapter if own else base, local_files_only=True).save_pretrained(target)


def _labels(adapter: Path) -> int | None:
    """How many labels the head has that was trained with the adapter."""
    with safe_open(adapter / _WEIGHTS_NAME, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - no mapping
            if name.endswith(_HEADS):
                return int(weights.get_slice(name).get_shape()[0])
    return None
