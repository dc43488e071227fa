"""Packs with tiny encoders of pictures and sounds, and nothing else."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from edge_rerank.packs.manifest import MANIFEST_NAME, FileEntry, Manifest, Source
from edge_rerank.packs.specs import LIKENESS_WEIGHT, AudioEncoderSpec, ImageEncoderSpec
from tests.packs.media_graphs import picture_model, sound_model


def write_media_pack(
    folder: Path,
    *,
    picture: bool = True,
    sound: bool = True,
    weight: float = LIKENESS_WEIGHT,
    name: str = "media",
) -> Path:
    """A pack whose picture encoder sees mean colours, and whose sound encoder hears noise."""
    files: dict[str, bytes] = {}
    if picture:
        files["image.onnx"] = picture_model()
    if sound:
        files["audio.onnx"] = sound_model(rate=16_000, seconds=10)
    entries = [
        FileEntry(name, len(raw), sha256(raw).hexdigest()) for name, raw in sorted(files.items())
    ]
    manifest = Manifest(
        name=name,
        release=1,
        licence="Apache-2.0",
        source=Source("path:tiny", "local", "0" * 64),
        files=tuple(entries),
        image_encoder=ImageEncoderSpec("image.onnx", 4, 8, 20, weight=weight) if picture else None,
        audio_encoder=(
            AudioEncoderSpec("audio.onnx", 4, 16_000, 10, 20, weight=weight) if sound else None
        ),
    )
    folder.mkdir(parents=True)
    for file, raw in files.items():
        (folder / file).write_bytes(raw)
    (folder / MANIFEST_NAME).write_bytes(manifest.to_json())
    return folder
