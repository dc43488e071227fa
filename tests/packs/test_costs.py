"""Packs that cost too much: refused for what they would take, whatever shape that has."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank.errors import InferenceError, PackInvalid
from edge_rerank.inference.encoders import text as encoder_module
from edge_rerank.inference.scorer import RUN_PLACES, _feeds
from edge_rerank.packs.array_files import read_array, read_arrays, write_arrays
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import _Bound, check_cost
from edge_rerank.packs.onnx_sizes import ONE, Shape, Size, Sizes, Symbol
from edge_rerank.packs.onnx_wire import Malformed, Message, bytes_field
from edge_rerank.packs.pack import Pack, _check_contents
from edge_rerank.packs.specs import (
    ScorerSpec,
    Scoring,
)
from edge_rerank.packs.tokenizer_check import Unsafe, check_tokenizer
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.sources import history_model as history_module
from edge_rerank.types import Item, ReasonCode
from tests.packs import hostile as packs
from tests.packs.graphs import attribute, damaged, random_model, whole
from tests.packs.hostile import FLOAT, field, graph, model, node, tensor

GIB = 1 << 30
SECONDS = 10.0
LONGEST_TEXT = 8_192


def costly(*nodes: bytes, last: str, tensors: tuple[bytes, ...] = ()) -> bytes:
    """A model that works, and adds the largest number of ``last`` to its vectors."""
    one = tensor("one", [1, 1], FLOAT, np.float32(1).tobytes())
    every = (
        node("Gather", ["w", "input_ids"], ["rows"]),
        node("ReduceMean", ["rows", "axes"], ["mean"], attribute("keepdims", 0)),
        node("Cast", ["input_ids"], ["numbers"], attribute("to", FLOAT)),
        node("ReduceMax", ["numbers"], ["number"], attribute("keepdims", 0)),
        node("Mul", ["one", "number"], ["unknown"]),
        *nodes,
        node("ReduceMax", [last], ["top"], attribute("keepdims", 0)),
        node("Add", ["mean", "top"], ["vector"]),
    )
    return model(graph(nodes=every, tensors=(packs.WEIGHTS, packs.AXES, one, *tensors)))


def doubled(times: int) -> list[bytes]:
    """A tensor put beside itself again and again."""
    names = ["unknown", *(f"d{at}" for at in range(times))]
    return [
        node("Concat", [before, before], [after], attribute("axis", 0))
        for before, after in pairwise(names)
    ]


def squared(times: int) -> list[bytes]:
    """Each element beside each other one, again and again: outer products of a row."""
    nodes = [node("Reshape", ["numbers", "flat"], ["q0"])]
    for at in range(times):
        nodes += [
            node("Unsqueeze", [f"q{at}", "axes"], [f"c{at}"]),
            node("Add", [f"q{at}", f"c{at}"], [f"p{at}"]),
            node("Reshape", [f"p{at}", "flat"], [f"q{at + 1}"]),
        ]
    return nodes


COSTLY: dict[str, Callable[[], bytes]] = {
    "one number expanded to 8.3 GiB": lambda: costly(
        node("Expand", ["unknown", "s"], ["x"]),
        last="x",
        tensors=(whole("s", [47_200, 47_200]),),
    ),
    "the same of a constant": lambda: costly(
        node("Expand", ["one", "s"], ["x"]), last="x", tensors=(whole("s", [47_200, 47_200]),)
    ),
    "the same by repetition": lambda: costly(
        node("Tile", ["unknown", "s"], ["x"]), last="x", tensors=(whole("s", [2**16, 2**16]),)
    ),
    "a size that is computed": lambda: costly(
        node("Mul", ["s", "s"], ["t"]),
        node("Concat", ["t", "t"], ["u"], attribute("axis", 0)),
        node("Expand", ["unknown", "u"], ["x"]),
        last="x",
        tensors=(whole("s", [300]),),
    ),
    "a size that is computed from a shape": lambda: costly(
        node("Shape", ["input_ids"], ["s"]),
        node("Mul", ["s", "f"], ["t"]),
        node("Expand", ["unknown", "t"], ["x"]),
        last="x",
        tensors=(whole("f", [4_000]),),
    ),
    "a size that is the difference of two": lambda: costly(
        node("Shape", ["input_ids"], ["s"]),
        node("Sub", ["f", "s"], ["t"]),
        node("Expand", ["unknown", "t"], ["x"]),
        last="x",
        tensors=(whole("f", [47_200]),),
    ),
    "a size that wraps": lambda: costly(
        node("Mul", ["f", "f"], ["s"]),
        node("Expand", ["unknown", "s"], ["x"]),
        last="x",
        tensors=(whole("f", [2**32 + 1]),),
    ),
    "a size that is a token": lambda: costly(
        node("ReduceMax", ["input_ids"], ["s"], attribute("keepdims", 0)),
        node("Range", ["z", "s", "o"], ["x"]),
        last="x",
        tensors=(whole("z", [0], scalar=True), whole("o", [1], scalar=True)),
    ),
    "doubled 31 times": lambda: costly(*doubled(31), last="d30"),
    "squared three times": lambda: costly(*squared(3), last="q3", tensors=(whole("flat", [-1]),)),
    "forty tensors at once": lambda: costly(
        *(node("Expand", ["unknown", "s"], [f"x{at}"]) for at in range(40)),
        node("Sum", [f"x{at}" for at in range(40)], ["x"]),
        last="x",
        tensors=(whole("s", [2_000, 2_000]),),
    ),
    "a product of large matrices": lambda: costly(
        node("Expand", ["unknown", "s"], ["a"]),
        node("MatMul", ["a", "a"], ["x"]),
        last="x",
        tensors=(whole("s", [3_000, 3_000]),),
    ),
    "48,000 nodes": lambda: costly(
        *(node("Mul", ["w" if not at else f"x{at - 1}", "w"], [f"x{at}"]) for at in range(48_000)),
        last="x47999",
    ),
    "40,000 tensors that no node uses": lambda: model(
        graph(
            tensors=(
                packs.WEIGHTS,
                packs.AXES,
                *(tensor(f"t{at}", [1], FLOAT, bytes(4)) for at in range(40_000)),
            )
        )
    ),
    "the lowest number over -1, which ends the process": lambda: costly(
        node("Cast", ["input_ids"], ["x0"], attribute("to", 7)),
        node("Mul", ["x0", "m"], ["x1"]),
        node("Div", ["m", "n"], ["x2"]),
        node("Cast", ["x2"], ["x"], attribute("to", FLOAT)),
        last="x",
        tensors=(whole("m", [-(2**63)]), whole("n", [-1])),
    ),
    "a graph inside a node": lambda: costly(
        node("If", ["c"], ["x"], field(5, field(1, "then_branch") + field(6, graph()))), last="x"
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_model_is_refused(name: str, tmp_path: Path) -> None:
    started = time.process_time()
    folder = packs.write(tmp_path / "pack", onnx=COSTLY[name]())
    with pytest.raises(PackInvalid, match="may be run"):
        RankingEngine.open(folder)
    assert time.process_time() - started < SECONDS


def test_what_those_are_made_from_works(tmp_path: Path) -> None:
    folder = packs.write(
        tmp_path / "pack",
        onnx=costly(
            node("Expand", ["unknown", "s"], ["x"]), last="x", tensors=(whole("s", [9, 9]),)
        ),
    )
    with RankingEngine.open(folder) as engine:
        assert len(engine.rank([Item("1", "a b"), Item("2", "c")])) == 2


def test_no_pack_takes_more_than_a_gib_or_ten_seconds_or_ends_the_process(tmp_path: Path) -> None:
    """200 random models, a quarter of them damaged, and those above, in a process of their own."""
    folder = tmp_path / "packs"
    folder.mkdir()
    for seed in range(200):
        raw = random_model(seed)
        packs.write(folder / f"{seed:03d}", onnx=damaged(raw, seed) if seed % 4 == 3 else raw)
    for at, made in enumerate(COSTLY.values()):
        packs.write(folder / f"costly-{at}", onnx=made())
    done = subprocess.run(
        [sys.executable, "-m", "tests.packs.costs_child", str(folder)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1], done.stderr[-1_000:])
    ends = [line for line in lines if "outcome" in line]
    assert len(ends) == 200 + len(COSTLY)
    assert max(line["mib"] for line in ends) < 1024
    assert max(line["s"] for line in ends) < SECONDS
    # It would prove little if none of them was run, or none refused.
    assert sum(line["outcome"] == "ranked" for line in ends) >= 10
    assert sum("may be run" in line["outcome"] for line in ends) >= 40


def with_every_output(raw: bytes, names: list[str]) -> bytes:
    """A model that gives out whatever it computes."""
    extra = [part for name in names for part in bytes_field(12, field(1, name))]
    (body,) = Message("model", memoryview(raw))._values[7]
    assert isinstance(body, memoryview)
    head = b"".join(
        field(8, field(1, opset.text(1)) + field(2, opset.integer(2)))
        for opset in Message("model", memoryview(raw)).messages(8, "opset")
    )
    return field(1, 10) + head + b"".join(bytes_field(7, body, *extra))


def bounded(raw: bytes, feeds: dict[str, Shape]) -> _Bound:
    bound = _Bound(1 << 40, feeds)
    for one in Message("model", memoryview(raw)).messages(7, "graph"):
        bound.follow(one)
    return bound


def wrong(raw: bytes, feeds: dict[str, Shape], inputs: dict[str, np.ndarray]) -> list[str] | None:
    """Tensors that are larger than their bounds; ``None`` when the model does not run."""
    import onnxruntime

    bound = bounded(raw, feeds)
    (body,) = Message("model", memoryview(raw)).messages(7, "graph")
    given = {value.text(1) for place in (11, 12) for value in body.messages(place, "value")}
    given |= {weights.text(8) for weights in body.messages(5, "tensor")}
    names = [name for name in bound._tensors if name not in given]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(with_every_output(raw, names), options)
        values = session.run(None, inputs)
    except Exception:
        return None
    found = []
    for output, value in zip(session.get_outputs(), values, strict=True):
        shape = bound._tensors[output.name].shape
        fits = len(shape) == value.ndim and all(
            have <= size.high for have, size in zip(value.shape, shape, strict=True)
        )
        if not fits or value.size > bound._tensors[output.name].elements:
            found.append(f"{output.name}: {value.shape}")
    return found


def test_no_tensor_of_a_random_model_is_larger_than_its_bound() -> None:
    ids = np.arange(15, dtype=np.int64).reshape(3, 5) % 6
    ran = 0
    for seed in range(500, 900):
        raw = random_model(seed)
        try:
            check_model(raw)
            check_cost(raw, packs.FEED)
        except Malformed:
            continue
        for inputs in (ids, ids[:1, :1], ids[:1].repeat(7, axis=0)):
            larger = wrong(
                raw, packs.FEED, {"input_ids": inputs, "attention_mask": np.ones_like(inputs)}
            )
            assert not larger, (seed, larger)
            ran += larger is not None
    assert ran > 100


@pytest.mark.parametrize("name", ["shipped", "multilingual"])
def test_no_tensor_of_the_shipped_models_is_larger_than_its_bound(
    name: str, multilingual: Path
) -> None:
    pack = Pack.open(name)
    spec = pack.manifest.encoder
    assert spec is not None
    feed = encoder_module._feed(spec)
    for rows, width in ((1, 1), (1, spec.max_tokens), (16, 16), (3, 7)):
        ids = np.full((rows, width), 1_000, dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        assert wrong(pack.read(spec.model), feed, inputs) == []


@pytest.mark.parametrize("name", ["shipped", "multilingual"])
def test_the_shipped_packs_hold_and_cost_what_a_pack_may(name: str, multilingual: Path) -> None:
    """They are pinned, so that opening them does not look into this."""
    pack = Pack.open(name)
    encoder, history = pack.manifest.encoder, pack.manifest.history_encoder
    assert encoder is not None
    assert pack.pinned
    _check_contents(pack.manifest, {one.name: pack.read(one.name) for one in pack.manifest.files})
    cost = check_cost(pack.read(encoder.model), encoder_module._feed(encoder))
    assert 1 << 20 < cost.peak_bytes < cost.bytes < GIB
    if history is not None:
        check_cost(pack.read(history.model), history_module._feed())


def test_a_scorer_is_fed_within_what_is_checked() -> None:
    spec = ScorerSpec("m", "t", Scoring.HEAD, True, (1,), (2,), 24, 512, 21)
    reading, scoring = _feeds(spec)
    assert reading["layout"][0] == ONE
    assert reading["layout"][1].high == 512 + 25
    sequences, width = scoring["layout"]
    # 50 lines of one token beside one of 25; more go into the next run.
    assert Size(1, [*sequences.symbols, *width.symbols]).high == RUN_PLACES >= 51 * 25


def test_sizes_that_cancel_stay_exact_and_others_are_bounded() -> None:
    sizes = Sizes()
    batch = Size(1, [Symbol("batch", 1, 256, "tokens", 256)])
    tokens = Size(1, [Symbol("tokens", 1, 128)])
    whole_ = sizes.product([batch, tokens, Size(384)])
    assert whole_.high == 256 * 384
    assert sizes.over(whole_, sizes.times(batch, Size(32))) == sizes.times(tokens, Size(12))
    past = Size(1, [Symbol("past", 0, 9)])
    both = sizes.plus(past, tokens)
    assert both.high == 137
    assert sizes.plus(both, past, -1) == tokens
    assert sizes.smaller(both, past) == past
    assert sizes.over(tokens, Size(7)).high == 18
    assert sizes.broadcast([(tokens, ONE), (Size(5),)]) == (tokens, Size(5))
    assert sizes.broadcast([(tokens,), (past,)])[0].high == 128


Change = Callable[[dict[str, Any]], object]


def replaced(content: str, times: int) -> Change:
    part = {"type": "Replace", "pattern": {"String": "a"}, "content": content}
    return lambda t: t.update(normalizer={"type": "Sequence", "normalizers": [part] * times})


def template(pieces: list[str], ids: int = 1) -> Change:
    special = {"x": {"id": "x", "ids": [1] * ids, "tokens": ["a"] * ids}}
    single = [
        {"SpecialToken": {"id": "x", "type_id": 0}}
        if piece == "x"
        else {"Sequence": {"id": piece, "type_id": 0}}
        for piece in pieces
    ]
    pair = [{"Sequence": {"id": piece, "type_id": 0}} for piece in "AB"]
    return lambda t: t.update(
        post_processor={
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": special,
        }
    )


BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}


def charsmap(units: list[int], texts: bytes) -> Change:
    import base64

    trie = np.array(units, "<u4").tobytes().ljust(1024, b"\0")
    raw = base64.b64encode(len(trie).to_bytes(4, "little") + trie + texts).decode()
    return lambda t: t.update(normalizer={"type": "Precompiled", "precompiled_charsmap": raw})


GROWING: dict[str, Change] = {
    "six replacements by sixteen": replaced("a" * 16, 6),
    "two replacements by sixteen": replaced("a" * 16, 2),
    "normal forms again and again": lambda t: t.update(
        normalizer={"type": "Sequence", "normalizers": [{"type": "NFKD"}] * 3}
    ),
    "bytes of bytes of bytes": lambda t: t.update(
        pre_tokenizer={"type": "Sequence", "pretokenizers": [BYTES] * 3}
    ),
    "both together": lambda t: (
        replaced("a" * 16, 1)(t),
        t.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [BYTES]}),
    ),
    "a decoder that replaces": lambda t: t.update(
        decoder={
            "type": "Sequence",
            "decoders": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16}] * 2,
        }
    ),
    "a template that takes its text 32 times": template(["A"] * 32),
    "a template without its text": template(["x"]),
    "a template of too many tokens": template(["A", *"xxx"], ids=30),
    "a long prefix of parts of words": lambda t: t["model"].update(
        continuing_subword_prefix="#" * 100_000
    ),
    "a map of characters to a long text": charsmap([0], b"a" * 100_000 + b"\0"),
    "a map that leads outside": charsmap([0x7FFFFFFF], b"a\0"),
    "a map that leads to no text": charsmap([1 << 31 | 99], b"a\0"),
    "a map that leads into a character": charsmap([1 << 31 | 1], "ß\0".encode()),
    "a map that is none": lambda t: t.update(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "!"}
    ),
    "added tokens that are normalised to more": lambda t: (
        replaced("a" * 16, 1)(t),
        t.update(added_tokens=[{"id": 9, "content": "a" * 500}] * 300),
    ),
}


def tokenizer_with(change: Change) -> bytes:
    members = copy.deepcopy(packs.TOKENIZER)
    change(members)
    return json.dumps(members).encode()


SIGNS = r"""!"\#\$%\&'\(\)\*\+,\-\./:;<=>\?@\[\\\]\^_`\{\|\}\~"""
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def normalised(*parts: dict[str, Any]) -> Change:
    return lambda t: t.update(normalizer={"type": "Sequence", "normalizers": [*parts]})


