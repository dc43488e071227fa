"""Families of text encoders: what differs from one architecture of transformers to another.

A family that is missing is a class here and an entry in :data:`FAMILIES`; it is supported once
``tests/export/test_encoder_families.py`` passes with a small random model of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import transformers
from optimum.exporters.onnx import OnnxConfig
from optimum.exporters.onnx import model_configs as optimum

from edge_rerank_export.errors import UnsupportedModel

THIS_FILE = "edge_rerank_export/models/encoder_families.py"

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu", "swish")


class EncoderFamily:
    """An architecture whose last layer gives a state for each token.

    Attributes:
        onnx: Optimum's configuration that its own is made of.
        activation: the configuration's name for what a feed-forward layer does between its two
            products.
        classes: beginnings of the names of transformers' classes for it.
    """

    onnx: ClassVar[type[OnnxConfig]]
    activation: ClassVar[str] = "hidden_act"
    classes: ClassVar[tuple[str, ...]]

    @classmethod
    def positions(cls, config: Any) -> int:
        """Tokens that a text may have at most, special tokens included."""
        return int(config.max_position_embeddings)

    @classmethod
    def check(cls, config: Any) -> None:
        """Refuse what the exported graph would not compute as the original does.

        Raises:
            UnsupportedModel: by the name of the member.
        """
        found = getattr(config, cls.activation)
        if found not in ACTIVATIONS:
            raise UnsupportedModel(
                f"config.{cls.activation}: expected one of {', '.join(ACTIVATIONS)}, got {found!r}"
            )
        kind = getattr(config, "position_embedding_type", None) or "absolute"
        if kind != "absolute":
            raise UnsupportedModel(
                f"config.position_embedding_type: expected 'absolute', got {kind!r}"
            )
        for name in ("is_decoder", "is_encoder_decoder"):
            if getattr(config, name, False):
                raise UnsupportedModel(f"config.{name}: expected an encoder")


class Bert(EncoderFamily):
    """BERT (Devlin et al., NAACL 2019); also e5, gte, bge and MiniLM of its form."""

    onnx = optimum.BertOnnxConfig
    classes = ("Bert",)


class Electra(EncoderFamily):
    """ELECTRA's discriminator (Clark et al., ICLR 2020): BERT with smaller embeddings."""

    onnx = optimum.ElectraOnnxConfig
    classes = ("Electra",)


class DistilBert(EncoderFamily):
    """DistilBERT (Sanh et al., 2019): BERT without segments."""

    onnx = optimum.DistilBertOnnxConfig
    activation = "activation"
    classes = ("DistilBert",)


class Roberta(EncoderFamily):
    """RoBERTa (Liu et al., 2019), and XLM-RoBERTa and CamemBERT, which are it in other languages.

    Their positions begin after the padding token's number, so that the table has so many rows
    that no text reaches.
    """

    onnx = optimum.RobertaOnnxConfig
    classes: ClassVar[tuple[str, ...]] = ("Roberta", "XLMRoberta", "Camembert")

    @classmethod
    def positions(cls, config: Any) -> int:
        """Tokens that a text may have at most, special tokens included."""
        return int(config.max_position_embeddings) - int(config.pad_token_id) - 1

    @classmethod
    def check(cls, config: Any) -> None:
        """Refuse what the exported graph would not compute as the original does."""
        super().check(config)
        if config.pad_token_id is None:
            raise UnsupportedModel("config.pad_token_id: expected a token, positions depend on it")


class MpNet(Roberta):
    """MPNet (Song et al., NeurIPS 2020): RoBERTa's positions and T5's relative ones."""

    onnx = optimum.MPNetOnnxConfig
    classes: ClassVar[tuple[str, ...]] = ("MPNet",)

    @classmethod
    def positions(cls, config: Any) -> int:
        """Tokens that a text may have at most; the padding token is 1, whatever is configured."""
        return int(config.max_position_embeddings) - 2

    @classmethod
    def check(cls, config: Any) -> None:
        """Refuse what the exported graph would not compute as the original does."""
        super().check(config)
        if config.pad_token_id != 1:
            raise UnsupportedModel(
                f"config.pad_token_id: expected 1 as in transformers' own code, got "
                f"{config.pad_token_id!r}"
            )


class ModernBert(EncoderFamily):
    """ModernBERT (Warner et al., 2024): rotary positions, most layers see a window alone."""

    onnx = optimum.ModernBertOnnxConfig
    activation = "hidden_activation"
    classes = ("ModernBert",)


FAMILIES: Mapping[str, type[EncoderFamily]] = {
    "bert": Bert,
    "camembert": Roberta,
    "distilbert": DistilBert,
    "electra": Electra,
    "modernbert": ModernBert,
    "mpnet": MpNet,
    "roberta": Roberta,
    "xlm-roberta": Roberta,
}
"""By transformers' model type: all that a text encoder may be."""


def family_of(config: Mapping[str, Any]) -> type[EncoderFamily]:
    """The family of what a config.json says.

    Args:
        config: as it stands in the file; no class of transformers has seen it.

    Raises:
        UnsupportedModel: when there is none, or the model needs code that is not transformers'
            own; by name.
    """
    kind = config.get("model_type")
    code = config.get("auto_map") or {}
    named = [str(name) for name in config.get("architectures") or ()]
    family = FAMILIES.get(str(kind))
    if family is None:
        needs = f", whose code ({_code(code)}) is its own and never run" if code else ""
        raise UnsupportedModel(
            f"model type: a text encoder must be one of {', '.join(FAMILIES)}, got {kind!r}"
            f"{needs}; a family is added in {THIS_FILE}"
        )
    # Known is what transformers has by this name; a class of a model's own may compute another
    # vector even where its type is a known one.
    own = _code(code).rpartition(".")[2]
    for name in [*named, own] if code else named:
        if not name.startswith(family.classes) or not hasattr(transformers, name):
            raise UnsupportedModel(
                f"config: expected a class of transformers for {kind!r}, got {name!r}, which is "
                "not one; code of a model's own is never run"
            )
    return family


def _code(auto_map: Any) -> str:
    """The class that a model brings along, as "modeling_x.XModel"."""
    named = auto_map if isinstance(auto_map, dict) else {}
    return str(named.get("AutoModel") or next(iter(named.values()), "auto_map"))
