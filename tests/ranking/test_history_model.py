"""The history model's part of a pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.interests import Interest, Interests
from edge_rerank.ranking.signals.inputs import BY_NAME, EVENTS, KNOWN_BITS
from edge_rerank.ranking.sources.history import looked_at
from edge_rerank.ranking.sources.history_model import HistoryModel
from edge_rerank.types import Item


def test_a_table_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(shipped_pack(), folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    spec = manifest["history_encoder"]
    spec["neighbours"] = spec["lexicon"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PackUnsupported, match="expected tables of record, succession, together"):
        HistoryModel(Pack.open(folder))


@pytest.mark.parametrize("change", ["another", "too few"])
def test_a_model_of_other_inputs_is_refused(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = Pack.open(shipped_pack())
    assert set(HistoryModel(pack).inputs) == set(BY_NAME)
    known = Session.inputs.fget
    assert known is not None

    def other(session: Session) -> dict[str, object]:
        inputs = dict(known(session))
        return (
            {**inputs, "weather": inputs["history"]}
            if change == "another"
            else {name: kind for name, kind in inputs.items() if name != "popularity"}
        )

    monkeypatch.setattr(Session, "inputs", property(other))
    with pytest.raises(PackUnsupported, match="expected inputs of content, category"):
        HistoryModel(pack)


def test_a_model_knows_the_bits_that_there_were_when_it_was_trained() -> None:
    model = HistoryModel(Pack.open(shipped_pack()))
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.random(BY_NAME[name].axes.shape(3, 2, BY_NAME[name].width), dtype=np.float32)
        for name in model.inputs
    }
    arrays["known"] = np.ones(len(KNOWN_BITS), dtype=np.float32)
    later = {**arrays, "known": np.ones(len(KNOWN_BITS) + 1, dtype=np.float32)}
    assert model.parts(arrays).any()
    assert model.parts(later).tolist() == model.parts(arrays).tolist()


def test_a_history_is_read_in_order_and_dislikes_fade() -> None:
    def interest(name: str, strength: float, later: float) -> Interest:
        return Interest(Item(name), strength, recency=0.5, later=later)

    liked = (interest("old", 1.0, 3.0), interest("new", 1.0, 0.0))
    disliked = (interest("bad", -1.5, 1.5),)
    interests = Interests(liked=liked, disliked=disliked)
    touched, rows = looked_at(interests, dislikes=True)
    assert [one.item.id for one in touched] == ["old", "bad", "new"]
    assert rows.tolist() == [0, 2, 1]
    assert [one.strength for one in touched] == [1.0, -0.75, 1.0]
    assert looked_at(interests, dislikes=False)[0] == liked


def test_of_many_dislikes_the_newest_are_read() -> None:
    many = tuple(
        Interest(Item(str(place)), -1.0, recency=1.0, later=float(place))
        for place in range(EVENTS + 5)[::-1]
    )
    touched, rows = looked_at(Interests(disliked=many), dislikes=True)
    assert [one.item.id for one in touched] == [str(place) for place in range(EVENTS)[::-1]]
    assert rows.tolist() == list(range(5, EVENTS + 5))
