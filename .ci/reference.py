"""The reference of the API: every public name, as pages made of docstrings by pdoc.

``python .ci/reference.py FOLDER`` writes it, and fails where a public name is missing.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.docstrings
import pdoc.render

import edge_rerank

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`(~?)([^`]+)`")
_google = pdoc.docstrings.google


def _linked(docstring: str) -> str:
    """Roles of Sphinx as names in backticks, which pdoc links, and Google's sections as ever."""
    return _google(
        _ROLE.sub(
            lambda role: f"`{role[2].rpartition('.')[2]}`" if role[1] else f"`{role[2]}`", docstring
        )
    )


def main(folder: Path) -> int:
    """Write the pages; 1 where one of the names is on none of them."""
    warnings.simplefilter("ignore")  # of annotations that only type checkers import
    pdoc.docstrings.google = _linked
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc("edge_rerank", output_directory=folder)
    page = (folder / "edge_rerank.html").read_text(encoding="utf-8")
    missing = [
        name
        for name in edge_rerank.__all__
        if name != "errors" and f'<section id="{name}">' not in page
    ]
    print(f"{len(edge_rerank.__all__)} public names in {folder}")  # noqa: T201
    if missing:
        print("missing:", ", ".join(missing))  # noqa: T201
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
