"""Internal: personal data found and taken out of texts before anything is sealed."""
