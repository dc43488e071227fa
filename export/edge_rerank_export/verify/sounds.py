"""Made-up sounds to calibrate on and verify with: nothing is fetched, no one's voice is needed."""

from __future__ import annotations

import numpy as np

from edge_rerank_export.models.speech import RATE, Sound

CHECK = 1
"""Seed of the sounds."""

CALIBRATION = 2
"""Likewise of other ones."""

RATES = (RATE, 44_100, 22_050, 48_000, 8_000, RATE)
"""Samples a second, in turn."""

SECONDS = (1.0, 0.3, 2.5, 4.0, 1.7)
"""Lengths, in turn."""


def check_sounds(count: int) -> tuple[Sound, ...]:
    """Sounds to verify with, of several rates and lengths."""
    return _sounds(count, CHECK)


def calibration_sounds(count: int) -> tuple[Sound, ...]:
    """Others to calibrate on."""
    return _sounds(count, CALIBRATION)


def _sounds(count: int, seed: int) -> tuple[Sound, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        sound(rng, SECONDS[at % len(SECONDS)], RATES[at % len(RATES)]) for at in range(count)
    )


def sound(rng: np.random.Generator, seconds: float, rate: int) -> Sound:
    """Something like syllables: a voice with two resonances that moves and stops, and noise."""
    count = max(round(seconds * rate), 1)
    times = np.arange(count) / rate
    pitch = rng.uniform(80, 300) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.3, 3) * times))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = np.zeros(count)
    resonances = rng.uniform((300, 900), (900, 2800)) * (
        1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 3, 2) * times[:, None])
    )
    for part in range(1, 16):
        away = (part * pitch[:, None] - resonances) / 200
        # Parts above half of the rate cannot be heard.
        heard = part * pitch < rate / 2
        voice += np.exp(-0.5 * away**2).sum(1) * np.sin(part * phase) * heard
    rhythm = np.clip(np.sin(2 * np.pi * rng.uniform(1, 5) * times + rng.uniform(0, 6)), 0, 1)
    noise = rng.normal(size=count) * rng.uniform(0.001, 0.2)
    mixed = voice * rhythm + noise
    loud = rng.uniform(0.05, 0.9) / max(float(np.abs(mixed).max()), 1e-9)
    return Sound((mixed * loud).astype(np.float32), rate)
