"""The Dirichlet-multinomial: how much the label distributions of a corpus's utterances differ, learned from their votes.

Every utterance has a distribution of its own, drawn from a Dirichlet with the parameters alpha, and its votes are drawn
from it. alpha / sum(alpha) is the corpus's mean distribution; a small sum means that utterances differ much.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from ambivox.models.statistics.vote_counts import check_vote_counts

_LOG_ALPHA_LIMIT = 7.0


def fit_dirichlet(n_NK: np.ndarray) -> np.ndarray:
    """Maximum-likelihood parameters of the Dirichlet (Minka 2000, "Estimating a Dirichlet distribution").

    Args:
        n_NK: votes per utterance and label; rows without votes say nothing, and rows with one vote nothing about the
            sum of the parameters, which then stays near 1.

    Returns:
        ``alpha_K``, each from exp(-7) to exp(7).

    Raises:
        UserError: counts that are negative, missing or not a table.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> fit_dirichlet(rng.multinomial(20, rng.dirichlet([2.0, 1.0], 2000))).round(1).tolist()
        [2.0, 1.0]
    """
    n_NK = check_vote_counts(n_NK)
    n_NK = n_NK[n_NK.sum(1) > 0]
    labels = n_NK.shape[1]
    start_K = np.log((n_NK.sum(0) + 0.5) / (n_NK.sum() + 0.5 * labels))
    if not len(n_NK) or labels == 1:
        return np.exp(start_K)
    votes_N = n_NK.sum(1)

    def objective(log_alpha_K: np.ndarray) -> tuple[float, np.ndarray]:
        alpha_K = np.exp(log_alpha_K)
        total = alpha_K.sum()
        log_likelihood = (gammaln(total) - gammaln(total + votes_N)).sum()
        log_likelihood += (gammaln(alpha_K + n_NK) - gammaln(alpha_K)).sum()
        gradient_K = (digamma(total) - digamma(total + votes_N)).sum()
        gradient_K = gradient_K + (digamma(alpha_K + n_NK) - digamma(alpha_K)).sum(0)
        return -float(log_likelihood) / len(n_NK), -gradient_K * alpha_K / len(n_NK)

    bounds = [(-_LOG_ALPHA_LIMIT, _LOG_ALPHA_LIMIT)] * labels
    start_K = np.clip(start_K, -_LOG_ALPHA_LIMIT, _LOG_ALPHA_LIMIT)
    result = minimize(objective, start_K, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.exp(np.asarray(result.x))
