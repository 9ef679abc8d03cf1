"""The content of pooling.json: the fitted model, what each ALM contributes, and the result as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ambivox.models.pooling.pooled import FEATURES
from ambivox.models.pooling.sources import Sources
from ambivox.models.statistics.intervals import Interval


def summary(sources: Sources, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The model and its equivalent votes as JSON values.

    Args:
        sources: the result of pooling.
        left_out: a sentence about each ALM that was not pooled.

    Returns:
        ``labels``, ``criterion``, ``fitted_on``, ``prior``, ``prior_votes``, ``response``, counts of utterances and fallbacks,
        ``statements``, ``left_out``, and per ALM in ``alms``: ``is_informative``, ``equivalent_votes`` and
        ``equivalent_votes_by_ambiguity`` (value, low, high; null where undefined), the calibration, the weights
        and deciles of the equivalent votes, and counts of answers and refusals.
    """
    model, labels = sources.model, sources.model.labels

    def by_label(values: np.ndarray) -> dict[str, float]:
        return dict(zip(labels, values.tolist(), strict=True))

    alms = {}
    for a, (alm, votes, synthetic) in enumerate(
        zip(model.alms, sources.equivalent_votes, sources.synthetic, strict=True)
    ):
        temperature = alm.calibration.temperature
        deciles = np.quantile(sources.pooled.kappa_NA[:, a], np.linspace(0, 1, 11))
        alms[alm.alm] = {
            "is_informative": alm.is_informative,
            "equivalent_votes": _interval(votes.overall),
            "equivalent_votes_by_ambiguity": {
                tertile: _interval(interval) for tertile, interval in votes.by_ambiguity.items()
            },
            "temperature": temperature if np.isfinite(temperature) else None,
            "bias": by_label(alm.calibration.bias_K),
            "matrix": alm.calibration.matrix_KK.tolist(),
            "equivalent_votes_weights": dict(zip(FEATURES, alm.weights_F.tolist(), strict=True)),
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
        "prior_votes": {
            "mean": float(sources.pooled.prior_votes_N.mean()),
            "weights_alone": dict(zip(FEATURES, model.prior_weights.alone_F.tolist(), strict=True)),
            "weights_beside_alms": dict(zip(FEATURES, model.prior_weights.beside_F.tolist(), strict=True)),
        },
        "alms": alms,
        "response": {"matrix": model.response_KK.tolist(), "bias": by_label(model.response_bias_K)},
        "utterances": len(sources.pooled.p_NK),
        "without_human_votes": int((sources.inputs.n_NK.sum(1) <= 0).sum()),
        "from_alm_alone": int(sources.pooled.from_alm_N.sum()),
        "from_prior_alone": int(sources.pooled.from_prior_N.sum()),
        "statements": statements(sources),
        "left_out": list(left_out),
    }


def statements(sources: Sources) -> list[str]:
    """One sentence per ALM, or about its absence: how many human votes its answer is worth.

    Args:
        sources: the result of pooling.
    """
    if not sources.model.alms:
        return ["no ALM is pooled: pooled is humans + corpus prior"]
    sentences = []
    for alm, votes in zip(sources.model.alms, sources.equivalent_votes, strict=True):
        if not alm.is_informative:
            sentences.append(
                f"{alm.alm} is worth 0 human votes: it does not predict unseen speakers' votes, so pooled is "
                "humans + corpus prior"
            )
            continue
        by_ambiguity = ", ".join(
            f"{interval.value:.1f} {tertile}" for tertile, interval in votes.by_ambiguity.items()
        )
        low, high = votes.overall.low, votes.overall.high
        bounds = f" [{low:.1f}, {high:.1f}]" if np.isfinite(low) else ""
        sentences.append(
            f"{alm.alm} is worth {votes.overall.value:.1f}{bounds} human votes (by ambiguity: {by_ambiguity})"
        )
    return sentences


def _interval(interval: Interval) -> dict[str, float | None]:
    values = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
