"""An evaluation as one HTML page; it names no item, query or person."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import PurePath

from edge_rerank._resampling import RESAMPLES, Interval
from edge_rerank.evaluation import plots
from edge_rerank.evaluation.fairness_html import fairness_section
from edge_rerank.evaluation.learning_html import learning_section
from edge_rerank.evaluation.outcomes import LONG_CLICK_S
from edge_rerank.evaluation.plots import Mark, Point
from edge_rerank.evaluation.results import PACK, Detail, Evaluation
from edge_rerank.evaluation.slices import Slice, SliceKind
from edge_rerank.evaluation.statistics import PERMUTATIONS
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table

_STYLE = plots.STYLE + NUMBERS_STYLE

_SLICE_TITLES = {
    SliceKind.HISTORY: (
        "By length of history",
        "How many choices the person had made before the request.",
    ),
    SliceKind.POPULARITY: (
        "By popularity of the clicked item",
        "How often it was chosen in the training part; what was never chosen is cold, the rest "
        "is cut into thirds.",
    ),
}
_MISSING = "–"


def as_html(report: Evaluation) -> str:
    """The report as a page that needs nothing else."""
    name = PurePath(report.folder).name
    sections = [
        _overview(report),
        _against(report),
        _accuracy(report),
        _beyond(report),
        *(_slices(report, kind) for kind in SliceKind),
        fairness_section(report.fairness),
        learning_section(report.learning),
        _calibration(report),
        _speed(report),
        _method(),
    ]
    withheld = f", without {' and '.join(report.without)}" if report.without else ""
    return report_page(
        f"Evaluation: {report.model} on {name}",
        f"<h1>{escape(report.model)} on {escape(name)}</h1>\n"
        f'<p class="dim">{report.requests:,} requests of the split {escape(report.split)}, '
        f"beside {len(report.baselines)} baselines{withheld}</p>\n"
        f"{_facts(report)}{''.join(sections)}",
        style=_STYLE,
    )


def _facts(report: Evaluation) -> str:
    detail = report.details[PACK]
    interval = detail.intervals["ndcg@10"]
    beaten = [one for one in report.details.values() if one.comparison is not None]
    better = sum(_kind(one) == "good" for one in beaten)
    worse = sum(_kind(one) == "bad" for one in beaten)
    told = [
        (
            f"{report.pack.ndcg_10:.3f}",
            f"NDCG@10 (95 %: {interval:.3f})",
        ),
        (f"{report.pack.ndcg_1:.3f}", "NDCG@1"),
        (f"{better} of {len(beaten)}", f"baselines beaten beyond chance; {worse} beat the pack"),
    ]
    if detail.latency is not None:
        told.append(
            (f"{detail.latency.median_ms:.1f} ms", f"a request; p95 {detail.latency.p95_ms:.1f} ms")
        )
    return facts(told)


def _overview(report: Evaluation) -> str:
    drawn = "".join(
        f"<div><h3>{title}</h3>{plots.bars(title, _ranked(report, figure))}</div>"
        for title, figure in (("NDCG@10", "ndcg@10"), ("NDCG@1", "ndcg@1"))
    )
    return section(
        "How well it orders",
        "Best first; whiskers are 95 % intervals.",
        f'<div class="pair">{drawn}</div>',
    )


def _ranked(report: Evaluation, figure: str) -> list[Mark]:
    marks = [
        Mark(
            name,
            quality.to_dict()[figure],
            report.details[name].intervals[figure],
            "own" if name == PACK else "",
        )
        for name, quality in report.orders.items()
    ]
    return sorted(marks, key=lambda one: -one.value)


def _against(report: Evaluation) -> str:
    rows, marks = [], []
    compared = [(name, one) for name, one in report.details.items() if one.comparison is not None]
    for name, detail in sorted(compared, key=lambda pair: _difference(pair[1])):
        one = detail.comparison
        assert one is not None  # noqa: S101 - filtered above
        kind = _kind(detail)
        verdict = {"good": "better", "bad": "worse"}.get(kind, "not told apart")
        marks.append(Mark(name, one.difference, one.interval, kind))
        cells = [f"{one.difference:+.3f}", f"{one.interval:+.3f}", f"{one.p_holm:.4f}"]
        rows.append(_row(name, [*cells, f'<span class="{kind}">{verdict}</span>']))
    headings = ("pack against", "difference", "95 % interval", "p (Holm)", "pack is")
    return section(
        "Against each baseline, in NDCG@10",
        "Pack minus baseline on the same requests. Green: better beyond chance; red: worse.",
        f"{plots.differences('Differences in NDCG@10', marks)}{table(headings, rows)}",
    )


def _accuracy(report: Evaluation) -> str:
    figures = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "mrr", "hit@1", "hit@10", "auc")
    best = {
        figure: max(one.to_dict()[figure] for one in report.orders.values()) for figure in figures
    }
    rows = []
    for name, quality in report.orders.items():
        values = quality.to_dict()
        cells = [
            f"<b>{values[one]:.3f}</b>" if values[one] == best[one] else f"{values[one]:.3f}"
            for one in figures
        ]
        rows.append(_row(name, cells))
    return section(
        "All figures of accuracy",
        "Means over the requests with a click; the best of a column is bold.",
        table(("", *(one.upper().replace("HIT", "Hit") for one in figures)), rows),
    )


def _beyond(report: Evaluation) -> str:
    dwell = any(one.dwell_ndcg_10 is not None for one in report.details.values())
    rows = []
    for name, quality in report.orders.items():
        detail = report.details[name]
        values: list[float | None] = [
            quality.coverage,
            detail.category_coverage,
            quality.diversity,
        ]
        cells = [*map(_number, values), _number(detail.novelty_bits, ".2f")]
        if dwell:
            cells += [_number(detail.dwell_ndcg_10), _number(detail.long_click_1)]
        rows.append(_row(name, cells))
    headings = ["", "items", "categories", "diversity", "novelty, bits"]
    text = (
        "Over the first ten places. Items and categories: share of the candidates' that is "
        "shown at all. Diversity: mean dissimilarity of the texts within a list. Novelty: mean "
        "self-information of an item, by popularity."
    )
    if dwell:
        headings += ["dwell NDCG@10", "long clicks"]
        text += (
            " Dwell NDCG: gains are the logarithm of the seconds spent. Long clicks: share of "
            f"requests whose first item was read for {LONG_CLICK_S:.0f} s or more."
        )
    else:
        text += " The requests have no dwell times, so satisfaction is not judged."
    return section("Coverage, diversity, novelty, satisfaction", text, table(headings, rows))


def _slices(report: Evaluation, kind: SliceKind) -> str:
    parts = [one for one in report.slices if one.kind == kind]
    if not parts:
        return ""
    title, text = _SLICE_TITLES[kind]
    names = list(report.orders)
    rows = []
    for name in names:
        cells = [
            f"<b>{one.ndcg_10[name].mean:.3f}</b>"
            if one.ndcg_10[name].mean == max(other.mean for other in one.ndcg_10.values())
            else f"{one.ndcg_10[name].mean:.3f}"
            for one in parts
        ]
        rows.append(_row(name, cells))
    headings = ["", *(f"{escape(one.label)}<br>n = {one.requests}" for one in parts)]
    # The plot has less room for names than the table.
    short = [one.label.replace(" or more", "+") for one in parts]
    marks = [
        Mark(f"{label} (n = {one.requests})", *_own(one), "own")
        for label, one in zip(short, parts, strict=True)
    ]
    drawn = plots.bars(f"NDCG@10 of the pack, {title.lower()}", marks)
    return section(
        title,
        f"{text} The plot shows the pack's NDCG@10, the table everyone's.",
        f"{drawn}{table(headings, rows, escaped=True)}",
    )


def _own(part: Slice) -> tuple[float, Interval]:
    estimate = part.ndcg_10[PACK]
    return estimate.mean, estimate.interval


def _calibration(report: Evaluation) -> str:
    found = report.details[PACK].calibration
    if found is None:
        return section(
            "Calibration",
            "This pack's scores are no probabilities: it has no trained history encoder.",
            "",
        )
    rows = [
        _row("expected calibration error", [f"{found.expected_error:.4f}"]),
        _row("log loss", [f"{found.log_loss:.4f}"]),
        _row("log loss of the mean rate", [f"{found.base_log_loss:.4f}"]),
    ]
    return section(
        "Calibration",
        "Can the predicted probability be taken at its word? Each dot is a tenth of all "
        "candidates; on the dashed line prediction and clicks agree.",
        f'<div class="pair"><div>{plots.reliability("Reliability diagram", found.bins)}</div>'
        f"<div>{table(('', ''), rows)}</div></div>",
    )


def _speed(report: Evaluation) -> str:
    rows, points = [], []
    for name, quality in report.orders.items():
        latency = report.details[name].latency
        if latency is None:
            continue
        figures = (latency.median_ms, latency.p95_ms, latency.mean_ms)
        rows.append(_row(name, [f"{figure:.3g}" for figure in figures]))
        kind = "own" if name == PACK else ""
        points.append(Point(name, latency.median_ms, quality.ndcg_10, kind))
    rate = report.texts / report.encoding_s if report.encoding_s > 0 else 0.0
    times = table(("ms a request", "median", "p95", "mean"), rows)
    return section(
        "Speed beside quality",
        "With the items' vectors in memory, one request at a time on this machine. Encoding "
        f"{report.texts:,} texts beforehand took {report.encoding_s:.1f} s ({rate:,.0f} a second). "
        "Scores that came from a file have no time.",
        f'<div class="pair"><div>{plots.scatter("Milliseconds and NDCG@10", points)}</div>'
        f"<div>{times}</div></div>",
    )


def _method() -> str:
    return section(
        "How this was measured",
        "Candidates go to the pack in random order and ties are broken by lot, so the order of "
        f"the file counts for nothing. Intervals: percentile bootstrap, {RESAMPLES:,} resamples of "
        "the requests, the same for every order. Tests: two-sided randomisation of the paired "
        f"differences in NDCG@10, {PERMUTATIONS:,} permutations, corrected by Holm for the number "
        "of baselines; beyond chance means p < 0.05 after that.",
        "",
    )


def _row(name: str, cells: Iterable[str]) -> str:
    return row(name, cells, own=name == PACK)


def _number(value: float | None, form: str = ".3f") -> str:
    return _MISSING if value is None else format(value, form)


def _difference(detail: Detail) -> float:
    return detail.comparison.difference if detail.comparison is not None else 0.0


def _kind(detail: Detail) -> str:
    one = detail.comparison
    if one is None or not one.significant:
        return ""
    return "good" if one.difference > 0 else "bad"
