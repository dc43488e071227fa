"""From vectors and events to an order: features, blend, Markov chain, metrics."""
