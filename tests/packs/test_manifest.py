from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import PackError, PackInvalid, PackUnsupported
from edge_rerank.packs.manifest import (
    FORMAT,
    PARTS_FORMAT,
    Manifest,
)
from edge_rerank.packs.specs import (
    LIKENESS_WEIGHT,
    ImageEncoderSpec,
    QueryPrompt,
    Template,
)


def members() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": "tiny",
        "release": 1,
        "architecture": "bi-encoder",
        "licence": "Apache-2.0",
        "source": {"uri": "path:tiny", "revision": "local", "sha256": "0" * 64},
        "files": [
            {"name": "encoder.onnx", "size": 10, "sha256": "1" * 64},
            {"name": "tokenizer.json", "size": 10, "sha256": "2" * 64},
        ],
        "encoder": {
            "model": "encoder.onnx",
            "tokenizer": "tokenizer.json",
            "dim": 8,
            "max_tokens": 16,
            "pad_id": 0,
            "opset": 21,
            "quantisation": "int8",
        },
        "verification": {"kendall_tau": 0.99},
    }


def test_round_trip() -> None:
    manifest = Manifest.from_json(json.dumps(members()).encode())
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_json() == Manifest.from_json(manifest.to_json()).to_json()


def with_history() -> dict[str, Any]:
    changed = members()
    changed["files"] += [
        {"name": "history.onnx", "size": 10, "sha256": "3" * 64},
        {"name": "lexicon.npy", "size": 10, "sha256": "4" * 64},
    ]
    changed["history_encoder"] = {
        "model": "history.onnx",
        "lexicon": "lexicon.npy",
        "together": None,
        "succession": "lexicon.npy",
        "opset": 20,
        "slope": 0.9,
        "intercept": -3,
    }
    return changed


def test_round_trip_with_a_history_encoder() -> None:
    manifest = Manifest.from_json(json.dumps(with_history()).encode())
    assert manifest.history_encoder is not None
    assert manifest.history_encoder.intercept == -3.0
    assert manifest.history_encoder.tables == {"succession": "lexicon.npy"}
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_round_trip_with_a_prompt_of_queries() -> None:
    changed = members()
    changed["encoder"]["query_prompt"] = {"at": 1, "replaces": 2, "ids": [7, 8, 9]}
    manifest = Manifest.from_json(json.dumps(changed).encode())
    assert manifest.encoder is not None
    assert manifest.encoder.query_prompt == QueryPrompt(1, 2, (7, 8, 9))
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert b"query_prompt" not in Manifest.from_json(json.dumps(members()).encode()).to_json()
    for wrong in ({"at": -1}, {"replaces": 1.5}, {"ids": []}, {"ids": [1, "2"]}, {"else": 1}):
        changed["encoder"]["query_prompt"] = {"at": 1, "replaces": 2, "ids": [7], **wrong}
        with pytest.raises(PackInvalid, match="query_prompt"):
            Manifest.from_json(json.dumps(changed).encode())


def test_round_trip_with_texts_of_a_fixed_length() -> None:
    changed = members()
    changed["format"] = PARTS_FORMAT
    changed["encoder"]["fixed_tokens"] = 16
    manifest = Manifest.from_json(json.dumps(changed).encode())
    assert manifest.encoder is not None
    assert manifest.encoder.fixed_tokens == 16
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert b"fixed_tokens" not in Manifest.from_json(json.dumps(members()).encode()).to_json()
    for wrong in (15, 513, 0, 16.5, "16", True):
        changed["encoder"]["fixed_tokens"] = wrong
        with pytest.raises(PackInvalid, match="fixed_tokens"):
            Manifest.from_json(json.dumps(changed).encode())
    changed["format"] = FORMAT
    changed["encoder"]["fixed_tokens"] = 16
    with pytest.raises(PackInvalid, match="expected format 3"):
        Manifest.from_json(json.dumps(changed).encode())


