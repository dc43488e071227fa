"""Internal: rerankers in the classes of retrieval frameworks, imported on demand."""
