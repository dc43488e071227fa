"""Folders of tables written so that a reader finds the old ones whole, or the new ones.

A table's file is called by its digest, so that a new one never takes an old one's place; the
manifest that names them is replaced in one step, and the old files go last.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from edge_rerank._files import reason_of, replace_file
from edge_rerank.errors import DataError
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME, FileEntry
from edge_rerank.packs.tables import (
    MAX_TABLE_BYTES,
    Tables,
    TablesManifest,
    is_table_file,
    says_tables,
)
from edge_rerank.ranking.signals.table import Table


def check_out(folder: Path) -> None:
    """See that ``folder`` holds tables, or nothing, or is not there.

    Raises:
        DataError: when it holds something else.
    """
    manifest = folder / MANIFEST_NAME
    try:
        if manifest.exists():
            if says_tables(manifest.read_bytes()):
                return
        elif not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
    except OSError as error:
        raise DataError(folder, f"cannot be read: {reason_of(error)}") from error
    raise DataError(folder, "expected a folder of tables, an empty one or none")


def write_tables(
    folder: Path,
    tables: Mapping[str, Table],
    *,
    name: str,
    made: int,
    counted: Mapping[str, int],
    settings: Mapping[str, float],
) -> Tables:
    """Write tables that only their owner can read, in the place of earlier ones.

    One writer at a time. A signature of the earlier ones is removed with them.

    Args:
        folder: made where it is missing.
        tables: by the names of the signals that read them; at least one.
        name: what they are called.
        made: UTC seconds.
        counted: how many ``people``, ``choices`` and ``items``.
        settings: how they were made, numbers by name.

    Returns:
        What was written, as read again.

    Raises:
        DataError: when the folder holds something else, or the file system refuses; the earlier
            tables are then still there.
    """
    check_out(folder)
    contents = {one: table.to_bytes() for one, table in tables.items()}
    digests = {one: sha256(content).hexdigest() for one, content in contents.items()}
    files = {one: f"{one}-{digest[:16]}.npz" for one, digest in digests.items()}
    if any(len(content) > MAX_TABLE_BYTES for content in contents.values()):
        raise DataError(folder, f"expected tables of at most {MAX_TABLE_BYTES} bytes")
    manifest = TablesManifest(
        name=name,
        made=made,
        people=counted["people"],
        choices=counted["choices"],
        items=counted["items"],
        settings=dict(settings),
        tables=files,
        files=tuple(
            FileEntry(file, len(contents[one]), digests[one]) for one, file in sorted(files.items())
        ),
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one, file in files.items():
            replace_file(folder / file, contents[one])
        # On disk before the manifest is: what it names is there, whatever happens now.
        replace_file(folder / MANIFEST_NAME, manifest.to_json())
        (folder / SIGNATURE_NAME).unlink(missing_ok=True)
        for path in folder.iterdir():
            if is_table_file(path.name) and path.name not in files.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(folder, f"cannot be written: {reason_of(error)}") from error
    return Tables.open(folder)
