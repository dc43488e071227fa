"""Columns of the table of results that have to be trained."""

from __future__ import annotations

from enum import StrEnum

from edge_rerank_export.studies.baselines.names import Baseline


class Column(StrEnum):
    """What is worth leaving out, because it has to be trained."""

    ZERO_SHOT = "zero-shot"
    """A pack trained on all other folders."""
    TUNED = "tuned"
    """A pack trained on the folder itself."""
    BPR = Baseline.BPR.value
    SASREC = Baseline.SASREC.value


SCORED = tuple(Column(one) for one in Baseline)
"""Those of the baselines."""
