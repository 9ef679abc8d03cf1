"""Fitting the pooling model to the votes of the training speakers.

1. Prior votes without ALMs: how many votes the corpus prior counts for where no ALM contributes.
2. Calibration of each ALM by the likelihood of all votes (models/pooling/calibration.py); by cross-validation over
   speakers, the shrinkage of its confusion matrix and a test whether it is informative at all
   (models/pooling/informative.py).
3. Equivalent votes of the informative ALMs, jointly with the prior votes beside them. Where utterances have many
   votes, a random part of them (as many as the utterances to be pooled have) are the known votes and the rest is
   the target. Where they have few, every vote in turn is left out and predicted from the others by likelihood.
   Step 1 uses the same votes. Step 3 uses distributions calibrated on other speakers, so that the calibration has not
   seen the target.
4. Response, jointly with the equivalent votes, where the criterion is a divergence. Where utterances have few
   votes, the target is then further votes, drawn from the Dirichlet-multinomial posterior for all observed votes,
   so that the fit sees as many votes as it will be used with.

The default criterion is the likelihood, which is proper: its best answer is the true distribution. The divergence
to few votes is lowest at a sharper answer than the truth, so "js" over-sharpens: a lower JS to few further votes,
at a worse likelihood and a larger squared error to the true distribution.

All optimisation is L-BFGS with analytic gradients on arrays of utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ambivox.models.errors import unknown
from ambivox.models.parallel import one_blas_thread
from ambivox.models.pooling.calibration import Calibration, identity
from ambivox.models.pooling.informative import cross_fit
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.loss import START_VOTES, PoolingLoss
from ambivox.models.pooling.pooled import (
    CRITERIA,
    AlmModel,
    Criterion,
    PoolingModel,
    PriorWeights,
    features,
    pool,
)
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.vote_draws import draw_votes, leave_one_out, predictive_votes

_MOST_ROWS = 10_000  # of the fit; larger sets of utterances are sampled
_DRAWS = 4  # of the known votes
_PREDICTED_VOTES = 8
_ENOUGH_HELD_OUT = 3  # held-out votes per utterance from which they are a fair target for the divergence


@one_blas_thread()
def fit_pooling(
    labels: Sequence[str],
    alms: Sequence[str],
    inputs: PoolingInputs,
    votes_in_use_N: np.ndarray,
    *,
    criterion: Criterion = "likelihood",
    matrix: bool = True,
    seed: int = 0,
) -> PoolingModel:
    """Fit prior, prior votes, calibrations, equivalent votes and response.

    Args:
        labels: K names.
        alms: A names, in the order of ``inputs.q_NAK``; without ALMs the model is humans + prior.
        inputs: the training speakers' utterances.
        votes_in_use_N: numbers of votes of the utterances that the model will be used on.
        criterion: "likelihood" gives the plain posterior mean; "js" minimises the divergence to further human
            votes, which over-sharpens; "balanced" does so while the mean distribution stays that of the votes.
        matrix: whether calibrations may have a confusion matrix.
        seed: of the drawing of votes.

    Raises:
        UserError: an unknown criterion.
    """
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    rng = np.random.default_rng(seed)
    voted = inputs.rows(inputs.n_NK.sum(1) > 0)
    prior_weights = PriorWeights.constant(START_VOTES)
    alm_models, calibrations = [], []
    calibrated_NAK = np.full(voted.q_NAK.shape, np.nan)
    for a, alm in enumerate(alms):
        fitted = cross_fit(voted.n_NK, voted.q_NAK[:, a], voted.speaker_N, matrix=matrix)
        calibrations.append(fitted.calibration)
        calibrated_NAK[:, a] = fitted.calibrated_NK
        alm_models.append(AlmModel(alm, identity(len(labels)), prior_weights.beside_F, fitted.is_informative))
    # The weights are fitted to distributions that were calibrated on other speakers, without further calibration.
    calibrated = replace(voted, q_NAK=calibrated_NAK)
    model = PoolingModel(
        tuple(labels),
        corpus_prior(voted.n_NK),
        prior_weights,
        tuple(alm_models),
        np.eye(len(labels)),
        np.zeros(len(labels)),
        criterion,
        {
            "utterances": len(voted.n_NK),
            "votes": float(voted.n_NK.sum()),
            "speakers": len(np.unique(voted.speaker_N)),
            "target": "none",
        },
    )
    if len(labels) == 1:
        return _calibrating(model, calibrations)
    without_alms = _fit_votes(model.without_alms(), _at_most(voted, rng), votes_in_use_N, rng)
    alone_F = without_alms.prior_weights.alone_F
    model = replace(
        model,
        prior_weights=replace(model.prior_weights, alone_F=alone_F),
        fitted_on=without_alms.fitted_on,
    )
    answered_N = np.isfinite(voted.q_NAK).all(2)[:, [alm.is_informative for alm in alm_models]].any(1)
    if answered_N.any():  # otherwise pooled is humans + prior
        model = _fit_votes(model, _at_most(calibrated.rows(answered_N), rng), votes_in_use_N, rng)
    return _calibrating(model, calibrations)


def _calibrating(model: PoolingModel, calibrations: Sequence[Calibration]) -> PoolingModel:
    """The model with the ALMs' calibrations, which were the identity during the fit."""
    alms = zip(model.alms, calibrations, strict=True)
    return replace(model, alms=tuple(replace(alm, calibration=fitted) for alm, fitted in alms))


