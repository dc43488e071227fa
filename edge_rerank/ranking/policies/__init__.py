"""Internal: whatever arranges a scored list."""

from edge_rerank.ranking.policies.behind import Behind
from edge_rerank.ranking.policies.calibration import Calibration
from edge_rerank.ranking.policies.caps import HardCaps
from edge_rerank.ranking.policies.collapse import Duplicates
from edge_rerank.ranking.policies.decay import Repeated
from edge_rerank.ranking.policies.diversity import Diversity
from edge_rerank.ranking.policies.exploring import Exploring
from edge_rerank.ranking.policies.fatigue import Tiring
from edge_rerank.ranking.policies.floor import Floor
from edge_rerank.ranking.policies.foremost import Foremost
from edge_rerank.ranking.policies.near_copies import NearCopies
from edge_rerank.ranking.policies.pins import Pins
from edge_rerank.ranking.policies.places import Places
from edge_rerank.ranking.policies.policy import Policy
from edge_rerank.ranking.policies.proportions import Proportions

POLICIES: tuple[Policy, ...] = (
    Pins(),
    Tiring(),
    Floor(),
    Proportions(),
    NearCopies(),
    Duplicates(),
    HardCaps(),
    Foremost(),
    Repeated(),
    Calibration(),
    Diversity(),
    Behind(),
    Places(),
    Exploring(),
)
"""All of them, in the order in which they act; they keep no state."""
