"""Decoding of sounds: whatever an item carries as one channel of samples, no longer than is heard.

Files are decoded by soundfile (libsndfile: WAV, FLAC, Ogg, MP3, AIFF), and read no further than
what a model listens to; of several channels the mean is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import MAX_RATE, MIN_RATE, Sound
from edge_rerank.errors import InvalidItem, MissingExtra
from edge_rerank.inference.encoders.media_files import opened

MAX_CHANNELS = 32
_BLOCK = 1 << 16


def samples_of(sound: Sound, seconds: int) -> tuple[NDArray[np.float32], int]:
    """A sound as a model takes it.

    Args:
        sound: of an item.
        seconds: how much of it is read, from the beginning.

    Returns:
        float32 of shape (samples,), one channel from -1 to 1, at least one; and the rate in Hz.

    Raises:
        InvalidItem: when a file cannot be read, is of no format that is known, holds nothing or
            samples that are no numbers, or has another rate or more channels than are read.
        MissingExtra: when it takes soundfile, which is not installed.
    """
    if isinstance(sound, tuple):
        samples, rate = sound
        return samples[: seconds * rate].clip(-1.0, 1.0), rate
    try:
        import soundfile  # noqa: PLC0415 - an extra
    except (ImportError, OSError):  # the latter where its library is missing
        raise MissingExtra('pip install "edge-rerank[audio]"') from None
    with opened(sound, "audio") as stream:
        try:
            with soundfile.SoundFile(stream) as file:
                rate = _checked(file.samplerate, file.channels)
                samples = _read(file, seconds * rate)
        except soundfile.SoundFileError:
            wanted = "a WAV, FLAC, Ogg, MP3 or AIFF"
            raise InvalidItem(f"audio: expected {wanted}, got something else or damaged") from None
    if not samples.size:
        raise InvalidItem("audio: expected at least one sample, got none")
    if not np.isfinite(samples).all():
        raise InvalidItem("audio: expected finite samples, got NaN or infinity")
    return samples.clip(-1.0, 1.0), rate


def _checked(rate: int, channels: int) -> int:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidItem(f"audio: expected {MIN_RATE:,} to {MAX_RATE:,} Hz, got {rate:,}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidItem(f"audio: expected at most {MAX_CHANNELS} channels, got {channels}")
    return rate


def _read(file: object, most: int) -> NDArray[np.float32]:
    """The mean of the channels, of the first ``most`` samples, in blocks."""
    blocks = [np.zeros(0, dtype=np.float32)]
    while most > 0:
        block = file.read(min(_BLOCK, most), dtype="float32", always_2d=True)  # type: ignore[attr-defined]
        if not len(block):
            break
        blocks.append(block.mean(axis=1, dtype=np.float32))
        most -= len(block)
    return np.concatenate(blocks)
