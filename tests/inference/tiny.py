"""Scorers of two layers with random weights, exported where they are needed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_rerank.packs.specs import Scoring

HISTORY = ["garden tools", "a quiet river walk", "how to prune roses", "river maps of the north"]
CANDIDATES = [
    "roses",
    "a pair of garden gloves",
    "the river at night and what lives in it",
    "football",
    "a very long title about gardens, rivers, roses, and everything else that grows by water",
    "roses",
    "",
]


def make_pack(
    folder: Path,
    *,
    scheme: str = "int7",
    scoring: Scoring = Scoring.LIKELIHOOD,
    causal: bool = True,
) -> Path:
    """A pack with a tiny random decoder and a byte-level tokeniser."""
    folder.mkdir(parents=True)
    for name, content in _files(scheme, scoring, causal).items():
        (folder / name).write_bytes(content)
    return folder


@cache
def _files(scheme: str, scoring: Scoring, causal: bool) -> dict[str, bytes]:
    """Those of such a pack, made once a process."""
    with TemporaryDirectory() as work:
        made = _made(Path(work) / "pack", scheme, scoring, causal)
        return {one.name: one.read_bytes() for one in made.iterdir()}


def _made(folder: Path, scheme: str, scoring: Scoring, causal: bool) -> Path:
    import torch

    from edge_rerank_export.models.decoder import ScoringDecoder
    from edge_rerank_export.models.language_model import convert_scorer
    from edge_rerank_export.quantize.integers import quantize
    from edge_rerank_export.quantize.scheme import Scheme
    from edge_rerank_export.recipes.pack import ScorerPackRecipe, ScorerRecipe, SourceRecipe

    torch.manual_seed(0)
    wanted = ScorerRecipe("Liked:", "<s>", 12, 60, 100, quantisation=Scheme(scheme))
    head = None if scoring is Scoring.LIKELIHOOD else torch.randn(1, 64)
    if causal:
        model = ScoringDecoder(tiny_llama(), max_positions=128, vocabulary=100, head=head).eval()
    else:
        model = tiny_cross_encoder()
    folder.mkdir(parents=True)
    exact = folder.parent / f"{folder.name}.onnx"
    convert_scorer(model, exact)
    if wanted.quantisation is Scheme.NONE:
        exact.rename(folder / "scorer.onnx")
    else:
        quantize(exact, folder / "scorer.onnx", wanted.quantisation)
    recipe = ScorerPackRecipe(
        "tiny", 1, "Apache-2.0", "Random.", SourceRecipe("path:x", "0" * 64), wanted
    )
    write_scorer_manifest(folder, recipe, causal=causal, scoring=scoring)
    return folder


def write_scorer_manifest(folder: Path, recipe: object, *, causal: bool, scoring: Scoring) -> None:
    """Put the byte-level tokeniser beside a model in ``folder``, and describe both."""
    from edge_rerank_export.packing.builder import described
    from edge_rerank_export.packing.folder import write_manifest
    from edge_rerank_export.packing.scorer import TOKENIZER_NAME, scorer_spec
    from edge_rerank_export.recipes.pack import ScorerPackRecipe
    from edge_rerank_export.sources.fetch import Fetched

    assert isinstance(recipe, ScorerPackRecipe)
    backend = tokenizer()
    spec = replace(
        scorer_spec(recipe, backend),
        quantisation=recipe.scorer.quantisation,
        causal=causal,
        scoring=scoring,
    )
    backend.save(str(folder / TOKENIZER_NAME), pretty=False)
    fetched = Fetched(folder, "path:x", "local", "0" * 64)
    write_manifest(folder, described(recipe, fetched, folder, spec))


def tiny_cross_encoder() -> object:
    import torch
    from transformers import BertConfig, BertModel

    from edge_rerank_export.models.cross_encoder import ScoringCrossEncoder

    config = BertConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        attn_implementation="eager",
    )
    return ScoringCrossEncoder(BertModel(config), head=torch.randn(1, 64)).eval()


def tiny_llama(*, heads: int = 4, kind: str = "llama") -> object:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind,
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=2,
        head_dim=64 // heads,
        max_position_embeddings=256,
        bos_token_id=0,
        tie_word_embeddings=kind != "qwen2",
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        # Random weights as large as trained ones, or nothing would be told apart.
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(5)
            else:
                parameter.uniform_(0.5, 1.5)
    return model


def tokenizer() -> object:
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(BPE({"<s>": 0, **{one: n + 1 for n, one in enumerate(alphabet)}}, []))
    backend.add_special_tokens(["<s>"])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend
