"""The compliance report as one HTML page."""

from __future__ import annotations

from html import escape

from edge_rerank.compliance.findings import Finding, Verdict
from edge_rerank.compliance.report import ComplianceReport, Section
from edge_rerank.render.page import report_page

_SIGNS = {Verdict.FAILED: "✗", Verdict.OWED: "!", Verdict.PASSED: "✓"}
_STYLE = """
.sum { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.25rem 0 2rem; padding: 0;
  list-style: none; }
.sum a { display: block; padding: .3rem .7rem; border: 1px solid var(--line);
  border-radius: .4rem; color: inherit; text-decoration: none; }
header { display: flex; gap: .75rem; justify-content: space-between; align-items: baseline; }
th { width: 11rem; overflow-wrap: anywhere; }
td.v { width: 6rem; white-space: nowrap; }
.passed { color: var(--good); } .owed { color: var(--owed); } .failed { color: var(--bad); }
.v { font-weight: 600; }
ul.host { margin: .25rem 0 0; padding-left: 1.2rem; font-size: .93rem; }
@media (max-width: 34rem) { tr { display: grid; padding: .4rem 0;
  border-top: 1px solid var(--line); } td, th { border: 0; padding: .05rem 0; width: auto; } }
"""


def as_html(report: ComplianceReport) -> str:
    """The report as a page that needs nothing else."""
    result = Verdict.PASSED if report.passed else Verdict.FAILED
    outcome = "No check failed." if report.passed else "At least one check failed."
    links = "".join(
        f'<li><a class="{section.verdict}" href="#{_anchor(section)}">'
        f"{_SIGNS[section.verdict]} {escape(_name(section))}</a></li>"
        for section in report.sections
    )
    body = "".join(map(_section, report.sections))
    return report_page(
        f"Compliance report: {report.history}",
        f"<h1>Compliance report</h1>\n"
        f'<p class="dim">{escape(report.history)}, inspected {escape(report.made)}</p>\n'
        f'<p class="big {result}">{_SIGNS[result]} {outcome}</p>\n'
        '<p class="dim">✓ passed, ! owed by the host, ✗ failed. Evidence for whoever answers '
        "for the processing; not legal advice. What is stored is pseudonymised, not "
        "anonymous.</p>\n"
        f'<ul class="sum">{links}</ul>\n{body}',
        style=_STYLE,
    )


def _section(section: Section) -> str:
    requirement = section.requirement
    rows = "".join(map(_row, section.findings))
    owed = "".join(f"<li>{escape(text)}</li>" for text in requirement.owed)
    return (
        f'<section id="{_anchor(section)}"><header><h2>{escape(_name(section))}</h2>'
        f'<span class="v {section.verdict}">{_SIGNS[section.verdict]} {section.verdict}</span>'
        f'</header><p class="dim">{escape(requirement.asks)}</p>'
        f"<table><tbody>{rows}</tbody></table>"
        f'<p class="dim">The host still owes:</p><ul class="host">{owed}</ul></section>\n'
    )


def _row(finding: Finding) -> str:
    remedy = f'<br><span class="dim">→ {escape(finding.remedy)}</span>' if finding.remedy else ""
    return (
        f'<tr><th scope="row">{escape(finding.check)}</th>'
        f'<td class="v {finding.verdict}">{_SIGNS[finding.verdict]} {finding.verdict}</td>'
        f"<td>{escape(finding.evidence)}{remedy}</td></tr>"
    )


def _name(section: Section) -> str:
    return f"{section.requirement.law} {section.requirement.article}"


def _anchor(section: Section) -> str:
    return _name(section).replace(" ", "-").lower()
