"""The vector index: one protocol, two engines (Edge in-process, Qdrant server)."""
