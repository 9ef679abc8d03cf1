"""The posterior of an utterance's distribution: a mixture of Dirichlet distributions, given its votes and the ALMs' answer.

Before any votes, component z is chosen with probability ``softmax(b + s log c)_z``, and the utterance's distribution
theta is then Dirichlet with the parameters

    alpha_z + k c + k0 prior

c is the ALMs' calibrated answer (stacking.py), k >= 0 what it counts for in votes, with ``log k = w . f`` for features f
of c, and k0 the votes of the corpus prior. There is a component per label, learned from the votes: a kind of utterance,
such as "mostly anger, some disgust". The answer says which kinds are likely (s) and where theta is within a kind (k);
s = k = 0 is the mixture of an ALM that says nothing. The votes n then decide between the components by their marginal
likelihood, the Dirichlet-multinomial, and are added to the parameters of each. All of it follows from Bayes' rule, so the
same mixture holds for any number of votes, and gives the uncertainty of theta as well as its mean. (Mixtures of
Dirichlet-multinomials: Holmes et al. 2012, PLoS ONE 7(2).)

The same posterior can be written with more or fewer components, so k and k0 alone say little. How certain a posterior is,
in votes, is the *concentration* of the one Dirichlet with the same mean and the same total variance: ``N + k0 + k`` for a
single Dirichlet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.statistics.rising_factorial import RisingFactorial

FEATURES = ("constant", "doubt", "label_mass")
LOG_VOTES_LIMIT = 6.0
FLOOR = 1e-6  # of a probability before its logarithm is taken
_LEAST_PARAMETER = 1e-9  # of a Dirichlet
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class DirichletMixture:
    """The parameters of a mixture with Z components over K labels.

    Attributes:
        log_weights_Z: b.
        slope: s, by which the answer moves the components' weights: where it is above 0, label z makes component z likelier.
            It is not bounded.
        alpha_ZK: the components' own Dirichlet parameters; a single row of zeros where there are no components.
        prior_votes: k0, above 0.
        answer_weights_F: w, of the features, for the logarithm of the answer's votes k.
    """

    log_weights_Z: np.ndarray
    slope: float
    alpha_ZK: np.ndarray
    prior_votes: float
    answer_weights_F: np.ndarray

    @classmethod
    def single(cls, labels: int, votes: float) -> DirichletMixture:
        """One Dirichlet around the corpus prior and the answer, with the same votes for both.

        Args:
            labels: K.
            votes: k0 and k, above 0.
        """
        weights_F = np.zeros(len(FEATURES))
        weights_F[0] = np.log(votes)
        return cls(np.zeros(1), 0.0, np.zeros((1, labels)), votes, weights_F)


@dataclass(frozen=True)
class Posterior:
    """The posterior of N utterances.

    Attributes:
        mean_NK: of theta.
        variance_NK: of theta.
        concentration_N: how certain it is, in votes; no less than the votes that it is based on.
    """

    mean_NK: np.ndarray
    variance_NK: np.ndarray
    concentration_N: np.ndarray


def features(c_NK: np.ndarray, label_mass_N: np.ndarray | None = None) -> np.ndarray:
    """The features that an answer's votes depend on, each from 0 to 1, in the order of FEATURES.

    1; the answer's entropy divided by log K; the probability that the ALM gave to none of the labels (1 - label mass).

    Args:
        c_NK: calibrated answers; nan counts as 0.
        label_mass_N: probability of all labels together; nan (or None) where unknown, which counts as 1.

    Returns:
        ``f_NF``.

    Examples:
        >>> features(np.array([[0.5, 0.5]]), np.array([0.75])).tolist()
        [[1.0, 1.0, 0.25]]
    """
    c_NK = np.nan_to_num(c_NK)
    doubt_N = -(c_NK * np.log(np.maximum(c_NK, 1e-12))).sum(1) / np.log(max(c_NK.shape[1], 2))
    withheld_N = np.zeros(len(c_NK)) if label_mass_N is None else 1 - np.nan_to_num(label_mass_N, nan=1.0)
    return np.stack([np.ones(len(c_NK)), doubt_N, withheld_N], axis=1)


def answer_votes(weights_F: np.ndarray, f_NF: np.ndarray) -> np.ndarray:
    """``k_N = exp(w . f)``, limited to exp(-6) to exp(6) votes.

    Args:
        weights_F: w.
        f_NF: see ``features``.

    Examples:
        >>> answer_votes(np.array([np.log(2.0)]), np.array([[1.0]])).round(6).tolist()
        [2.0]
    """
    return np.exp(np.clip(f_NF @ weights_F, -LOG_VOTES_LIMIT, LOG_VOTES_LIMIT))


def posterior(
    mixture: DirichletMixture,
    prior_K: np.ndarray,
    n_NK: np.ndarray,
    c_NK: np.ndarray | None = None,
    label_mass_N: np.ndarray | None = None,
) -> Posterior:
    """The posterior given votes and answers.

    Args:
        mixture: the fitted mixture.
        prior_K: the corpus prior.
        n_NK: human votes, zeros where nobody voted.
        c_NK: calibrated answers, one for every utterance; None for a mixture without ALMs.
        label_mass_N: see ``features``.

    Examples:
        >>> votes, answer = np.array([[1.0, 0.0]]), np.array([[0.2, 0.8]])
        >>> posterior(DirichletMixture.single(2, 2.0), np.full(2, 0.5), votes, answer).mean_NK.round(2).tolist()
        [[0.48, 0.52]]
    """
    rows = len(n_NK)
    log_weight_NZ = np.tile(mixture.log_weights_Z, (rows, 1))
    shared_NK = np.tile(mixture.prior_votes * prior_K, (rows, 1))
    if c_NK is not None:
        k_N = answer_votes(mixture.answer_weights_F, features(c_NK, label_mass_N))
        shared_NK += k_N[:, None] * c_NK
        if mixture.slope:
            log_weight_NZ += mixture.slope * np.log(np.maximum(c_NK, FLOOR))
    alpha_ZK = mixture.alpha_ZK
    votes_N1 = n_NK.sum(1, keepdims=True)
    total_NZ = shared_NK.sum(1, keepdims=True) + alpha_ZK.sum(1)
    log_weight_NZ += _log_marginal(n_NK, votes_N1[:, 0], shared_NK, alpha_ZK, total_NZ)
    weight_NZ = np.exp(log_weight_NZ - log_weight_NZ.max(1, keepdims=True))
    weight_NZ /= weight_NZ.sum(1, keepdims=True)
    # With parameters t + alpha_z of sum T, a component's mean is (t + alpha_z) / T, and its mean square is
    # (t + alpha_z) (t + alpha_z + 1) / (T (T + 1)).
    t_NK, total_NZ = shared_NK + n_NK, total_NZ + votes_N1
    w_NZ = weight_NZ / total_NZ
    mean_NK = t_NK * w_NZ.sum(1, keepdims=True) + w_NZ @ alpha_ZK
    w_NZ /= total_NZ + 1
    square_NK = (t_NK + 1) * t_NK * w_NZ.sum(1, keepdims=True)
    square_NK += (2 * t_NK + 1) * (w_NZ @ alpha_ZK) + w_NZ @ alpha_ZK**2
    variance_NK = np.maximum(square_NK - mean_NK**2, 0.0)
    spread_N = 1 - (mean_NK**2).sum(1)
    concentration_N = spread_N / np.maximum(variance_NK.sum(1), _LEAST_VARIANCE) - 1
    return Posterior(mean_NK, variance_NK, np.maximum(concentration_N, votes_N1[:, 0]))


def _log_marginal(
    n_NK: np.ndarray, votes_N: np.ndarray, shared_NK: np.ndarray, alpha_ZK: np.ndarray, total_NZ: np.ndarray
) -> np.ndarray:
    """Logarithm of the Dirichlet-multinomial probability of votes, without the multinomial coefficient.

    Args:
        n_NK: votes, which may be fractional.
        votes_N: their number.
        shared_NK: what all components' parameters have in common.
        alpha_ZK: the components' own parameters; sums are floored at 1e-9.
        total_NZ: sums of the parameters over labels.

    Returns:
        ``log_NZ``.
    """
    row_P, label_P = np.nonzero(n_NK)
    alpha_PZ = np.maximum(alpha_ZK.T[label_P] + shared_NK[row_P, label_P, None], _LEAST_PARAMETER)
    log_PZ = RisingFactorial(n_NK[row_P, label_P]).log(alpha_PZ)
    log_NZ = -RisingFactorial(votes_N).log(np.maximum(total_NZ, _LEAST_PARAMETER))
    if len(row_P):
        is_first_P = np.diff(row_P, prepend=-1) > 0
        log_NZ[row_P[is_first_P]] += np.add.reduceat(log_PZ, np.flatnonzero(is_first_P), axis=0)
    return log_NZ
