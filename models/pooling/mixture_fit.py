"""Fitting a mixture of Dirichlet distributions to votes by their marginal likelihood, with its analytic gradient.

The marginal likelihood of an utterance's votes is ``sum_z w_z DM(n | alpha_z + k c + k0 prior)`` (mixture.py); it is the
product of the probabilities of each vote given those before it, in any order. Parameters are shrunk to their start by a
normal prior with standard deviation 1, in logarithms of votes and log-odds, which decides where votes are few. At the
start every component has three votes, most of them for its own label; a mixture beside ALMs starts from the one without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ambivox.models.pooling.assumed_votes import START_VOTES
from ambivox.models.pooling.mixture import (
    FEATURES,
    FLOOR,
    LOG_VOTES_LIMIT,
    DirichletMixture,
    answer_votes,
    features,
)
from ambivox.models.statistics.rising_factorial import RisingFactorial

_START_COMPONENT_VOTES, _START_PEAK, _START_PRIOR_VOTES = 3.0, 2.5, 0.5
_LIMITS = -4 * LOG_VOTES_LIMIT, LOG_VOTES_LIMIT  # of logarithms of votes
_MOST_TERMS = 250_000  # utterances times components; larger sets of utterances are sampled by the caller


@dataclass(frozen=True)
class Votes:
    """The data of the fit: N utterances, P pairs of an utterance and a label that it has votes for.

    Attributes:
        votes_N: number of votes.
        row_P: the utterance of a pair, in order.
        label_P: its label.
        count_P: its votes.
        c_NK: calibrated answers; None for a mixture without ALMs.
        f_NF: features of the answers.
        prior_K: the corpus prior.
    """

    votes_N: np.ndarray
    row_P: np.ndarray
    label_P: np.ndarray
    count_P: np.ndarray
    c_NK: np.ndarray | None
    f_NF: np.ndarray
    prior_K: np.ndarray

    @classmethod
    def of(
        cls,
        n_NK: np.ndarray,
        prior_K: np.ndarray,
        c_NK: np.ndarray | None,
        label_mass_N: np.ndarray | None = None,
    ) -> Votes:
        """The data of N utterances.

        Args:
            n_NK: human votes.
            prior_K: the corpus prior.
            c_NK: calibrated answers; None without ALMs.
            label_mass_N: probability of all labels together.
        """
        row_P, label_P = np.nonzero(n_NK)
        f_NF = np.zeros((len(n_NK), len(FEATURES))) if c_NK is None else features(c_NK, label_mass_N)
        return cls(n_NK.sum(1), row_P, label_P, n_NK[row_P, label_P], c_NK, f_NF, prior_K)


def most_rows(labels: int) -> int:
    """How many utterances a fit should have at most.

    Args:
        labels: K.
    """
    return _MOST_TERMS // max(labels, 10)


def peaked_mixture(prior_K: np.ndarray) -> DirichletMixture:
    """The start of a mixture without ALMs: a component per label.

    Args:
        prior_K: the corpus prior.
    """
    share_ZK = softmax(_START_PEAK * np.eye(len(prior_K)) + np.log(prior_K + FLOOR), axis=1)
    return replace(
        DirichletMixture.single(len(prior_K), START_VOTES),
        log_weights_Z=np.zeros(len(prior_K)),
        alpha_ZK=_START_COMPONENT_VOTES * share_ZK,
        prior_votes=_START_PRIOR_VOTES,
    )


def fit_mixture(data: Votes, start: DirichletMixture) -> DirichletMixture:
    """Fit a mixture by maximum marginal likelihood.

    Args:
        data: the votes, at least two of them on some utterance.
        start: what the parameters are shrunk to; a single Dirichlet stays one.
    """
    likelihood = MarginalLikelihood(data, start)
    result = minimize(
        likelihood.loss_and_gradient,
        likelihood.pack(start),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxfun": 700},
    )
    return likelihood.unpack(result.x)


class MarginalLikelihood:
    """The loss of a fit: the negative logarithm of marginal likelihood and priors, per vote."""

    def __init__(self, data: Votes, start: DirichletMixture) -> None:
        """Take the votes and the mixture that parameters are shrunk to."""
        self.data, self.start = data, start
        self.has_components = bool(start.alpha_ZK.any())
        self._centre = self.pack(start)
        self._label_PK = np.eye(len(data.prior_K))[data.label_P]
        self._first_of_row = np.flatnonzero(np.diff(data.row_P, prepend=-1))
        self._of_pairs, self._of_totals = RisingFactorial(data.count_P), RisingFactorial(data.votes_N)

    def pack(self, mixture: DirichletMixture) -> np.ndarray:
        """The parameters that are fitted, as one vector.

        Args:
            mixture: with the components of the start.
        """
        parts = [np.array([np.log(mixture.prior_votes)])]
        if self.data.c_NK is not None:
            parts.append(mixture.answer_weights_F)
        if self.has_components:
            parts += [mixture.log_weights_Z, np.array([mixture.slope]), np.log(mixture.alpha_ZK).ravel()]
        return np.concatenate(parts)

    def unpack(self, parameters: np.ndarray) -> DirichletMixture:
        """The inverse of ``pack``.

        Args:
            parameters: a vector of parameters.
        """
        start, taken = self.start, 1
        mixture = replace(start, prior_votes=float(_exp(parameters[0])))
        if self.data.c_NK is not None:
            taken += len(FEATURES)
            mixture = replace(mixture, answer_weights_F=parameters[1:taken])
        if self.has_components:
            end = taken + len(start.log_weights_Z)
            mixture = replace(
                mixture,
                log_weights_Z=parameters[taken:end],
                slope=float(parameters[end]) if self.data.c_NK is not None else 0.0,
                alpha_ZK=_exp(parameters[end + 1 :]).reshape(start.alpha_ZK.shape),
            )
        return mixture

    def loss_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient.

        Args:
            parameters: a vector of parameters.
        """
        data, mixture = self.data, self.unpack(parameters)
        rows, components = len(data.votes_N), len(mixture.alpha_ZK)
        c_NK = np.zeros((rows, len(data.prior_K))) if data.c_NK is None else data.c_NK
        k_N = np.zeros(rows) if data.c_NK is None else answer_votes(mixture.answer_weights_F, data.f_NF)
        has_slope = self.has_components and data.c_NK is not None
        log_c_NZ = np.log(np.maximum(c_NK, FLOOR)) if has_slope else np.zeros((rows, components))
        log_w_NZ = log_softmax(mixture.log_weights_Z + mixture.slope * log_c_NZ, axis=1)
        # Dirichlet parameters of the pairs that have votes, and their sum over all labels.
        c_P = c_NK[data.row_P, data.label_P]
        shared_P = k_N[data.row_P] * c_P + mixture.prior_votes * data.prior_K[data.label_P]
        alpha_PZ = mixture.alpha_ZK[:, data.label_P].T + shared_P[:, None]
        total_NZ = mixture.alpha_ZK.sum(1) + (k_N + mixture.prior_votes)[:, None]
        log_PZ, d_PZ = self._of_pairs.log_and_derivative(alpha_PZ)
        log_total_NZ, d_total_NZ = self._of_totals.log_and_derivative(total_NZ)
        log_NZ = log_w_NZ + self._by_row(log_PZ) - log_total_NZ
        top_N1 = log_NZ.max(1, keepdims=True)
        log_N1 = top_N1 + np.log(np.exp(log_NZ - top_N1).sum(1, keepdims=True))
        share_NZ = np.exp(log_NZ - log_N1)  # posterior weights of the components
        # Derivatives with respect to the parameters of the Dirichlets: of all labels, and of those with votes.
        d_total_NZ = -share_NZ * d_total_NZ
        d_PZ = share_NZ[data.row_P] * d_PZ
        d_shared_P = d_PZ.sum(1)
        d_k_N = d_total_NZ.sum(1) + self._by_row((d_shared_P * c_P)[:, None])[:, 0]
        d_prior_votes = d_total_NZ.sum() + (d_shared_P * data.prior_K[data.label_P]).sum()
        # A parameter beyond the limits of ``_exp`` changes nothing.
        gradients = [mixture.prior_votes * d_prior_votes * _is_inside(parameters[:1])]
        if data.c_NK is not None:
            is_inside_N = np.abs(data.f_NF @ mixture.answer_weights_F) < LOG_VOTES_LIMIT
            gradients.append((d_k_N * k_N * is_inside_N) @ data.f_NF)
        if self.has_components:
            d_logit_NZ = share_NZ - np.exp(log_w_NZ)
            d_alpha_ZK = d_total_NZ.sum(0)[:, None] + d_PZ.T @ self._label_PK
            d_slope = np.array([(d_logit_NZ * log_c_NZ).sum()])
            d_log_alpha = (d_alpha_ZK * mixture.alpha_ZK).ravel()
            gradients += [
                d_logit_NZ.sum(0),
                d_slope,
                d_log_alpha * _is_inside(parameters[-len(d_log_alpha) :]),
            ]
        votes = data.votes_N.sum()
        deviation = parameters - self._centre
        loss = (-log_N1.sum() + (deviation**2).sum() / 2) / votes
        return float(loss), (deviation - np.concatenate(gradients)) / votes

    def _by_row(self, values_PZ: np.ndarray) -> np.ndarray:
        """Sums over the pairs of every utterance."""
        sum_NZ = np.zeros((len(self.data.votes_N), values_PZ.shape[1]))
        row_R = self.data.row_P[self._first_of_row]
        sum_NZ[row_R] = np.add.reduceat(values_PZ, self._first_of_row, axis=0)
        return sum_NZ


def _exp(log_votes: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(log_votes, *_LIMITS))


def _is_inside(log_votes: np.ndarray) -> np.ndarray:
    """Whether ``_exp`` leaves parameters as they are."""
    return (_LIMITS[0] < log_votes) & (log_votes < _LIMITS[1])
