"""Cross-encoders of two layers, with random weights or trained by sentence-transformers."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOY = {
    "garden": "rose hedge lawn spade soil seeds tulip rake compost pond fern moss",
    "kitchen": "oven whisk skillet flour kettle spoon pastry ladle grater yeast dough",
    "music": "violin chord drum melody concert flute choir rhythm piano tempo opera waltz",
    "sport": "goal referee tennis relay stadium coach sprint racket medal league rugby swim",
}
KINDS = {kind: words.split() for kind, words in TOY.items()}
"""A toy: a query is the name of a kind, and a text fits it if most of its words are of the kind."""

WORDS = 5
"""Of a toy's text."""

_BATCH = 64


def write_cross_encoder(folder: Path, *, steps: int = 0, labels: int = 1) -> Path:
    """A BERT with a classifier over pairs, and its tokeniser, in ``folder``.

    With ``steps`` sentence-transformers trains it to tell which of the toy's texts fit a query.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    texts = own_items()
    toy = [word for kind in KINDS.values() for word in kind]
    words = sorted({*KINDS, *toy, *(word for text in texts for word in split(text))})
    letters = [*string.ascii_lowercase, *string.digits]
    vocabulary = [*SPECIAL, *words, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = list(dict.fromkeys(vocabulary))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=96)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=2048,  # so that the embedding is quantised
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=96,
        num_labels=labels,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,  # with 0.02 it takes thousands of steps to tell anything apart
    )
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if steps:
        train(folder, steps)
    return folder


def train(folder: Path, steps: int) -> None:
    """Train the cross-encoder in ``folder`` by sentence-transformers, and save it there again."""
    import torch
    from datasets import Dataset
    from sentence_transformers.cross_encoder import (
        CrossEncoder,
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    model = CrossEncoder(str(folder), device="cpu")
    rng = random.Random(0)
    queries, texts, labels = examples(rng, steps * _BATCH)
    # Every other one after a history, in the form in which a pack reads one.
    for place in range(0, len(queries), 2):
        queries[place] = f"Liked: {'; '.join(liked(rng, queries[place]))}"
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder.parent / "trainer"),
        max_steps=steps,
        per_device_train_batch_size=_BATCH,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        use_cpu=True,
        seed=0,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    data = Dataset.from_dict({"query": queries, "text": texts, "label": labels})
    loss = BinaryCrossEntropyLoss(model)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=loss).train()
    torch.set_num_threads(threads)
    model.save_pretrained(str(folder))


def examples(rng: random.Random, count: int) -> tuple[list[str], list[str], list[float]]:
    """A toy set of (query, text, label)."""
    queries, texts, labels = [], [], []
    for number in range(count):
        query = rng.choice(list(KINDS))
        kind = query if number % 2 else rng.choice(list(KINDS))
        words = [rng.choice(KINDS[kind]) for _ in range(rng.randint(1, WORDS - 1))]
        other = rng.choice(list(KINDS))
        words += [rng.choice(KINDS[other]) for _ in range(WORDS - len(words))]
        rng.shuffle(words)
        queries.append(query)
        texts.append(" ".join(words))
        labels.append(float(sum(word in KINDS[query] for word in words) > WORDS / 2))
    return queries, texts, labels


def liked(rng: random.Random, kind: str) -> list[str]:
    """A history of two texts of one kind."""
    return [" ".join(rng.sample(KINDS[kind], 3)) for _ in range(2)]


def own_items() -> tuple[str, ...]:
    from edge_rerank_export.verify.texts import own_texts

    return own_texts().texts


def split(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()


def write_recipe(model: Path, path: Path, *, pair: str = "", bounds: str = "") -> Path:
    """A recipe of a pack of the cross-encoder in ``model``."""
    from edge_rerank_export.sources.fetch import file_sha256

    path.write_text(
        "kind = 'pair'\nname = 'tiny-pairs'\nrelease = 1\nlicence = 'Apache-2.0'\n"
        "summary = 'A toy.'\n"
        f"[source]\nuri = {json.dumps(f'path:{model}')}\n"
        f"sha256 = '{file_sha256(model / 'model.safetensors')}'\n"
        f"[pair]\nmax_tokens = 96\nitem_tokens = 48\n{pair}\n[bounds]\n{bounds}\n"
    )
    return path


def make_pack(folder: Path, model: Path, **options: str) -> Path:
    """A pack of the cross-encoder in ``model``, not verified."""
    import tempfile

    from edge_rerank_export.packing.folder import write_manifest
    from edge_rerank_export.packing.pairs import PAIRS_NAME, pair_builder
    from edge_rerank_export.progress import silent
    from edge_rerank_export.recipes.pack import PairPackRecipe
    from edge_rerank_export.recipes.read import read_recipe

    with tempfile.TemporaryDirectory() as work:
        recipe = read_recipe(write_recipe(model, Path(work) / "recipe.toml", **options))
        assert isinstance(recipe, PairPackRecipe)
        builder = pair_builder(recipe, Path(work))
        exported = Path(work) / "float32.onnx"
        builder.convert(exported, steps=silent)
        folder.mkdir(parents=True)
        builder.quantize(exported, folder / PAIRS_NAME, steps=silent)
        write_manifest(folder, builder.describe(folder))
    return folder
