"""Summary of a run's answers for checks.json: refusals, label mass and order bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import Annotations


def summarise_answers(annotations: Annotations) -> dict[str, Any]:
    """Answers, refusals, label mass and order bias of a run.

    Args:
        annotations: the answers of the run.

    Returns:
        A JSON-serialisable mapping. The label mass is the probability on all options together, from 0 to 1; it is
        None where no answer has log-probabilities.
    """
    frame = annotations.frame
    mass = frame["label_mass"].drop_nulls()
    return {
        "answers": frame.height,
        "refusals": int(frame["refused"].sum()),
        "label_mass": {
            "mean": _rounded(mass.mean()),
            "percentile_5": _rounded(mass.quantile(0.05)),
            "least": _rounded(mass.min()),
        },
        "order_bias": order_bias(annotations),
    }


def order_bias(annotations: Annotations) -> dict[str, Any]:
    """How much the option order changes the answers of a persona about an utterance.

    Args:
        annotations: answers with distributions; others are ignored.

    Returns:
        ``orders``: the number of option orders. ``js``: the mean base-2 Jensen-Shannon divergence (bits) between the
        answer in one order and the mean over orders; 0 without order bias. ``positions``: the mean probability of the
        option shown first, second, and so on; 1/K each without order bias. Both are None with fewer than two orders.
    """
    frame = annotations.frame.drop_nulls("logprobs")
    orders = frame["option_order"].n_unique()
    if orders < 2:
        return {"orders": orders, "js": None, "positions": None}
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    p_RK /= p_RK.sum(axis=1, keepdims=True)
    order_RK = np.array([[int(label) for label in name.split("-")] for name in frame["option_order"]])
    group_R = frame.select(pl.struct("utterance_id", "persona").rank("dense") - 1).to_series().to_numpy()
    total_GK = np.zeros((int(group_R.max()) + 1, p_RK.shape[1]))
    np.add.at(total_GK, group_R, p_RK)
    mean_RK = (total_GK / total_GK.sum(axis=1, keepdims=True))[group_R]
    position_K = np.take_along_axis(p_RK, order_RK, axis=1).mean(axis=0)
    js = round(float(jensen_shannon(mean_RK, p_RK).mean()), 6)
    return {"orders": orders, "js": js, "positions": position_K.round(4).tolist()}


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