def test_long_words_of_long_texts_are_refused() -> None:
    pieces = {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 1_000}
    raw = tokenizer_with(lambda t: t["model"].update(pieces))
    check_tokenizer(raw, chars=LONGEST_TEXT)
    with pytest.raises(Unsafe, match="words"):
        check_tokenizer(raw, chars=4 * LONGEST_TEXT)


@pytest.mark.parametrize("name", GROWING)
def test_a_tokenizer_that_blows_texts_up_is_refused(name: str) -> None:
    with pytest.raises(Unsafe):
        check_tokenizer(tokenizer_with(GROWING[name]), chars=LONGEST_TEXT)


@pytest.mark.parametrize(
    "change",
    [
        replaced("▁", 2),
        template(["x", "A", "x"]),
        lambda t: t.update(
            normalizer={"type": "NFKC"},
            pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
        ),
        charsmap([0], b"abc\0\xd8\xb5\0"),
        # The first SigLIP's, and CLIP's.
        normalised(
            {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"Regex": f"[{SIGNS}]"}, "content": ""},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Strip", "strip_left": True, "strip_right": True},
        ),
        lambda t: t.update(
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": CLIP_WORDS},
                "behavior": "Removed",
                "invert": True,
            }
        ),
    ],
)
def test_what_published_tokenizers_do_is_accepted(change: Change) -> None:
    check_tokenizer(tokenizer_with(change), chars=LONGEST_TEXT)


