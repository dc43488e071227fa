"""The HTML page that rankings and reports share.

It loads nothing but what its policy names: a report, nothing at all. It follows the reader's
light or dark setting.
"""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="{lang}" dir="{direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
{head}
</head>
<body class="{name}">
<main>
{body}
</main>
</body>
</html>
"""

_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_REPORT_STYLE = """
:root { --ink: #1d2327; --dim: #5b666e; --line: #d9dee2;
  --page: #fff; --card: #f7f8f9; --good: #1a6b3c; --owed: #7a5200; --bad: #a5121d;
  --accent: #0b6bcb; --quiet: #a9b4bd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9eb; --dim: #9aa5ad; --line: #343b41;
  --page: #14181b; --card: #1c2226; --good: #6cc48f; --owed: #e0b25a; --bad: #ff8b8b;
  --accent: #6cb2ff; --quiet: #5c6871; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 0; }
p { margin: .25rem 0; }
.dim { color: var(--dim); }
.big { font-weight: 600; }
section { border: 1px solid var(--line); border-radius: .5rem; background: var(--card);
  padding: 1rem 1.25rem; margin: 0 0 1rem; break-inside: avoid; }
table { width: 100%; border-collapse: collapse; margin: .75rem 0 .5rem; font-size: .93rem; }
td, th { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-top: 1px solid var(--line); font-weight: normal; }
@media print { :root { color-scheme: light; --ink: #000; --dim: #444; --line: #bbb;
  --page: #fff; --card: #fff; --good: #1a6b3c; --owed: #7a5200; --bad: #a5121d;
  --accent: #0b6bcb; --quiet: #a9b4bd; }
  main { max-width: none; padding: 0; } body { font-size: 10pt; } }
"""


def page(
    title: str,
    body: str,
    *,
    head: str,
    policy: str,
    name: str,
    lang: str = "en",
    direction: str = "ltr",
) -> str:
    """A whole document.

    Args:
        title: plain text.
        body: HTML of what the page shows.
        head: HTML of the style sheet and the scripts.
        policy: what the page may load, a Content-Security-Policy.
        name: class of the ``body`` element, for style sheets to name it by.
        lang: language of the page, a BCP 47 tag.
        direction: in which that language is written, "ltr" or "rtl".
    """
    return _PAGE.format(
        lang=escape(lang),
        direction=direction,
        policy=escape(policy, quote=False),
        title=escape(title),
        head=head,
        name=name,
        body=body,
    )


def report_page(
    title: str, body: str, *, style: str, lang: str = "en", direction: str = "ltr"
) -> str:
    """A report: headings, sections and tables look alike in all of them.

    Args:
        title: plain text.
        body: HTML of what the report says.
        style: CSS of this report, beside what all share.
        lang: language of the report, a BCP 47 tag.
        direction: in which that language is written, "ltr" or "rtl".
    """
    head = f"<style>{_REPORT_STYLE + style}</style>"
    return page(
        title,
        body,
        head=head,
        policy=_REPORT_POLICY,
        name="report",
        lang=lang,
        direction=direction,
    )
