"""Internal: a fleet's server: its rounds, what they may cost, and the priors that come of them."""
