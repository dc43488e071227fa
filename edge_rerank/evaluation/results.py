"""Results of an evaluation, and their JSON form."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edge_rerank._resampling import Interval
from edge_rerank.evaluation.calibration import Calibration
from edge_rerank.evaluation.fairness import Fairness
from edge_rerank.evaluation.learning_curve import LearningCurve
from edge_rerank.evaluation.slices import Slice
from edge_rerank.evaluation.statistics import Comparison
from edge_rerank.formats.dataset import Withheld

PACK = "pack"
"""What the report calls the pack among the orders."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one way of ordering is, means over the requests, 0 to 1, higher is better.

    Accuracy is averaged over the requests with a click, ``auc`` over those of them that
    also have a candidate without one.

    Attributes:
        ndcg_1, ndcg_5, ndcg_10, ndcg_20: normalised discounted cumulative gain.
        mrr: mean reciprocal rank of the first click.
        hit_1, hit_10: share of requests with a click in the first places.
        auc: chance that a clicked item stands above another one.
        coverage: share of all candidates that stand in some request's top ten.
        diversity: mean dissimilarity of the texts in a top ten.
    """

    ndcg_1: float
    ndcg_5: float
    ndcg_10: float
    ndcg_20: float
    mrr: float
    hit_1: float
    hit_10: float
    auc: float
    coverage: float
    diversity: float

    def to_dict(self) -> dict[str, float]:
        """By the names of the report: ``ndcg@1``, ``hit@10``, ``mrr``, ..."""
        return {
            one.name.replace("_", "@"): round(getattr(self, one.name), 6) for one in fields(self)
        }


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds a request takes once the items' vectors are there."""

    median_ms: float
    p95_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Detail:
    """What else is known of one way of ordering; ``None`` where the data do not tell.

    Attributes:
        intervals: 95 % of the figures of :class:`Quality` that are means over requests, by
            their names in the report.
        category_coverage: share of the candidates' categories that stand in some top ten.
        novelty_bits: mean self-information of what stands in a top ten.
        dwell_ndcg_10: NDCG@10 whose gains are log(1 + seconds spent with the item).
        long_click_1: share of requests whose first item was read for at least 30 s.
        latency: ``None`` where the order was computed elsewhere.
        calibration: ``None`` where the scores are no probabilities.
        comparison: of the pack with this baseline in NDCG@10; ``None`` for the pack itself.
    """

    intervals: Mapping[str, Interval]
    category_coverage: float | None
    novelty_bits: float | None
    dwell_ndcg_10: float | None
    long_click_1: float | None
    latency: Latency | None = field(compare=False)
    calibration: Calibration | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A pack beside the baselines on one split.

    Attributes:
        folder: the data set, as it was named.
        split: which requests.
        requests: how many there were, those without a click included.
        model: name and release of the pack.
        pack: the pack's quality.
        baselines: that of the others by name.
        details: of the pack, as "pack", and of every baseline.
        slices: NDCG@10 of every order on parts of the requests.
        fairness: of the pack and of popularity; ``None`` where the folder says nothing of people.
        learning: what the personal head gains; ``None`` where that was not asked for.
        without: what was withheld.
        texts: items whose texts were encoded beforehand.
        encoding_s: how long that took, in seconds.
    """

    folder: str
    split: str
    requests: int
    model: str
    pack: Quality
    baselines: Mapping[str, Quality]
    details: Mapping[str, Detail]
    slices: tuple[Slice, ...]
    fairness: Fairness | None
    learning: LearningCurve | None
    without: tuple[Withheld, ...]
    texts: int
    encoding_s: float = field(compare=False)

    @property
    def orders(self) -> dict[str, Quality]:
        """The pack, as "pack", and the baselines."""
        return {PACK: self.pack, **self.baselines}

    def to_json(self, *, indent: int | None = 2) -> str:
        """``{"folder", "split", "requests", "pack": {...}, "baselines": {name: {...}}, ...}``.

        Beyond those: "model", "details" by order, "slices", "fairness", "learning", "without",
        "texts" and "encoding_s".
        """
        return json.dumps(
            plain(
                {
                    "folder": self.folder,
                    "split": self.split,
                    "requests": self.requests,
                    "model": self.model,
                    "pack": self.pack.to_dict(),
                    "baselines": {name: one.to_dict() for name, one in self.baselines.items()},
                    "details": {name: asdict(one) for name, one in self.details.items()},
                    "slices": [asdict(one) for one in self.slices],
                    "fairness": None if self.fairness is None else self.fairness.to_dict(PACK),
                    "learning": None if self.learning is None else asdict(self.learning),
                    "without": list(self.without),
                    "texts": self.texts,
                    "encoding_s": self.encoding_s,
                }
            ),
            ensure_ascii=False,
            indent=indent,
            allow_nan=False,
        )


def plain(value: Any) -> Any:
    """As JSON has it: rounded, and null for what is not a number."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
