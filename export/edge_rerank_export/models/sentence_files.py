"""Files of sentence-transformers: how vectors are made of a transformer's states.

``modules.json`` names the steps, each with a folder of its own; ``sentence_bert_config.json`` says
how long texts may be, ``config_sentence_transformers.json`` what is put before them. Only these
are read here, no weights, and both the names of today and those of older releases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from edge_rerank._files import reason_of
from edge_rerank_export.errors import UnsupportedModel

THIS_FILE = "edge_rerank_export/models/sentence_files.py"

_PACKAGE = "sentence_transformers."
_LENGTHS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "xlm-roberta")
)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""In the order in which sentence-transformers' ``encode_document`` looks for them."""

_QUERY_PROMPT = "query"
_TEXTS = ("sentence_embedding", None)


class Pooling(StrEnum):
    """How one vector is made of the states of all tokens, by sentence-transformers' names."""

    CLS = "cls"
    MAX = "max"
    MEAN = "mean"
    MEAN_SQRT_LEN = "mean_sqrt_len_tokens"
    WEIGHTED_MEAN = "weightedmean"
    LAST_TOKEN = "lasttoken"  # noqa: S105 - of a text


_SWITCHES = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LEN,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST_TOKEN,
}
"""In the order in which several are put end to end."""


class Activation(StrEnum):
    """What follows a dense layer, by the names of PyTorch's modules."""

    IDENTITY = "Identity"
    TANH = "Tanh"
    RELU = "ReLU"
    GELU = "GELU"
    SILU = "SiLU"
    SIGMOID = "Sigmoid"


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer after the pooling.

    Attributes:
        folder: of its weights, relative to the model's.
        inputs, outputs: dimensions.
        bias: whether it has one.
        activation: what follows.
        residual: whether its input is added to its output.
    """

    folder: str
    inputs: int
    outputs: int
    bias: bool
    activation: Activation
    residual: bool

    @property
    def weights(self) -> str:
        """Its weight file, relative to the model's folder."""
        return f"{self.folder}/model.safetensors"


@dataclass(frozen=True, slots=True)
class Normalize:
    """Scaling to length 1 between two dense layers."""


@dataclass(frozen=True, slots=True)
class SentenceFiles:
    """What the files say.

    Attributes:
        found: whether there is a modules.json; without one all of this is what
            sentence-transformers assumes.
        folder: of the transformer, relative to the model's; empty for the same.
        pooling: several are put end to end.
        layers: what follows the pooling, but for a last scaling to length 1.
        normalised: whether that is there.
        include_prompt: whether the pooling takes in the tokens of a prompt.
        prompts: by name.
        default_prompt: name of the one for every text; empty for none.
        similarity: how the original compares vectors; empty where it does not say.
        max_tokens: longest text, special tokens included; ``None`` where it does not say.
        lower_case: whether texts are put in lower case before they are tokenised.
    """

    found: bool
    folder: str
    pooling: tuple[Pooling, ...]
    layers: tuple[Dense | Normalize, ...]
    normalised: bool
    include_prompt: bool
    prompts: Mapping[str, str]
    default_prompt: str
    similarity: str
    max_tokens: int | None
    lower_case: bool

    @property
    def item_prompt(self) -> str:
        """What the original puts before a text that is searched for; empty for nothing."""
        return self._prompt(*_DOCUMENT_PROMPTS)

    @property
    def query_prompt(self) -> str:
        """What it puts before a query."""
        return self._prompt(_QUERY_PROMPT)

    def _prompt(self, *names: str) -> str:
        wanted = next((name for name in names if name in self.prompts), self.default_prompt)
        return self.prompts.get(wanted, "")


