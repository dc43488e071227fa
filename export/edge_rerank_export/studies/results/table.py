"""The table itself: figures with intervals, gathered from evaluations, as JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from edge_rerank.evaluation.results import PACK
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.results.columns import SCORED, Column
from edge_rerank_export.studies.results.parts import BLIND, SHIPPED, Part

FIGURE = "ndcg@10"
SIMILARITY = "max-similarity"
UNSEEN_BAR = "max+pop"
"""What a pack has to beat on a folder that it never saw."""

_BASELINES = (
    "recency",
    "popularity",
    SIMILARITY,
    UNSEEN_BAR,
    "had-before",
    "item-knn",
    "markov",
    *SCORED,
)
_COLUMNS = (SHIPPED, Column.ZERO_SHOT, Column.TUNED, *_BASELINES)
_PACKS = (SHIPPED, Column.ZERO_SHOT, BLIND, Column.TUNED)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, 0 to 1, and its 95 % interval where it is a mean over requests."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Gain:
    """A pack's NDCG@10 minus a baseline's on the same requests, and its 95 % interval.

    ``p`` is that of a randomisation test, corrected for the number of baselines.
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Row:
    """All that is known of one folder.

    Attributes:
        folder: its name.
        requests: how many were judged by.
        orders: figures by name of the order and of the figure.
        gains: of each pack against each baseline.
    """

    folder: str
    requests: int
    orders: Mapping[str, Mapping[str, Figure]]
    gains: Mapping[str, Mapping[str, Gain]]

    def ndcg(self, order: str) -> Figure | None:
        """NDCG@10 of an order, if it was judged."""
        return self.orders[order][FIGURE] if order in self.orders else None


def read_rows(parts: Sequence[Part]) -> list[Row]:
    """A row for each folder with an evaluation among ``parts``.

    Raises:
        RecipeError: when a file of figures cannot be read.
    """
    files: dict[str, dict[str, Path]] = {}
    for part in parts:
        if part.judges is not None:
            files.setdefault(part.folder, {})[part.judges] = part.result
    return [_row(folder, judged) for folder, judged in files.items()]


def as_json(rows: Sequence[Row], split: str) -> str:
    """``{"split", "folders": {name: ...}}``, with the members of :class:`Row`."""
    folders = {row.folder: asdict(row) for row in rows}
    return json.dumps({"split": split, "folders": folders}, indent=1)


def as_markdown(rows: Sequence[Row], split: str) -> str:
    """The tables, with what they show in a line above each."""
    return "\n".join([*_overview(rows, split), *_unseen(rows), *_tuned(rows)])


def _row(folder: str, files: Mapping[str, Path]) -> Row:
    orders: dict[str, dict[str, Figure]] = {}
    gains: dict[str, dict[str, Gain]] = {}
    requests = 0
    for pack, path in files.items():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            requests, details = stored["requests"], stored["details"]
            orders[pack] = _figures(stored[PACK], details[PACK])
            gains[pack] = {other: _gain(details[other]) for other in stored["baselines"]}
            if pack != BLIND:
                orders |= {
                    other: _figures(quality, details[other])
                    for other, quality in stored["baselines"].items()
                }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecipeError(f"{path.name}: not an evaluation: {type(error).__name__}") from error
    return Row(folder, requests, orders, gains)


def _overview(rows: Sequence[Row], split: str) -> Iterable[str]:
    columns = [name for name in _COLUMNS if any(name in row.orders for row in rows)]
    yield f"NDCG@10 on the {split} requests; the best of a row is bold.\n"
    yield from _head(["", *columns])
    for row in rows:
        best = max(row.orders[name][FIGURE].value for name in columns if name in row.orders)
        yield _line([row.folder, *(_cell(row.ndcg(name), best) for name in columns)])
    yield ""
    packs = [name for name in _PACKS if any(name in row.orders for row in rows)]
    yield "The packs with 95 % intervals.\n"
    yield from _head(["", "requests", *packs])
    for row in rows:
        cells = [_with_interval(row.ndcg(name)) for name in packs]
        yield _line([row.folder, str(row.requests), *cells])
    yield ""


def _unseen(rows: Sequence[Row]) -> Iterable[str]:
    """What a pack that never saw the folder gains over what needs no training."""
    pairs = ((Column.ZERO_SHOT, UNSEEN_BAR), (BLIND, SIMILARITY))
    known = [row for row in rows if all(pack in row.gains for pack, _ in pairs)]
    if not known:
        return
    yield "Zero-shot: trained on the other folders. Gains in NDCG@10 with 95 % intervals.\n"
    heads = (f"{pack} over {bar}" for pack, bar in pairs)
    yield from _head(["", *heads])
    for row in known:
        yield _line([row.folder, *(_relative(row, pack, bar) for pack, bar in pairs)])
    yield _line(["mean", *(_mean(_share(row, pack, bar) for row in known) for pack, bar in pairs)])
    yield ""


def _tuned(rows: Sequence[Row]) -> Iterable[str]:
    """What a pack made for the folder gains over the best of all baselines."""
    known = [row for row in rows if Column.TUNED in row.gains]
    if not known:
        return
    yield "Tuned on the folder's own training part, against the best of the baselines.\n"
    yield from _head(["", "best of them", "gain in NDCG@10"])
    for row in known:
        best = _best(row)
        yield _line([row.folder, best, _relative(row, Column.TUNED, best)])
    yield _line(["mean", "", _mean(_share(row, Column.TUNED, _best(row)) for row in known)])
    yield ""


def _best(row: Row) -> str:
    return max(
        (name for name in _BASELINES if name in row.gains[Column.TUNED]),
        key=lambda name: row.orders[name][FIGURE].value,
    )


def _share(row: Row, pack: str, bar: str) -> float:
    return row.gains[pack][bar].difference / row.orders[bar][FIGURE].value


def _mean(shares: Iterable[float]) -> str:
    return f"{fmean(shares):+.1%}"


def _relative(row: Row, pack: str, bar: str) -> str:
    gain, base = row.gains[pack][bar], row.orders[bar][FIGURE].value
    return f"{gain.difference / base:+.1%} ({gain.low / base:+.1%} to {gain.high / base:+.1%})"


def _cell(figure: Figure | None, best: float) -> str:
    if figure is None:
        return ""
    return f"**{figure.value:.3f}**" if figure.value == best else f"{figure.value:.3f}"


def _with_interval(figure: Figure | None) -> str:
    if figure is None or figure.low is None:
        return ""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _head(cells: Sequence[str]) -> Iterable[str]:
    yield _line(cells)
    yield "|" + "---|" * len(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figures(quality: Mapping[str, float], detail: Mapping[str, Any]) -> dict[str, Figure]:
    intervals = detail["intervals"]
    return {
        name: Figure(value, *intervals.get(name, (None, None))) for name, value in quality.items()
    }


def _gain(detail: Mapping[str, Any]) -> Gain:
    comparison = detail["comparison"]
    low, high = comparison["interval"]
    return Gain(comparison["difference"], low, high, comparison["p_holm"])
