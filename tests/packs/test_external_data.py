"""Weights beside a model are checked bytes: what was hashed is what runs, and nothing else."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank.errors import InferenceError, PackInvalid, PackUnsupported
from edge_rerank.inference import session as session_module
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.session import Session
from edge_rerank.packs.external_data import ALIGNMENT, Model
from edge_rerank.packs.manifest import MANIFEST_NAME, MAX_FILE_BYTES, Manifest
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_wire import Malformed
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.trust import Trust
from tests.packs import hostile as packs
from tests.packs.hostile import DATA, FLOAT, field, graph, model, node

WEIGHTS = struct.pack("<32f", *range(32))
CONTENT = bytes(ALIGNMENT) + WEIGHTS
"""The tiny encoder's weights, not at the beginning."""

TRUST = Trust([packs.PUBLIC_KEY])
TEXTS = ["a b", "f", "c d e"]
Entries = dict[str, str | int]

PLACE: Entries = {"location": DATA, "offset": ALIGNMENT, "length": len(WEIGHTS)}


def outside(
    entries: Entries | list[tuple[str, str | int]] = PLACE,
    *,
    dims: tuple[int, ...] = (8, 4),
    kind: int = FLOAT,
    name: str = "w",
    where: int = 1,
    extra: bytes = b"",
) -> bytes:
    """A tensor that lies beside the model."""
    pairs = entries.items() if isinstance(entries, dict) else entries
    return b"".join(
        (
            *(field(1, size) for size in dims),
            field(2, kind),
            field(8, name),
            *(field(13, field(1, key) + field(2, str(value))) for key, value in pairs),
            field(14, where),
            extra,
        )
    )


def with_weights(*tensors: bytes) -> bytes:
    return model(graph(tensors=(*tensors, packs.AXES)))


def written(folder: Path, onnx: bytes | None = None, data: bytes = CONTENT) -> Path:
    return packs.write(folder, onnx=onnx or with_weights(outside()), data=data)


def vectors(folder: Path) -> np.ndarray:
    return TextEncoder(Pack.open(folder, trust=TRUST)).encode(TEXTS)


def test_weights_beside_a_model_are_as_those_in_it(tmp_path: Path) -> None:
    inside = vectors(packs.write(tmp_path / "inside"))
    assert inside.any()
    assert (vectors(written(tmp_path / "beside")) == inside).all()