def read_sentence_files(folder: Path, *, hidden: int) -> SentenceFiles:
    """Read what sentence-transformers keeps beside a transformer.

    Args:
        folder: the model's.
        hidden: dimensions of a token's state.

    Raises:
        UnsupportedModel: when a vector is made in a way that is not known here; by name.
    """
    modules = _modules(folder)
    first = modules[0][1] if modules else ""
    pooling: tuple[Pooling, ...] = (Pooling.MEAN,)
    include_prompt = True
    layers: list[Dense | Normalize] = []
    dim = 0
    for kind, path in modules[1:]:
        if kind == "Pooling":
            if dim:
                raise UnsupportedModel("modules.json: expected one Pooling, got several")
            pooling, include_prompt = _pooling(folder / path, hidden)
            dim = hidden * len(pooling)
        elif kind == "Normalize":
            layers.append(Normalize())
        elif kind == "Dense":
            dense = _dense(folder, path, dim)
            layers.append(dense)
            dim = dense.outputs
    while len(layers) > 1 and layers[-2:] == [Normalize(), Normalize()]:
        layers.pop()
    normalised = bool(layers) and isinstance(layers[-1], Normalize)
    said = read_object(folder / "config_sentence_transformers.json")
    lengths = next(
        (
            read_object(folder / first / name)
            for name in _LENGTHS
            if (folder / first / name).is_file()
        ),
        {},
    )
    longest = lengths.get("max_seq_length")
    prompts = said.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(one, str) for one in prompts.values()):
        raise UnsupportedModel("config_sentence_transformers.json: prompts: expected texts by name")
    return SentenceFiles(
        found=bool(modules),
        folder=first,
        pooling=pooling,
        layers=tuple(layers[:-1] if normalised else layers),
        normalised=normalised,
        include_prompt=include_prompt,
        prompts=prompts,
        default_prompt=str(said.get("default_prompt_name") or ""),
        similarity=str(said.get("similarity_fn_name") or ""),
        max_tokens=longest if type(longest) is int and longest > 0 else None,
        lower_case=lengths.get("do_lower_case") is True,
    )


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Kind and folder of each step, but for those that do nothing outside of training."""
    listed = read_json(folder / "modules.json", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise UnsupportedModel("modules.json: expected a list of modules")
    known = ("Transformer", "Pooling", "Dense", "Normalize", "Dropout")
    found = []
    for module in listed:
        whole = str(module.get("type"))
        kind, path = whole.rpartition(".")[2], str(module.get("path") or "")
        if not whole.startswith(_PACKAGE) or kind not in known or module.get("kwargs"):
            raise UnsupportedModel(
                f"modules.json: expected only {', '.join(known)} of sentence-transformers, got "
                f"{whole!r}; code of a model's own is never run; a module is added in {THIS_FILE}"
            )
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise UnsupportedModel("modules.json: path: expected a folder inside of the model's")
        if kind != "Dropout":
            found.append((kind, path))
    kinds = [kind for kind, _ in found]
    if found and (kinds[:2] != ["Transformer", "Pooling"] or "Transformer" in kinds[1:]):
        raise UnsupportedModel(
            f"modules.json: expected a Transformer, then a Pooling, got {', '.join(kinds)}"
        )
    return found


def _pooling(folder: Path, hidden: int) -> tuple[tuple[Pooling, ...], bool]:
    """Modes, and whether a prompt's tokens count."""
    said = read_object(folder / "config.json")
    size = said.get("word_embedding_dimension", said.get("embedding_dimension", hidden))
    if size != hidden:
        raise UnsupportedModel(f"pooling: expected states of {hidden} dimensions, got {size!r}")
    modes = said.get("pooling_mode")
    if modes is None:
        modes = [mode for name, mode in _SWITCHES.items() if said.get(name) is True]
        others = [name for name, on in said.items() if "_mode_" in name and on is True]
        unknown = [name for name in others if name not in _SWITCHES]
    else:
        modes = [modes] if isinstance(modes, str) else modes
        unknown = [str(mode) for mode in modes if mode not in list(Pooling)]
    if unknown:
        raise UnsupportedModel(
            f"pooling: expected of {', '.join(Pooling)}, got {', '.join(unknown)}; one is added "
            f"in {THIS_FILE}"
        )
    include_prompt = said.get("include_prompt") is not False
    return tuple(Pooling(mode) for mode in modes or ["mean"]), include_prompt


def _dense(folder: Path, path: str, inputs: int) -> Dense:
    said = read_object(folder / path / "config.json")
    names = said.get("module_input_name"), said.get("module_output_name")
    if any(name not in _TEXTS for name in names):
        raise UnsupportedModel(f"{path}: expected a Dense of whole texts, got one of {names[0]!r}")
    named = str(said.get("activation_function", "torch.nn.modules.activation.Tanh"))
    kind = named.rpartition(".")[2]
    if not named.startswith("torch.") or kind not in list(Activation):
        raise UnsupportedModel(
            f"{path}: activation_function: expected of PyTorch's {', '.join(Activation)}, got "
            f"{named!r}; one is added in {THIS_FILE}"
        )
    if said.get("in_features") != inputs:
        raise UnsupportedModel(
            f"{path}: in_features: expected {inputs}, got {said.get('in_features')!r}"
        )
    outputs, residual = said.get("out_features"), said.get("use_residual") is True
    if type(outputs) is not int or outputs < 1:
        raise UnsupportedModel(f"{path}: out_features: expected an integer ≥ 1, got {outputs!r}")
    if residual and inputs != outputs:
        raise UnsupportedModel(f"{path}: use_residual: expected as many outputs as inputs")
    return Dense(path, inputs, outputs, said.get("bias") is not False, Activation(kind), residual)


def read_json(path: Path, default: Any) -> Any:
    """What is in a file; ``default`` where there is none.

    Raises:
        UnsupportedModel: when it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"{path.name} cannot be read: {reason_of(error)}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The members of a file's JSON object; none where there is no file.

    Raises:
        UnsupportedModel: when it is no JSON object.
    """
    members = read_json(path, {})
    if not isinstance(members, dict):
        raise UnsupportedModel(f"{path.name}: expected a JSON object")
    return members
