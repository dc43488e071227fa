"""Internal: what a prior gives away of those who took part, and how far one device can move it."""
