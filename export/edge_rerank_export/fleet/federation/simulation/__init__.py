"""Internal: a fleet of simulated people in one process, and its report for readers."""
