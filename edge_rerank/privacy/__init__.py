"""What keeps a person unharmed: scrubbing, aggregates, the compliance report."""
