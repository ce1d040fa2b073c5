"""Layer 3: pairs become a dataset, an adapter and a release that passed its gate."""
