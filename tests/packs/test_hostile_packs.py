"""Packs that must be refused before a native library sees any of their bytes."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_rerank import Reranker
from edge_rerank.errors import (
    HistoryCorrupt,
    InvalidRequest,
    PackError,
    PackInvalid,
    PackUntrusted,
)
from edge_rerank.history.releases import remember_releases, seen_releases
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.inference.encoders import text as encoder_module
from edge_rerank.packs import shipped
from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
)
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import check_cost
from edge_rerank.packs.onnx_wire import Malformed
from edge_rerank.packs.tokenizer_check import Unsafe, check_tokenizer
from edge_rerank.packs.trust import Trust
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Item
from tests.kept_models import load_anew
from tests.packs import hostile as packs
from tests.packs.hostile import FLOAT, INT64, field, graph, model, node, tensor

Change = Callable[[Path], object]


def manifest_with(change: Callable[[dict[str, Any]], object]) -> Change:
    """Edit the manifest and sign it again with the right key."""

    def apply(folder: Path) -> None:
        members = json.loads((folder / MANIFEST_NAME).read_bytes())
        change(members)
        packs.sign(folder, json.dumps(members).encode())

    return apply


def raw_manifest(change: Callable[[bytes], bytes]) -> Change:
    def apply(folder: Path) -> None:
        packs.sign(folder, change((folder / MANIFEST_NAME).read_bytes()))

    return apply


def replaced(name: str, place: Callable[[Path], object]) -> Change:
    """Take a file out of the pack and put something else in its place."""

    def apply(folder: Path) -> None:
        path = folder / name
        path.rename(folder.parent / "outside")
        place(path)

    return apply


def listed_outside(folder: Path) -> None:
    """List a file that lies beside the pack, and is just what the manifest says of it."""
    content = (folder / "encoder.onnx").read_bytes()
    (folder.parent / "outside").write_bytes(content)
    manifest_with(lambda m: m["files"].append({**m["files"][0], "name": "../outside"}))(folder)


def swap(folder: Path) -> None:
    one, other = folder / "encoder.onnx", folder / "tokenizer.json"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


FOLDERS: dict[str, tuple[Change, type[PackError]]] = {
    "a name that leaves the folder": (
        manifest_with(lambda m: m["files"][0].update(name="../outside")),
        PackInvalid,
    ),
    "a name that leads to the right file outside the folder": (listed_outside, PackInvalid),
    "an absolute name": (
        manifest_with(lambda m: m["files"][0].update(name="/etc/passwd")),
        PackInvalid,
    ),
    "a name with a folder": (
        manifest_with(lambda m: m["files"][0].update(name="a/b")),
        PackInvalid,
    ),
    "a name with a backslash": (
        manifest_with(lambda m: m["files"][0].update(name="..\\outside")),
        PackInvalid,
    ),
    "a name that begins with a dot": (
        manifest_with(lambda m: m["files"][0].update(name=".hidden")),
        PackInvalid,
    ),
    "two names that differ in case": (
        manifest_with(lambda m: m["files"].append({**m["files"][0], "name": "ENCODER.onnx"})),
        PackInvalid,
    ),
    "a symbolic link": (
        replaced("encoder.onnx", lambda path: path.symlink_to(path.parent.parent / "outside")),
        PackInvalid,
    ),
    "a symbolic link as the manifest": (
        replaced(MANIFEST_NAME, lambda path: path.symlink_to(path.parent.parent / "outside")),
        PackInvalid,
    ),
    "a hard link": (
        replaced("encoder.onnx", lambda path: path.hardlink_to(path.parent.parent / "outside")),
        PackInvalid,
    ),
    "a pipe": (replaced("encoder.onnx", os.mkfifo), PackInvalid),
    "a folder as a file": (replaced("encoder.onnx", Path.mkdir), PackInvalid),
    "a missing file": (lambda folder: (folder / "encoder.onnx").unlink(), PackInvalid),
    "a truncated file": (
        lambda folder: os.truncate(folder / "encoder.onnx", 100),
        PackInvalid,
    ),
    "a longer file": (
        lambda folder: (folder / "encoder.onnx").open("ab").write(b"\0"),
        PackInvalid,
    ),
    "two files swapped": (swap, PackInvalid),
    "a file that is not listed": (
        lambda folder: (folder / "encoder.onnx.data").write_bytes(b"weights"),
        PackInvalid,
    ),
    "a folder that is not listed": (lambda folder: (folder / "extra").mkdir(), PackInvalid),
    "a wrong digest": (
        manifest_with(lambda m: m["files"][0].update(sha256="0" * 64)),
        PackInvalid,
    ),
    "a wrong size": (manifest_with(lambda m: m["files"][0].update(size=1)), PackInvalid),
    "a digest in capitals": (
        manifest_with(lambda m: m["files"][0].update(sha256=m["files"][0]["sha256"].upper())),
        PackInvalid,
    ),
    "a manifest that was edited after signing": (
        lambda folder: (folder / MANIFEST_NAME).open("ab").write(b"\n"),
        PackUntrusted,
    ),
    "a signature by another key": (
        lambda folder: packs.sign(
            folder, (folder / MANIFEST_NAME).read_bytes(), Ed25519PrivateKey.generate()
        ),
        PackUntrusted,
    ),
    "a signature of zeros": (
        lambda folder: (folder / SIGNATURE_NAME).write_bytes(bytes(64)),
        PackUntrusted,
    ),
    "no signature": (lambda folder: (folder / SIGNATURE_NAME).unlink(), PackInvalid),
    "an older release": (manifest_with(lambda m: m.update(release=1)), PackUntrusted),
    "a JSON name twice": (
        raw_manifest(lambda raw: raw.replace(b'"release"', b'"release": 9,\n  "release"', 1)),
        PackInvalid,
    ),
    "an unknown member": (manifest_with(lambda m: m.update(run="rm -rf /")), PackInvalid),
    "a NaN": (
        raw_manifest(lambda raw: raw.replace(b'"release": 3', b'"release": NaN')),
        PackInvalid,
    ),
    "nesting without end": (raw_manifest(lambda _: b"[" * 100_000), PackInvalid),
    "a model by another name": (
        lambda folder: (
            (folder / "encoder.onnx").rename(folder / "encoder.bin"),
            manifest_with(
                lambda m: (
                    m["files"][0].update(name="encoder.bin"),
                    m["encoder"].update(model="encoder.bin"),
                    (folder / "encoder.bin").write_bytes(b"\0" * m["files"][0]["size"]),
                )
            )(folder),
        ),
        PackInvalid,
    ),
}

EXTERNAL = b"".join(
    (
        field(1, 8),
        field(1, 4),
        field(2, FLOAT),
        field(8, "w"),
        field(13, field(1, "location") + field(2, "../../etc/passwd")),
        field(14, 1),
    )
)
MEMORY = EXTERNAL.replace(b"../../etc/passwd", b"*/_ORT_MEM_ADDR/")
HUGE = field(1, 2**31) + field(1, 2**31) + field(2, FLOAT) + field(8, "w") + field(9, bytes(128))


def with_node(extra: bytes, *tensors: bytes) -> bytes:
    body = graph(nodes=(extra, *packs.NODES), tensors=(packs.WEIGHTS, packs.AXES, *tensors))
    return model(body)


def with_weights(weights: bytes) -> bytes:
    return model(graph(tensors=(weights, packs.AXES)))


def nested(depth: int) -> bytes:
    inner = field(1, node("Identity", ["w"], ["x"]))
    for _ in range(depth):
        branch = field(5, field(1, "then_branch") + field(6, inner) + field(20, 5))
        inner = field(1, node("If", ["c"], ["x"], branch))
    return with_node(node("If", ["c"], ["y"], field(5, field(1, "then_branch") + field(6, inner))))


MODELS: dict[str, bytes] = {
    "weights in another file": with_weights(EXTERNAL),
    "weights at a memory address": with_weights(MEMORY),
    "external data beside raw data": with_weights(
        packs.WEIGHTS + field(13, field(1, "location") + field(2, "x"))
    ),
    "external data in a constant node": with_node(
        node("Constant", [], ["k"], field(5, field(1, "value") + field(5, EXTERNAL) + field(20, 4)))
    ),
    "dimensions larger than the data": with_weights(HUGE),
    "a negative dimension": with_weights(tensor("w", [-8, 4], FLOAT, bytes(128))),
    "dimensions whose product overflows": with_weights(
        tensor("w", [2**31 - 1] * 8, FLOAT, bytes(128))
    ),
    "too many dimensions": with_weights(tensor("w", [1] * 9, FLOAT, bytes(4))),
    "fewer bytes than dimensions": with_weights(tensor("w", [8, 4], FLOAT, bytes(127))),
    "data given twice": with_weights(packs.WEIGHTS + field(4, bytes(128))),
    "strings as weights": with_weights(field(1, 1) + field(2, 8) + field(8, "w") + field(9, b"x")),
    "a constant shape of terabytes": with_node(
        node("ConstantOfShape", ["s"], ["z"]),
        tensor("s", [2], INT64, struct.pack("<2q", 2**20, 2**20)),
    ),
    "a tiling of terabytes": with_node(
        node("Tile", ["w", "s"], ["z"]), tensor("s", [2], INT64, struct.pack("<2q", 2**20, 2**20))
    ),
    "an output of terabytes": model(
        graph(extra=field(13, packs.value("h", FLOAT, [2**20, 2**20])))
    ),
    "an unknown operator": with_node(node("Exfiltrate", ["w"], ["z"])),
    "an operator that loops": with_node(node("Loop", ["w"], ["z"])),
    "an operator that decodes images": with_node(node("ImageDecoder", ["w"], ["z"])),
    "an operator that loads a compiled context": with_node(
        node("EPContext", [], ["z"], domain="com.microsoft")
    ),
    "an operator that runs Python": with_node(node("PyOp", ["w"], ["z"], domain="com.microsoft")),
    "a custom domain": with_node(node("Gather", ["w"], ["z"], domain="evil")),
    "a custom domain that is only imported": model(domains=("evil",)),
    "a function that replaces an operator": model(extra=field(25, field(1, "Gather"))),
    "training information": model(extra=field(20, b"")),
    "a sparse tensor": model(graph(extra=field(15, b""))),
    "graphs nested too deep": nested(8),
    "a graph in a node that has none": with_node(
        node("Add", ["w", "w"], ["z"], field(5, field(1, "body") + field(6, graph())))
    ),
    "too many nodes": model(graph(nodes=(node("Identity", ["w"], ["z"]),) * 50_001)),
    "two graphs": model(extra=field(7, graph())),
    "no graph": field(1, 8),
    "an operator named twice": with_node(node("Add", ["w"], ["z"], field(4, "Loop"))),
    "an unknown field": model(extra=field(99, b"")),
    "an integer in a long form": model() + b"\x28\x80\x00",
    "a field longer than the file": model() + b"\x32\xff\xff\xff\xff\x0f",
    "trailing bytes": model() + b"\x00",
    "onnxruntime's own format": b"\x18\0\0\0ORTM" + bytes(64),
    "not a model": b"#!/bin/sh\n",
    "text that is not UTF-8": with_node(field(4, b"\xc3\x28")),
}


def tokenizer_with(change: Callable[[dict[str, Any]], object]) -> bytes:
    members = copy.deepcopy(packs.TOKENIZER)
    change(members)
    return json.dumps(members).encode()


TOKENIZERS: dict[str, bytes] = {
    "a catastrophic pattern": tokenizer_with(
        lambda t: t.update(
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": "(a+)+$"},
                "behavior": "Isolated",
                "invert": False,
            }
        )
    ),
    "a catastrophic replacement": tokenizer_with(
        lambda t: t.update(
            normalizer={"type": "Replace", "pattern": {"Regex": "(.*)*x"}, "content": ""}
        )
    ),
    **{
        f"a pattern like {pattern}": tokenizer_with(
            lambda t, pattern=pattern: t.update(
                normalizer={"type": "Replace", "pattern": {"Regex": pattern}, "content": ""}
            )
        )
        for pattern in ("[!]+[!]+$", "[^!]", "[!-~]", "[[:punct:]]", r"[\w]", "[!" * 65 + "]", "[!")
    },
    "a pattern that is none": tokenizer_with(
        lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": ["!"]}})
    ),
    "a replacement that blows text up": tokenizer_with(
        lambda t: t.update(
            normalizer={"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 100_000}
        )
    ),
    "padding to a billion tokens": tokenizer_with(
        lambda t: t.update(padding={"strategy": {"Fixed": 10**9}})
    ),
    "truncation at a billion tokens": tokenizer_with(
        lambda t: t.update(truncation={"max_length": 10**9, "stride": 0})
    ),
    "a token id far outside": tokenizer_with(lambda t: t["model"]["vocab"].update(a=2**32 - 1)),
    "a negative token id": tokenizer_with(lambda t: t["model"]["vocab"].update(a=-1)),
    "an empty added token": tokenizer_with(
        lambda t: t["added_tokens"].append({"id": 7, "content": ""})
    ),
    "a template of a million tokens": tokenizer_with(
        lambda t: t.update(
            post_processor={
                "type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 1_000_000,
                "pair": [],
                "special_tokens": {},
            }
        )
    ),
    "components nested without end": tokenizer_with(
        lambda t: t.update(
            normalizer={"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 33}
        )
    ),
    "an unknown component": tokenizer_with(lambda t: t.update(decoder={"type": "Exec"})),
    "dropout": tokenizer_with(lambda t: t["model"].update(dropout=0.5)),
    "no vocabulary": tokenizer_with(lambda t: t["model"].update(vocab={})),
    "a name twice": json.dumps(packs.TOKENIZER).encode()[:-1] + b', "model": {}}',
    "nesting without end": b"[" * 100_000,
    "not JSON": b"\x80\x04pickle",
}


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which native library was handed something."""
    calls: list[str] = []

    def session(*_: object, **__: object) -> None:
        calls.append("onnxruntime")
        raise AssertionError("onnxruntime was reached")

    def tokenizer(*_: object) -> None:
        calls.append("tokenizers")
        raise AssertionError("tokenizers was reached")

    import onnxruntime

    load_anew(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(
        encoder_module.Tokenizer, "from_buffer", staticmethod(tokenizer), raising=True
    )
    return calls


def refused(folder: Path, reached: list[str], error: type[PackError] = PackInvalid) -> None:
    with pytest.raises(error):
        RankingEngine.open(folder, trust=Trust([packs.PUBLIC_KEY], 2))
    assert reached == []


def test_the_pack_they_are_made_from_works(tmp_path: Path) -> None:
    folder = packs.write(tmp_path / "pack")
    with RankingEngine.open(folder, trust=Trust([packs.PUBLIC_KEY], 3)) as engine:
        ranking = engine.rank([Item("1", "a b"), Item("2", "c")])
        assert {ranked.item.id for ranked in ranking} == {"1", "2"}
    assert np.allclose(packs_vector(folder), [6.0, 7.0, 8.0, 9.0])


def packs_vector(folder: Path) -> np.ndarray:
    from edge_rerank.inference.encoders.text import TextEncoder
    from edge_rerank.packs.pack import Pack

    return TextEncoder(Pack.open(folder)).encode(["a b"])[0]


def test_the_control_reaches_the_libraries(tmp_path: Path, reached: list[str]) -> None:
    folder = packs.write(tmp_path / "pack")
    with pytest.raises((AssertionError, PackInvalid)):
        RankingEngine.open(folder, trust=Trust([packs.PUBLIC_KEY]))
    assert reached == ["tokenizers"]


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_is_refused(name: str, tmp_path: Path, reached: list[str]) -> None:
    folder = packs.write(tmp_path / "pack")
    change, error = FOLDERS[name]
    change(folder)
    refused(folder, reached, error)


def test_a_pipe_is_refused_even_with_the_right_bytes_in_it(
    tmp_path: Path, reached: list[str]
) -> None:
    folder = packs.write(tmp_path / "pack")
    path = folder / "encoder.onnx"
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(writer, content)
        refused(folder, reached)
    finally:
        os.close(writer)


@pytest.mark.parametrize("name", ["shipped_pack", "multilingual_pack"])
def test_the_shipped_packs_are_pinned(
    name: str, multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(getattr(shipped, name)(), folder)
    monkeypatch.setattr(shipped, name, lambda: folder)
    RankingEngine.open(folder).close()
    with (folder / MANIFEST_NAME).open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(PackUntrusted, match="shipped"):
        RankingEngine.open(folder)


@pytest.mark.parametrize("name", MODELS)
def test_model_is_refused_though_signed(name: str, tmp_path: Path, reached: list[str]) -> None:
    refused(packs.write(tmp_path / "pack", onnx=MODELS[name]), reached)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizer_is_refused_though_signed(name: str, tmp_path: Path, reached: list[str]) -> None:
    refused(packs.write(tmp_path / "pack", tokenizer=TOKENIZERS[name]), reached)


def test_a_release_older_than_the_newest_seen_is_refused(
    tmp_path: Path, reached: list[str]
) -> None:
    folder = packs.write(tmp_path / "pack", release=3)
    with pytest.raises(PackUntrusted, match="expected 4 or later, got 3"):
        RankingEngine.open(folder, seen_releases={"tiny": 4, "another": 9})
    assert reached == []
    with pytest.raises(InvalidRequest, match="minimum_release"):
        RankingEngine.open(folder, trust=Trust(minimum_release=True))


def test_the_history_remembers_the_newest_release_across_restarts(tmp_path: Path) -> None:
    old, new = (packs.write(tmp_path / f"{n}", release=n) for n in (1, 2))
    files = {"history": tmp_path / "me.db", "key": bytes(range(32))}
    signed = {**files, "trust": Trust([packs.PUBLIC_KEY])}
    for pack in (old, new, new):
        Reranker.open(pack, **signed).close()
    for _ in range(2):
        with pytest.raises(PackUntrusted, match="expected 2 or later, got 1"):
            Reranker.open(old, **signed)
    Reranker.open(**files).close()  # the shipped pack has its own release 1
    Reranker.open(new, **signed).close()
    with pytest.raises(PackUntrusted, match="expected 3 or later, got 2"):
        Reranker.open(new, **files, trust=Trust([packs.PUBLIC_KEY], 3))
    Reranker.open(old, trust=Trust([packs.PUBLIC_KEY])).close()  # nothing to remember it in


def test_an_unsigned_pack_cannot_lock_the_signed_one_out(tmp_path: Path) -> None:
    fake = packs.write(tmp_path / "fake", release=2**31 - 1, signed_by=Ed25519PrivateKey.generate())
    real = packs.write(tmp_path / "real", release=1)
    files = {"history": tmp_path / "me.db", "key": bytes(range(32))}
    Reranker.open(fake, **files).close()
    Reranker.open(real, **files, trust=Trust([packs.PUBLIC_KEY])).close()


def test_the_record_of_releases_keeps_to_its_size_and_its_form(tmp_path: Path) -> None:
    with HistoryStore.open(None, None) as store:
        remember_releases(store, {f"{'x' * 400}{n}": n for n in range(1, 20)})
        kept = seen_releases(store)
        assert 5 < len(kept) < 19
        assert max(kept.values()) == 19
        remember_releases(store, {f"{'x' * 400}19": 3})
        assert seen_releases(store) == kept
        for content in (b"[]", b"x", b'{"a": null}'):
            store.write_note("releases", content)
            with pytest.raises(HistoryCorrupt):
                seen_releases(store)


def test_reasons_repeat_nothing_of_the_pack() -> None:
    for content in MODELS.values():
        with pytest.raises(Malformed) as caught:
            check_model(content)
            check_cost(content, packs.FEED)
        assert "Exfiltrate" not in str(caught.value)
        assert "passwd" not in str(caught.value)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_damaged_model_does_anything_but_pass_or_be_refused(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([model(), *MODELS.values()])))[:5_000]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw)))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(Malformed):
        check_model(bytes(raw))
        check_cost(bytes(raw), packs.FEED)


