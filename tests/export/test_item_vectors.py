"""Item vectors kept from one run to the next: those of another encoder are never taken for them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank_export.train.item_vectors import encoder_digest, kept_vectors

TEXTS = ["a lamp", "sourdough bread and a telescope beside the old harbour wall", ""]


def vectors(folder: Path, work: Path) -> tuple[NDArray[np.float32], list[int]]:
    """By a pack, and how many texts were read for them."""
    pack, read = Pack.open(folder), [0]
    encode = kept_vectors(TextEncoder(pack), pack, work, lambda done, _total: read.append(done))
    return encode(TEXTS), read


def test_vectors_of_the_last_run_are_taken(tiny_pack: Path, tmp_path: Path) -> None:
    first, read = vectors(tiny_pack, tmp_path)
    again, not_read = vectors(tiny_pack, tmp_path)
    assert first.tobytes() == again.tobytes()
    assert (read[-1], not_read[-1]) == (2, 0)


def test_a_model_that_reads_fewer_tokens_is_another_encoder(
    tiny_pack: Path, tmp_path: Path
) -> None:
    vectors(tiny_pack, tmp_path)
    short = Path(shutil.copytree(tiny_pack, tmp_path / "short"))
    manifest = json.loads((short / "manifest.json").read_text())
    manifest["encoder"]["max_tokens"] = 4
    (short / "manifest.json").write_text(json.dumps(manifest))
    found, read = vectors(short, tmp_path)
    assert read[-1] == 2
    own = TextEncoder(Pack.open(short)).encode(TEXTS[:2])
    assert np.abs(found[:2] - own).max() < 1e-3


@pytest.mark.parametrize("changed", ["model", "external_data", "tokenizer"])
def test_every_file_of_an_encoder_tells_it_from_others(tiny_pack: Path, changed: str) -> None:
    manifest = Pack.open(tiny_pack).manifest
    assert manifest.encoder is not None
    beside = replace(manifest.files[0], name="weights.bin")
    spec = replace(manifest.encoder, external_data=beside.name)
    manifest = replace(manifest, encoder=spec, files=(*manifest.files, beside))
    files = [
        replace(one, sha256="0" * 64) if one.name == getattr(spec, changed) else one
        for one in manifest.files
    ]
    other = replace(manifest, files=tuple(files))
    assert encoder_digest(manifest) != encoder_digest(other)
    assert encoder_digest(manifest) == encoder_digest(replace(manifest, name="another"))
