"""A verification as one HTML page; it names layers and figures, and no text that was read."""

from __future__ import annotations

import re
from html import escape

from edge_rerank._resampling import RESAMPLES
from edge_rerank.evaluation import plots
from edge_rerank.evaluation.plots import Mark
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table
from edge_rerank_export.verify.cost import Cost
from edge_rerank_export.verify.layers import LayerError
from edge_rerank_export.verify.orders import Agreement
from edge_rerank_export.verify.report import Report

_STYLE = (
    plots.STYLE
    + NUMBERS_STYLE
    + """
.advice { border-left: .25rem solid var(--owed); padding-left: .75rem; margin: 1rem 0;
  overflow-wrap: anywhere; }
tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
td.heat { background: color-mix(in srgb, var(--bad) calc(var(--heat) * 60%), transparent);
  padding-left: .5rem; }
table.layers td, table.layers th { padding-right: .5rem; }
"""
)

_MIB = 1 << 20
_SHOWN = 10
_MISSING = "–"

_FIGURES = {
    "kendall_tau": "Kendall τ, mean",
    "query_tau": "Kendall τ after a query, mean",
    "cosine": "smallest cosine of a text's two vectors",
    "difference": "largest difference in one component",
    "batch_effect": "largest effect of batch or padding",
    "score_error": "largest difference of a score by conversion",
    "conversion_error": "largest difference of a token's score by conversion",
    "company_effect": "largest effect of company",
    "ndcg_loss": "share of NDCG@10 lost",
}

_BLOCK = re.compile(r"^(.*?)(?:^|/)(?:layers?|blocks?|h)[./](\d+)/(.*)$")
_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")


def as_html(report: Report) -> str:
    """The report as a page that needs nothing else."""
    sections = [
        _figures(report),
        _orders(report),
        _cost(report),
        _worst(report),
        _blocks(report),
        _method(report),
    ]
    verdict = (
        '<span class="good">holds every bound</span>'
        if report.verification.ok
        else f'<span class="bad">falls short in {escape(", ".join(_short(report)))}</span>'
    )
    return report_page(
        f"Verification: {report.name}, release {report.release}",
        f"<h1>{escape(report.name)}, release {report.release}</h1>\n"
        f'<p class="dim">{escape(report.quantisation)}, beside {escape(report.uri)} in float32, '
        f"on {report.verification.texts:,} texts in {report.verification.rankings:,} lists"
        f" ({escape(report.texts)})</p>\n"
        f'<p class="big">{verdict}</p>\n{_advice(report)}{_facts(report)}{"".join(sections)}',
        style=_STYLE,
    )


def _short(report: Report) -> list[str]:
    return [_FIGURES.get(name, name) for name in report.verification.short]


def _advice(report: Report) -> str:
    return f'<p class="advice">{escape(report.advice)}</p>\n' if report.advice else ""


def _facts(report: Report) -> str:
    told = []
    if report.verification.orders:
        first = report.verification.orders[0]
        told += [
            (f"{first.tau:.3f}", f"Kendall τ (95 %: {first.tau_interval:.3f})"),
            (f"{first.worst_tau:.3f}", "τ of the worst tenth of the lists"),
        ]
        if (loss := first.ndcg_loss) is not None:
            told.append((f"{-loss:+.2%}", "NDCG@10 against the original"))
    original, packed = report.original, report.packed
    told += [
        (
            _mib(packed.size),
            f"{packed.size / original.size:.0%} of the original's {_mib(original.size)}",
        ),
        (
            f"{packed.processor_ms:.3g} ms",
            f"of the processor a run, against {original.processor_ms:.3g} ms",
        ),
        (
            f"{packed.peak_mib:,.0f} MiB",
            f"memory at its peak, against {original.peak_mib:,.0f} MiB",
        ),
    ]
    return facts(told)


def _figures(report: Report) -> str:
    rows = [
        row(
            _FIGURES.get(one.name, one.name),
            [
                f"{one.value:.4g}",
                f"{'≥' if one.at_least else '≤'} {one.bound:g}",
                '<span class="good">holds</span>' if one.ok else '<span class="bad">missed</span>',
            ],
        )
        for one in report.verification.figures
    ]
    return section(
        "Figures and bounds",
        "Each beside what the recipe wants of it.",
        table(("", "measured", "bound", ""), rows),
    )


