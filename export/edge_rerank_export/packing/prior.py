"""Prior weights of scores in the blend, for scorers that were not fitted on anyone's choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_rerank.packs.specs import LIKELIHOOD_WEIGHT
from edge_rerank_export.models.checkpoint import Form

LIKELIHOOD_SPREAD = 7.3
"""Standard deviation of a list's likelihood scores, in nats: the mean of eight of the toolchain's
own lists, 14 candidates each, by SmolLM2 in float32 (5.6 to 10.8)."""

_SMALLEST_SPREAD = 1e-6
MAX_WEIGHT = 1.0
"""A head in log-odds, as most are trained, says no more than that of itself."""


def prior_weight(form: Form, scores: Sequence[float]) -> float:
    """What one unit of score adds to the log-odds of a click, by kind.

    A likelihood weighs what was chosen for likelihoods on validation requests. A head that
    somebody trained, or the log-odds of two answers, may be on any scale and for any purpose:
    it is to move a list as far as a likelihood does, and no more than its log-odds say.

    Args:
        form: what is scored by.
        scores: of texts that have nothing in common.
    """
    if form is Form.LIKELIHOOD:
        return LIKELIHOOD_WEIGHT
    spread = max(float(np.std(scores)), _SMALLEST_SPREAD)
    return min(MAX_WEIGHT, LIKELIHOOD_WEIGHT * LIKELIHOOD_SPREAD / spread)
