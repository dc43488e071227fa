"""Names of the baselines that have to be trained."""

from __future__ import annotations

from enum import StrEnum


class Baseline(StrEnum):
    """What ``--only`` and the files of scores call them."""

    BPR = "bpr"
    SASREC = "sasrec"
