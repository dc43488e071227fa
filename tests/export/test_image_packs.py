"""Packs that read pictures: made by the same steps as others, and refused as others are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from torch.nn import functional

from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError, SourceError, UnsupportedModel
from edge_rerank_export.models import efficientnet, onnx_file
from edge_rerank_export.models.graph_writer import GraphWriter
from edge_rerank_export.models.picture import PictureEncoder, convert
from edge_rerank_export.models.preparation import Fit, Preparation
from edge_rerank_export.quantize.convolutions import (
    LIMIT,
    PAIR_LIMIT,
    quantize_convolutions,
    rounded,
)
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.pictures import calibration_pictures, check_pictures, picture
from tests.export.media import efficientnet_weights, image_recipe, tower_recipe

SIDE = "side = 64"


@pytest.fixture(scope="module")
def network() -> efficientnet.EfficientNetLite:
    return efficientnet.EfficientNetLite(efficientnet_weights())


def test_the_steps_make_the_bytes_of_build(tmp_path: Path) -> None:
    recipe = image_recipe(tmp_path, SIDE)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["build", str(recipe), "--out", str(whole)]) == 0
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    assert main(["convert", str(recipe), "--out", str(plain)]) == 0
    assert main(["quantize", str(plain), "--recipe", str(recipe), "--out", str(small)]) == 0
    assert main(["pack", str(small), str(recipe), "--out", str(parts)]) == 0
    assert small.stat().st_size < plain.stat().st_size
    assert {one.name: one.read_bytes() for one in whole.iterdir()} == {
        one.name: one.read_bytes() for one in parts.iterdir()
    }
    manifest = Pack.open(whole).manifest
    assert manifest.format == 3
    spec = manifest.image_encoder
    assert spec is not None
    assert (spec.dim, spec.side, spec.quantisation) == (48, 64, "int8")
    assert {"min_cosine", "mean_cosine", "conversion_error", "pictures"} == {*manifest.verification}
    card = (whole / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "32 pictures" in card
    assert "Apache-2.0" in card


def test_what_falls_short_is_not_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = image_recipe(tmp_path, SIDE, "min_cosine = 0.999999")
    assert main(["build", str(recipe), "--out", str(tmp_path / "pack")]) == 3
    assert not (tmp_path / "pack").exists()
    assert 'image.quantisation = "none"' in " ".join(capsys.readouterr().err.split())


def test_a_pack_is_verified_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = image_recipe(tmp_path, f"{SIDE}\nquantisation = 'none'")
    pack = tmp_path / "pack"
    assert main(["build", str(recipe), "--out", str(pack)]) == 0
    capsys.readouterr()
    assert main(["verify", str(pack), str(recipe), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["min_cosine"] > 0.999
    assert main(["verify", str(pack), str(recipe), "--page", str(tmp_path / "page.html")]) == 2
    assert main(["verify", str(pack), str(recipe), "--texts", str(recipe)]) == 2
    assert "expected only with a language model" in " ".join(capsys.readouterr().err.split())


def test_the_vector_is_the_originals(
    network: efficientnet.EfficientNetLite, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    for fit in Fit:
        prepare = Preparation(64, fit, True, (127.0,) * 3, (128.0,) * 3)
        encoder = PictureEncoder(
            prepare,
            network,
            network.channels,
            emit=lambda writer, name: efficientnet.emit(network, writer, name, 64),
        )
        target = tmp_path / f"{fit}.onnx"
        convert(encoder, target)
        session = Session(target.read_bytes())
        for height, width in ((64, 64), (90, 130), (1, 1), (200, 3)):
            image = picture(rng, height, width)
            (found,) = session.run({"image": image})
            assert found.shape == (1, 48)
            assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
            near = 1e-5 if (height, width) == (64, 64) else 2e-2
            assert np.abs(found - encoder(image).numpy()).max() < near


def test_windows_are_padded_as_tensorflow_pads() -> None:
    assert efficientnet.padding(224, 3, 2) == (0, 1)
    assert efficientnet.padding(56, 5, 2) == (1, 2)
    assert efficientnet.padding(7, 3, 2) == (1, 1)
    assert efficientnet.padding(14, 5, 1) == (2, 2)


def test_normalisation_is_folded_in(network: efficientnet.EfficientNetLite) -> None:
    weights = efficientnet_weights()
    values = torch.randn(1, 3, 9, 9)
    plain = functional.conv2d(
        functional.pad(values, (1, 1, 1, 1)), weights["_conv_stem.weight"], stride=2
    )
    normal = functional.batch_norm(
        plain,
        *(weights[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")),
        eps=1e-3,
    )
    assert torch.allclose(network.stem(values), normal.clamp(0, 6), atol=1e-5)


def test_weights_that_are_left_over_are_refused() -> None:
    weights = efficientnet_weights()
    weights["_blocks.1._se_reduce.weight"] = torch.zeros(1)
    with pytest.raises(UnsupportedModel, match="1 are of something else"):
        efficientnet.EfficientNetLite(weights)
    del weights["_blocks.1._se_reduce.weight"], weights["_bn0.bias"]
    with pytest.raises(UnsupportedModel, match="got others"):
        efficientnet.EfficientNetLite(weights)


class Planted:
    """What a pickle may hold: a call that is made when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (str(self.path),)


