"""Fitting the pooling model to the votes of the training speakers.

1. Calibration of each ALM by the likelihood of all votes (models/calibration.py), and a test by
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

from models.calibration import FLOOR, fit_calibration
from models.errors import UserError
from models.pooling import (
    CRITERIA,
    FEATURES,
    RESPONSE_FLOOR,
    AlmModel,
    Criterion,
    PoolingModel,
    features,
    kappa,
    pool,
    posterior_mean,
    respond,
)
from models.vote_draws import draw_votes, leave_one_out, predictive_votes

_ROWS = 40_000  # of the fit; more utterances than that are sampled
_DRAWS = 4  # of the votes that play the known ones
_PREDICTED_VOTES = 8
_ENOUGH_HELD = 3  # held-out votes per utterance from which the divergence to them is a fair target
_START_LOG_KAPPA = np.log(2.0)
# Penalties on the mean loss: features of kappa, its constant, the response's matrix and its bias.
_RIDGE_FEATURE, _RIDGE_CONSTANT, _RIDGE_MATRIX, _RIDGE_BIAS = 1e-4, 1e-6, 1e-3, 1e-3

# "balanced": penalty on the squared distance of the mean distribution from the mean of the votes.
_MARGINAL: dict[Criterion, float] = {"js": 0.0, "balanced": 10.0, "likelihood": 0.0}


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
    start_F[0] = _START_LOG_KAPPA
    fitted_alms = []
    for a, alm in enumerate(alms):
        calibration = fit_calibration(voted.n_NK, voted.q_NAK[:, a], matrix=matrix)
        says = informs(voted.n_NK, voted.q_NAK[:, a], voted.speaker_N, matrix=matrix)
        fitted_alms.append(AlmModel(alm, calibration, start_F, says))
    model = PoolingModel(
        tuple(labels), prior_K, tuple(fitted_alms), np.eye(count), np.zeros(count), criterion,
        {"utterances": len(voted.n_NK), "votes": float(voted.n_NK.sum()),
         "speakers": len(np.unique(voted.speaker_N)), "target": "none"},
    )  # fmt: skip
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
    two of its standard errors.
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
        prior_K = n_NK[outside_N].sum(0) + 0.5
        calibrated_NK = fit_calibration(n_NK[outside_N], q_NK[outside_N], matrix=matrix).apply(q_NK[inside_N])
        ratio_NK = np.log(np.maximum(calibrated_NK, FLOOR)) - np.log(prior_K / prior_K.sum())
        gain_N[inside_N] = (n_NK[inside_N] * ratio_NK).sum(1)
    gain_S = np.bincount(np.searchsorted(names, speaker_N), weights=gain_N)
    return bool(gain_S.mean() > 2 * gain_S.std(ddof=1) / np.sqrt(len(gain_S)))


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
        return _optimise(model, known.rows(row_M), in_MK, held_MK, model.criterion)
    row_M, in_MK, held_MK = leave_one_out(known.n_NK)
    several_M = in_MK.sum(1) > 0
    model = _described(
        model, "one vote left out" if several_M.any() else "assumed: no utterance has two votes"
    )
    if several_M.any():
        row_M, in_MK, held_MK = row_M[several_M], in_MK[several_M], held_MK[several_M]
        model = _optimise(model, known.rows(row_M), in_MK, held_MK, "likelihood")
    if model.criterion == "likelihood" or not several_M.any():
        return model  # from single votes nothing can be learned of how sure the posterior is
    mean = pool(model, known.n_NK, known.q_NAK, known.label_mass_NA)
    alpha_NK = mean.posterior_mean_NK * (known.n_NK.sum(1) + mean.kappa_NA.sum(1))[:, None]
    held_NK = predictive_votes(alpha_NK, _PREDICTED_VOTES, rng)
    return _optimise(model, known, known.n_NK, held_NK, model.criterion)


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
    model: PoolingModel, known: Evidence, in_MK: np.ndarray, held_MK: np.ndarray, criterion: Criterion
) -> PoolingModel:
    """Minimise the mean loss of the informing ALMs' weights, and of the response if the criterion is js."""
    index = [a for a, alm in enumerate(model.alms) if alm.informs]
    rows, labels, width = len(in_MK), len(model.labels), len(FEATURES)
    q_MAK = np.stack([model.alms[a].calibration.apply(known.q_NAK[:, a]) for a in index], axis=1)
    there_MA = np.isfinite(q_MAK).all(2).astype(np.float64)
    f_MAF = np.stack(
        [features(in_MK, q_MAK[:, i], known.label_mass_NA[:, a]) for i, a in enumerate(index)], axis=1
    )
    q_MAK = np.nan_to_num(q_MAK)
    held_M = held_MK.sum(1)
    h_MK = held_MK / held_M[:, None]
    # Every left-out vote counts once; of a split every utterance does, as in the mean that is reported.
    share_M = held_M / held_M.sum() if criterion == "likelihood" else np.full(rows, 1 / rows)
    responding = criterion != "likelihood"

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        w_AF, g_KK, c_K = _unpack(parameters, len(index), width, labels)
        kappa_MA = np.stack([kappa(w_F, f_MAF[:, i]) for i, w_F in enumerate(w_AF)], axis=1) * there_MA
        weight_M = in_MK.sum(1) + kappa_MA.sum(1)
        p_MK = posterior_mean(in_MK, q_MAK, kappa_MA)
        answer_MK = respond(p_MK, g_KK, c_K) if responding else p_MK
        loss_M, by_answer_MK = _loss(h_MK, answer_MK, criterion)
        # The response sharpens, which feeds the commonest label; "balanced" keeps the mean distribution.
        shift_K = share_M @ (answer_MK - h_MK)
        by_answer_MK = (by_answer_MK + 2 * _MARGINAL[criterion] * shift_K) * share_M[:, None]
        by_g_KK, by_c_K, by_p_MK = np.zeros_like(g_KK), np.zeros_like(c_K), by_answer_MK
        if responding:
            by_logit_MK = answer_MK * (by_answer_MK - (by_answer_MK * answer_MK).sum(1, keepdims=True))
            by_g_KK = by_logit_MK.T @ np.log(p_MK + RESPONSE_FLOOR)
            by_c_K = by_logit_MK.sum(0)
            by_p_MK = (by_logit_MK @ g_KK) / (p_MK + RESPONSE_FLOOR)
        by_kappa_MA = (by_p_MK[:, None] * (q_MAK - p_MK[:, None])).sum(2) / weight_M[:, None]
        by_w_AF = np.einsum("ma,maf->af", by_kappa_MA * kappa_MA, f_MAF)
        # Ridge: towards features that do not matter, and a response that changes nothing but the sharpness.
        off_KK = g_KK - np.diag(np.diag(g_KK)) + np.diag(np.diag(g_KK) - np.diag(g_KK).mean())
        start_A = w_AF[:, 0] - _START_LOG_KAPPA
        loss = (share_M * loss_M).sum() + _RIDGE_FEATURE * (w_AF[:, 1:] ** 2).sum()
        loss += _RIDGE_CONSTANT * (start_A**2).sum() + _MARGINAL[criterion] * (shift_K**2).sum()
        by_w_AF[:, 1:] += 2 * _RIDGE_FEATURE * w_AF[:, 1:]
        by_w_AF[:, 0] += 2 * _RIDGE_CONSTANT * start_A
        if responding:
            loss += _RIDGE_MATRIX * (off_KK**2).sum() + _RIDGE_BIAS * (c_K**2).sum()
            by_g_KK = by_g_KK + 2 * _RIDGE_MATRIX * off_KK
            by_c_K = by_c_K + 2 * _RIDGE_BIAS * c_K
        return float(loss), np.concatenate([by_w_AF.ravel(), by_g_KK.ravel(), by_c_K])

    weights = np.stack([model.alms[a].weights_F for a in index])
    start = np.concatenate([weights.ravel(), model.response_KK.ravel(), model.response_bias_K])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxfun": 700})
    w_AF, g_KK, c_K = _unpack(found.x, len(index), width, labels)
    alms = list(model.alms)
    for i, a in enumerate(index):
        alms[a] = replace(alms[a], weights_F=w_AF[i])
    return replace(model, alms=tuple(alms), response_KK=g_KK, response_bias_K=c_K)


def _loss(h_MK: np.ndarray, p_MK: np.ndarray, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
    """The loss of every row and its derivative by p: Jensen-Shannon (base 2), or minus log-likelihood (nats)."""
    p_MK = np.maximum(p_MK, 1e-12)
    if criterion == "likelihood":
        return -(h_MK * np.log(p_MK)).sum(1), -h_MK / p_MK
    m_MK = (p_MK + h_MK) / 2
    ratio_MK = np.log2(p_MK / m_MK)
    ratio_h_MK = np.log2(np.where(h_MK > 0, h_MK / m_MK, 1.0))
    return 0.5 * (p_MK * ratio_MK + h_MK * ratio_h_MK).sum(1), 0.5 * ratio_MK


def _unpack(
    parameters: np.ndarray, alms: int, width: int, labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = alms * width, alms * width + labels**2
    return (
        parameters[:first].reshape(alms, width),
        parameters[first:second].reshape(labels, labels),
        parameters[second:],
    )


def _described(model: PoolingModel, target: str) -> PoolingModel:
    return replace(model, fitted_on=model.fitted_on | {"target": target})