def test_what_was_hashed_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for the file again: neither in the pack nor where the process is."""
    folder = written(tmp_path / "p")
    before = vectors(folder)
    pack = Pack.open(folder, trust=TRUST)
    (tmp_path / DATA).write_bytes(bytes(len(CONTENT)))
    monkeypatch.chdir(tmp_path)
    (folder / DATA).write_bytes(bytes(len(CONTENT)))
    assert (TextEncoder(pack).encode(TEXTS) == before).all()
    (folder / DATA).unlink()
    encoder = TextEncoder(pack)
    del pack
    assert (encoder.encode(TEXTS) == before).all()


def test_one_byte_of_the_weights_is_one_of_the_pack(tmp_path: Path) -> None:
    folder = written(tmp_path / "p")
    for place in (0, ALIGNMENT, len(CONTENT) - 1):
        changed = bytearray(CONTENT)
        changed[place] ^= 1
        (folder / DATA).write_bytes(changed)
        with pytest.raises(PackInvalid, match="not the file that the manifest describes"):
            Pack.open(folder, trust=TRUST)


def told(**changes: str | int) -> bytes:
    return with_weights(outside({**PLACE, **changes}))


MODELS: dict[str, bytes] = {
    "another file of the pack": told(location="tokenizer.json"),
    "a file outside of the pack": told(location=f"../{DATA}"),
    "an absolute path": told(location=f"/tmp/{DATA}"),
    "the same file by another way": told(location=f"./{DATA}"),
    "a memory address": told(location="*/_ORT_MEM_ADDR/"),
    "no location": with_weights(outside({"offset": 0, "length": 128})),
    "no length": with_weights(outside({"location": DATA, "offset": 0})),
    "no offset": with_weights(outside({"location": DATA, "length": 128})),
    "a member more": told(checksum="0" * 40),
    "a location twice": with_weights(outside([*PLACE.items(), ("location", DATA)])),
    "an entry without a name": with_weights(outside([*PLACE.items(), ("", "")])),
    "more than there is": told(offset=2 * ALIGNMENT),
    "nothing of what there is": told(offset=1 << 20),
    "an offset that overflows": told(offset=2**63 // ALIGNMENT * ALIGNMENT),
    "an offset that wraps to what is right": told(offset=2**64 + ALIGNMENT),
    "a negative offset": told(offset=-ALIGNMENT),
    "an offset in hexadecimal": told(offset="0x40"),
    "an offset with a zero before it": told(offset="064"),
    "an offset in other digits": told(offset="٦٤"),
    "an offset between elements": told(offset=ALIGNMENT - 1),
    "a length of nothing": with_weights(outside({**PLACE, "length": 0}, dims=(0, 4))),
    "fewer bytes than dimensions": told(length=124),
    "more bytes than dimensions": told(length=132),
    "dimensions whose product overflows": with_weights(outside(dims=(2**31 - 1,) * 3)),
    "a negative dimension": with_weights(outside(dims=(-8, -4))),
    "a type that is not allowed": with_weights(outside(kind=8)),
    "bytes in the model as well": with_weights(outside(extra=field(9, WEIGHTS))),
    "numbers in the model as well": with_weights(outside(extra=field(4, WEIGHTS))),
    "a place that does not hold": with_weights(outside(where=0)),
    "a place that nobody knows": with_weights(outside(where=2)),
    "two tensors in one place": with_weights(outside(), outside(name="v")),
    "a constant of a node": model(
        graph(
            nodes=(
                node("Constant", [], ["k"], field(5, field(1, "value") + field(5, outside()))),
                *packs.NODES,
            )
        )
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_data_elsewhere_is_refused_though_signed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path / "p", MODELS[case])
    (tmp_path / DATA).write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackInvalid, match=r"encoder\.onnx: not a model that may be run"):
        Pack.open(folder, trust=TRUST)


Change = Callable[[dict[str, Any]], object]

MANIFESTS: dict[str, Change] = {
    "a file that is not there": lambda m: m["encoder"].update(external_data="other.data"),
    "a path": lambda m: m["encoder"].update(external_data=f"../{DATA}"),
    "no text": lambda m: m["encoder"].update(external_data=1),
    "the model itself": lambda m: m["encoder"].update(external_data="encoder.onnx"),
    "the tokeniser": lambda m: m["encoder"].update(external_data="tokenizer.json"),
    "the format of packs without": lambda m: m.update(format=1),
    "weights that no part names": lambda m: (m["encoder"].pop("external_data"), m.update(format=1)),
    "the format alone": lambda m: m["encoder"].pop("external_data"),
    "a size that is too large": lambda m: m["files"][2].update(size=2**40),
    "another file of such a size": lambda m: m["files"][0].update(size=MAX_FILE_BYTES + 1),
    "a part that uses it without": lambda m: m.update(
        pair_scorer={
            **{name: m["encoder"][name] for name in ("model", "tokenizer", "opset", "pad_id")},
            **{"max_tokens": 16, "item_tokens": 4, "heading": "h", "joiner": "j"},
            "quantisation": "none",
        }
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_says_it_wrongly_is_refused(case: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "p")
    members = json.loads((folder / MANIFEST_NAME).read_bytes())
    MANIFESTS[case](members)
    packs.sign(folder, json.dumps(members).encode())
    with pytest.raises(PackInvalid):
        Pack.open(folder, trust=TRUST)


FOLDERS: dict[str, Callable[[Path], object]] = {
    "no weights": Path.unlink,
    "too few": lambda path: os.truncate(path, len(CONTENT) - 1),
    "too many": lambda path: path.write_bytes(CONTENT + b"\0"),
    "a link": lambda path: (path.rename(path.parent.parent / DATA), path.symlink_to(f"../{DATA}")),
    "a file of weights more": lambda path: (path.parent / "more.data").write_bytes(b"\0"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_is_not_what_it_says_is_refused(case: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "p")
    FOLDERS[case](folder / DATA)
    with pytest.raises(PackInvalid):
        Pack.open(folder, trust=TRUST)


def test_the_format_is_raised_where_weights_lie_beside_a_model_alone(tmp_path: Path) -> None:
    folders = packs.write(tmp_path / "inside"), written(tmp_path / "beside")
    raw = [(folder / MANIFEST_NAME).read_bytes() for folder in folders]
    assert [json.loads(one)["format"] for one in raw] == [1, 2]
    assert [Manifest.from_json(one).to_json() for one in raw] == raw
    assert b"external_data" not in raw[0]
    assert json.loads((shipped_pack() / MANIFEST_NAME).read_bytes())["format"] == 1
    newer = raw[1].replace(b'"format": 2', b'"format": 4')
    with pytest.raises(PackUnsupported, match="reads formats 1 to 3, the pack has 4"):
        Manifest.from_json(newer)


def test_weights_beside_a_model_count_as_its_size(tmp_path: Path) -> None:
    many = model(graph(nodes=(*(node("Identity", ["w"], [f"x{i}"]) for i in range(6_000)),)))
    with pytest.raises(Malformed, match="more than 4"):
        check_model(many)
    check_model(many, location=DATA, size=1 << 20)


def test_an_onnxruntime_without_the_way_in_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Earlier:
        """Options of onnxruntime 1.23."""

    with pytest.raises(InferenceError, match=r"needs onnxruntime 1\.24 or later"):
        session_module._add_external(Earlier(), Model(b"", b"0", DATA))  # type: ignore[arg-type]
    with pytest.raises(InferenceError):
        Session(with_weights(outside()))  # nobody said what lies beside it
