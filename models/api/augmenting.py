"""``ambivox.dime_aug``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.frames import UTTERANCE, Frame, like, to_polars
from ambivox.models.augmentation.dime_aug import Classes, DimeAugSettings, plan
from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import check_distributions


def dime_aug(
    distributions: Frame,
    features: Frame,
    *,
    labels: Sequence[str] | None = None,
    ratio: float = 0.25,
    neighbours: int = 3,
    classes: Classes = "dominant",
    seed: int = 0,
) -> Any:
    """Plan DiME-Aug's mixed samples: which two utterances to mix, by what weight, and the mixed distribution.

    Mix the recordings x1 and x2 as ``x1 + weight * (x2 - x1)``. Pass training utterances only.

    Args:
        distributions: a row per utterance with a probability per label.
        features: numbers that describe each recording, in columns beside ``utterance_id``; not standardised.
        labels: the labels; all numeric columns of ``distributions`` if not given.
        ratio: see ``DimeAugSettings``.
        neighbours: see ``DimeAugSettings``.
        classes: see ``DimeAugSettings``.
        seed: of the draws.

    Returns:
        A frame like ``distributions`` with ``first``, ``second``, ``weight``, ``neighbour`` (rank of the second),
        ``fills`` (the label whose class the sample fills) and the mixed probabilities.

    Raises:
        UserError: columns are missing, an utterance has no features, or a setting is out of range.
    """
    frame, feature_frame = to_polars(distributions, "distributions"), to_polars(features, "features")
    numeric = [column for column in frame.columns if column != UTTERANCE and frame[column].dtype.is_numeric()]
    names = list(labels) if labels is not None else numeric
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise UserError(f"distributions: found no column for the labels {', '.join(absent[:5])}")
    joined = frame.select(UTTERANCE).join(feature_frame, on=UTTERANCE, how="left", maintain_order="left")
    features_NF = joined.drop(UTTERANCE).cast(pl.Float64).to_numpy()
    if not np.isfinite(features_NF).all() or not features_NF.shape[1]:
        row = int(np.flatnonzero(~np.isfinite(features_NF).all(1))[0]) if features_NF.shape[1] else 0
        raise UserError(
            f"features: {frame[UTTERANCE][row]!r} has missing or infinite numbers, or there are no columns"
        )
    p_NK = check_distributions(frame.select(names).cast(pl.Float64).to_numpy(), "distributions")
    settings = DimeAugSettings(ratio=ratio, neighbours=neighbours, classes=classes, seed=seed)
    lineage = plan(features_NF, p_NK, settings)
    mixed_SK = lineage.distributions(p_NK)
    ids = frame[UTTERANCE]
    columns: dict[str, Any] = {
        "first": ids[lineage.first_S.tolist()],
        "second": ids[lineage.second_S.tolist()],
        "weight": lineage.weight_S,
        "neighbour": lineage.rank_S,
        "fills": [names[k] for k in lineage.class_S],
    }
    columns |= {name: mixed_SK[:, k] for k, name in enumerate(names)}
    return like(pl.DataFrame(columns), distributions)
