"""Internal: experiments beside the product: baselines, results, searches, peers, people."""
