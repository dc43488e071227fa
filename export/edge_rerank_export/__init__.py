"""Makes model packs for edge-rerank: fetch, convert, quantise, verify, pack.

Run it as ``python -m edge_rerank.export``.
"""

import os

# Progress is shown by edge_rerank_export.progress; other libraries' bars would write through it.
# It is read when tqdm is imported, so it has to be said before anything imports that.
os.environ.setdefault("TQDM_DISABLE", "1")
