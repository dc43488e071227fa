"""Folders of tables: read like packs, whoever wrote them, and whoever writes them meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Tables, Trust
from edge_rerank.errors import (
    InvalidRequest,
    PackError,
    PackInvalid,
    PackNotFound,
    PackUnsupported,
    PackUntrusted,
)
from edge_rerank.packs import tables as reading
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME, FileEntry
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.tables import TablesManifest, says_tables
from tests.packs.hostile import KEY, PUBLIC_KEY

OTHER_KEY = bytes(range(1, 33))


def manifest_of(contents: dict[str, bytes], **changes: Any) -> TablesManifest:
    digests = {name: sha256(content).hexdigest() for name, content in contents.items()}
    files = {name: f"{name}-{digest[:16]}.npz" for name, digest in digests.items()}
    members: dict[str, Any] = {
        "name": "shop",
        "made": 1_700_000_000,
        "people": 2,
        "choices": 5,
        "items": 3,
        "settings": {"min_people": 1.0},
        "tables": files,
        "files": tuple(
            FileEntry(files[name], len(content), digests[name])
            for name, content in contents.items()
        ),
    }
    return TablesManifest(**members | changes)


def write(folder: Path, *, content: bytes = b"pairs") -> Path:
    folder.mkdir(exist_ok=True)
    contents = {"together": content, "record": b"counts"}
    manifest = manifest_of(contents)
    for name, one in contents.items():
        (folder / manifest.tables[name]).write_bytes(one)
    raw = manifest.to_json()
    (folder / MANIFEST_NAME).write_bytes(raw)
    (folder / SIGNATURE_NAME).write_bytes(KEY.sign(raw))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tables")


def table_file(folder: Path) -> Path:
    return folder / Tables.open(folder).manifest.tables["together"]


def test_what_was_written_is_read(folder: Path) -> None:
    tables = Tables.open(str(folder))
    assert not tables.signed
    assert tables.read(tables.manifest.tables["together"]) == b"pairs"
    assert tables.digest == sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()
    assert "pairs" not in repr(tables)
    with pytest.raises(PackInvalid, match="not among"):
        tables.read("other")
    again = TablesManifest.from_json(tables.manifest.to_json())
    assert again.to_json() == tables.manifest.to_json()


def test_trusted_keys_alone(folder: Path) -> None:
    assert Tables.open(folder, trust=Trust([OTHER_KEY, PUBLIC_KEY])).signed
    with pytest.raises(PackUntrusted):
        Tables.open(folder, trust=Trust([OTHER_KEY]))
    (folder / SIGNATURE_NAME).write_bytes(bytes(64))
    with pytest.raises(PackUntrusted):
        Tables.open(folder, trust=Trust([PUBLIC_KEY]))
    (folder / SIGNATURE_NAME).unlink()
    with pytest.raises(PackInvalid, match=r"manifest\.sig"):
        Tables.open(folder, trust=Trust([PUBLIC_KEY]))


def _change(folder: Path) -> None:
    path = table_file(folder)
    path.write_bytes(path.read_bytes()[::-1])


def _longer(folder: Path) -> None:
    path = table_file(folder)
    path.write_bytes(path.read_bytes() + b" ")


def _link(folder: Path) -> None:
    path = table_file(folder)
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


def _hard_link(folder: Path) -> None:
    os.link(table_file(folder), folder.parent / "elsewhere")


def _extra(folder: Path) -> None:
    (folder / "run.py").write_text("")


def _missing(folder: Path) -> None:
    table_file(folder).unlink()


@pytest.mark.parametrize("spoil", [_change, _longer, _link, _hard_link, _extra, _missing])
def test_a_spoilt_folder_is_refused(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    with pytest.raises(PackInvalid):
        Tables.open(folder)


def test_what_is_no_folder_of_tables(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(PackNotFound):
        Tables.open(tmp_path / "nowhere")
    with pytest.raises(PackNotFound):
        Tables.open(tmp_path)
    with pytest.raises(InvalidRequest):
        Tables.open(3)  # type: ignore[arg-type]
    with pytest.raises(PackInvalid):
        Pack.open(folder)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kind", "pack"),
        ("kind", None),
        ("name", ""),
        ("made", -1),
        ("people", 1.5),
        ("settings", {"a": "b"}),
        ("tables", {"together": "../../etc/passwd"}),
        ("tables", {"together": "together-0000000000000000.npz"}),
        ("tables", {}),
        ("files", []),
        ("extra", 1),
    ],
)
def test_malformed_manifests(folder: Path, member: str, value: object) -> None:
    path = folder / MANIFEST_NAME
    members = json.loads(path.read_bytes()) | {member: value}
    path.write_text(json.dumps(members))
    with pytest.raises(PackInvalid):
        Tables.open(folder)


def test_a_file_larger_than_any_table_is_refused_unread(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    members = json.loads(path.read_bytes())
    members["files"][0]["size"] = reading.MAX_TABLE_BYTES + 1
    path.write_text(json.dumps(members))
    with pytest.raises(PackInvalid, match="expected an integer from 1 to"):
        Tables.open(folder)


def test_a_newer_format_is_told(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"format": 2}))
    with pytest.raises(PackUnsupported, match="the tables have 2"):
        Tables.open(folder)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_manifest_or_refused(raw: bytes) -> None:
    assert not says_tables(raw)
    with pytest.raises(PackError):
        TablesManifest.from_json(raw)


def test_a_folder_that_is_written_meanwhile_is_read_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest is read, and before its files are, somebody has replaced them all."""
    true_read, turns = reading.read_file, iter([b"second", b"third"])

    def read(place: Path, name: str, limit: int, *, links: bool) -> bytes:
        content = true_read(place, name, limit, links=links)
        if name == MANIFEST_NAME and (newer := next(turns, None)) is not None:
            shutil.rmtree(place)
            write(place, content=newer)
        return content

    monkeypatch.setattr(reading, "read_file", read)
    tables = Tables.open(folder)
    assert tables.read(tables.manifest.tables["together"]) == b"third"


def test_what_is_open_stays_as_it_was_read(folder: Path) -> None:
    before = Tables.open(folder)
    shutil.rmtree(folder)
    write(folder, content=b"newer")
    assert before.read(before.manifest.tables["together"]) == b"pairs"
