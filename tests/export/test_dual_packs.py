"""Packs whose texts and pictures share a space: as the original, and refused as others are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid
from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.inference.encoders.text import BATCH_TOKENS, TextEncoder
from edge_rerank.inference.encoders.unrelated import TEXTS
from edge_rerank.packs.array_files import read_array, write_array
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.alignment import Alignment
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Event, Item, ReasonCode
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.text_tower import describe_tower, padding
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.train.history import media
from edge_rerank_export.verify.pictures import calibration_pictures, check_pictures
from edge_rerank_export.verify.texts import own_texts
from tests.export.towers import (
    END,
    FIXED,
    TOKENS,
    clip_tokenizer,
    picture_vectors,
    save_towers,
    teach,
    text_vectors,
)

pytestmark = pytest.mark.slow

WORDS = [
    "the",
    "Red shoes, size 42",
    "How to bake rye bread",
    "Growing tomatoes on a balcony " * 30,
    "Leather BOOTS for women",
]

COLOURS = {
    "red shoes": (220, 30, 30),
    "green trees": (30, 200, 40),
    "the blue sea": (20, 40, 220),
    "yellow flowers": (230, 220, 20),
}


def painted(colour: tuple[int, int, int], seed: int) -> NDArray[np.uint8]:
    """A picture of a colour, none like another."""
    noise = np.random.default_rng(seed).integers(-40, 40, size=(40, 40, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dual")


def built(work: Path, kind: str, quantisation: str) -> tuple[Path, Path]:
    """The model of a kind, and its pack, both made once."""
    model, pack = work / f"tiny-{kind}", work / f"{kind}-{quantisation}"
    if not model.exists():
        save_towers(model, kind.removesuffix("-old"), old_end=kind.endswith("-old"))
    if not pack.exists():
        command = ["build", str(model), "--out", str(pack), "--quantisation", quantisation]
        assert main(command) == 0
    return model, pack


@pytest.mark.parametrize("kind", ["clip", "clip-old", "siglip"])
def test_texts_have_the_vectors_of_the_original(work: Path, kind: str) -> None:
    model, pack = built(work, kind, "none")
    found = TextEncoder(Pack.open(pack)).encode(WORDS)
    wanted = text_vectors(model, WORDS)
    assert np.abs(found - wanted).max() < 1e-5
    assert (wanted @ wanted.T).min() < 0.9  # the texts are told apart


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_small_weights_keep_both_parts(work: Path, kind: str) -> None:
    model, pack = built(work, kind, "int8")
    opened = Pack.open(pack)
    manifest = opened.manifest
    assert manifest.format == 3
    spec, seen = manifest.encoder, manifest.image_encoder
    assert spec is not None and seen is not None
    assert (spec.quantisation, seen.quantisation, spec.dim) == ("int8", "int8", seen.dim)
    lengths = {"clip": (TOKENS, None), "siglip": (FIXED, FIXED)}
    assert (spec.max_tokens, spec.fixed_tokens) == lengths[kind]
    found = TextEncoder(opened).encode(WORDS)
    assert (found * text_vectors(model, WORDS)).sum(axis=1).min() > 0.99
    images = check_pictures(4).images
    looks = ImageEncoder(opened).encode(images)
    assert (looks * picture_vectors(model, images)).sum(axis=1).min() > 0.99
    figures = {"cosine", "kendall_tau", "picture_min_cosine", "picture_conversion_error"}
    assert figures <= {*manifest.verification}
    card = (pack / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "138 texts and 32 pictures" in card
    assert 'kind = "dual"' in (pack / "recipe.toml").read_text(encoding="utf-8")


def test_texts_that_are_filled_up_are_read_a_few_at_a_time(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = TextEncoder(Pack.open(built(work, "siglip", "none")[1]))
    run, shapes = encoder._session.run_each, []

    def spied(feeds: list[dict[str, Any]]) -> Any:
        shapes.extend(feed["input_ids"].shape for feed in feeds)
        return run(feeds)

    monkeypatch.setattr(encoder._session, "run_each", spied)
    encoder.encode(WORDS * 3)
    assert {width for _, width in shapes} == {FIXED}
    assert max(rows for rows, _ in shapes) <= BATCH_TOKENS // FIXED
    assert sum(rows for rows, _ in shapes) == 3 * len(WORDS)


def test_the_steps_make_the_bytes_of_build(work: Path, tmp_path: Path) -> None:
    _, pack = built(work, "clip", "int8")
    recipe = tmp_path / "recipe.toml"
    text = (pack / "recipe.toml").read_text(encoding="utf-8")
    recipe.write_text(text.replace('"path:tiny-clip"', json.dumps(f"path:{work / 'tiny-clip'}")))
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    assert main(["convert", str(recipe), "--out", str(plain)]) == 0
    assert main(["quantize", str(plain), "--recipe", str(recipe), "--out", str(small)]) == 0
    assert main(["pack", str(small), str(recipe), "--out", str(tmp_path / "parts")]) == 0
    assert {one.name: one.read_bytes() for one in pack.iterdir()} == {
        one.name: one.read_bytes() for one in (tmp_path / "parts").iterdir()
    }


def test_a_pack_is_verified_again(
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, pack = built(work, "clip", "int8")
    monkeypatch.chdir(work)
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert main(["verify", str(pack), "--json", "--page", str(page)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["cosine"] > 0.99
    assert figures["picture_min_cosine"] > 0.99
    assert "picture_min_cosine" in page.read_text(encoding="utf-8")
    recipe = tmp_path / "strict.toml"
    text = (pack / "recipe.toml").read_text(encoding="utf-8")
    recipe.write_text(f"{text}\n[image_bounds]\nmin_cosine = 0.99999999\n")
    assert main(["verify", str(pack), str(recipe)]) == 3
    assert 'image.quantisation = "none"' in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def taught(work: Path) -> tuple[Path, Path]:
    """A CLIP of which some texts mean pictures of a colour, and its pack in float32."""
    model = save_towers(work / "taught", "clip")
    teach(model, [(word, painted(rgb, 0)) for word, rgb in COLOURS.items()], TEXTS)
    assert main(["build", str(model), "--out", str(work / "t"), "--quantisation", "none"]) == 0
    return model, work / "t"


def gallery(each: int = 4) -> list[Item]:
    """Pictures without a word."""
    return [
        Item(f"{word} {at}", image=painted(rgb, 7 * at + number + 1))
        for at in range(each)
        for number, (word, rgb) in enumerate(COLOURS.items())
    ]


def test_a_query_orders_pictures_as_the_original_does(taught: tuple[Path, Path]) -> None:
    model, pack = taught
    items = gallery()
    looks = picture_vectors(model, [np.asarray(item.image) for item in items])
    places = {item.id: place for place, item in enumerate(items)}
    with RankingEngine.open(pack) as engine:
        for word in COLOURS:
            cosines = (looks @ text_vectors(model, [word])[0]).tolist()
            ranking = engine.rank(items, query=word)
            found = np.array([cosines[places[ranked.item.id]] for ranked in ranking])
            assert np.diff(found).max() < 2e-3
            assert np.ptp(found) > 0.1
            assert [ranked.item.id.startswith(word) for ranked in ranking][:4] == [True] * 4
            assert ReasonCode.QUERY in {reason.code for reason in ranking[0].reasons}
            # Of a catalogue, and beside items with a text, they keep their order.
            catalogue = engine.prepare([*items, Item("told", "Shampoo for dry hair")])
            again = [ranked.item.id for ranked in engine.rank(catalogue, query=word)]
            assert [name for name in again if name != "told"] == [one.item.id for one in ranking]


def test_a_liked_text_lifts_the_pictures_that_it_means(taught: tuple[Path, Path]) -> None:
    with RankingEngine.open(taught[1]) as engine:
        for word in COLOURS:
            liked = [Event("like", Item("told", word), timestamp=1e9)]
            ranking = engine.rank(gallery(), history=liked)
            assert ranking[0].item.id.startswith(word)


def test_the_means_of_both_kinds_lie_in_the_pack(taught: tuple[Path, Path]) -> None:
    model, pack = taught
    opened = Pack.open(pack)
    spec = opened.manifest.alignment
    assert spec is not None
    array = read_array(opened.read(spec.file), np.float16, what="alignment")
    assert array.shape == (2, 24)
    seen = picture_vectors(model, calibration_pictures(32, 32).images).mean(axis=0)
    read = text_vectors(model, own_texts().texts).mean(axis=0)
    assert np.abs(array - np.stack([seen, read])).max() < 2e-3


def test_a_training_keeps_the_space_of_its_base(
    taught: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = Alignment(np.zeros(24, np.float32), np.zeros(24, np.float32), np.eye(24, dtype="f4"))
    monkeypatch.setattr(media, "fit_alignment", lambda _domains: fitted)
    kept = media.alignment_of([], Pack.open(taught[1]))
    assert kept is not None and kept.shared
    assert media.alignment_of([], Pack.open(shipped_pack())) is fitted


@pytest.mark.parametrize(
    "array",
    [
        np.full((2, 23), 0.1),
        np.full((3, 24), 0.1),
        np.full((2, 24), np.nan),
        np.full((2, 24), 0.3),
    ],
)
def test_hostile_means_are_refused(
    taught: tuple[Path, Path], tmp_path: Path, array: NDArray[np.float64]
) -> None:
    spoilt = tmp_path / "pack"
    shutil.copytree(taught[1], spoilt)
    (spoilt / "alignment.npy").write_bytes(write_array(array.astype(np.float16)))
    manifest = Pack.open(taught[1]).manifest
    write_manifest(spoilt, replace(manifest, files=file_entries(spoilt)))
    with pytest.raises(PackInvalid, match="alignment: expected"):
        RankingEngine.open(spoilt)


def test_a_prefix_stands_before_every_text(work: Path, tmp_path: Path) -> None:
    model, _ = built(work, "clip", "none")
    out = tmp_path / "pack"
    command = ["build", str(model), "--out", str(out), "--quantisation", "none"]
    assert main([*command, "--prefix", "a photo of "]) == 0
    found = TextEncoder(Pack.open(out)).encode(WORDS[:3])
    wanted = text_vectors(model, [f"a photo of {word}" for word in WORDS[:3]])
    assert np.abs(found - wanted).max() < 1e-5


def test_what_does_not_fit_is_refused(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_bert: Path
) -> None:
    def refused(model: Path, *more: str) -> str:
        assert main(["build", str(model), "--out", str(tmp_path / "pack"), *more]) == 2
        return " ".join(capsys.readouterr().err.split())

    siglip, clip = built(work, "siglip", "none")[0], built(work, "clip", "none")[0]
    assert "at most 77" in refused(clip, "--max-tokens", "78")
    assert "filled up" in refused(siglip, "--query-prefix", "find: ")
    assert "--languages: expected only" in refused(clip, "--languages", "zh")
    assert "clip or siglip" in refused(tiny_bert, "--kind", "dual")
    bare = tmp_path / "bare"
    shutil.copytree(clip, bare)
    (bare / "tokenizer_config.json").unlink()
    assert "pad_token" in refused(bare)
    (bare / "special_tokens_map.json").write_text(json.dumps({"pad_token": {"content": END}}))
    assert padding(bare, clip_tokenizer())[1] == END
    (bare / "tokenizer.json").unlink()
    assert "tokenizer.json: expected beside the model" in refused(bare)
    config = json.loads((bare / "config.json").read_text())
    config["text_config"]["hidden_act"] = "mystery"
    (bare / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModel, match="hidden_act"):
        describe_tower(bare)
    (bare / "config.json").write_text(json.dumps({"model_type": "clip", "text_config": 7}))
    with pytest.raises(UnsupportedModel, match=r"config\.json cannot be read"):
        describe_tower(bare)


@pytest.mark.parametrize(
    ("encoder", "more", "match"),
    [
        ("centre = true", "", "encoder.centre: expected only with kind encoder"),
        ("dim = 8", "", "encoder.dim: expected only with kind encoder"),
        ("fine = 'x'\nquantisation = 'none'", "", "encoder.fine: expected only"),
        ("", "[image]\nquantisation = 'int4'", "image.quantisation"),
        ("", "[image_bounds]\nmin_tau = 1.0", "min_tau: not a known key"),
    ],
)
def test_recipes_are_read_strictly(tmp_path: Path, encoder: str, more: str, match: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        "kind = 'dual'\nname = 'tiny'\nrelease = 1\nlicence = 'MIT'\nsummary = 'A test.'\n"
        f"[source]\nuri = 'path:tiny'\nsha256 = ''\n[encoder]\nmax_tokens = 77\n{encoder}\n{more}\n"
    )
    with pytest.raises(RecipeError, match=match):
        read_recipe(path)
