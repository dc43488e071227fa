"""Training a llama of two layers with random weights to rank, and the pack made of it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import onnx
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import VALID, DataSet
from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.specs import Scoring
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.adapter import apply_adapter, keep_layers
from edge_rerank_export.models.language_model import load_language_model, read_head
from edge_rerank_export.packing.build import build
from edge_rerank_export.packing.scorer import scorer_spec
from edge_rerank_export.recipes.adapter import find_adapter
from edge_rerank_export.recipes.pack import ScorerPackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.recipes.train import Precision
from edge_rerank_export.sources.weights import file_sha256
from edge_rerank_export.train.domain import Batch
from edge_rerank_export.train.engine_odds import as_requests, log_odds
from edge_rerank_export.train.scorer.examples import Example, pack
from edge_rerank_export.train.scorer.model import RankingModel, add_adapters
from edge_rerank_export.train.scorer.recipe import Adapter, ScorerFinetuneRecipe
from edge_rerank_export.train.scorer.run import (
    ADAPTER_NAME,
    finetune_scorer,
    prepare,
    train_model,
)
from edge_rerank_export.train.scorer.train import ScorerTask, loss
from edge_rerank_export.train.scorer.weight import MAX_WEIGHT, fit_weight
from tests.export.records import write_records
from tests.inference.tiny import tokenizer

pytestmark = pytest.mark.slow

KINDS = ("bread", "planet", "violin", "bicycle")
WORDS = ("old", "quick", "small", "bright", "simple", "grand")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who always stay with one kind of thing."""
    rng = random.Random(0)
    folder = tmp_path_factory.mktemp("data") / "kinds"
    folder.mkdir()
    names = [f"{kind}-{word}" for kind in KINDS for word in WORDS]
    write_records(
        folder / "items.jsonl",
        [{"id": name, "text": " ".join(reversed(name.split("-")))} for name in names],
    )

    def walk() -> list[str]:
        kind = rng.choice(KINDS)
        return [f"{kind}-{word}" for word in rng.sample(WORDS, k=4)]

    write_records(folder / "train.jsonl", [{"user": str(n), "items": walk()} for n in range(60)])
    requests: list[dict[str, object]] = []
    for n in range(20):
        *before, last = walk()
        others = [name for name in names if name.split("-")[0] != last.split("-")[0]]
        requests.append(
            {
                "user": str(n),
                "history": before,
                "candidates": [*rng.sample(others, 4), last],
                "clicked": [last],
            }
        )
    write_records(folder / "valid.jsonl", requests)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of three layers with random weights and a byte-level tokeniser, on disk."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "base.toml").write_text(
        "kind = 'scorer'\n"
        "name = 'base'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{checkpoint}')}\n"
        f"sha256 = '{file_sha256(checkpoint / 'model.safetensors')}'\n"
        "[scorer]\nheading = 'Liked:'\nstart = '<s>'\nline_tokens = 16\nhistory_tokens = 96\n"
        "vocabulary = 100\nquantisation = 'int8'\nfine = 'down'\n"
        "[bounds]\nmin_tau = 0.5\n"
    )
    path = folder / "tuned.toml"
    path.write_text(
        "kind = 'scorer'\n"
        "name = 'tuned'\nrelease = 1\nsummary = 'A test.'\ncheckpoint = 'base.toml'\n"
        "[training]\nrequests = 100\ncandidates = 5\nsteps = 40\nbatch = 4\n"
        "learning_rate = 0.02\nevaluate_every = 10\nbeside = 0.0\n"
        "[adapter]\nrank = 4\nalpha = 8\ndropout = 0.0\n"
    )
    return path


def short(path: Path, **training: object) -> ScorerFinetuneRecipe:
    """The recipe with six steps, enough to tell two trainings apart."""
    recipe = ScorerFinetuneRecipe.read(path)
    changes = {"steps": 6, "evaluate_every": 3, **training}
    return replace(recipe, training=replace(recipe.training, **changes))  # type: ignore[arg-type]


def head_of(recipe: ScorerFinetuneRecipe, data: Path, work: Path) -> torch.Tensor:
    """The head after a training, without the pack."""
    prepared = prepare(recipe, [data], work=work)
    train_model(recipe, prepared, work=work)
    return prepared.model.head.weight.detach()


