"""Makes model packs for edge-rerank: fetch, convert, quantise, verify, pack.

Run it as ``python -m edge_rerank.export``.
"""
