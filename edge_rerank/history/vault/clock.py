"""The store's own clock, which a wrong wall clock neither stops nor hurries.

Retention counts the time that has passed since an event was recorded. The wall clock of a
device may be ten years off for a while, so the store keeps a clock of its own:

- a step back counts as no time, and counting goes on from there;
- a step forward to what the store's clock has counted already counts as none either: a device
  without a battery begins in 1970 until it is told the time. Only what lies beyond counts;
- a step forward of up to 31 days counts in full: the device was switched off;
- a longer one is doubted; it counts only if the wall clock still says so 31 days later, and
  a step back before that takes it away again;
- a store's clock before 2025 was begun when the device did not know the time yet: it is set, once,
  to the first time that can be right.
"""

from __future__ import annotations

from edge_rerank.history.vault.root import Root

MAX_STEP_S = 31 * 24 * 60 * 60
EARLIEST = 1_735_689_600
"""UTC seconds; nothing of this was written before."""


def tick(root: Root, now: float) -> None:
    """Bring ``root.clock`` up to ``now``, UTC seconds."""
    wall = int(now)
    if root.wall == 0:
        root.clock = root.wall = root.swept = wall
        return
    before, root.wall = root.wall, wall
    if root.clock < EARLIEST <= wall:
        root.clock, root.doubted = wall, 0
        return
    step = wall - before
    if before < root.clock < wall:
        step = wall - root.clock
    if root.doubted and step >= 0 and wall - root.doubted_at >= MAX_STEP_S:
        root.clock = max(root.clock, before)
    if step > MAX_STEP_S:
        if wall > root.clock:
            root.doubted_at = wall
    elif step > 0:
        root.clock += step
    root.doubted = max(0, wall - root.clock)
