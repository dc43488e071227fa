"""How large the inputs of a model's products grow, channel by channel, on real texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from edge_rerank.inference.session import Session
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.progress import Update

ChannelMaxima = dict[str, NDArray[np.float32]]
"""Largest magnitude of each channel, shape (k,), by the name of the product's input."""


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokeniser that reads special tokens in a text as text, and does not pad.

    Raises:
        UnsupportedModel: when the file is not a tokeniser.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise UnsupportedModel(f"{path.name}: not a tokeniser: {type(error).__name__}") from error
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def with_prefix(tokenizer: Tokenizer, prefix: str) -> Tokenizer:
    """A tokeniser that puts ``prefix`` before every text, among its special tokens.

    Raises:
        UnsupportedModel: when the tokeniser's special tokens are not given by a template.
    """
    tokens = tokenizer.encode(prefix.rstrip(), add_special_tokens=False)
    members = json.loads(tokenizer.to_str())
    template = members["post_processor"] or {}
    if template.get("type") != "TemplateProcessing":
        raise UnsupportedModel("encoder.prefix: expected a tokeniser with a template")
    single = template["single"]
    place = next(n for n, piece in enumerate(single) if "Sequence" in piece)
    single[place:place] = [{"SpecialToken": {"id": one, "type_id": 0}} for one in tokens.tokens]
    for number, token in zip(tokens.ids, tokens.tokens, strict=True):
        template["special_tokens"][token] = {"id": token, "ids": [number], "tokens": [token]}
    changed = Tokenizer.from_str(json.dumps(members, ensure_ascii=False))
    changed.encode_special_tokens = True
    return changed


def channel_maxima(
    source: Path,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    progress: Update = lambda _done, _total: None,
) -> ChannelMaxima:
    """Run the float32 ONNX encoder ``source`` on ``texts`` and watch its products' inputs.

    Args:
        source: takes ``input_ids`` and ``attention_mask``.
        tokenizer: the model's, see :func:`read_tokenizer`.
        texts: what the model will be used on.
        progress: called with (texts done, texts to do).

    Raises:
        InferenceError: when the model cannot be run.
    """
    model = onnx.load(str(source))
    constants = {tensor.name for tensor in model.graph.initializer}
    products = (node for node in model.graph.node if node.op_type == "MatMul")
    watched = sorted({node.input[0] for node in products if node.input[1] in constants})
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in watched
    )
    session = Session(model.SerializeToString())
    maxima: ChannelMaxima = {}
    for done, encoding in enumerate(tokenizer.encode_batch(list(texts)), start=1):
        ids = np.array([encoding.ids], dtype=np.int64)
        values = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for name, value in zip(watched, values, strict=True):
            largest = np.abs(value.reshape(-1, value.shape[-1])).max(axis=0)
            maxima[name] = np.maximum(maxima.get(name, 0.0), largest)
        progress(done, len(texts))
    return maxima