def test_numbers_in_the_field_of_another_type_are_refused() -> None:
    onnx = pytest.importorskip("onnx")
    proto = onnx.load_from_string(model())
    tensor = next(one for one in proto.graph.initializer if one.data_type == 7)
    values = onnx.numpy_helper.to_array(tensor).ravel().tolist()
    tensor.ClearField("raw_data")
    tensor.double_data.extend(map(float, values))
    with pytest.raises(Malformed, match="whose dimensions are not those of its data"):
        check_model(proto.SerializeToString())


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_pass_or_be_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        check_model(raw)
    with pytest.raises(Unsafe):
        check_tokenizer(raw)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(model()) - 1), st.integers(0, 255))
@example(95, 16)  # more rows than there are numbers for
def test_what_passes_is_read_the_same_by_the_onnx_package(place: int, value: int) -> None:
    onnx = pytest.importorskip("onnx")
    raw = bytearray(model())
    raw[place] = value
    try:
        check_model(bytes(raw))
    except Malformed:
        return
    try:
        parsed = onnx.load_from_string(bytes(raw))
    except Exception:  # what no reader can parse does no harm
        return
    assert not parsed.functions
    assert all(not one.external_data for one in parsed.graph.initializer)
    assert all(one.domain in {"", "ai.onnx", "com.microsoft"} for one in parsed.graph.node)
    for one in parsed.graph.initializer:
        assert onnx.numpy_helper.to_array(one).size == np.prod(one.dims)