def test_nothing_of_a_pickle_is_run(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "good.pth")
    assert set(efficientnet.read_weights(tmp_path)) == {"a"}
    (tmp_path / "good.pth").unlink()
    planted = tmp_path / "planted"
    torch.save({"a": Planted(planted)}, tmp_path / "bad.pth")
    with pytest.raises(SourceError, match=r"bad\.pth: cannot be read"):
        efficientnet.read_weights(tmp_path)
    assert not planted.exists()


def _convolution(tmp_path: Path, weights: np.ndarray, group: int) -> tuple[Path, Path]:
    """A convolution of what lies between 0 and 6, in float32 and int8."""
    outputs, channels, kernel = weights.shape[0], weights.shape[1] * group, weights.shape[2]
    writer = GraphWriter()
    low, high = writer.constant(0, np.float32), writer.constant(6, np.float32)
    bounded = writer.add("Clip", "x", low, high)
    writer.add(
        "Conv",
        bounded,
        writer.constant(weights, np.float32),
        writer.constant(np.zeros(outputs), np.float32),
        name="y",
        kernel_shape=[kernel, kernel],
        pads=[kernel // 2] * 4,
        group=group,
    )
    shapes = [1, channels, 9, 9], [1, outputs, 9, 9]
    model = writer.model(
        {"x": (TensorProto.FLOAT, shapes[0])}, {"y": (TensorProto.FLOAT, shapes[1])}
    )
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    onnx_file.save(model, plain)
    rng = np.random.default_rng(1)
    feeds = [{"x": rng.uniform(0, 6, shapes[0]).astype(np.float32)} for _ in range(3)]
    assert quantize_convolutions(plain, small, feeds) == 1
    return plain, small


@pytest.mark.parametrize(
    ("shape", "group"),
    [((16, 64, 1, 1), 1), ((16, 67, 1, 1), 1), ((8, 3, 3, 3), 1), ((32, 1, 3, 3), 32)],
)
def test_no_pair_of_products_overflows(tmp_path: Path, shape: tuple[int, ...], group: int) -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    # Long tails of one sign: what overflows sixteen bits first.
    weights = np.abs(rng.standard_t(3, size=shape)).astype(np.float32)
    _, small = _convolution(tmp_path, weights, group)
    exact = onnxruntime.SessionOptions()
    exact.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    sessions = [onnxruntime.InferenceSession(str(small), one) for one in (None, exact)]
    full = np.full((1, shape[1] * group, 9, 9), 6, np.float32)
    fast, slow = (session.run(None, {"x": full})[0] for session in sessions)
    step = np.ptp(slow) / 255
    assert np.abs(fast - slow).max() <= step


def test_steps_of_pairs_are_within_the_limit() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_t(3, size=(40, 50, 1, 1)).astype(np.float32)
    steps, scales = rounded(weights, grouped=False)
    pairs = steps.astype(int).reshape(40, 25, 2)
    assert np.maximum(pairs, 0).sum(2).max() <= PAIR_LIMIT
    assert np.maximum(-pairs, 0).sum(2).max() <= PAIR_LIMIT
    assert np.abs(steps * scales[:, None, None, None] - weights).max() <= scales.max() / 2 + 1e-6
    alone, _ = rounded(weights[:, :1], grouped=True)
    assert np.abs(alone.astype(int)).max() == LIMIT


def test_the_mean_of_a_channel_is_kept(tmp_path: Path) -> None:
    weights = np.random.default_rng(2).normal(size=(16, 32, 1, 1)).astype(np.float32)
    plain, small = _convolution(tmp_path, weights, 1)
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 6, (1, 32, 9, 9)).astype(np.float32)
    float32, int8 = (Session(one.read_bytes()).run({"x": x})[0] for one in (plain, small))
    off = (float32 - int8).mean((2, 3))
    assert np.abs(off).max() < 0.1 * float(np.abs(float32).mean())