def _orders(report: Report) -> str:
    rows, marks = [], []
    for one in report.verification.orders:
        title = "after a query" if one.name == "query_tau" else "after a history"
        parts = one.by_source()
        shown = {"all": one, **parts} if len(parts) > 1 else {title: one}
        for name, part in shown.items():
            label = f"{title}, {name}" if len(parts) > 1 else name
            rows.append(row(label, _order_cells(part), own=len(parts) > 1 and part is one))
            marks.append(Mark(name or title, part.tau, part.tau_interval, "own"))
    headings = (
        "",
        "lists",
        "τ",
        "95 %",
        "worst tenth",
        "clicks",
        "NDCG@10",
        "packed",
        "difference, 95 %",
    )
    return section(
        "How alike the orders are",
        "Kendall τ between the original's order of each list and the pack's: 1 for the same, 0 for "
        "none in common. NDCG@10 where the texts come with clicks.",
        f"{plots.bars('Kendall τ', marks)}{table(headings, rows)}",
    )


def _order_cells(one: Agreement) -> list[str]:
    cells = [
        f"{len(one.taus):,}",
        f"{one.tau:.3f}",
        f"{one.tau_interval:.3f}",
        f"{one.worst_tau:.3f}",
    ]
    if one.ndcg_means is None or one.ndcg_interval is None:
        return [*cells, *([_MISSING] * 4)]
    before, after = one.ndcg_means
    return [
        *cells,
        f"{len(one.ndcg):,}",
        f"{before:.3f}",
        f"{after:.3f}",
        f"{one.ndcg_interval:+.3f}",
    ]


def _cost(report: Report) -> str:
    def cells(one: Cost) -> list[str]:
        return [
            f"{one.size:,}",
            f"{one.wall_ms:.3g}",
            f"{one.processor_ms:.3g}",
            f"{one.peak_mib:,.0f}",
        ]

    return section(
        "What it costs",
        f"Medians over {report.layers.readings} inputs, one thread, each model in a process of its "
        "own. Where processor time is far below wall time, the machine was busy.",
        table(
            ("", "bytes", "ms a run", "processor ms", "peak MiB"),
            [
                row("original, float32 ONNX", cells(report.original)),
                row(f"packed, {report.quantisation}", cells(report.packed), own=True),
            ],
        ),
    )


def _worst(report: Report) -> str:
    layers = sorted(report.layers.layers, key=lambda one: -one.added)[:_SHOWN]
    worst = report.layers.worst
    rows = [
        row(
            one.name,
            [
                f"{one.error:.2%}",
                f"{one.added:.2%}",
                _MISSING if one.gain is None else f"{one.gain:+.1%}",
                "yes" if one.fine else "",
            ],
            own=one is worst,
        )
        for one in layers
    ]
    return section(
        "Layers that add most",
        "Off: difference of the layer's output from the original's, as a share of it. Adds: what "
        "of it the layer adds itself. Gains: how much of the result's error goes away when it "
        "alone is exact; bold where that is most.",
        table(("", "off", "adds", "gains", "fine"), rows),
    )


def _blocks(report: Report) -> str:
    """Every layer: blocks down, kinds of layer across."""
    grid: dict[int, dict[str, LayerError]] = {}
    kinds: dict[str, None] = {}
    for one in report.layers.layers:
        block, kind = place_of(one.name)
        grid.setdefault(block, {})[kind] = one
        kinds[kind] = None
    most = max((one.error for one in report.layers.layers), default=0.0) or 1.0
    rows = []
    for block, found in sorted(grid.items()):
        cells = "".join(_heat(found.get(kind), most) for kind in kinds)
        rows.append(f'<tr><th scope="row">{block}</th>{cells}</tr>')
    headings = ["block", *(escape(kind).replace("/", "/<wbr>") for kind in kinds)]
    inside = table(headings, rows, escaped=True).replace("<table>", '<table class="layers">')
    return section(
        "Differences by layer",
        "How far each layer's output is off, as a share of it; the redder, the further. The result "
        f"is off by {report.layers.result:.2%}.",
        inside,
    )


def _heat(one: LayerError | None, most: float) -> str:
    if one is None:
        return "<td></td>"
    return f'<td class="heat" style="--heat:{one.error / most:.2f}">{one.error:.1%}</td>'


def place_of(name: str) -> tuple[int, str]:
    """Block and kind of a layer by its name: ``encoder/layer.3/output/dense`` or ``down_3``."""
    if match := _BLOCK.match(name):
        return int(match[2]), match[3]
    match = _NUMBERED.match(name)
    assert match is not None  # noqa: S101 - it matches any line
    return int(match[2] or 0), match[1]


def _method(report: Report) -> str:
    return section(
        "How this was measured",
        f"Intervals: percentile bootstrap, {RESAMPLES:,} resamples of the lists. Layers and cost: "
        f"{report.layers.readings} inputs, spread evenly over the texts, one at a time. The error "
        "of a layer is the length of the difference of the two outputs over that of the "
        "original's, over all inputs.",
        "",
    )


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"
