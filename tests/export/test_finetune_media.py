"""Trainings on data set folders with pictures: read once, weighed, aligned; or left alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

from numpy.typing import NDArray

from edge_rerank.errors import DataError, PackInvalid
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.formats.dataset import DataSet, Withheld
from edge_rerank.inference.encoders.one_by_one import OneByOne
from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.specs import LIKENESS_WEIGHT
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Event, Item
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.train.history.media_weights import MAX_WEIGHT
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, HistoryTraining
from edge_rerank_export.train.history.run import finetune_history, plan
from tests.export.picture_shop import write_shop
from tests.packs.media_packs import write_media_pack

pytestmark = pytest.mark.slow

COLOURS = (
    (220, 30, 30),
    (30, 200, 40),
    (20, 40, 220),
    (220, 210, 20),
    (30, 200, 210),
    (200, 20, 200),
)
NAMES = ("red", "green", "blue", "yellow", "turquoise", "purple")
THINGS = ("lamp", "chair", "scarf", "tent", "kettle")


def paint(family: int, number: int) -> NDArray[np.uint8]:
    """A picture of a colour, none like another."""
    rng = np.random.default_rng([family, number])
    noise = rng.integers(-25, 25, size=(12, 16, 3)) + rng.integers(-25, 25, size=3)
    return np.clip(np.array(COLOURS[family]) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media_pack(tmp_path_factory.mktemp("packs") / "eyes", sound=False, name="eyes")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("data") / "shop", paint, families=6, each=8)


@pytest.fixture(scope="module")
def recipe(eyes: Path) -> HistoryFinetuneRecipe:
    training = HistoryTraining(requests=100, candidates=8, history=5, steps=20, evaluate_every=10)
    return HistoryFinetuneRecipe("shop", 1, "A test.", training=training, media=(str(eyes),))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def tuned(shop: Path, recipe: HistoryFinetuneRecipe, work: Path) -> Path:
    finetune_history(recipe, [shop], work / "tuned", work=work / "kept", threads=1)
    return work / "tuned"


def quality(pack: Path, folder: Path, *, blind: bool = False) -> float:
    without = {Withheld.MEDIA} if blind else set()
    return evaluate(pack, folder, "test", without=without, threads=1).pack.ndcg_10


def test_pictures_are_weighed_and_help(tuned: Path, shop: Path, eyes: Path) -> None:
    """Beside the same pack with the weight that the encoder's pack has, and without pictures."""
    spec = Pack.open(tuned).manifest.image_encoder
    assert spec is not None
    assert LIKENESS_WEIGHT < spec.weight <= MAX_WEIGHT
    seen = quality(tuned, shop)
    assert seen > quality(tuned, shop, blind=True) + 0.2
    assert seen > quality(eyes, shop) + 0.02
    figures = Pack.open(tuned).manifest.verification
    assert figures["valid_ndcg_10_with_media"] > figures["valid_ndcg_10_without_media"] + 0.2
    card = (tuned / "MODEL_CARD.md").read_text()
    assert f"image {spec.weight:.2f}" in card
    assert "that of the pack `eyes`, unchanged" in card


def test_a_pack_that_was_tuned_sees_by_itself(tuned: Path, shop: Path) -> None:
    items = DataSet.open(shop).items
    history = [
        Event("click", items["0-1"], timestamp=1.0),
        Event("click", items["0-2"], timestamp=2.0),
    ]
    with RankingEngine.open(tuned) as engine:
        ranking = engine.rank([items["3-0"], items["0-0"], items["5-0"]], history=history, now=3.0)
    assert ranking[0].item.id == "0-0"
    assert "looks" in {reason.code for reason in ranking[0].reasons}


