"""A verification in full: layers, cost, advice, and the page that shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.text_encoder import load_encoder
from edge_rerank_export.packing.build import builder_of
from edge_rerank_export.quantize.integers import quantize
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.bounds import EncoderBounds
from edge_rerank_export.recipes.pack import PackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.advice import advice, pattern
from edge_rerank_export.verify.cost import Cost, cost_of
from edge_rerank_export.verify.encoder import verify_encoder
from edge_rerank_export.verify.figures import Figure, Verification
from edge_rerank_export.verify.layers import LayerError, LayerErrors, layer_errors
from edge_rerank_export.verify.orders import Agreement
from edge_rerank_export.verify.readings import Reading, readings_of
from edge_rerank_export.verify.report import Report
from edge_rerank_export.verify.report_html import as_html, place_of
from edge_rerank_export.verify.texts import RankingCase, Texts, own_texts

WORST = "encoder/layer.1/attention/self/value"
Spoil = Callable[[Path, str], Path]


@dataclass(frozen=True)
class Tiny:
    """The tiny encoder: its pack, its recipe, and what layers are measured with."""

    pack: Pack
    recipe: PackRecipe
    exact: Path
    readings: list[Reading]


@pytest.fixture(scope="module")
def tiny(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    pack, work = Pack.open(tiny_pack), tmp_path_factory.mktemp("exact")
    recipe = read_recipe(tiny_pack.parent / "tiny.toml")
    builder = builder_of(recipe, work)
    exact = builder.exact() / builder.model_name
    return Tiny(pack, recipe, exact, readings_of(pack, exact, own_texts()))


@pytest.fixture
def spoil(tmp_path: Path) -> Spoil:
    """Quantises a model after noise was put into one of its matrices."""

    def spoiled(exact: Path, layer: str) -> Path:
        model = onnx.load(str(exact))
        node = next(one for one in model.graph.node if one.name == f"/backbone/{layer}/MatMul")
        tensor = next(one for one in model.graph.initializer if one.name == node.input[1])
        matrix = numpy_helper.to_array(tensor)
        noise = np.random.default_rng(0).normal(scale=matrix.std() / 2, size=matrix.shape)
        noisy = (matrix + noise).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(noisy, tensor.name))
        onnx.save(model, str(tmp_path / "noisy.onnx"))
        quantize(tmp_path / "noisy.onnx", tmp_path / "spoiled.onnx")
        return tmp_path / "spoiled.onnx"

    return spoiled


def test_a_model_beside_itself_is_not_off(tiny: Tiny, tmp_path: Path) -> None:
    # Its weights lie in another file, as those of large models do.
    large = tmp_path / "large.onnx"
    onnx_file.save(onnx_file.load(tiny.exact), large, inline_bytes=0)
    found = layer_errors(large, large, tiny.readings)
    assert len(found.layers) == 12
    assert found.result == 0.0
    assert max(one.error for one in found.layers) == 0.0
    assert max(one.added for one in found.layers) < 1e-6


def test_the_layer_that_was_spoilt_is_the_worst(tiny: Tiny, spoil: Spoil) -> None:
    calls: list[tuple[int, int]] = []
    found = layer_errors(
        tiny.exact,
        spoil(tiny.exact, WORST),
        tiny.readings,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert found.worst is not None
    assert found.worst.name == WORST
    assert found.worst.added == pytest.approx(0.5, abs=0.15)  # the noise beside the weights
    assert found.worst.gain is not None
    assert found.worst.gain > 0.6
    names = [one.name for one in found.layers]
    before, after = found.layers[: names.index(WORST)], found.layers[names.index(WORST) + 1 :]
    assert max(one.error for one in before) < 0.05
    # Something of what comes after is off as well, and nothing of it adds to that.
    assert max(one.error for one in after) > 0.05
    assert max(one.added for one in after) < 0.05
    assert calls[-1] == (len(tiny.readings) * 10, len(tiny.readings) * 10)


def test_layers_that_are_fine_already_say_so(tiny: Tiny, tmp_path: Path) -> None:
    quantize(tiny.exact, tmp_path / "fine.onnx", fine=pattern([WORST]))
    found = layer_errors(tiny.exact, tmp_path / "fine.onnx", tiny.readings)
    # Products of one input are fine together.
    of_block = {WORST.replace("value", one) for one in ("query", "key", "value")}
    assert {one.name for one in found.layers if one.fine} == of_block


def test_weights_beside_a_model_are_read_as_well(tiny: Tiny, tmp_path: Path) -> None:
    for name, source in (("f.onnx", tiny.exact), ("q.onnx", tiny.pack.path / "encoder.onnx")):
        onnx_file.save(onnx_file.load(source), tmp_path / name, inline_bytes=0)
        assert onnx_file.data_file(tmp_path / name).is_file()
    found = layer_errors(tmp_path / "f.onnx", tmp_path / "q.onnx", tiny.readings)
    assert found == layer_errors(tiny.exact, tiny.pack.path / "encoder.onnx", tiny.readings)
    cost = cost_of(tmp_path / "q.onnx", tiny.readings)
    assert cost.size > onnx_file.data_file(tmp_path / "q.onnx").stat().st_size
    assert cost.wall_ms > 0


@pytest.mark.parametrize("scheme", [Scheme.INT4, Scheme.FLOAT16])
def test_other_forms_are_compared_as_well(scheme: Scheme, tiny: Tiny, tmp_path: Path) -> None:
    quantize(tiny.exact, tmp_path / "model.onnx", scheme)
    found = layer_errors(tiny.exact, tmp_path / "model.onnx", tiny.readings)
    assert len(found.layers) == 12
    most = {Scheme.INT4: 0.3, Scheme.FLOAT16: 0.01}[scheme]
    assert 0 < max(one.added for one in found.layers) < most


def test_a_cut_model_is_named_with_the_flag_to_try(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tiny_recipe.read_text().replace("quantisation = 'int8'", "quantisation = 'int4'")
    tiny_recipe.write_text(text.replace("min_tau = 0.5", "min_tau = 0.999"))
    assert main(["build", str(tiny_recipe), "--out", str(tmp_path / "pack")]) == 3
    said = capsys.readouterr().err
    assert re.search(
        r"falls short of the original in: kendall_tau; the layer that costs most is "
        r"encoder/layer\.\d/\S+ \(it adds .*\); try --quantisation int8$",
        said.rstrip(),
    )
    assert not (tmp_path / "pack").exists()


def test_verify_writes_the_page_and_says_the_same_as_json(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "mine.txt"
    texts = own_texts().texts[:30]
    lines.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    page = tmp_path / "page.html"
    recipe = str(tiny_pack.parent / "tiny.toml")
    arguments = ["verify", str(tiny_pack), recipe, "--texts", str(lines)]
    assert main([*arguments, "--page", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    html = page.read_text(encoding="utf-8")
    assert found["texts"] == 30
    assert found["orders"][0]["lists"] == 27
    assert len(found["layers"]["layers"]) == 12
    assert found["advice"] == ""
    size = (tiny_pack / "encoder.onnx").stat().st_size
    assert found["cost"]["packed"]["size"] == size
    for one in found["cost"].values():
        assert one["wall_ms"] > 0
        assert one["processor_ms"] > 0
        assert 20 < one["peak_mib"] < 1000
    assert f"{found['orders'][0]['tau']:.3f}" in html
    assert f"{size:,}" in html
    assert f"{found['layers']['layers'][0]['error']:.1%}" in html
    assert "mine.txt: 30 lines of text" in html
    assert "holds every bound" in html
    assert not [text for text in texts if text in html]


def agreement(count: int) -> Agreement:
    gains = tuple((0.5, 0.5 if number else 0.25) for number in range(count))
    sources = tuple("b<" if number else "a" for number in range(count))
    return Agreement(
        "kendall_tau", tuple(number / count for number in range(count)), gains, sources
    )


def test_what_an_agreement_comes_to_by_hand() -> None:
    found = agreement(20)
    assert found.tau == pytest.approx(0.475)
    assert found.worst_tau == pytest.approx(0.025)  # of 0 and 1/20
    assert found.ndcg_means == (0.5, pytest.approx(0.4875))
    assert found.ndcg_loss == pytest.approx(0.025)
    low, high = found.tau_interval
    assert 0.33 < low < 0.475 < high < 0.62
    parts = found.by_source()
    assert [len(part.taus) for part in parts.values()] == [1, 19]
    assert parts["a"].ndcg_loss == 0.5
    assert parts["b<"].ndcg_loss == 0.0
    nobody = Agreement("kendall_tau", (1.0,), (None,), ("",))
    assert nobody.ndcg_loss is None
    assert "ndcg" not in nobody.to_dict()


def verification(**short: bool) -> Verification:
    figures = [Figure(name, 0.0 if low else 1.0, 0.5, at_least=True) for name, low in short.items()]
    return Verification(tuple(figures), 7, 20, (agreement(20),))


LAYERS = LayerErrors(
    (
        LayerError("qkv", 0.02, 0.02, 0.01),
        LayerError("down_3", 0.05, 0.02, 0.2),
        LayerError("gate_3", 0.04, 0.03, 0.3, fine=True),
        LayerError("up_1", 0.01, 0.01, -0.1),
        LayerError("out_1", 0.01, 0.01),
    ),
    0.04,
    16,
)


@pytest.mark.parametrize(
    ("scheme", "short", "wanted"),
    [
        (
            Scheme.INT4,
            "kendall_tau",
            "gate_3 (it adds 3.0%, and 30% of the result's error hangs on ",
        ),
        (Scheme.INT4, "kendall_tau", "; try --quantisation int8"),
        (Scheme.INT7, "ndcg_loss", "; try --quantisation int8"),
        (Scheme.INT8, "cosine", "; try encoder.fine = '/down_3/|/qkv/' in the recipe"),
        (Scheme.FLOAT16, "cosine", "; try --quantisation none"),
        (Scheme.NONE, "cosine", "nothing is rounded: the conversion is off"),
        (Scheme.INT8, "batch_effect", "rounding is not to blame"),
    ],
)
def test_advice_goes_by_what_falls_short(
    scheme: Scheme, short: str, wanted: str, tiny: Tiny
) -> None:
    said = advice(verification(**{short: True}), tiny.recipe.quantised_as(scheme), LAYERS)
    assert wanted in said


def test_advice_where_nothing_is_left_to_try(tiny: Tiny) -> None:
    assert advice(verification(cosine=False), tiny.recipe, LAYERS) == ""
    coarse = replace(LAYERS, layers=(LayerError("qkv", 0.1, 0.1, 0.5, fine=True),))
    said = advice(verification(cosine=True), tiny.recipe, coarse)
    assert said.endswith("try --quantisation float16 (for GPUs) or none")
    assert LayerErrors((), 0.0, 0).worst is None


def report(**changed: Any) -> Report:
    made: dict[str, Any] = {
        "name": "a <b> pack",
        "release": 3,
        "uri": "hf:some/model",
        "quantisation": Scheme.INT8,
        "texts": "mine & yours",
        "verification": verification(kendall_tau=True, cosine=False),
        "layers": LAYERS,
        "original": Cost(4_000_000, 20.0, 19.0, 400.0),
        "packed": Cost(1_000_000, 10.0, 9.5, 150.0),
        "advice": "the layer that costs most is gate_3; try something",
    }
    return Report(**{**made, **changed})


def test_the_page_stands_alone_and_says_everything() -> None:
    html = as_html(report())
    assert "<script" not in html
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", html)
    assert "default-src 'none'" in html
    assert "a &lt;b&gt; pack" in html
    assert "<b> pack" not in html
    assert "mine &amp; yours" in html
    assert "after a history, b&lt;" in html
    assert "falls short in Kendall τ, mean" in html
    assert "the layer that costs most is gate_3; try something" in html
    assert "25% of the original" in html
    assert "-2.50%" in html  # of NDCG@10
    for words in (
        "20 lists",
        "0.475",
        "0.025",
        "1,000,000",
        "9.5",
        "400",
        "+30.0%",
        "hf:some/model",
    ):
        assert words in html, words
    rows = re.findall(r'<tr><th scope="row">(\d)</th>(.*?)</tr>', html)
    assert [row for row, _ in rows] == ["0", "1", "3"]  # blocks
    assert html.count('class="heat"') == 5
    held = as_html(report(verification=verification(cosine=False), advice=""))
    assert "holds every bound" in held
    assert 'class="advice"' not in held


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("encoder/layer.3/output/dense", (3, "output/dense")),
        ("model/layers.11/mlp/up_proj", (11, "mlp/up_proj")),
        ("down_12", (12, "down")),
        ("qkv", (0, "qkv")),
        ("layers.2/attn/Wqkv", (2, "attn/Wqkv")),
    ],
)
def test_names_of_layers_are_read(name: str, place: tuple[int, str]) -> None:
    assert place_of(name) == place


def test_texts_that_the_tokeniser_cannot_read_are_no_difference(tiny: Tiny) -> None:
    own = own_texts()
    texts = Texts((*own.texts[:30], "\u16a0\u16a1 \u16a2"), (RankingCase((0, 30), (1, 2, 30, 4)),))
    model = load_encoder(Path(tiny.recipe.source.uri.removeprefix("path:")))
    found = verify_encoder(model, tiny.pack, texts, EncoderBounds())
    assert found.ok
    nothing = Texts(("\u16a0", "\u16a1", "\u16a2"), (RankingCase((0,), (1, 2)),))
    assert verify_encoder(model, tiny.pack, nothing, EncoderBounds()).short == ("cosine",)


def test_readings_are_few_and_of_what_there_is(tiny: Tiny) -> None:
    few = Texts(own_texts().texts[:4], own_texts().cases[:1])
    assert len(readings_of(tiny.pack, tiny.exact, few)) == 4
    assert len(tiny.readings) <= 16
