"""Internal: the command line, ``edge-rerank``, or ``python -m edge_rerank``."""

from edge_rerank.cli.main import main

__all__ = ["main"]
