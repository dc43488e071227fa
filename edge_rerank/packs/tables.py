"""Tables of a catalogue's log: a folder beside a pack, checked like one and read into memory.

``manifest.json`` says what the tables were made of and lists their files with size and digest;
``manifest.sig`` signs it where the host trusts certain keys alone. What the tables mean is for
the ranking to say: here they are bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from edge_rerank._check import check_kind, check_path
from edge_rerank.errors import InvalidRequest, PackError, PackInvalid, PackNotFound, PackUnsupported
from edge_rerank.packs.json_objects import JsonObject, parse_json
from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    FileEntry,
)
from edge_rerank.packs.read_files import check_signature, read_entry, read_file
from edge_rerank.packs.trust import ANY_PACK, Trust

FORMAT = 1
"""Version of the manifest's format that is written and read."""

KIND = "tables"
"""By which the manifest differs from a pack's."""

MAX_TABLES = 16
MAX_TABLE_BYTES = 512 << 20
"""Of one file. Successions of a million items are 128 MB, the largest table of pairs 36 MB."""

_MAX_COUNT = 2**53
_NAME = re.compile(r"[a-z][a-z_]{0,31}")
_FILE = re.compile(r"[a-z][a-z_]{0,31}-[0-9a-f]{16}\.npz")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BEING_WRITTEN = ".new"
_TRIES = 5
"""Readings begun anew because the folder was written meanwhile, at most."""


@dataclass(frozen=True, slots=True)
class TablesManifest:
    """What a folder of tables says of itself.

    Attributes:
        name: what they are called.
        made: UTC seconds at which they were.
        people, choices, items: how many were counted.
        settings: how, numbers by name.
        tables: file names by what the tables are called.
        files: everything in the folder but the manifest and its signature.
    """

    name: str
    made: int
    people: int
    choices: int
    items: int
    settings: Mapping[str, float]
    tables: Mapping[str, str]
    files: tuple[FileEntry, ...]

    def to_json(self) -> bytes:
        """The bytes of ``manifest.json``; equal manifests give equal bytes."""
        members = {"format": FORMAT, "kind": KIND, **asdict(self)}
        text = json.dumps(members, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse and check the bytes of a ``manifest.json``.

        Raises:
            PackInvalid: when it is not a well-formed manifest of tables.
            PackUnsupported: when it has a newer format.
        """
        top = JsonObject.parse(raw, "manifest", MANIFEST_NAME, most=MAX_MANIFEST_BYTES)
        version = top.integer("format", 1, 1_000_000)
        if not says_tables(raw):
            raise PackInvalid(f"{MANIFEST_NAME}: expected that of a folder of tables")
        if version > FORMAT:
            raise PackUnsupported(
                f"{MANIFEST_NAME}: this version reads format {FORMAT}, the tables have {version}"
            )
        top.ignore("kind")
        manifest = cls(
            name=top.text("name"),
            made=top.integer("made", 0, _MAX_COUNT),
            people=top.integer("people", 0, _MAX_COUNT),
            choices=top.integer("choices", 0, _MAX_COUNT),
            items=top.integer("items", 0, _MAX_COUNT),
            settings=top.object("settings", JsonObject.other_numbers),
            tables=top.object("tables", lambda members: members.other_texts(_NAME, _FILE)),
            files=top.array("files", _file_entry, MAX_TABLES),
        )
        top.nothing_else()
        names = [entry.name for entry in manifest.files]
        if len(set(names)) != len(names) or sorted(names) != sorted(manifest.tables.values()):
            raise PackInvalid(f"{MANIFEST_NAME}: expected each file once, and each for one table")
        return manifest


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of a catalogue's log, checked and in memory: co-occurrence, counts, sequences.

    ``Reranker.open(tables=...)`` takes them, or the folder's path. A folder may be written anew
    at any time: who has read it keeps what was read.

    Attributes:
        path: the folder they were read from.
        manifest: what it says of itself.
        digest: sha256 of the manifest's raw bytes, in hex; stands for all of it.
        signed: whether a key that the host trusts signed it.
    """

    path: Path
    manifest: TablesManifest
    digest: str
    signed: bool = False
    _files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, path: str | Path, *, trust: Trust = ANY_PACK) -> Self:
        """Read the folder at ``path`` and check every file, before anything in it is unpacked.

        Args:
            path: what ``python -m edge_rerank tables`` wrote.
            trust: whose tables are accepted; its ``minimum_release`` is about packs.

        Raises:
            PackNotFound: when there is no such folder.
            PackInvalid: when a file is missing, a link, or not what the manifest says.
            PackUntrusted: when no trusted key signed it.
            PackUnsupported: when it was written in a newer format.
            InvalidRequest: when an argument is malformed.
        """
        folder = check_path(path, "tables", InvalidRequest, wanted="a path")
        check_kind(trust, "trust", Trust, example="Trust(keys=[...])")
        if not folder.is_dir():
            raise PackNotFound("tables: expected a folder with a manifest.json, found none")
        raw = read_file(folder, MANIFEST_NAME, MAX_MANIFEST_BYTES, links=False)
        for _ in range(_TRIES):
            try:
                return cls._of(folder, raw, trust)
            except PackError:
                newer = read_file(folder, MANIFEST_NAME, MAX_MANIFEST_BYTES, links=False)
                if newer == raw:
                    raise
                raw = newer  # it was written meanwhile, and an old file is gone
        raise PackInvalid(f"{MANIFEST_NAME}: changes faster than the folder can be read")

    @classmethod
    def _of(cls, folder: Path, raw: bytes, trust: Trust) -> Self:
        if trust.keys:
            check_signature(folder, raw, trust.keys, links=False)
        manifest = TablesManifest.from_json(raw)
        _check_names(folder, manifest)
        files = {entry.name: read_entry(folder, entry, links=False) for entry in manifest.files}
        return cls(folder, manifest, sha256(raw).hexdigest(), bool(trust.keys), files)

    def read(self, name: str) -> bytes:
        """The checked content of one of the files.

        Raises:
            PackInvalid: when there is no such file.
        """
        try:
            return self._files[name]
        except KeyError:
            raise PackInvalid(f"{name}: not among the files of the tables") from None


def says_tables(raw: bytes) -> bool:
    """Whether the bytes of a ``manifest.json`` are of a folder of tables, well-formed or not."""
    try:
        members = parse_json(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(members, dict) and members.get("kind") == KIND


def is_table_file(name: str) -> bool:
    """Whether a file is called as the tables of such a folder are."""
    return _FILE.fullmatch(name) is not None


def _check_names(folder: Path, manifest: TablesManifest) -> None:
    """Refuse a folder with anything in it that the manifest does not list.

    Names that begin with a dot are left to file managers, and tables that are not listed are of
    an earlier writing or one that goes on; nothing here reads them.
    """
    listed = {MANIFEST_NAME, SIGNATURE_NAME, *(entry.name for entry in manifest.files)}
    with os.scandir(folder) as entries:
        names = [entry.name.removesuffix(_BEING_WRITTEN) for entry in entries]
    extra = sum(name not in listed and name[0] != "." and not is_table_file(name) for name in names)
    if extra:
        raise PackInvalid(f"{MANIFEST_NAME}: {extra} entries of the folder are not listed")


def _file_entry(members: JsonObject) -> FileEntry:
    return FileEntry(
        members.text("name", _FILE),
        members.integer("size", 1, MAX_TABLE_BYTES),
        members.text("sha256", _SHA256),
    )
