"""The content of pooling.json: the fitted model, what each ALM contributes, and the result as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ambivox.models.pooling.mixture import FEATURES, DirichletMixture
from ambivox.models.pooling.sources import Sources
from ambivox.models.pooling.worth import Worth
from ambivox.models.statistics.exchange_rate import ExchangeRate

_SCORE_NAMES = {"nll": "nll", "squared_error": "squared error"}


def summary(sources: Sources, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The model and what its ALMs are worth, as JSON values.

    Args:
        sources: the result of pooling.
        left_out: a sentence about each ALM that was not pooled.

    Returns:
        ``labels``, ``criterion``, ``fitted_on``, ``prior``, ``prior_votes`` (their mean), the parameters of the mixtures
        in ``mixture_alone`` and ``mixture_beside_alms``, ``response``, counts of utterances and fallbacks,
        ``statements``, ``left_out``, and per ALM in ``alms``: ``is_informative``, ``worth`` (see
        ``worth_values``; null where it cannot be measured), ``adds_nll`` (to the other ALMs; null where there are none),
        ``equivalent_votes`` (how much more certain its answers make a posterior, in votes, on average), its weight in the
        ALMs' common answer, the calibration, the deciles of the equivalent votes, and counts of answers and refusals.
    """
    model, labels = sources.model, sources.model.labels

    def by_label(values: np.ndarray) -> dict[str, float]:
        return dict(zip(labels, values.tolist(), strict=True))

    alms = {}
    for a, (alm, worth, synthetic) in enumerate(
        zip(model.alms, sources.worth, sources.synthetic, strict=True)
    ):
        temperature = alm.calibration.temperature
        deciles = np.quantile(sources.pooled.kappa_NA[:, a], np.linspace(0, 1, 11))
        alms[alm.alm] = {
            "is_informative": alm.is_informative,
            "worth": None if worth is None else worth_values(worth),
            "adds_nll": None if sources.added[a] is None else vars(sources.added[a]),
            "equivalent_votes": _mean_kappa(sources, a),
            "stack_weight": alm.stack_weight,
            "temperature": temperature if np.isfinite(temperature) else None,
            "bias": by_label(alm.calibration.bias_K),
            "matrix": alm.calibration.matrix_KK.tolist(),
            "equivalent_votes_deciles": deciles.tolist(),
            "utterances_answered": int(synthetic.answered_N.sum()),
            "answers": int(synthetic.answers_N.sum()),
            "refusals": int(synthetic.refusals_N.sum()),
        }
    return {
        "labels": list(labels),
        "criterion": model.criterion,
        "fitted_on": model.fitted_on,
        "prior": by_label(model.prior_K),
        "prior_votes": float(sources.pooled.prior_votes_N.mean()),
        "mixture_alone": _mixture(model.alone),
        "mixture_beside_alms": _mixture(model.beside_alms),
        "alms": alms,
        "response": {"matrix": model.response_KK.tolist(), "bias": by_label(model.response_bias_K)},
        "utterances": len(sources.pooled.p_NK),
        "without_human_votes": int((sources.inputs.n_NK.sum(1) <= 0).sum()),
        "from_alm_alone": int(sources.pooled.from_alm_N.sum()),
        "from_prior_alone": int(sources.pooled.from_prior_N.sum()),
        "statements": statements(sources),
        "left_out": list(left_out),
    }


def _mixture(mixture: DirichletMixture) -> dict[str, Any]:
    """The parameters of a mixture; see DirichletMixture."""
    return {
        "log_weights": mixture.log_weights_Z.tolist(),
        "slope": mixture.slope,
        "components": mixture.alpha_ZK.tolist(),
        "prior_votes": mixture.prior_votes,
        "answer_weights": dict(zip(FEATURES, mixture.answer_weights_F.tolist(), strict=True)),
    }


def statements(sources: Sources) -> list[str]:
    """One sentence per ALM, or about its absence: how many human votes its answer is worth.

    A criterion that had no effect has a sentence before them.

    Args:
        sources: the result of pooling.
    """
    fitted_on, criterion = sources.model.fitted_on, sources.model.criterion
    sentences = []
    if "no_response" in fitted_on:
        sentences.append(f"pooled is as by the likelihood, not by {criterion}: {fitted_on['no_response']}")
    if not sources.model.alms:
        return [*sentences, "no ALM is pooled: pooled is human votes and mixture"]
    assumed = str(fitted_on.get("target", "")).startswith("assumed")
    for a, (alm, worth) in enumerate(zip(sources.model.alms, sources.worth, strict=True)):
        if not alm.is_informative:
            sentences.append(
                f"{alm.alm} is worth 0 human votes: it does not predict unseen speakers' votes, so pooled is "
                "human votes and mixture"
            )
        elif worth is None:
            kappa = _mean_kappa(sources, a)
            votes = "no vote" if kappa is None else f"{kappa:.1f} votes"
            how = ", which is assumed" if assumed else ""
            sentences.append(
                f"what {alm.alm} is worth cannot be measured, as that takes two speakers and utterances with two votes; "
                f"it counts for {votes}{how}"
            )
        else:
            sentences.append(worth_sentence(worth))
    return sentences + [
        f"{alm.alm} adds {added.value:.3f} [{added.low:.3f}, {added.high:.3f}] nats per vote to the other ALMs"
        for alm, added in zip(sources.model.alms, sources.added, strict=True)
        if added is not None
    ]


def worth_sentence(worth: Worth) -> str:
    """What an ALM is worth, in one sentence without a full stop.

    Args:
        worth: of the ALM.
    """
    by_score = " and ".join(
        f"{rate} by {_SCORE_NAMES[score]}{' (extrapolated)' if rate.is_extrapolated else ''}"
        for score, rate in worth.overall.items()
    )
    by_ambiguity = ", ".join(
        f"{rate.value_text} {tertile}" for tertile, rate in worth.by_ambiguity["nll"].items()
    )
    return f"{worth.alm} is worth {by_score} further human votes, beside {worth.votes} (nll by ambiguity: {by_ambiguity})"


def worth_values(worth: Worth) -> dict[str, Any]:
    """A worth as JSON values.

    Args:
        worth: of the ALM.

    Returns:
        ``votes`` (the human votes beside it), ``utterances``, ``speakers``, and per score the rates ``overall`` and by
        tertile: ``value``, ``low``, ``high`` (null where undefined, or more than the ``limit``), ``limit``,
        ``is_extrapolated`` and ``text``.
    """
    return {
        "votes": worth.votes,
        "utterances": worth.utterances,
        "speakers": worth.speakers,
        **{
            score: {"overall": _rate(worth.overall[score])}
            | {tertile: _rate(rate) for tertile, rate in worth.by_ambiguity[score].items()}
            for score in worth.overall
        },
    }


def _rate(rate: ExchangeRate) -> dict[str, Any]:
    values = {"value": rate.value, "low": rate.low, "high": rate.high}
    finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return finite | {"limit": rate.limit, "is_extrapolated": rate.is_extrapolated, "text": str(rate)}


def _mean_kappa(sources: Sources, a: int) -> float | None:
    """Mean kappa of an ALM over the utterances that it answered; None where it answered none."""
    answered_N = np.isfinite(sources.inputs.q_NAK[:, a]).all(1)
    return float(sources.pooled.kappa_NA[answered_N, a].mean()) if answered_N.any() else None