def test_pictures_are_read_once(
    tuned: Path,
    shop: Path,
    recipe: HistoryFinetuneRecipe,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """By what is in the files: a copy of the folder elsewhere is not read again either."""
    copied = tmp_path / "shop"
    shutil.copytree(shop, copied)
    encode, asked = OneByOne.encode, []

    def counted(self: OneByOne[Path], things: list[Path], **more: object) -> NDArray[np.float32]:
        asked.extend(things)
        return encode(self, things, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(OneByOne, "encode", counted)
    again = finetune_history(recipe, [copied], tmp_path / "again", work=work / "kept", threads=1)
    assert not asked
    assert again.digest == Pack.open(tuned).digest


def test_without_pictures_nothing_changes(
    shop: Path, recipe: HistoryFinetuneRecipe, tmp_path: Path
) -> None:
    """A folder without ``media/``, and one whose pictures no pack reads: the same bytes."""
    bare = write_shop(tmp_path / "bare" / "shop", paint, families=6, each=8, media=False)
    blind = replace(recipe, media=())
    first = finetune_history(blind, [bare], tmp_path / "one", work=tmp_path / "1", threads=1)
    second = finetune_history(blind, [shop], tmp_path / "two", work=tmp_path / "2", threads=1)
    assert first.digest == second.digest
    assert plan(blind, [shop]).media_not_read == 1
    assert plan(recipe, [shop]).media_not_read == plan(blind, [bare]).media_not_read == 0
    finetune_history(recipe, [bare], tmp_path / "three", work=tmp_path / "3", threads=1)
    for name in ("history.onnx", "lexicon.npy"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    kept = Pack.open(tmp_path / "three").manifest.image_encoder
    assert kept is not None
    assert kept.weight == LIKENESS_WEIGHT


def test_a_broken_picture_is_named_by_its_item(
    shop: Path, recipe: HistoryFinetuneRecipe, tuned: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "shop"
    shutil.copytree(shop, broken)
    (broken / "media" / "0-4.png").write_bytes(b"secret words, no picture")
    with pytest.raises(DataError, match=r"item 5: image: expected a JPEG") as caught:
        finetune_history(recipe, [broken], tmp_path / "pack", work=tmp_path / "work", threads=1)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "pack").exists()
    with pytest.raises(DataError, match=r"item 5: image: expected a JPEG"):
        evaluate(tuned, broken, "test", threads=1)
    (broken / "media" / "0-4.png").unlink()
    with pytest.raises(DataError, match=r"items.jsonl:5: image: expected a file in media"):
        DataSet.open(broken)


def worded(family: int, number: int) -> str:
    """A text of most things."""
    return "" if number % 6 == 5 else f"{NAMES[family]} {THINGS[number % 5]}"


@pytest.fixture(scope="module")
def aligned(recipe: HistoryFinetuneRecipe, work: Path) -> Iterator[tuple[Path, DataSet]]:
    folder = write_shop(work / "worded", paint, families=6, each=42, text=worded, lists=30)
    finetune_history(recipe, [folder], work / "aligned", work=work / "kept 2", threads=1)
    yield work / "aligned", DataSet.open(folder)


def test_pictures_without_a_text_stand_where_their_texts_would(
    aligned: tuple[Path, DataSet],
) -> None:
    pack, data = aligned
    assert Pack.open(pack).manifest.alignment is not None
    silent = [item for item in data.items.values() if not item.text]
    told = [Item(name, f"{name} things") for name in NAMES]
    with RankingEngine.open(pack) as engine:
        for family, name in enumerate(NAMES):
            some = next(item for item in silent if item.id.startswith(f"{family}-"))
            others = [item for item in silent if item.id.endswith("-11") and item.id != some.id]
            asked = engine._request([some, *others], [], None, {"query": told[family].text})  # type: ignore[arg-type]
            likeness = asked.likeness(told[family].text)
            assert likeness.argmax() == 0, name


def test_an_alignment_of_another_shape_is_refused(
    aligned: tuple[Path, DataSet], tmp_path: Path
) -> None:
    spoilt = tmp_path / "pack"
    shutil.copytree(aligned[0], spoilt)
    (spoilt / "alignment.npy").write_bytes(write_array(np.zeros((3, 3), dtype=np.float16)))
    manifest = Pack.open(aligned[0]).manifest
    write_manifest(spoilt, replace(manifest, files=file_entries(spoilt)))
    with pytest.raises(PackInvalid, match="alignment: expected finite numbers"):
        RankingEngine.open(spoilt)
    with pytest.raises(PackInvalid, match="alignment: expected an encoder and an image_encoder"):
        Manifest.from_json(replace(manifest, image_encoder=None).to_json())
    (spoilt / "alignment.npy").unlink()
    with pytest.raises(PackInvalid, match="alignment: names a file that is not among"):
        write_manifest(spoilt, replace(manifest, files=file_entries(spoilt)))


def test_packs_that_do_not_fit_are_refused(
    recipe: HistoryFinetuneRecipe, shop: Path, eyes: Path, tuned: Path
) -> None:
    with pytest.raises(RecipeError, match="expected packs with an image_encoder"):
        plan(replace(recipe, media=(str(shipped_pack()),)), [shop])
    with pytest.raises(RecipeError, match="one pack with an image_encoder, got two"):
        plan(replace(recipe, base=str(tuned)), [shop])
    assert plan(replace(recipe, base=str(tuned), media=()), [shop]).media_not_read == 0


def test_the_command_says_what_is_not_read(
    shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('kind = "history"\nname = "shop"\nrelease = 1\nsummary = "A test."\n')
    assert main(["finetune", str(file), "--data", str(shop), "--dry-run"]) == 0
    assert "media/ of 1 folders is not read" in " ".join(capsys.readouterr().err.split())


def test_without_validation_requests_the_weight_stays(
    shop: Path, recipe: HistoryFinetuneRecipe, work: Path, tmp_path: Path
) -> None:
    """What stands in for them is counted in the pack's own tables."""
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder)
    (folder / "valid.jsonl").unlink()
    finetune_history(recipe, [folder], tmp_path / "pack", work=work / "kept", threads=1)
    manifest = Pack.open(tmp_path / "pack").manifest
    assert manifest.image_encoder is not None
    assert manifest.image_encoder.weight == LIKENESS_WEIGHT
    assert "valid_ndcg_10_with_media" not in manifest.verification
