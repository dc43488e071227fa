"""The language model that is trained: a trunk, adapters, and a head that scores a candidate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as _CLASSIFIERS,
)

from edge_rerank_export.models.adapter import HEAD, write_adapter
from edge_rerank_export.models.checkpoint import is_causal
from edge_rerank_export.recipes.train import Precision
from edge_rerank_export.train.scorer.examples import Example, pack
from edge_rerank_export.train.scorer.recipe import Adapter

WEIGHTS_NAME = "model.safetensors"
_DECODER = "model."


class RankingModel(torch.nn.Module):
    """A trunk of either kind, and a linear head over a candidate's last token.

    Args:
        trunk: a model of transformers that gives last hidden states, of a kind that
            :func:`~edge_rerank_export.models.language_model.load_language_model` knows.
        precision: of the products, see :class:`~edge_rerank_export.recipes.train.Precision`.
    """

    def __init__(self, trunk: Any, *, precision: Precision = Precision.FLOAT32) -> None:
        super().__init__()
        self.trunk: Any = trunk
        self.head = torch.nn.Linear(trunk.config.hidden_size, 1, bias=False)
        torch.nn.init.zeros_(self.head.weight)  # at first all candidates are equal
        self.causal = is_causal(trunk.config)
        self._reduced = precision is Precision.BFLOAT16

    def forward(self, example: Example) -> Tensor:
        """Scores of the candidates, float32 of shape (candidates,)."""
        device = self.head.weight.device
        packed = pack(example, causal=self.causal)
        inputs = {"input_ids": packed.input_ids[None], "position_ids": packed.positions[None]}
        if self.causal:
            mask = torch.zeros(packed.seen.shape).masked_fill(~packed.seen, -torch.inf)
            inputs["attention_mask"] = mask[None, None]
        else:
            # A BertModel makes its own sums of this, and no types for rows as long as a pack.
            inputs["attention_mask"] = packed.seen[None].float()
            inputs["token_type_ids"] = torch.zeros_like(packed.input_ids)[None]
        with torch.autocast(device.type, torch.bfloat16, enabled=self._reduced):
            states = self.trunk(
                **{name: value.to(device) for name, value in inputs.items()}, use_cache=False
            ).last_hidden_state[0]
        scores: Tensor = self.head(states[packed.ends.to(device)].float())
        return scores[:, 0]

    def trained(self) -> dict[str, Tensor]:
        """The weights that training changes, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}


def add_adapters(trunk: Any, adapter: Adapter) -> Any:
    """The trunk with low-rank adapters and everything else frozen."""
    return peft.get_peft_model(
        trunk,
        peft.LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # a scale, not a count
            lora_dropout=adapter.dropout,
            target_modules="all-linear",
        ),
    )


def save_adapter(model: RankingModel, path: Path, *, training: str) -> None:
    """Write what the training changed, see :mod:`edge_rerank_export.models.adapter`.

    Args:
        model: with adapters that are not merged yet.
        path: of the file.
        training: how it was trained.
    """
    config = model.trunk.peft_config["default"]
    trunk = model.trunk.base_model.model
    updates = {
        f"{name}.weight": (part.lora_A["default"].weight, part.lora_B["default"].weight)
        for name, part in trunk.named_modules()
        if hasattr(part, "lora_A")
    }
    scale = config.lora_alpha / config.r
    write_adapter(
        path,
        updates,
        model.head.weight,
        layers=trunk.config.num_hidden_layers,
        scale=scale,
        training=training,
    )


def save_checkpoint(model: RankingModel, tokenizer: Any, folder: Path) -> None:
    """Write a checkpoint of transformers with the adapters merged and the head in it.

    Args:
        model: adapters, if any, are merged in place.
        tokenizer: written beside the weights.
        folder: made if missing.
    """
    if isinstance(model.trunk, peft.PeftModel):
        model.trunk = model.trunk.merge_and_unload()
    folder.mkdir(parents=True, exist_ok=True)
    prefix = _DECODER if model.causal else ""
    weights = {f"{prefix}{name}": value for name, value in model.trunk.state_dict().items()}
    weights[HEAD] = model.head.weight
    plain = {name: value.detach().float().cpu().contiguous() for name, value in weights.items()}
    save_file(plain, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    config = model.trunk.config.to_dict()
    if model.causal:
        # What the weights of a head are called in a checkpoint says its architecture.
        kind = str(config["model_type"])
        other = f"{kind.capitalize()}ForSequenceClassification"
        config["architectures"] = [dict(_CLASSIFIERS).get(kind, other)]
        config["id2label"], config["label2id"] = {0: "chosen"}, {"chosen": 0}
    else:
        # A BERT's own head sits on its first token, ours is beside its trunk.
        config["architectures"] = ["BertModel"]
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str), encoding="utf-8")