def with_media() -> dict[str, Any]:
    changed = members()
    del changed["encoder"]
    changed["format"] = PARTS_FORMAT
    changed["image_encoder"] = {
        "model": "encoder.onnx",
        "dim": 8,
        "side": 224,
        "opset": 20,
        "quantisation": "int8",
        "weight": 0.5,
    }
    changed["audio_encoder"] = {
        "model": "tokenizer.json",
        "dim": 8,
        "rate": 16_000,
        "seconds": 10,
        "opset": 20,
        "quantisation": "none",
    }
    return changed


def test_round_trip_with_encoders_of_pictures_and_sounds_alone() -> None:
    manifest = Manifest.from_json(json.dumps(with_media()).encode())
    assert manifest.image_encoder == ImageEncoderSpec("encoder.onnx", 8, 224, 20, "int8", 0.5)
    assert manifest.audio_encoder is not None
    assert manifest.audio_encoder.weight == LIKENESS_WEIGHT
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json())["format"] == PARTS_FORMAT
    plain = Manifest.from_json(json.dumps(members()).encode()).to_json()
    assert json.loads(plain)["format"] == FORMAT
    assert not {"image_encoder", "audio_encoder"} & {*json.loads(plain)}


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.update(format=FORMAT),
        lambda made: made["image_encoder"].update(side=0),
        lambda made: made["image_encoder"].update(side=1_025),
        lambda made: made["image_encoder"].update(model="absent.onnx"),
        lambda made: made["image_encoder"].update(tokenizer="tokenizer.json"),
        lambda made: made["image_encoder"].update(weight="much"),
        lambda made: made["audio_encoder"].update(rate=3_999),
        lambda made: made["audio_encoder"].update(rate=192_001),
        lambda made: made["audio_encoder"].update(seconds=121),
        lambda made: made["audio_encoder"].update(seconds=1.5),
        lambda made: made["audio_encoder"].update(model="absent.onnx"),
        lambda made: (made.pop("image_encoder"), made.pop("audio_encoder")),
    ],
)
def test_malformed_encoders_of_pictures_and_sounds(change: Callable[[Any], None]) -> None:
    changed = with_media()
    change(changed)
    with pytest.raises(PackInvalid):
        Manifest.from_json(json.dumps(changed).encode())


def test_what_is_absent_is_not_written() -> None:
    written = json.loads(Manifest.from_json(json.dumps(with_history()).encode()).to_json())
    assert "scorer" not in written
    assert "together" not in written["history_encoder"]


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(model="other.onnx"),
        lambda spec: spec.update(together="absent.npz"),
        lambda spec: spec.update(slope="steep"),
        lambda spec: spec.update(slope=True),
        lambda spec: spec.update(surprise=1),
        lambda spec: spec.update(record=7),
        lambda spec: spec.update(record="absent.npz"),
        lambda spec: spec.update(succession="absent.npz"),
    ],
)
def test_malformed_history_encoder(change: Callable[[dict[str, Any]], object]) -> None:
    changed = with_history()
    change(changed["history_encoder"])
    with pytest.raises(PackInvalid, match="history_encoder"):
        Manifest.from_json(json.dumps(changed).encode())


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("name"),
        lambda m: m.update(surprise=1),
        lambda m: m["encoder"].update(surprise=1),
        lambda m: m.update(name=""),
        lambda m: m.update(release=0),
        lambda m: m.update(release=True),
        lambda m: m.update(files=[]),
        lambda m: m.update(files=m["files"] * 2),
        lambda m: m["files"][0].update(name="../encoder.onnx"),
        lambda m: m["files"][0].update(name="/etc/passwd"),
        lambda m: m["files"][0].update(name=".hidden"),
        lambda m: m["files"][0].update(size=2**40),
        lambda m: m["files"][0].update(sha256="1" * 63),
        lambda m: m["files"][0].update(sha256="A" * 64),
        lambda m: m["encoder"].update(model="other.onnx"),
        lambda m: m["encoder"].update(dim=100_000),
        lambda m: m["encoder"].update(max_tokens=0),
        lambda m: m.update(verification={"tau": "good"}),
        lambda m: m.update(source="pypi"),
        lambda m: m.pop("encoder"),
    ],
)
def test_malformed(change: Change) -> None:
    changed = members()
    change(changed)
    with pytest.raises(PackInvalid, match=r"manifest\.json"):
        Manifest.from_json(json.dumps(changed).encode())


