"""Packs that hear: spectrum and network in one graph, the same as window by window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_rerank.inference.encoders.audio import AudioEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError, SourceError, UnsupportedModel
from edge_rerank_export.models.speech import (
    RATE,
    SHORTEST,
    Sound,
    SpeechEncoder,
    convert,
    read_speech,
)
from edge_rerank_export.packing import audio
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.sounds import check_sounds, sound
from tests.export.media import audio_recipe, speech_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_files(tmp_path_factory.mktemp("speech"))


@pytest.fixture(scope="module", params=[False, True], ids=["mean", "spread"])
def both(
    request: pytest.FixtureRequest, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SpeechEncoder, Session]:
    """An encoder and what it is converted to."""
    encoder = read_speech(files, seconds=3, spread=request.param)
    target = tmp_path_factory.mktemp("converted") / "audio.onnx"
    convert(encoder, target)
    return encoder, Session(target.read_bytes())


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(1.0, RATE), (2.0, 44_100), (0.3, 22_050), (1.3, 8_000), (4.0, 48_000), (0.0001, RATE)],
)
def test_the_vector_is_that_of_window_by_window(
    both: tuple[SpeechEncoder, Session], seconds: float, rate: int
) -> None:
    encoder, session = both
    heard = sound(np.random.default_rng(0), seconds, rate)
    # The runtime hands over no more than the pack says.
    samples = heard.samples[: 3 * rate]
    (found,) = session.run({"samples": samples, "rate": np.array(rate)})
    assert found.shape == (1, encoder.dim)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert np.abs(found - encoder.original(heard)).max() < 1e-4


def test_silence_and_short_sounds_have_vectors(both: tuple[SpeechEncoder, Session]) -> None:
    _, session = both
    for count in (1, SHORTEST, 2 * RATE):
        (found,) = session.run({"samples": np.zeros(count, np.float32), "rate": np.array(RATE)})
        assert np.isfinite(found).all()


def test_what_is_louder_sounds_alike(both: tuple[SpeechEncoder, Session]) -> None:
    _, session = both
    samples = sound(np.random.default_rng(4), 1.5, RATE).samples
    feeds = ({"samples": samples * by, "rate": np.array(RATE)} for by in (1.0, 0.99))
    one, other = (session.run(feed)[0] for feed in feeds)
    assert float((one * other).sum()) > 0.999


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """To listen to a hundred sounds takes ten seconds."""
    monkeypatch.setattr(audio, "_CHECKED", 15)
    monkeypatch.setattr(audio, "_CALIBRATED", 15)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("scheme", ["none", "int8"])
def test_the_steps_make_the_bytes_of_build(tmp_path: Path, scheme: str) -> None:
    more = f"seconds = 2\nquantisation = '{scheme}'"
    recipe = audio_recipe(tmp_path, more, "min_cosine = 0.98")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["build", str(recipe), "--out", str(whole)]) == 0
    plain, same = tmp_path / "plain.onnx", tmp_path / "same.onnx"
    assert main(["convert", str(recipe), "--out", str(plain)]) == 0
    assert main(["quantize", str(plain), "--recipe", str(recipe), "--out", str(same)]) == 0
    assert main(["pack", str(same), str(recipe), "--out", str(parts)]) == 0
    assert {one.name: one.read_bytes() for one in whole.iterdir()} == {
        one.name: one.read_bytes() for one in parts.iterdir()
    }
    pack = Pack.open(whole)
    spec = pack.manifest.audio_encoder
    assert spec is not None
    assert (spec.dim, spec.rate, spec.seconds, spec.quantisation) == (96, RATE, 2, scheme)
    assert pack.manifest.verification["sounds"] == 15
    assert (pack.manifest.verification["min_cosine"] < 1 - 1e-5) is (scheme == "int8")
    assert (b"DequantizeLinear" in (whole / "audio.onnx").read_bytes()) is (scheme == "int8")
    vectors = AudioEncoder(pack).encode([(one.samples, one.rate) for one in check_sounds(3)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.usefixtures("few")
def test_what_falls_short_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = audio_recipe(tmp_path)
    original = SpeechEncoder.original

    def off(self: SpeechEncoder, heard: Sound) -> np.ndarray:
        return np.roll(original(self, heard), 1)

    monkeypatch.setattr(SpeechEncoder, "original", off)
    assert main(["build", str(recipe), "--out", str(tmp_path / "pack")]) == 3
    assert not (tmp_path / "pack").exists()
    assert "the conversion is off" in " ".join(capsys.readouterr().err.split())


def test_other_models_are_refused(files: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="melspectrogram"):
        read_speech(tmp_path, seconds=3, spread=False)
    folder = speech_files(tmp_path)
    mel = onnx.load(folder / "melspectrogram.onnx")
    for tensor in mel.graph.initializer:
        if tensor.name == "imaginary":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, "imaginary"))
    onnx.save(mel, folder / "melspectrogram.onnx")
    with pytest.raises(UnsupportedModel, match="Fourier"):
        read_speech(folder, seconds=3, spread=False)
    (folder / "melspectrogram.onnx").write_bytes((files / "melspectrogram.onnx").read_bytes())
    network = onnx.load(folder / "embedding_model.onnx")
    (first,) = (one for one in network.graph.node[1].attribute if one.name == "strides")
    first.ints[0] = 1
    onnx.save(network, folder / "embedding_model.onnx")
    with pytest.raises(UnsupportedModel, match="one every 8"):
        read_speech(folder, seconds=3, spread=False)
    network.graph.node[2].op_type = "Sigmoid"
    onnx.save(network, folder / "embedding_model.onnx")
    with pytest.raises(UnsupportedModel, match="expected convolutions"):
        read_speech(folder, seconds=3, spread=False)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ("quantisation = 'int4'", "audio.quantisation"),
        ("quantisation = 'none'\nexact = 'layer'", "audio.exact"),
        ("seconds = 1000", "audio.seconds"),
        ("seconds = 0", "audio.seconds"),
        ("hop = 8", "hop: not a known key"),
    ],
)
def test_recipes_are_read_strictly(tmp_path: Path, more: str, match: str) -> None:
    path = audio_recipe(tmp_path, more)
    with pytest.raises(RecipeError, match=match):
        read_recipe(path)
