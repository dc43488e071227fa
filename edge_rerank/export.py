"""``python -m edge_rerank.export``: hands over to the toolchain, a distribution of its own."""

from __future__ import annotations

import sys

INSTALL = "the export toolchain is not installed: in a checkout, run pip install ./export"


def main() -> int:
    """Run the toolchain's command line; without the toolchain, say how to install it."""
    try:
        from edge_rerank_export.cli import main as toolchain  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing = error.name or "a module"
        reason = "" if missing.startswith("edge_rerank_export") else f" ({missing} is missing)"
        sys.stderr.write(f"{INSTALL}{reason}\n")
        return 2
    return toolchain()


if __name__ == "__main__":
    sys.exit(main())