def _at_most(inputs: PoolingInputs, rng: np.random.Generator) -> PoolingInputs:
    rows = len(inputs.n_NK)
    return inputs if rows <= _MOST_ROWS else inputs.rows(np.sort(rng.choice(rows, _MOST_ROWS, replace=False)))


def _fit_votes(
    model: PoolingModel, inputs: PoolingInputs, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> PoolingModel:
    """Steps 3 and 4, or step 1 where the model has no ALMs."""
    criterion = model.criterion if model.alms else "likelihood"
    votes_in_use_N = votes_in_use_N[votes_in_use_N > 0]
    median_in_use = float(np.median(votes_in_use_N)) if len(votes_in_use_N) else 1.0
    spare = float(np.median(inputs.slots_NK.sum(1))) - median_in_use if len(inputs.n_NK) else 0.0
    if spare >= _ENOUGH_HELD_OUT:
        row_M, known_MK, held_out_MK = _split(inputs, votes_in_use_N, rng)
        model = _with_target(model, "held-out votes")
        return _optimise(model, inputs.rows(row_M), known_MK, held_out_MK, criterion, len(inputs.n_NK))
    row_M, known_MK, held_out_MK = leave_one_out(inputs.n_NK, inputs.slots_NK)
    has_others_M = known_MK.sum(1) > 0
    model = _with_target(
        model, "one vote left out" if has_others_M.any() else "assumed: no utterance has two votes"
    )
    if has_others_M.any():
        row_M, known_MK, held_out_MK = row_M[has_others_M], known_MK[has_others_M], held_out_MK[has_others_M]
        model = _optimise(model, inputs.rows(row_M), known_MK, held_out_MK, "likelihood", len(inputs.n_NK))
    if criterion == "likelihood" or not has_others_M.any():
        return model  # single votes do not determine the uncertainty of the posterior
    pooled = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
    alpha_NK = pooled.posterior_mean_NK * pooled.weight_N[:, None]
    predicted_NK = predictive_votes(alpha_NK, _PREDICTED_VOTES, rng)
    return _optimise(model, inputs, inputs.n_NK, predicted_NK, criterion, len(inputs.n_NK))


def _split(
    inputs: PoolingInputs, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random splits of every utterance's votes: ``(row_M, known_MK, held_out_MK)``."""
    n_NK, slots_NK = inputs.n_NK, inputs.slots_NK
    rows = np.tile(np.arange(len(n_NK)), max(1, min(_DRAWS, _MOST_ROWS // max(len(n_NK), 1))))
    keep_M = rng.choice(votes_in_use_N, len(rows)) if len(votes_in_use_N) else np.ones(len(rows))
    keep_M = np.minimum(np.ceil(keep_M), slots_NK[rows].sum(1) - 1)
    known_MK = draw_votes(n_NK[rows], keep_M, rng, slots_NK[rows])
    held_out_MK = np.maximum(n_NK[rows] - known_MK, 0)
    usable_M = (keep_M > 0) & (held_out_MK.sum(1) > 1e-9)
    return rows[usable_M], known_MK[usable_M], held_out_MK[usable_M]


def _optimise(
    model: PoolingModel,
    inputs: PoolingInputs,
    known_MK: np.ndarray,
    held_out_MK: np.ndarray,
    criterion: Criterion,
    utterances: int,
) -> PoolingModel:
    """Fit the weights of the prior and of the informative ALMs, and the response unless the criterion is likelihood."""
    informative = [a for a, alm in enumerate(model.alms) if alm.is_informative]
    rows = len(known_MK)
    prior_MK = np.tile(model.prior_K, (rows, 1))
    components = [prior_MK, *(model.alms[a].calibration.apply(inputs.q_NAK[:, a]) for a in informative)]
    masses = [np.ones(rows), *(inputs.label_mass_NA[:, a] for a in informative)]
    q_MCK = np.stack(components, axis=1)
    f_MCF = np.stack(
        [features(known_MK, q_MK, mass_M) for q_MK, mass_M in zip(components, masses, strict=True)], axis=1
    )
    held_out_M = held_out_MK.sum(1)
    # The likelihood weights votes alike; the divergence weights utterances alike, as the reported mean does.
    weight_M = held_out_M if criterion == "likelihood" else np.ones(rows)
    loss = PoolingLoss(
        known_MK,
        held_out_MK / held_out_M[:, None],
        weight_M / weight_M.sum(),
        np.nan_to_num(q_MCK),
        np.isfinite(q_MCK).all(2).astype(np.float64),
        f_MCF,
        criterion,
        utterances,
    )
    prior_F = model.prior_weights.beside_F if informative else model.prior_weights.alone_F
    weights_CF = np.stack([prior_F, *(model.alms[a].weights_F for a in informative)])
    start = loss.pack(weights_CF, model.response_KK, model.response_bias_K)
    result = minimize(
        loss.loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxfun": 700}
    )
    weights_CF, response_KK, bias_K = loss.unpack(result.x)
    if not informative:
        return replace(model, prior_weights=replace(model.prior_weights, alone_F=weights_CF[0]))
    alms = list(model.alms)
    for a, weights_F in zip(informative, weights_CF[1:], strict=True):
        alms[a] = replace(alms[a], weights_F=weights_F)
    return replace(
        model,
        alms=tuple(alms),
        prior_weights=replace(model.prior_weights, beside_F=weights_CF[0]),
        response_KK=response_KK,
        response_bias_K=bias_K,
    )


def _with_target(model: PoolingModel, target: str) -> PoolingModel:
    return replace(model, fitted_on=model.fitted_on | {"target": target})
