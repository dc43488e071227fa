"""Expectations met by a finished pack, for its card and its manifest."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.evaluation.expectations.expectation import ExpectationReport
from edge_rerank.evaluation.expectations.suite import run
from edge_rerank_export.progress import Update

EXPECTATIONS_MET = "expectations_met"
"""The share's name in a manifest's ``verification``."""


def play_expectations(pack: Path, *, progress: Update | None = None) -> ExpectationReport:
    """Play every expectation on a pack's folder, about half a minute of one core.

    Raises:
        PackError: when the pack cannot be loaded.
        InferenceError: when its model fails.
    """
    return run(pack, progress=progress)


def expectations_card(report: ExpectationReport) -> str:
    """The section of a model card that says what is met, in Markdown."""
    rows = "\n".join(
        f"| {group.value} | {sum(one.met for one in ones)} | {len(ones)} |"
        for group, ones in report.groups.items()
    )
    return f"""## Expectations met

People were played at a catalogue written for it, and the lists they got were held to
{len(report.outcomes)} sentences that anyone would hold of such a product: {report.met} are met,
{report.share:.1%}. `edge-rerank expect --unmet` says which are not.

| about | met | of |
|---|---|---|
{rows}
"""