def with_scorer(**more: Any) -> dict[str, Any]:
    changed = members()
    changed["scorer"] = {
        "model": "encoder.onnx",
        "tokenizer": "tokenizer.json",
        "scoring": "head",
        "causal": True,
        "prefix": [1],
        "separator": [2],
        "line_tokens": 24,
        "history_tokens": 512,
        "opset": 21,
        "quantisation": "int8",
        "weight": 0.5,
        **more,
    }
    return changed


def test_a_template_is_read_and_written_and_packs_without_one_stay_as_they_were() -> None:
    plain = Manifest.from_json(json.dumps(with_scorer()).encode())
    assert plain.scorer is not None
    assert plain.scorer.template is None
    assert "template" not in json.loads(plain.to_json())["scorer"]
    template = {"before": [], "after": [5, 6], "spaced": True}
    manifest = Manifest.from_json(json.dumps(with_scorer(template=template)).encode())
    assert manifest.scorer is not None
    assert manifest.scorer.template == Template((), (5, 6), spaced=True)
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    "template",
    [
        {"before": [1], "spaced": True},
        {"before": [1], "after": [], "spaced": True},
        {"before": [-1], "after": [1], "spaced": True},
        {"before": [1], "after": [1] * 257, "spaced": True},
        {"before": [1], "after": [1], "spaced": 1},
        {"before": [1], "after": [1], "spaced": True, "else": 1},
        [],
    ],
)
def test_malformed_template(template: Any) -> None:
    with pytest.raises(PackInvalid):
        Manifest.from_json(json.dumps(with_scorer(template=template)).encode())


def test_the_architecture_of_older_packs_is_read_and_means_nothing() -> None:
    without = Manifest.from_json(json.dumps(members()).encode())
    for value in ("cross-encoder", "oracle", None):
        other = json.dumps({**members(), "architecture": value}).encode()
        assert Manifest.from_json(other) == without
    assert "architecture" not in json.loads(without.to_json())


def test_a_table_is_any_name_with_a_file_of_the_pack() -> None:
    changed = with_history()
    changed["history_encoder"]["neighbours"] = "lexicon.npy"
    spec = Manifest.from_json(json.dumps(changed).encode()).history_encoder
    assert spec is not None
    assert spec.tables == {"succession": "lexicon.npy", "neighbours": "lexicon.npy"}
    for name in ("Neighbours", "../neighbours", "", "n" * 33):
        changed = with_history()
        changed["history_encoder"][name] = "lexicon.npy"
        with pytest.raises(PackInvalid, match="history_encoder"):
            Manifest.from_json(json.dumps(changed).encode())


@pytest.mark.parametrize("change", [{"format": PARTS_FORMAT + 1}])
def test_unsupported(change: dict[str, Any]) -> None:
    with pytest.raises(PackUnsupported):
        Manifest.from_json(json.dumps({**members(), **change}).encode())


def test_a_name_that_stands_twice_is_refused() -> None:
    text = json.dumps(members()).replace('"release": 1', '"release": 1, "release": 2')
    with pytest.raises(PackInvalid):
        Manifest.from_json(text.encode())


def test_other_bytes_are_refused() -> None:
    for raw in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}" + b" " * (1 << 20), b"null"):
        with pytest.raises(PackInvalid):
            Manifest.from_json(raw)


@given(st.data())
def test_any_member_of_any_type_gives_a_manifest_or_a_typed_error(data: st.DataObject) -> None:
    changed = members()
    name = data.draw(st.sampled_from(sorted(changed)))
    json_values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    )
    changed[name] = data.draw(json_values)
    try:
        Manifest.from_json(json.dumps(changed).encode())
    except PackError as error:
        assert type(error) in {PackInvalid, PackUnsupported}
