"""Fitting the pooling model to the votes of the training speakers.

1. Calibration of each ALM by the likelihood of all votes (models/pooling/calibration.py), and a test by
   cross-validation over speakers whether it says anything about the votes at all.
2. kappa. Where raters are many, some of every utterance's votes (as many as the utterances to be pooled have)
   play the known ones, the rest are the target. Where they are few, every vote in turn is left out and
   predicted from the others by likelihood; further votes, drawn from that Dirichlet-multinomial posterior,
   are then the target for the full votes, so that the fit sees as many votes as it will be used with.
3. Response, together with kappa, where the criterion is the Jensen-Shannon divergence to the target votes.

All of it is L-BFGS with analytic gradients on arrays of utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from ambivox.models.errors import UserError
from ambivox.models.pooling.calibration import FLOOR, fit_calibration
from ambivox.models.pooling.loss import START_LOG_KAPPA, Problem
from ambivox.models.pooling.pooled import (
    CRITERIA,
    FEATURES,
    AlmModel,
    Criterion,
    PoolingModel,
    features,
    pool,
)
from ambivox.models.statistics.vote_draws import draw_votes, leave_one_out, predictive_votes

_ROWS = 10_000  # of the fit; more utterances than that are sampled
_DRAWS = 4  # of the votes that play the known ones
_PREDICTED_VOTES = 8
_LEAST_GAIN = 1e-3  # nats per vote, below which an ALM says nothing worth weighing
_ENOUGH_HELD = 3  # held-out votes per utterance from which the divergence to them is a fair target


@dataclass(frozen=True)
class Evidence:
    """What the fit sees of N utterances."""

    n_NK: np.ndarray
    q_NAK: np.ndarray
    label_mass_NA: np.ndarray
    speaker_N: np.ndarray  # a number per speaker

    def rows(self, index: np.ndarray) -> Evidence:
        """The utterances at ``index`` (numbers or a mask)."""
        return Evidence(self.n_NK[index], self.q_NAK[index], self.label_mass_NA[index], self.speaker_N[index])


def fit_pooling(
    labels: Sequence[str],
    alms: Sequence[str],
    evidence: Evidence,
    votes_in_use_N: np.ndarray,
    *,
    criterion: Criterion = "js",
    matrix: bool = True,
    seed: int = 0,
) -> PoolingModel:
    """Fit prior, calibrations, kappas and response.

    Args:
        labels: K names.
        alms: A names, in the order of ``evidence.q_NAK``.
        evidence: the training speakers' utterances.
        votes_in_use_N: how many votes the utterances have that the model will be used on.
        criterion: "js" comes closest to further human votes, "balanced" does so with the mean distribution
            kept at that of the votes, "likelihood" is the plain posterior mean.
        matrix: whether calibrations have a confusion matrix.
        seed: of the drawing of votes.

    Raises:
        UserError: an unknown criterion.
    """
    if criterion not in CRITERIA:
        raise UserError(f"unknown criterion {criterion!r}; known: {', '.join(CRITERIA)}")
    rng = np.random.default_rng(seed)
    count = len(labels)
    voted = evidence.rows(evidence.n_NK.sum(1) > 0)
    prior_K = (voted.n_NK.sum(0) + 0.5) / (voted.n_NK.sum() + 0.5 * count)
    start_F = np.zeros(len(FEATURES))
    start_F[0] = START_LOG_KAPPA
    fitted_alms = []
    for a, alm in enumerate(alms):
        calibration = fit_calibration(voted.n_NK, voted.q_NAK[:, a], matrix=matrix)
        says = informs(voted.n_NK, voted.q_NAK[:, a], voted.speaker_N, matrix=matrix)
        fitted_alms.append(AlmModel(alm, calibration, start_F, says))
    model = PoolingModel(
        tuple(labels),
        prior_K,
        tuple(fitted_alms),
        np.eye(count),
        np.zeros(count),
        criterion,
        {
            "utterances": len(voted.n_NK),
            "votes": float(voted.n_NK.sum()),
            "speakers": len(np.unique(voted.speaker_N)),
            "target": "none",
        },
    )
    answered_N = np.isfinite(voted.q_NAK).all(2)[:, [alm.informs for alm in fitted_alms]].any(1)
    if count == 1 or not answered_N.any():
        return model  # nothing to weigh: the humans alone
    known = voted.rows(answered_N)
    if len(known.n_NK) > _ROWS:
        known = known.rows(np.sort(rng.choice(len(known.n_NK), _ROWS, replace=False)))
    return _fit_weights(model, known, votes_in_use_N, rng)


def informs(
    n_NK: np.ndarray, q_NK: np.ndarray, speaker_N: np.ndarray, *, matrix: bool, folds: int = 5
) -> bool:
    """Whether the calibrated ALM predicts unseen speakers' votes better than the prior of the others' votes.

    Cross-validated by speaker; better means that the mean gain in log-likelihood per speaker is above zero by
    two of its standard errors, and by a thousandth of a nat per vote.
    """
    used_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    n_NK, q_NK, speaker_N = n_NK[used_N], q_NK[used_N], speaker_N[used_N]
    names = np.unique(speaker_N)
    if len(names) < 2 or n_NK.shape[1] == 1:
        return False
    fold_N = np.searchsorted(names, speaker_N) % min(folds, len(names))
    gain_N = np.zeros(len(n_NK))
    for fold in range(min(folds, len(names))):
        inside_N, outside_N = fold_N == fold, fold_N != fold
        # The prior is fitted as the calibration of an ALM that always says the same, with the same ridge.
        same_NK = np.full_like(q_NK, 1 / q_NK.shape[1])
        calibrated_NK, prior_NK = (
            fit_calibration(n_NK[outside_N], said_NK[outside_N], matrix=matrix).apply(said_NK[inside_N])
            for said_NK in (q_NK, same_NK)
        )
        ratio_NK = np.log(np.maximum(calibrated_NK, FLOOR)) - np.log(np.maximum(prior_NK, FLOOR))
        gain_N[inside_N] = (n_NK[inside_N] * ratio_NK).sum(1)
    gain_S = np.bincount(np.searchsorted(names, speaker_N), weights=gain_N)
    enough = gain_S.sum() > _LEAST_GAIN * n_NK.sum()
    return bool(enough and gain_S.mean() > 2 * gain_S.std(ddof=1) / np.sqrt(len(gain_S)))


def _fit_weights(
    model: PoolingModel, known: Evidence, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> PoolingModel:
    """Steps 2 and 3."""
    votes_in_use_N = votes_in_use_N[votes_in_use_N > 0]
    usual = float(np.median(votes_in_use_N)) if len(votes_in_use_N) else 1.0
    spare = float(np.median(known.n_NK.sum(1))) - usual
    if spare >= _ENOUGH_HELD:
        row_M, in_MK, held_MK = _split(known.n_NK, votes_in_use_N, rng)
        model = _described(model, "held-out votes")
        return _optimise(model, known.rows(row_M), in_MK, held_MK, model.criterion, len(known.n_NK))
    row_M, in_MK, held_MK = leave_one_out(known.n_NK)
    several_M = in_MK.sum(1) > 0
    model = _described(
        model, "one vote left out" if several_M.any() else "assumed: no utterance has two votes"
    )
    if several_M.any():
        row_M, in_MK, held_MK = row_M[several_M], in_MK[several_M], held_MK[several_M]
        model = _optimise(model, known.rows(row_M), in_MK, held_MK, "likelihood", len(known.n_NK))
    if model.criterion == "likelihood" or not several_M.any():
        return model  # from single votes nothing can be learned of how sure the posterior is
    mean = pool(model, known.n_NK, known.q_NAK, known.label_mass_NA)
    alpha_NK = mean.posterior_mean_NK * (known.n_NK.sum(1) + mean.kappa_NA.sum(1))[:, None]
    held_NK = predictive_votes(alpha_NK, _PREDICTED_VOTES, rng)
    return _optimise(model, known, known.n_NK, held_NK, model.criterion, len(known.n_NK))


def _split(
    n_NK: np.ndarray, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Votes that play the known ones, and the rest, in several draws: ``(row_M, in_MK, held_MK)``."""
    rows = np.tile(np.arange(len(n_NK)), max(1, min(_DRAWS, _ROWS // max(len(n_NK), 1))))
    keep_M = rng.choice(votes_in_use_N, len(rows)) if len(votes_in_use_N) else np.ones(len(rows))
    keep_M = np.minimum(np.ceil(keep_M), n_NK[rows].sum(1) - 1)
    in_MK = draw_votes(n_NK[rows], keep_M, rng)
    held_MK = np.maximum(n_NK[rows] - in_MK, 0)
    some_M = (keep_M > 0) & (held_MK.sum(1) > 1e-9)
    return rows[some_M], in_MK[some_M], held_MK[some_M]


def _optimise(
    model: PoolingModel,
    known: Evidence,
    in_MK: np.ndarray,
    held_MK: np.ndarray,
    criterion: Criterion,
    utterances: int,
) -> PoolingModel:
    """Minimise the mean loss by the informing ALMs' weights, and by the response unless it is the likelihood."""
    index = [a for a, alm in enumerate(model.alms) if alm.informs]
    calibrated = [model.alms[a].calibration.apply(known.q_NAK[:, a]) for a in index]
    q_MAK = np.stack(calibrated, axis=1)
    masses = [known.label_mass_NA[:, a] for a in index]
    f_MAF = np.stack([features(in_MK, q, mass) for q, mass in zip(calibrated, masses, strict=True)], axis=1)
    held_M = held_MK.sum(1)
    # Every left-out vote counts once; of a split every utterance does, as in the mean that is reported.
    share_M = held_M if criterion == "likelihood" else np.ones(len(held_M))
    problem = Problem(
        in_MK,
        held_MK / held_M[:, None],
        share_M / share_M.sum(),
        np.nan_to_num(q_MAK),
        np.isfinite(q_MAK).all(2).astype(np.float64),
        f_MAF,
        criterion,
        utterances,
    )
    weights_AF = np.stack([model.alms[a].weights_F for a in index])
    start = problem.pack(weights_AF, model.response_KK, model.response_bias_K)
    found = minimize(
        problem.loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxfun": 700}
    )
    weights_AF, response_KK, bias_K = problem.unpack(found.x)
    alms = list(model.alms)
    for i, a in enumerate(index):
        alms[a] = replace(alms[a], weights_F=weights_AF[i])
    return replace(model, alms=tuple(alms), response_KK=response_KK, response_bias_K=bias_K)


def _described(model: PoolingModel, target: str) -> PoolingModel:
    return replace(model, fitted_on=model.fitted_on | {"target": target})