def test_what_is_kept_exact_has_no_steps(tmp_path: Path) -> None:
    recipe = image_recipe(tmp_path, f"{SIDE}\nexact = '^stem$'")
    assert main(["build", str(recipe), "--out", str(tmp_path / "pack")]) == 0
    graph = onnx_file.load(tmp_path / "pack" / "image.onnx").graph
    constants = {one.name for one in graph.initializer}
    kept = {
        node.name for node in graph.node if node.op_type == "Conv" and node.input[1] in constants
    }
    assert kept == {"stem"}


def test_made_up_pictures_are_the_same_each_time() -> None:
    first, again = check_pictures(4), check_pictures(4)
    assert all(np.array_equal(*pair) for pair in zip(first.images, again.images, strict=True))
    other = calibration_pictures(4, 224)
    assert not np.array_equal(first.images[0], other.images[0])
    assert {image.dtype for image in first.images} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("kind", ["siglip", "clip"])
def test_towers_of_transformers_look_at_pictures(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "tower"
    _tower(kind).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSORS[kind]))
    assert main(["build", str(folder), "--out", str(tmp_path / "pack")]) == 0
    pack = Pack.open(tmp_path / "pack")
    spec = pack.manifest.image_encoder
    assert spec is not None
    assert (spec.side, spec.quantisation) == (32, "int8")
    image = picture(np.random.default_rng(0), 40, 60)
    (vector,) = ImageEncoder(pack).encode([image])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    expected = _by_transformers(kind, folder, image)
    assert float(vector @ expected) > 0.999


def _tower(kind: str) -> torch.nn.Module:
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    small |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        return CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=24, **small))
    return SiglipVisionModel(SiglipVisionConfig(**small))


PREPROCESSORS = {
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


def _by_transformers(kind: str, folder: Path, image: np.ndarray) -> np.ndarray:
    """The vector that transformers makes, its own preparation included."""
    from transformers import CLIPImageProcessor, SiglipImageProcessor

    processor = CLIPImageProcessor if kind == "clip" else SiglipImageProcessor
    pixels = processor.from_pretrained(folder)(images=image, return_tensors="pt").pixel_values
    model = _tower(kind).from_pretrained(folder).eval()
    with torch.no_grad():
        made = model(pixel_values=pixels)
    vector = made.image_embeds if kind == "clip" else made.pooler_output
    return functional.normalize(vector)[0].numpy()


def test_a_model_without_a_picture_tower_is_refused(
    tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tower_recipe(tmp_path, tiny_bert)
    assert main(["build", str(recipe), "--out", str(tmp_path / "pack")]) == 2
    assert "siglip" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ("quantisation = 'int4'", "image.quantisation"),
        ("side = 2000", "image.side"),
        ("exact = 'stem'\nquantisation = 'none'", "image.exact"),
        ("fine = ''", "fine: not a known key"),
    ],
)
def test_recipes_are_read_strictly(tmp_path: Path, more: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        read_recipe(image_recipe(tmp_path, more))