@pytest.fixture(scope="module")
def short_head(recipe: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """The head after the short training."""
    return head_of(short(recipe), data, tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="module")
def tuned(recipe: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    read = ScorerFinetuneRecipe.read(recipe)
    prepared = prepare(read, [data], work=folder)
    result = finetune_scorer(read, [data], prepared, folder / "tuned", work=folder)
    assert result.outcome.best > 0.9
    assert result.checkpoint == folder / "trained"
    return folder / "tuned"


@pytest.fixture(scope="module")
def bert_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To train a BERT of three layers with random weights, all of them."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=200,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertModel(config)
    with torch.no_grad():
        # Random positions as large as the words drown these in so small a model.
        model.embeddings.position_embeddings.weight.mul_(0.1)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    (folder / "base.toml").write_text(
        "kind = 'scorer'\n"
        "name = 'base'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{folder}')}\n"
        f"sha256 = '{file_sha256(folder / 'model.safetensors')}'\n"
        "[scorer]\nheading = 'Liked:'\nstart = '<s>'\nseparator = '<s>'\nline_tokens = 16\n"
        "history_tokens = 96\nquantisation = 'int8'\nfine = '/'\n"
        "[bounds]\nmin_tau = 0.5\n"
    )
    path = folder / "tuned.toml"
    path.write_text(
        "kind = 'scorer'\n"
        "name = 'tuned'\nrelease = 1\nsummary = 'A test.'\ncheckpoint = 'base.toml'\n"
        "[training]\nrequests = 100\ncandidates = 5\nsteps = 60\nbatch = 8\n"
        "learning_rate = 0.02\nevaluate_every = 30\nbeside = 0.0\nlayers = 2\n"
        "[adapter]\nrank = 4\nalpha = 8\ndropout = 0.0\n"
    )
    return path


@pytest.fixture(scope="module")
def tuned_bert(bert_recipe: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert-packs")
    read = ScorerFinetuneRecipe.read(bert_recipe)
    prepared = prepare(read, [data], work=folder)
    result = finetune_scorer(read, [data], prepared, folder / "tuned", work=folder)
    assert result.outcome.best > 0.8  # 0.59 by chance
    return folder / "tuned"


HISTORY = ["quick violin", "old violin", "grand violin"]
NOTHING = np.zeros(0, dtype=np.float32)
CANDIDATES = ["bright bread", "small violin", "old planet", "simple bicycle"]


def test_the_pack_ranks_as_it_learnt(tuned: Path) -> None:
    pack = Pack.open(tuned)
    assert pack.manifest.scorer is not None
    assert pack.manifest.scorer.scoring is Scoring.HEAD
    scores = Scorer(pack, threads=1).score(CANDIDATES, HISTORY)
    assert int(np.argmax(scores)) == 1
    card = (tuned / "MODEL_CARD.md").read_text()
    assert "kinds: 40 steps from seed 0, adapters of rank 4" in card


def test_the_weight_is_what_the_validation_requests_say(tuned: Path, data: Path) -> None:
    """Popularity is unknown and texts say much, so the head counts, and for more than nothing."""
    scorer = Scorer(Pack.open(tuned), threads=1)
    assert 0.05 < scorer.weight < MAX_WEIGHT
    assert fit_weight(scorer, [data], limit=20) == pytest.approx(scorer.weight)


def test_scores_that_say_nothing_weigh_nothing(tuned: Path, data: Path) -> None:
    scorer = Scorer(Pack.open(tuned), threads=1)
    rng = np.random.default_rng(0)
    scorer.score = lambda texts, _: rng.permutation(len(texts)) - 2.0  # type: ignore[method-assign]
    assert fit_weight(scorer, [data], limit=20) < 0.3


def test_without_validation_requests_both_weigh_the_same(
    tuned: Path, data: Path, tmp_path: Path
) -> None:
    for name in ("items.jsonl", "train.jsonl"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    assert fit_weight(Scorer(Pack.open(tuned), threads=1), [tmp_path], limit=20) == 1.0


def test_the_adapter_makes_the_same_pack(tuned: Path, recipe: Path, tmp_path: Path) -> None:
    weight = Scorer(Pack.open(tuned)).weight
    text = (recipe.parent / "base.toml").read_text()
    text = text.replace("[scorer]", "adapter = 'adapter.safetensors'\n[scorer]")
    text = text.replace("quantisation = 'int8'", f"quantisation = 'int8'\nweight = {weight}")
    (tmp_path / "again.toml").write_text(text)
    (tmp_path / ADAPTER_NAME).write_bytes((tuned.parent / ADAPTER_NAME).read_bytes())
    wanted = read_recipe(tmp_path / "again.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    build(wanted, tmp_path / "again")
    again = Scorer(Pack.open(tmp_path / "again"), threads=1)
    assert not again.by_likelihood
    assert again.weight == weight
    assert "kinds: 40 steps from seed 0" in (tmp_path / "again" / "MODEL_CARD.md").read_text()
    first = Scorer(Pack.open(tuned), threads=1).score(CANDIDATES, HISTORY)
    # The file has 16 bits a number.
    assert np.abs(again.score(CANDIDATES, HISTORY) - first).max() < 0.05 * np.ptp(first)


def test_an_adapter_of_another_model_is_refused(
    tuned: Path, checkpoint: Path, tmp_path: Path
) -> None:
    trunk = load_language_model(checkpoint).base_model
    adapter = tuned.parent / ADAPTER_NAME
    trunk.layers[1].mlp.up_proj = torch.nn.Linear(64, 95)
    with pytest.raises(RecipeError, match=r"which has a product layers\.1\.mlp\.up_proj"):
        apply_adapter(trunk, adapter)
    trunk.layers = trunk.layers[:2]
    with pytest.raises(RecipeError, match="expected 1 to 2"):
        apply_adapter(trunk, adapter)
    (tmp_path / "no.safetensors").write_bytes(adapter.read_bytes()[:50])
    with pytest.raises(RecipeError, match="adapter: not readable: SafetensorError"):
        apply_adapter(trunk, tmp_path / "no.safetensors")
    with pytest.raises(RecipeError, match="known name, got 'nobody'"):
        find_adapter("nobody")


def test_it_refines_the_shipped_pack(tuned: Path) -> None:
    with Reranker.open([shipped_pack(), tuned]) as reranker:
        reranker.consent("a", True)
        reranker.record([Event("click", Item(text, text)) for text in HISTORY], user="a")
        ranking = reranker.rank([Item(text, text) for text in CANDIDATES], user="a")
    assert ranking[0].item.text == "small violin"


@pytest.mark.parametrize("kind", ["tuned", "tuned_bert"])
def test_the_pack_scores_as_the_trained_checkpoint(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """What was packed and quantised agrees with transformers on packed candidates."""
    folder: Path = request.getfixturevalue(kind)
    checkpoint = folder.parent / "trained"
    head = read_head(checkpoint)
    assert head is not None
    assert head.shape == (1, 64)
    model = RankingModel(load_language_model(checkpoint).base_model)
    with torch.no_grad():
        model.head.weight.copy_(head)
    pack = Pack.open(folder)
    assert pack.manifest.scorer is not None
    assert pack.manifest.scorer.causal is model.causal is (kind == "tuned")
    scorer = Scorer(pack, threads=1)
    prompt = scorer.prompt
    example = Example(
        (*prompt.prefix, *(token for text in HISTORY for token in prompt.line(text))),
        tuple(prompt.line(text) for text in CANDIDATES),
        np.array([False, True, False, False]),
        NOTHING,
    )
    with torch.no_grad():
        expected = model.eval()(example).numpy()
    got = scorer.score(CANDIDATES, HISTORY)
    assert int(np.argmax(got)) == 1
    assert np.abs(got - expected).max() < 0.1 * np.ptp(expected)


def test_the_adapter_of_a_bert_makes_the_same_pack(
    tuned_bert: Path, bert_recipe: Path, tmp_path: Path
) -> None:
    text = (bert_recipe.parent / "base.toml").read_text()
    (tmp_path / "again.toml").write_text(
        text.replace("[scorer]", "adapter = 'adapter.safetensors'\n[scorer]")
    )
    (tmp_path / ADAPTER_NAME).write_bytes((tuned_bert.parent / ADAPTER_NAME).read_bytes())
    wanted = read_recipe(tmp_path / "again.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    build(wanted, tmp_path / "again")
    again = Scorer(Pack.open(tmp_path / "again"), threads=1)
    first = Scorer(Pack.open(tuned_bert), threads=1).score(CANDIDATES, HISTORY)
    # Sixteen bits a number round other ways; what all candidates share changes no order.
    difference = again.score(CANDIDATES, HISTORY) - first
    assert np.abs(difference - difference.mean()).max() < 0.05 * np.ptp(first)


def test_a_bert_without_a_trained_head_is_refused(bert_recipe: Path, tmp_path: Path) -> None:
    wanted = read_recipe(bert_recipe.parent / "base.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    with pytest.raises(UnsupportedModel, match="'bert' needs a head"):
        build(wanted, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_a_bert_reads_no_more_than_it_has_positions_for(
    tuned_bert: Path, bert_recipe: Path, tmp_path: Path
) -> None:
    text = (bert_recipe.parent / "base.toml").read_text().replace("= 96", "= 120")
    text = text.replace(
        "[scorer]", f"adapter = {str(tuned_bert.parent / ADAPTER_NAME)!r}\n[scorer]"
    )
    (tmp_path / "long.toml").write_text(text)
    wanted = read_recipe(tmp_path / "long.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    with pytest.raises(UnsupportedModel, match=r"history_tokens: this model reads 200.*216"):
        build(wanted, tmp_path / "pack")


def test_every_product_of_a_bert_is_quantised(tuned_bert: Path) -> None:
    nodes = onnx.load(tuned_bert / "scorer.onnx").graph.node
    kinds = [node.op_type for node in nodes]
    assert "Gemm" not in kinds
    # What is left are the sums and means of attention, over past and present, in two layers.
    assert kinds.count("MatMul") == 8
    assert "MatMulIntegerToFloat" in kinds


def test_a_prompt_begins_with_no_padding(bert_recipe: Path) -> None:
    wanted = read_recipe(bert_recipe.parent / "base.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    padding = tokenizer()
    padding.enable_padding(length=128, pad_id=7)
    assert scorer_spec(wanted, padding).prefix == scorer_spec(wanted, tokenizer()).prefix


def test_what_ends_a_line_must_be_known(bert_recipe: Path, tmp_path: Path) -> None:
    wanted = read_recipe(bert_recipe.parent / "base.toml")
    assert isinstance(wanted, ScorerPackRecipe)
    other = replace(wanted, scorer=replace(wanted.scorer, separator="[SEP]"))
    with pytest.raises(RecipeError, match=r"scorer\.separator: not a token"):
        scorer_spec(other, tokenizer())
    none = replace(wanted, scorer=replace(wanted.scorer, separator=""))
    without = Tokenizer(WordLevel({"<s>": 0, "Liked": 1, ":": 2, "?": 3}, unk_token="?"))
    without.pre_tokenizer = Whitespace()
    with pytest.raises(RecipeError, match="has no line break"):
        scorer_spec(none, without)


@pytest.mark.parametrize("kind", ["recipe", "bert_recipe"])
def test_a_candidate_scores_the_same_in_any_company(
    kind: str, request: pytest.FixtureRequest
) -> None:
    recipe: Path = request.getfixturevalue(kind)
    source = read_recipe(recipe.parent / "base.toml").source.uri.removeprefix("path:")
    torch.manual_seed(0)
    model = RankingModel(load_language_model(Path(source)).base_model).eval()
    history, lines = (0, 5, 9, 7), ((3, 4, 8), (11, 8), (20, 21, 22, 8))
    clicked = np.array([True, False, False])
    torch.nn.init.normal_(model.head.weight)
    with torch.no_grad():
        together = model(Example(history, lines, clicked, NOTHING))
        alone = [model(Example(history, (line,), clicked[:1], NOTHING)) for line in lines]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert together.std() > 0.01
    if model.causal:
        row = torch.tensor([[*history, *lines[2]]])
        plain = model.head(model.trunk(input_ids=row).last_hidden_state[0, -1])
        assert torch.allclose(together[2], plain[0], atol=1e-5)


def test_a_pack_reads_no_longer_histories_than_it_was_trained_on(recipe: Path) -> None:
    assert short(recipe, history=3).pack_recipe().scorer.history_tokens == 3 * 16
    assert short(recipe, history=20).pack_recipe().scorer.history_tokens == 96


def test_without_causality_the_history_sees_itself_and_no_candidate() -> None:
    packed = pack(Example((1, 2), ((3, 4), (5,)), np.array([True, False]), NOTHING), causal=False)
    assert packed.seen.int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert packed.positions.tolist() == [0, 1, 2, 3, 2]
    assert packed.ends.tolist() == [3, 4]


def test_the_same_seed_gives_the_same_model_and_another_another(
    recipe: Path, data: Path, short_head: torch.Tensor, tmp_path: Path
) -> None:
    again = head_of(short(recipe), data, tmp_path / "again")
    other = head_of(short(recipe, seed=1), data, tmp_path / "other")
    assert torch.equal(short_head, again)
    assert not torch.equal(short_head, other)


def test_a_training_that_was_broken_off_goes_on_as_if_it_had_not_been(
    recipe: Path,
    data: Path,
    short_head: torch.Tensor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = short(recipe)
    step = ScorerTask.step

    def broken(self: ScorerTask, number: int) -> None:
        if number == 4:
            raise KeyboardInterrupt
        step(self, number)

    work = tmp_path / "work"
    monkeypatch.setattr(ScorerTask, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        head_of(read, data, work)
    monkeypatch.undo()
    changed = replace(read, adapter=replace(read.adapter, alpha=9.0))
    with pytest.raises(RecipeError, match="another recipe"):
        train_model(changed, prepare(changed, [data], work=work), work=work, resume=True)
    prepared = prepare(read, [data], work=work)
    train_model(read, prepared, work=work, resume=True)
    assert torch.equal(short_head, prepared.model.head.weight)


def test_layers_can_be_left_out(recipe: Path, data: Path, tmp_path: Path) -> None:
    shorter = short(recipe, layers=2, steps=2, beside=0.5)
    prepared = prepare(shorter, [data], work=tmp_path)
    everything = prepare(short(recipe), [data], work=tmp_path).plan
    assert prepared.plan.weights < everything.weights
    result = finetune_scorer(shorter, [data], prepared, tmp_path / "pack", work=tmp_path / "work")
    assert load_language_model(result.checkpoint).config.num_hidden_layers == 2
    assert np.isfinite(Scorer(Pack.open(tmp_path / "pack")).score(CANDIDATES, HISTORY)).all()
    with pytest.raises(RecipeError, match=r"layers: expected 1 to 3"):
        prepare(short(recipe, layers=7), [data], work=tmp_path)


def test_all_weights_are_trained_without_adapters(
    recipe: Path, data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    full = replace(short(recipe, steps=2, precision=Precision.BFLOAT16), adapter=Adapter(rank=0))
    prepared = prepare(full, [data], work=tmp_path)
    assert prepared.plan.trained == prepared.plan.weights
    adapted = prepare(short(recipe), [data], work=tmp_path).plan
    assert adapted.trained < prepared.plan.trained / 4
    before = load_language_model(checkpoint).base_model.layers[0].self_attn.q_proj.weight
    train_model(full, prepared, work=tmp_path)
    assert not torch.equal(before, prepared.model.trunk.layers[0].self_attn.q_proj.weight)


def test_adapters_change_nothing_before_training(checkpoint: Path) -> None:
    tokens = torch.arange(5)[None]
    trunk = load_language_model(checkpoint).base_model
    before = trunk(input_ids=tokens).last_hidden_state
    adapted = add_adapters(trunk, Adapter(rank=2))
    assert torch.allclose(adapted(input_ids=tokens).last_hidden_state, before, atol=1e-6)


def test_the_first_layers_are_kept(checkpoint: Path) -> None:
    trunk = load_language_model(checkpoint).base_model
    first = list(trunk.layers[:2])
    tokens = torch.arange(5)[None]
    states = trunk(input_ids=tokens, output_hidden_states=True).hidden_states[2]
    keep_layers(trunk, 2)
    assert list(trunk.layers) == first
    assert torch.equal(trunk(input_ids=tokens).last_hidden_state, trunk.norm(states))


def test_what_the_shipped_pack_says_is_what_it_ranks_by(data: Path) -> None:
    request = next(iter(DataSet.open(data).requests(VALID)))
    with RankingEngine.open() as engine:
        odds = log_odds(engine, request)
        ranking = engine.rank(request.candidates, history=request.history, now=request.now)
    order = [request.candidates[row].id for row in np.argsort(-odds)]
    assert order == [ranked.item.id for ranked in ranking]
    assert odds.shape == (5,)


def test_a_made_up_request_does_not_count_its_own_choice() -> None:
    items = [Item("a", "one", popularity=3), Item("b", "two", popularity=5), Item("c", "three")]
    batch = Batch(
        candidates=np.array([[1, 0, 3, -1]]),
        clicked=np.array([[True, False, False, False]]),
        history=np.array([[-1, 2]]),
        strength=np.array([[0.0, 1.0]], dtype=np.float32),
        age_s=np.array([[np.nan, 60.0]], dtype=np.float32),
        now=np.array([100.0]),
        counted=True,
    )
    (request,) = as_requests(items, batch)
    assert [item.id for item in request.candidates[:2]] == ["b", "a"]
    assert [item.popularity for item in request.candidates] == [4, 3, None]
    assert request.clicked == {"b"}
    assert [(event.item, event.timestamp) for event in request.history] == [(items[2], 40.0)]


def test_beside_other_evidence_only_what_that_lacks_is_left_to_learn() -> None:
    """Once the other evidence is sure of the choice, no score changes the loss beside it."""
    scores = torch.zeros(2, requires_grad=True)
    sure = Example((1,), ((2,), (3,)), np.array([True, False]), np.array([30, 0], dtype=np.float32))
    for beside, expected in ((0.0, 0.5), (0.5, 0.25), (1.0, 0.0)):
        (slope,) = torch.autograd.grad(loss(scores, sure, beside=beside), scores)
        assert slope.tolist() == pytest.approx([-expected, expected], abs=1e-6)


def test_the_command_says_what_it_needs_and_trains_nothing_in_a_dry_run(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["finetune", str(recipe), "--data", str(data), "--work", str(tmp_path)]
    assert main([*arguments, "--dry-run"]) == 0
    shown = " ".join(capsys.readouterr().err.split())
    assert "million weights are trained, on 100 requests of up to" in shown
    assert "nothing was trained" in shown
    assert main(arguments) == 2
    assert "--out" in capsys.readouterr().err


def test_a_broken_line_is_named_before_any_model_is_fetched(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("items.jsonl", "train.jsonl", "valid.jsonl"):
        (broken / name).write_bytes((data / name).read_bytes())
    with (broken / "train.jsonl").open("a") as stream:
        stream.write('{"user": "x", "items": 5}\n')
    read = ScorerFinetuneRecipe.read(recipe)
    with pytest.raises(DataError, match=r"train\.jsonl:61"):
        prepare(read, [broken], work=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("[adapter]\nrank = -1\n", "adapter"),
        ("[training]\nlayers = -1\n", "layers"),
        ("[training]\nprecision = 'float8'\n", "precision"),
        ("[training]\nlearning_rate = 2\n", "learning_rate"),
        ("[training]\nbeside = 1.5\n", "beside"),
        ("speed = 3\n", "speed: not a known key"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(
    tmp_path: Path, change: str, message: str
) -> None:
    path = tmp_path / "bad.toml"
    head = "kind = 'scorer'\nname = 'x'\nrelease = 1\nsummary = ''\ncheckpoint = 'base.toml'\n"
    path.write_text(head + change)
    with pytest.raises(RecipeError, match=message):
        ScorerFinetuneRecipe.read(path)


def test_an_encoder_is_no_checkpoint_of_a_scorer(recipe: Path, data: Path, tmp_path: Path) -> None:
    read = ScorerFinetuneRecipe.read(recipe)
    encoder = Path(__file__).parents[2] / "export" / "recipes" / "default.toml"
    wrong = replace(read, checkpoint=str(encoder))
    with pytest.raises(RecipeError, match="expected the recipe of a scorer"):
        prepare(wrong, [data], work=tmp_path)


def test_other_kinds_of_model_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(UnsupportedModel, match="mamba"):
        load_language_model(tmp_path)
