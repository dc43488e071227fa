"""``python -m edge_rerank``."""

import sys

from edge_rerank.cli import main

if __name__ == "__main__":
    sys.exit(main())
