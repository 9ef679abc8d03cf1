"""Fitting the pooling model to the votes of the training speakers.

1. Without ALMs: one Dirichlet around the corpus prior, and a mixture with a component per label
   (models/pooling/mixture_fit.py), both by the marginal likelihood of all votes.
2. Calibration of each ALM by the likelihood of all votes (models/pooling/calibration.py); by cross-validation over
   speakers, the shrinkage of its confusion matrix and a test whether it is informative at all
   (models/pooling/informative.py).
3. The weights of the informative ALMs in their common answer (models/pooling/stacking.py), then the mixture beside it.
   Both use distributions calibrated on other speakers, so that the calibration has not seen the votes.
4. The response (models/pooling/response.py), where the criterion is a divergence. Where utterances have many votes, a random
   part of them (as many as the utterances to be pooled have) are the known votes and the rest is the target. Where they
   have few, the target is further votes, drawn from the posterior for all observed votes.

The default criterion is the likelihood, which is proper: its best answer is the true distribution. The divergence
to few votes is lowest at a sharper answer than the truth, so "js" over-sharpens: a lower JS to few further votes,
at a worse likelihood and a larger squared error to the true distribution.

How sure votes and answers make the posterior can be learned only where an utterance has two votes. Where none has, there
are no components, and what the prior and the answer count for is assumed (models/pooling/assumed_votes.py).

All optimisation is L-BFGS with analytic gradients on arrays of utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ambivox.models.errors import unknown
from ambivox.models.parallel import one_blas_thread
from ambivox.models.pooling.assumed_votes import START_VOTES, assumed_mixture
from ambivox.models.pooling.calibration import identity
from ambivox.models.pooling.informative import cross_fit
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.mixture import DirichletMixture
from ambivox.models.pooling.mixture_fit import Votes, fit_mixture, most_rows, peaked_mixture
from ambivox.models.pooling.pooled import AlmModel, PoolingModel, common_label_mass, pool
from ambivox.models.pooling.response import CRITERIA, Criterion, fit_response
from ambivox.models.pooling.stacking import fit_stack, stack
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.vote_counts import TOLERANCE
from ambivox.models.statistics.vote_draws import draw_votes, predictive_votes

_MOST_ROWS = 10_000  # of known and held-out votes in the fit of the response
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
    """Fit prior, calibrations, mixtures and response.

    Args:
        labels: K names.
        alms: A names, in the order of ``inputs.q_NAK``; without ALMs the model is human votes and mixture.
        inputs: the training speakers' utterances.
        votes_in_use_N: numbers of votes of the utterances that the model will be used on; only the response depends on
            them.
        criterion: "likelihood" gives the plain posterior mean; "js" minimises the divergence to further human
            votes, which over-sharpens; "balanced" the sum of both.
        matrix: whether calibrations may have a confusion matrix.
        seed: of the drawing of votes.

    Raises:
        UserError: an unknown criterion.
    """
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    rng = np.random.default_rng(seed)
    voted = inputs.rows(inputs.n_NK.sum(1) > 0)
    single = DirichletMixture.single(len(labels), START_VOTES)
    is_fitted = len(labels) > 1 and bool((voted.slots_NK.sum(1) > 1).any())
    reason = "no utterance has two votes" if len(labels) > 1 else "there is one label"
    model = PoolingModel(
        tuple(labels),
        corpus_prior(voted.n_NK),
        single,
        single,
        single,
        (),
        np.eye(len(labels)),
        np.zeros(len(labels)),
        criterion,
        {
            "utterances": len(voted.n_NK),
            "votes": float(voted.n_NK.sum()),
            "speakers": len(np.unique(voted.speaker_N)),
            "target": "all votes" if is_fitted else f"assumed: {reason}",
        },
    )
    if is_fitted:
        votes = Votes.of(voted.sample(most_rows(len(labels)), seed).n_NK, model.prior_K, None)
        prior, alone = (fit_mixture(votes, start) for start in (single, peaked_mixture(model.prior_K)))
        model = replace(model, prior=prior, alone=alone)
    fits = [
        cross_fit(voted.n_NK, q_NK, voted.speaker_N, matrix=matrix) for q_NK in voted.q_NAK.swapaxes(0, 1)
    ]
    calibrated_NAK = np.full(voted.q_NAK.shape, np.nan)
    for a, fitted in enumerate(fits):
        calibrated_NAK[:, a] = fitted.calibrated_NK
    is_used_A = np.array([fitted.is_informative for fitted in fits], dtype=bool)
    weights_A = fit_stack(voted.n_NK, calibrated_NAK, is_used_A)
    model = replace(
        model,
        alms=tuple(
            AlmModel(alm, fitted.calibration, float(weight), fitted.is_informative)
            for alm, fitted, weight in zip(alms, fits, weights_A, strict=True)
        ),
    )
    calibrated = replace(voted, q_NAK=calibrated_NAK)
    calibrated = calibrated.rows(np.isfinite(calibrated_NAK[:, is_used_A]).all(2).any(1))
    if not len(calibrated.n_NK):  # pooled is human votes and mixture
        return _without_response(model, "no ALM contributes")
    if not is_fitted:
        assumed = assumed_mixture(model.prior_K, stack(calibrated.q_NAK, weights_A))
        return _without_response(replace(model, beside_alms=assumed), reason)
    model = replace(model, beside_alms=_beside_alms(model, calibrated, weights_A, seed))
    return model if criterion == "likelihood" else _with_response(model, calibrated, votes_in_use_N, rng)


def _without_response(model: PoolingModel, reason: str) -> PoolingModel:
    """The model, which says why it has no response where its criterion would have one."""
    if model.criterion == "likelihood":
        return model
    return replace(model, fitted_on=model.fitted_on | {"no_response": reason})


def _beside_alms(
    model: PoolingModel, calibrated: PoolingInputs, weights_A: np.ndarray, seed: int
) -> DirichletMixture:
    """The mixture beside the ALMs' common answer."""
    part = calibrated.sample(most_rows(len(model.labels)), seed)
    share_NA = weights_A * np.isfinite(part.q_NAK).all(2)
    mass_N = common_label_mass(part.label_mass_NA, share_NA / share_NA.sum(1, keepdims=True))
    c_NK = stack(part.q_NAK, weights_A)
    assumed = assumed_mixture(model.prior_K, c_NK)
    start = replace(model.alone, slope=1.0, answer_weights_F=assumed.answer_weights_F)
    return fit_mixture(Votes.of(part.n_NK, model.prior_K, c_NK, mass_N), start)


