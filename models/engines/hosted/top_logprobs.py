"""The probability of each answer code from the few most likely tokens that an endpoint returns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A code that is certainly absent still gets a positive number, so that its logarithm is finite.
_LOWEST = 1e-12
# How OpenAI and vLLM write the log-probability of a token that is excluded; others write -Infinity, which JSON has not.
_EXCLUDED = -9999.0
# Log-probabilities may be rounded as 16-bit numbers.
_ROUNDING = 0.05


def usable(top: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """The entries as finite numbers; none at all where they are no log-probabilities.

    Args:
        top: text and natural-log probability of the most likely tokens, as an endpoint sent them.

    Examples:
        >>> usable([("A", -0.5), ("B", float("-inf"))])
        (('A', -0.5), ('B', -9999.0))
        >>> usable([("A", float("nan")), ("B", -0.5)]), usable([("A", 0.0), ("B", 0.0)]), usable([("A", 500.0)])
        ((), (), ())
    """
    entries = tuple((token, max(logprob, _EXCLUDED)) for token, logprob in top if not math.isnan(logprob))
    if len(entries) < len(top) or sum(math.exp(min(logprob, 1.0)) for _, logprob in entries) > 1 + _ROUNDING:
        return ()
    return entries


def code_logprobs(top: Sequence[tuple[str, float]], codes: str) -> NDArray[np.float64]:
    """Natural-log probabilities of the codes as the first token.

    Tokens that are a code with white space around it count for that code. A code that is not listed has at most the
    probability of the least likely token that is listed, and all of them together at most what is not listed; it gets
    half of the smaller of the two bounds.

    Args:
        top: text and natural-log probability of the most likely tokens; empty for a refusal.
        codes: the K answer codes.

    Returns:
        Shape (K,); exponentials sum to the label mass, at most 1.

    Examples:
        >>> np.exp(code_logprobs([("A", np.log(0.6)), (" A", np.log(0.1)), ("B", np.log(0.2))], "ABC")).round(3).tolist()
        [0.7, 0.2, 0.05]
    """
    p_K = np.zeros(len(codes))
    listed_K = np.zeros(len(codes), dtype=bool)
    p_T = np.exp([min(float(logprob), 0.0) for _, logprob in top])
    for (token, _), p in zip(top, p_T.tolist(), strict=True):
        code = token.strip()
        if len(code) == 1 and code in codes:
            p_K[codes.index(code)] += p
            listed_K[codes.index(code)] = True
    missing = int((~listed_K).sum())
    if missing and len(top):
        rest = max(1.0 - float(p_T.sum()), 0.0)
        p_K[~listed_K] = min(float(p_T.min()), rest / missing) / 2
    p_K /= max(p_K.sum(), 1.0)
    return np.asarray(np.log(np.maximum(p_K, _LOWEST)))