def test_what_the_tokenizers_library_stumbles_over_is_a_typed_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_rerank.inference import tokenizing

    class Panic(BaseException):
        pass

    class Broken:
        @staticmethod
        def from_buffer(_: bytes) -> object:
            raise Panic("secret")

        @staticmethod
        def encode(_: str, *, add_special_tokens: bool) -> object:
            raise Panic("secret")

    monkeypatch.setattr(tokenizing, "Tokenizer", Broken)
    with pytest.raises(PackInvalid):
        tokenizing.read_tokenizer(b"", "tokenizer.json")
    with pytest.raises(InferenceError) as caught:
        tokenizing.token_ids(Broken(), "text")  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


KINDS = {"ids": np.uint64}


def packed(size: int, stated: int | None = None, header: bytes | None = None) -> bytes:
    """An archive of an array of zeros, which may state another size."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<u8", "fortran_order": False, "shape": (size // 8,)}
    )
    content = (stream.getvalue() if header is None else header) + bytes(size)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ids.npy", content)
    raw = bytearray(out.getvalue())
    if stated is not None:
        there = len(content).to_bytes(4, "little")
        raw = bytearray(bytes(raw).replace(there, stated.to_bytes(4, "little")))
    return bytes(raw)


def npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<u8", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "bomb": lambda: packed(256 << 20),
    "bomb that lies": lambda: packed(256 << 20, stated=4_096),
    "huge header": lambda: packed(64, header=npy_header((2**33,))),
    "overflow": lambda: packed(64, header=npy_header((2**61, 8))),
    "negative": lambda: packed(64, header=npy_header((-8,))),
    "cut": lambda: packed(64)[:-30],
    "empty": lambda: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_that_unpacks_to_too_much_is_refused(name: str) -> None:
    import tracemalloc

    raw = BOMBS[name]()
    tracemalloc.start()
    try:
        with pytest.raises(PackInvalid):
            read_arrays(raw, KINDS, what="table")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_arrays_round_trip_and_a_lexicon_of_another_size_is_refused() -> None:
    arrays = {"ids": np.arange(1_000, dtype=np.uint64)}
    read = read_arrays(write_arrays(arrays), KINDS, what="table")
    assert (read["ids"] == arrays["ids"]).all()
    assert (read_arrays(packed(4_096), KINDS, what="table")["ids"] == 0).all()
    for raw in (npy_header((2**40,)), npy_header((4,)) + bytes(31), npy_header((4,)) + bytes(33)):
        with pytest.raises(PackInvalid):
            read_array(raw, np.uint64, what="lexicon")


def with_weights(value: float) -> bytes:
    weights = np.full((8, 4), value, dtype=np.float32).tobytes()
    return model(graph(tensors=(tensor("w", [8, 4], FLOAT, weights), packs.AXES)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_weights_that_make_no_number_are_a_typed_error(value: float, tmp_path: Path) -> None:
    folder = packs.write(tmp_path / "pack", onnx=with_weights(value))
    with RankingEngine.open(folder) as engine, pytest.raises(InferenceError, match="no number"):
        engine.rank([Item("1", "a b"), Item("2", "c")], query="a")


def test_a_vector_of_another_shape_is_a_typed_error(tmp_path: Path) -> None:
    wide = model(graph(nodes=(packs.NODES[0], node("Identity", ["rows"], ["vector"]))))
    folder, shape = packs.write(tmp_path / "pack", onnx=wide), "other than numbers of shape"
    with RankingEngine.open(folder) as engine, pytest.raises(InferenceError, match=shape):
        engine.rank([Item("1", "a b")], query="a")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_a_typed_error(value: float) -> None:
    evidence = Evidence([Column("one", 1.0, ReasonCode.SIMILAR)], 2)
    assert evidence.scores().tolist() == [0.0, 0.0]
    evidence["one"] = np.array([0.0, value])
    with pytest.raises(InferenceError, match="no number"):
        evidence.scores()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "1" + "0" * 400])
def test_a_manifest_of_numbers_that_are_none_is_refused(number: str, tmp_path: Path) -> None:
    folder = packs.write(tmp_path / "pack")
    raw = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(
        raw.replace(b'"verification": {}', b'"verification": {"tau": ' + number.encode() + b"}")
    )
    with pytest.raises(PackInvalid, match="tau"):
        Pack.open(folder)
