"""Layer 1: a company's files become elements, chunks and points; the catalog says what is live."""
