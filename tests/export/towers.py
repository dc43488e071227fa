"""Tiny models with a text and a picture tower, with random weights, as people keep them on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch.nn import functional
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from edge_rerank_export.verify.texts import own_texts

VOCABULARY, TOKENS, FIXED = 2100, 77, 64
"""A vocabulary large enough for its table to be quantised; lengths of CLIP's and SigLIP's texts."""

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

PREPROCESSORS: dict[str, dict[str, Any]] = {
    "siglip": {
        "size": {"height": 32, "width": 32},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
    },
    "clip": {
        "size": {"shortest_edge": 32},
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
        "resample": 3,
    },
}


def save_towers(folder: Path, kind: str, *, old_end: bool = False) -> Path:
    """Write a model of type ``kind``, "clip" or "siglip", with its tokeniser.

    Args:
        folder: to write to.
        kind: the model's type.
        old_end: whether a CLIP's configuration names the wrong last token, as old ones do.
    """
    tokenizer = clip_tokenizer() if kind == "clip" else gemma_tokenizer()
    model = _model(kind, tokenizer, old_end=old_end)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    pad = END if kind == "clip" else "<pad>"
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSORS[kind]))
    return folder


def _model(kind: str, tokenizer: Tokenizer, *, old_end: bool) -> Any:
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    small |= {"num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 8}
    text: dict[str, Any] = {**small, "vocab_size": VOCABULARY}
    if kind == "clip":
        end = 2 if old_end else tokenizer.token_to_id(END)
        text |= {"max_position_embeddings": TOKENS, "eos_token_id": end, "bos_token_id": 0}
        config: Any = CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model: Any = CLIPModel(config)
    else:
        text |= {"max_position_embeddings": FIXED, "projection_size": 32}
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # As freshly made they would hardly tell texts apart.
            if weight.ndim >= 2:
                spread = 1.0 if "token_embedding" in name else weight[0].numel() ** -0.5
                weight.normal_(0.0, spread)
            elif "bias" in name:
                weight.normal_(0.0, 0.1)
    return model.eval()


def clip_tokenizer() -> Tokenizer:
    """One of CLIP's form: in small letters, words by bytes, the last token the highest."""
    tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    trainer = BpeTrainer(
        vocab_size=1700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(own_texts().texts, trainer)
    members = json.loads(tokenizer.to_str())
    vocabulary = members["model"]["vocab"]
    for sign in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary.setdefault(f"{sign}</w>", len(vocabulary))
    first = len(vocabulary)
    vocabulary |= {BEGIN: first, END: first + 1}
    members["model"] |= {"unk_token": END, "continuing_subword_prefix": ""}
    tokenizer = Tokenizer.from_str(json.dumps(members))
    tokenizer.add_special_tokens([BEGIN, END])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, first + 1), (BEGIN, first), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer


def gemma_tokenizer() -> Tokenizer:
    """One of Gemma's form, as SigLIP 2 has it: capitals are told apart, unknown signs are bytes."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = Tokenizer(BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = BpeTrainer(
        vocab_size=2000,
        special_tokens=[*special, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator([one.lower() for one in own_texts().texts], trainer)
    members = json.loads(tokenizer.to_str())
    members["added_tokens"] = [one for one in members["added_tokens"] if one["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(members))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)]
    )
    return tokenizer


def teach(folder: Path, pairs: Sequence[tuple[str, np.ndarray]], others: Sequence[str]) -> None:
    """Turn a CLIP's projection so that texts mean pictures, and others none of them.

    Args:
        folder: holds the model, which is changed.
        pairs: texts, each with the picture it means; with the others at most as many as states
            have components.
        others: texts.
    """
    model, tokenizer = _read(folder)
    seen = torch.from_numpy(picture_vectors(folder, [image for _, image in pairs]))
    # Apart from what they all have in common, as trained ones would be.
    apart = functional.normalize(seen - seen.mean(dim=0))
    away = torch.linalg.svd(seen)[2][len(pairs) :]
    rest = torch.randn(len(others), len(away), generator=torch.Generator().manual_seed(0)) @ away
    states = []
    with torch.no_grad():
        for text in [*(text for text, _ in pairs), *others]:
            ids = torch.tensor([tokenizer.encode(text).ids])
            states.append(model.text_model(input_ids=ids).pooler_output[0])
        wanted = torch.cat([apart, functional.normalize(rest)])
        model.text_projection.weight.copy_((torch.linalg.pinv(torch.stack(states)) @ wanted).T)
    model.save_pretrained(folder)


def text_vectors(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """The vectors of texts that transformers makes, with padding as its processor has it."""
    model, tokenizer = _read(folder)
    if model.config.model_type == "clip":
        tokenizer.enable_truncation(TOKENS)
        tokenizer.enable_padding(pad_id=tokenizer.token_to_id(END), pad_token=END)
    else:
        tokenizer.enable_truncation(FIXED)
        tokenizer.enable_padding(pad_id=0, pad_token="<pad>", length=FIXED)
        texts = [text.lower() for text in texts]
    rows = tokenizer.encode_batch(list(texts))
    ids = torch.tensor([row.ids for row in rows])
    masks = {}
    if model.config.model_type == "clip":
        masks = {"attention_mask": torch.tensor([row.attention_mask for row in rows])}
    with torch.no_grad():
        made = model.get_text_features(input_ids=ids, **masks)
    return functional.normalize(made).numpy()


def picture_vectors(folder: Path, images: Sequence[np.ndarray]) -> np.ndarray:
    """The vectors of pictures that transformers makes, its own preparation included."""
    model, _ = _read(folder)
    clip = model.config.model_type == "clip"
    processor = (CLIPImageProcessor if clip else SiglipImageProcessor).from_pretrained(folder)
    pixels = processor(images=list(images), return_tensors="pt").pixel_values
    with torch.no_grad():
        return functional.normalize(model.get_image_features(pixel_values=pixels)).numpy()


def _read(folder: Path) -> tuple[Any, Tokenizer]:
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    model = (CLIPModel if kind == "clip" else SiglipModel).from_pretrained(folder).eval()
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))
