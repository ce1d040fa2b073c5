"""How sure a mean is, and whether two runs on the same questions differ by more than chance. Pure, seeded.

Intervals are percentiles of the bootstrap over questions (Efron and Tibshirani, 1993; BCa is undefined where all values are
equal). Two runs are compared by the paired randomisation test, which asks nothing of the distribution (Smucker, Allan and
Carterette, CIKM 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

CONFIDENCE = 0.95
_SEED = 0
_RESAMPLES = 9_999
# Resamples drawn at a time: bounds the memory of a run with many questions.
_BATCH = 500


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of per-question values; (0, 0) of nothing, the value itself of one."""
    # Loading SciPy's statistics takes a second; only evaluation needs it.
    from scipy.stats import bootstrap

    if len(set(values)) < 2:
        same = values[0] if values else 0.0
        return same, same
    bounds = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=_SEED,
    ).confidence_interval
    return float(bounds.low), float(bounds.high)


def paired_p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of equal means of paired values; 1 when less than two pairs differ.

    Raises:
        ValueError: the sequences differ in length.
    """
    from scipy.stats import permutation_test

    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values are not pairs")
    # Pairs that are equal stay so whichever way they are turned: only the others decide.
    differing = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    if len(differing) < 2:
        return 1.0
    test = permutation_test(
        tuple(np.asarray(differing, dtype=float).T),
        _summed_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        rng=_SEED,
    )
    return float(test.pvalue)


def _summed_difference(first: Any, second: Any, axis: int) -> Any:
    return np.sum(first - second, axis=axis)
