"""The encrypted history: cleaning, sealing, keys, storage, import."""