def _with_response(
    model: PoolingModel, calibrated: PoolingInputs, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> PoolingModel:
    """The model with a response fitted to the votes of utterances whose answers are calibrated already."""
    unchanged = identity(len(model.labels))
    inner = replace(model, alms=tuple(replace(alm, calibration=unchanged) for alm in model.alms))
    votes_in_use_N = votes_in_use_N[votes_in_use_N > 0]
    median_in_use = float(np.median(votes_in_use_N)) if len(votes_in_use_N) else 1.0
    utterances = len(calibrated.n_NK)
    calibrated = calibrated.sample(_MOST_ROWS, int(rng.integers(2**31)))
    if float(np.median(calibrated.slots_NK.sum(1))) - median_in_use >= _ENOUGH_HELD_OUT - TOLERANCE:
        row_M, known_MK, target_MK = _split(calibrated, votes_in_use_N, rng)
        calibrated = calibrated.rows(row_M)
        pooled = pool(inner, known_MK, calibrated.q_NAK, calibrated.label_mass_NA)
    else:  # too few votes to hold any out
        pooled = pool(inner, calibrated.n_NK, calibrated.q_NAK, calibrated.label_mass_NA)
        alpha_NK = pooled.posterior_mean_NK * pooled.weight_N[:, None]
        target_MK = predictive_votes(alpha_NK, _PREDICTED_VOTES, rng)
    shares_MK = target_MK / target_MK.sum(1, keepdims=True)
    response_KK, bias_K = fit_response(pooled.posterior_mean_NK, shares_MK, model.criterion, utterances)
    return replace(model, response_KK=response_KK, response_bias_K=bias_K)


def _split(
    inputs: PoolingInputs, votes_in_use_N: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random splits of every utterance's votes: ``(row_M, known_MK, held_out_MK)``."""
    count = len(inputs.n_NK)
    row_M = np.tile(np.arange(count), max(1, min(_DRAWS, _MOST_ROWS // max(count, 1))))
    drawn = inputs.rows(row_M)
    keep_M = rng.choice(votes_in_use_N, len(row_M)) if len(votes_in_use_N) else np.ones(len(row_M))
    keep_M = np.minimum(np.ceil(keep_M - TOLERANCE), drawn.slots_NK.sum(1) - 1)
    known_MK = draw_votes(drawn.n_NK, keep_M, rng, drawn.slots_NK)
    held_out_MK = drawn.unknown_votes(known_MK)
    usable_M = (keep_M > 0) & (held_out_MK.sum(1) > TOLERANCE)
    return row_M[usable_M], known_MK[usable_M], held_out_MK[usable_M]
