"""Retrieval-augmented answering: condense, retrieve, judge, ground, check."""
