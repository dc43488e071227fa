"""The history encoder's part of a pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_rerank.errors import PackUnsupported
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.sources.history_model import HistoryEncoder


def test_a_table_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(shipped_pack(), folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    spec = manifest["history_encoder"]
    spec["neighbours"] = spec["lexicon"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PackUnsupported, match="expected tables of record, succession, together"):
        HistoryEncoder(Pack.open(folder))
