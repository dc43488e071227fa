from __future__ import annotations

import pytest

from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank_export.errors import SourceError
from edge_rerank_export.models.text_encoder import load_encoder
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.recipes.pack import EncoderPackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.sources.fetch import Fetched, fetch
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.verify.encoder import verify_encoder
from edge_rerank_export.verify.texts import own_texts


@pytest.fixture(scope="module")
def recipe() -> EncoderPackRecipe:
    return read_recipe(find_recipe("default"))


@pytest.fixture(scope="module")
def fetched(recipe: EncoderPackRecipe, tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    source = recipe.source
    work = tmp_path_factory.mktemp("source")
    try:
        return fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    except SourceError as error:
        if "could not download" not in str(error):
            raise
        pytest.skip("the default pack's original cannot be downloaded here")


def test_the_shipped_pack_is_the_one_of_the_recipe(recipe: EncoderPackRecipe) -> None:
    manifest = Pack.open(shipped_pack()).manifest
    trained = HistoryFinetuneRecipe.read(find_recipe("open"))
    assert (manifest.name, manifest.release) == (trained.name, trained.release)
    assert not trained.base  # the shipped one
    assert trained.terms in Pack.open(shipped_pack()).read("MODEL_CARD.md").decode()
    assert manifest.history_encoder is not None
    assert (manifest.source.uri, manifest.source.sha256) == (
        recipe.source.uri,
        recipe.source.sha256,
    )
    assert manifest.encoder is not None
    assert manifest.encoder.quantisation == recipe.encoder.quantisation
    assert manifest.encoder.max_tokens == recipe.encoder.max_tokens


def test_the_shipped_pack_fits_into_the_wheel() -> None:
    assert sum(path.stat().st_size for path in shipped_pack().iterdir()) <= 40_000_000


@pytest.mark.slow
def test_the_shipped_pack_ranks_like_its_original(
    recipe: EncoderPackRecipe, fetched: Fetched
) -> None:
    pack = Pack.open(shipped_pack())
    verification = verify_encoder(load_encoder(fetched.folder), pack, own_texts(), recipe.bounds)
    short = [figure for figure in verification.figures if not figure.ok]
    assert not short
    # Integer products are exact, so another processor may differ in the last digits only.
    measured = verification.for_manifest()
    assert measured["kendall_tau"] == pytest.approx(
        pack.manifest.verification["kendall_tau"], abs=0.01
    )
