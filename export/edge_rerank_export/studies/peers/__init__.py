"""The scorer beside what a user would pick instead, in one run on one machine."""

from edge_rerank_export.studies.peers.measure import PeerReport, Timing, compare
from edge_rerank_export.studies.peers.plot import as_svg
from edge_rerank_export.studies.peers.task import SHAPES, Shape

__all__ = ["SHAPES", "PeerReport", "Shape", "Timing", "as_svg", "compare"]
