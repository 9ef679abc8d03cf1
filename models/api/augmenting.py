"""``ambivox.dime_aug``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.arguments import check_result_columns, label_names, real_number, whole_number
from ambivox.models.api.frames import UTTERANCE, Frame, like, numbers, to_polars
from ambivox.models.api.label_columns import label_columns
from ambivox.models.augmentation.dime_aug import Classes, DimeAugSettings, plan
from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import check_distributions

# The columns of the result before the labels.
_COLUMNS = ("first", "second", "weight", "neighbour", "fills")


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
        labels: a list of the labels; if not given, all columns of numbers of ``distributions``, without those that a result
            of ``pool`` has beside its labels.
        ratio: see ``DimeAugSettings``.
        neighbours: see ``DimeAugSettings``.
        classes: see ``DimeAugSettings``.
        seed: of the draws.

    Returns:
        A frame like ``distributions`` with ``first``, ``second``, ``weight``, ``neighbour`` (rank of the second),
        ``fills`` (the label whose class the sample fills) and the mixed probabilities.

    Raises:
        UserError: columns are missing, an utterance has no features or has them twice, a column of the result has the
            name of a label, or a setting is out of range.
    """
    settings = DimeAugSettings(
        ratio=real_number(ratio, "ratio"),
        neighbours=whole_number(neighbours, "neighbours", 1),
        classes=classes,
        seed=whole_number(seed, "seed", 0),
    )
    frame, feature_frame = to_polars(distributions, "distributions"), to_polars(features, "features")
    names = label_names(labels if labels is not None else label_columns(frame))
    check_result_columns(names, [UTTERANCE, *_COLUMNS])
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise UserError(f"distributions: found no column for the labels {', '.join(absent[:5])}")
    features_NF = _features(frame[UTTERANCE], feature_frame)
    if not np.isfinite(features_NF).all() or not features_NF.shape[1]:
        row = int(np.flatnonzero(~np.isfinite(features_NF).all(1))[0]) if features_NF.shape[1] else 0
        raise UserError(
            f"features: {frame[UTTERANCE][row]!r} has missing or infinite numbers, or there are no columns"
        )
    p_NK = check_distributions(numbers(frame, names, "distributions").to_numpy(), "distributions")
    lineage = plan(features_NF, p_NK, settings)
    mixed_SK = lineage.distributions(p_NK)
    ids = frame[UTTERANCE]
    columns: dict[str, Any] = {
        "first": ids[lineage.first_S.tolist()],
        "second": ids[lineage.second_S.tolist()],
        "weight": lineage.weight_S,
        "neighbour": lineage.rank_S,
        "fills": pl.Series([names[k] for k in lineage.class_S], dtype=pl.String),
    }
    columns |= {name: mixed_SK[:, k] for k, name in enumerate(names)}
    return like(pl.DataFrame(columns), distributions)


def _features(ids: pl.Series, features: pl.DataFrame) -> np.ndarray:
    """``features_NF`` of the utterances; nan where there are none."""
    twice = features.filter(pl.col(UTTERANCE).is_duplicated())
    if twice.height:
        raise UserError(f"features: {twice[UTTERANCE][0]!r} occurs twice, expected a row per utterance")
    columns = [column for column in features.columns if column != UTTERANCE]
    table = features.select(UTTERANCE).hstack(numbers(features, columns, "features"))
    joined = ids.to_frame().join(table, on=UTTERANCE, how="left", maintain_order="left")
    return joined.drop(UTTERANCE).to_numpy()
