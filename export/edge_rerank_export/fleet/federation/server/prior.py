"""A fleet's prior on the server: the position that rounds move, and the pack that devices take.

The position is one vector: the mean of each weight, then :data:`~edge_rerank.learning.share.SPREAD`
times the logarithm of how much wider people differ in it than the runtime supposes by itself. What
devices send is :data:`~edge_rerank.learning.share.STRETCH` times what is added to it. Whatever is
made of it costs no privacy any more.
"""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge_rerank
from edge_rerank.learning.layout import CATEGORY_SLOTS, Layout
from edge_rerank.learning.prior import MOST_MEAN, Prior
from edge_rerank.learning.share import SPREAD, STRETCH
from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.manifest import MANIFEST_NAME, FileEntry, Manifest, Source
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import PriorSpec
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder

FILE = "prior.npy"

STEP = 0.1
"""Part of what a round says by which the position moves: the noise of 20 rounds then adds up to
half of that of one, and about half of what people have in common is found by then. With 0.3, which
finds nearly all of it, first lists gained no more at ε 8 and lost at ε 1: see EXPERIMENTS.md."""

CROWD = 2.0
"""How many times what heads say along known directions counts: heads of 40 lists know only a part
of it. Chosen on films, see EXPERIMENTS.md."""

WIDEST = math.log(4.0)
"""Most that a variance leaves the runtime's own, in logarithms."""


def start_of(layout: Layout) -> NDArray[np.float64]:
    """The position that stands for a layout's beginning, float64 of shape (2 width,)."""
    position = np.zeros(2 * layout.width)
    if layout.start is not None:
        usual = replace(layout, start=None).prior()
        position[: layout.width] = layout.start.mean
        position[layout.width :] = SPREAD * np.log(usual / layout.start.precision)
    return position


def moved(
    position: NDArray[np.float64], said: NDArray[np.float64], layout: Layout
) -> NDArray[np.float64]:
    """The position after a round, within bounds; variances are one number for weights of a kind.

    Args:
        position: before it, float64 of shape (2 width,).
        said: the same with what the round added, as long as devices send it, noise and all.
        layout: of the weights.
    """
    after = position + STEP / STRETCH * (said - position)
    mean, wider = after[: layout.width], after[layout.width :]
    np.clip(mean, -MOST_MEAN, MOST_MEAN, out=mean)
    for kind in kinds(layout):
        wider[kind] = np.clip(wider[kind].mean(), -SPREAD * WIDEST, SPREAD * WIDEST)
    return after


def prior_of(
    position: NDArray[np.float64],
    layout: Layout,
    *,
    noise: float = 0.0,
    known: NDArray[np.float64] | None = None,
) -> Prior:
    """The prior that a position stands for, shrunk by what noise alone would give.

    Means of a kind together, by James and Stein ("Estimation with quadratic loss", 1961); where
    they are no longer than noise alone is but for three standard deviations, they become 0.
    Likewise how much wider people differ, which is one number for a kind. Where directions are
    known, there are means along these alone, each judged by itself, which count :data:`CROWD`
    times: what lies across them says more of who took part than of what people have in common, see
    EXPERIMENTS.md.

    Args:
        position: float64 of shape (2 width,).
        layout: of the weights.
        noise: standard deviation of the noise in each mean.
        known: directions along the axes that say nothing of a device, float64 of shape
            (directions, axes), see :func:`~.crowd.known_directions`; ``None`` for none.
    """
    mean, wider = np.split(position.copy(), 2)
    for kind in kinds(layout):
        size = mean[kind].size
        if known is None:
            mean[kind] *= _kept(float(mean[kind] @ mean[kind]), size, noise**2)
        wider[kind] *= _kept(float(wider[kind][0] ** 2), 1, noise**2 / size)
    if known is not None:
        mean = _along(mean, known, len(layout.columns), noise**2)
    usual = replace(layout, start=None).prior()
    return Prior.of(mean, usual * np.exp(-wider / SPREAD))


def _along(
    mean: NDArray[np.float64], known: NDArray[np.float64], columns: int, noise: float
) -> NDArray[np.float64]:
    """Means along directions of the axes, each shrunk by the noise's variance in it."""
    axes = slice(columns, columns + known.shape[1])
    along = known @ mean[axes]
    kept = 1.0 - np.minimum(1.0, noise / np.maximum(along**2, np.finfo(float).tiny))
    found = np.zeros_like(mean)
    found[axes] = CROWD * (kept * along) @ known
    return found


def _kept(square: float, size: int, noise: float) -> float:
    """What is left of so many numbers of this squared length, of a noise's variance in each."""
    by_chance = noise * (size + 3.0 * math.sqrt(2.0 * size))
    return 1.0 - max(size - 2, 0) * noise / square if square > by_chance else 0.0


def noise_after(rounds: int, each: float) -> float:
    """Standard deviation of the noise in a mean after rounds, at most.

    Args:
        rounds: that moved the position.
        each: the noise of one.
    """
    return STEP / STRETCH * each * math.sqrt(rounds)


def kinds(layout: Layout) -> tuple[slice, ...]:
    """Weights of a kind: columns, axes, categories, crosses."""
    columns = len(layout.columns)
    slots = columns + layout.axes
    crosses = slots + CATEGORY_SLOTS
    found = slice(0, columns), slice(columns, slots), slice(slots, crosses)
    return tuple(one for one in (*found, slice(crosses, layout.width)) if one.start < one.stop)


def write_prior(
    folder: Path, prior: Prior, layout: Layout, *, name: str, release: int, report: bytes
) -> Path:
    """Write the pack of a prior to a new folder, checked as a device would; sign it with ``sign``.

    Args:
        folder: must not exist, or be empty.
        prior: of the layout.
        layout: of the heads that it is for.
        name: of the pack; devices guard against roll-back by it.
        release: from 1, higher each time.
        report: the privacy report, whose digest the manifest has as its source's.

    Raises:
        RecipeError: when the folder has something in it.
        PackInvalid: when a device would not take it.
    """
    made_folder(folder)
    if any(folder.iterdir()):
        raise RecipeError(f"{folder.name}: expected an empty folder for the prior")
    raw = write_array(np.array([prior.mean, prior.precision], dtype=np.float32))
    (folder / FILE).write_bytes(raw)
    manifest = Manifest(
        name=name,
        release=release,
        licence="LicenseRef-fleet",
        source=Source(f"fleet:{name}", edge_rerank.__version__, sha256(report).hexdigest()),
        files=(FileEntry(FILE, len(raw), sha256(raw).hexdigest()),),
        prior=PriorSpec(FILE, layout.mark.hex()),
    )
    (folder / MANIFEST_NAME).write_bytes(manifest.to_json())
    Pack.open(folder)
    return folder
