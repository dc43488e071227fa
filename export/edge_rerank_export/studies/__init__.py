"""Internal: experiments beside the product: baselines, tables of results, searches, peers."""
