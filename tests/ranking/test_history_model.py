"""The history model's part of a pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.signals.inputs import BY_NAME
from edge_rerank.ranking.sources.history_model import HistoryModel


def test_a_table_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(shipped_pack(), folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    spec = manifest["history_encoder"]
    spec["neighbours"] = spec["lexicon"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PackUnsupported, match="expected tables of record, succession, together"):
        HistoryModel(Pack.open(folder))


def test_an_input_that_this_version_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack = Pack.open(shipped_pack())
    assert set(HistoryModel(pack).inputs) == set(BY_NAME) - {"succession"}
    known = Session.inputs.fget
    assert known is not None
    monkeypatch.setattr(
        Session, "inputs", property(lambda session: {**known(session), "weather": None})
    )
    with pytest.raises(PackUnsupported, match="expected inputs of content, category"):
        HistoryModel(pack)
