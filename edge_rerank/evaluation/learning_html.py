"""The section of an evaluation's page on what learning on the device gains."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rerank.evaluation import plots
from edge_rerank.evaluation.learning_curve import WORSE, LearningCurve, Stretch
from edge_rerank.evaluation.plots import Line, Mark
from edge_rerank.evaluation.replay import NEGATIVES
from edge_rerank.evaluation.slices import Estimate
from edge_rerank.render.report import row, section, table

_ALONE, _WITH = "pack alone", "with head"

_TEXT = (
    "Choices of the training part in the order of time, each among at most "
    f"{NEGATIVES} items that others had chosen by then: ranked by the pack alone, and with the "
    "personal head of what the same person chose before. Bands and whiskers are 95 % intervals "
    "over people; green and red leave zero out."
)
_NOTE = (
    "People with many choices are not those with few: compare the two curves, not the ends of one. "
    "The whole list counts as looked at, for a log does not say what was. A pack that was trained "
    "on this folder knows these choices, and alone looks better here than with strangers."
)


def learning_section(found: LearningCurve | None) -> str:
    """The section as HTML; empty where nothing was replayed."""
    if found is None:
        return ""
    drawn = plots.curves(
        "NDCG@10 by choices made before",
        [
            _line(_ALONE, found, [one.frozen for one in found.stretches]),
            _line(_WITH, found, [one.learnt for one in found.stretches], "own"),
        ],
        "choices made before",
    )
    gained = plots.differences("Differences in NDCG@10 that the head makes", [*_marks(found)])
    return section(
        "What learning on the device gains",
        _TEXT,
        f'<div class="pair"><div><h3>NDCG@10</h3>{drawn}</div>'
        f"<div><h3>Difference that the head makes</h3>{gained}</div></div>"
        f'{_table(found)}<p>{_told(found)}</p><p class="dim">{_NOTE}</p>',
    )


def _line(name: str, found: LearningCurve, values: list[Estimate], kind: str = "") -> Line:
    return Line(
        name,
        tuple(float(round(one.before)) for one in found.stretches),
        tuple(one.mean for one in values),
        tuple(one.interval for one in values),
        kind,
    )


def _marks(found: LearningCurve) -> Iterator[Mark]:
    for one in found.stretches:
        yield Mark(one.label, one.difference.mean, one.difference.interval, _kind(one))


def _kind(one: Stretch) -> str:
    low, high = one.difference.interval
    return "good" if low > 0 else "bad" if high < 0 else ""


def _table(found: LearningCurve) -> str:
    rows = [row(one.label, _cells(one)) for one in found.stretches]
    rows.append(row("all", _cells(found.whole), own=True))
    headings = ("choices before", "people", "asked", _ALONE, _WITH, "difference", "95 %", "gain")
    return table(headings, rows)


def _cells(one: Stretch) -> list[str]:
    low, high = one.difference.interval
    return [
        f"{one.people:,}",
        f"{one.asked:,}",
        f"{one.frozen.mean:.3f}",
        f"{one.learnt.mean:.3f}",
        f'<span class="{_kind(one)}">{one.difference.mean:+.3f}</span>',
        f"{low:+.3f} to {high:+.3f}",
        f"{one.gain.mean:+.1%}",
    ]


def _told(found: LearningCurve) -> str:
    return (
        f"In the mean of all that was asked of them, {found.worse:.0%} of the people lose more "
        f"than {WORSE:g} with their head; the largest loss is {max(-found.worst, 0):.3f}."
    )
