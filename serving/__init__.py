"""Layer 2: the model endpoint: prompt contract, citations, engines, releases."""
