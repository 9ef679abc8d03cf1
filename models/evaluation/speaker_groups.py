"""Figures of the fine-tuned models by group of speakers: sex, age, language, and every speaker."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ambivox.models.evaluation.human_targets import HumanTargets
from ambivox.models.evaluation.predictions import Prediction
from ambivox.models.evaluation.scores import DIVERGENCES, divergences, score_shares
from ambivox.models.statistics.age_groups import decades
from ambivox.models.statistics.dominant_emotion import correct

_SCHEMA = {
    "model": pl.String,
    "kind": pl.String,
    "group": pl.String,
    "utterances": pl.Int64,
    **dict.fromkeys(DIVERGENCES, pl.Float64),
    "accuracy": pl.Float64,
}
_KINDS = ("sex", "age", "language", "speaker")


def by_speaker_group(predictions: Sequence[Prediction], targets: HumanTargets) -> pl.DataFrame:
    """Mean scores and accuracy per model and group of speakers.

    Args:
        predictions: of models and references.
        targets: the human votes.

    Returns:
        One row per model, kind of group (sex, age in decades, language, speaker) and group; kinds that are
        unknown for all utterances are left out.
    """
    frame = targets.frame.with_columns(age=decades(targets.frame["age"]))
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for model in predictions:
        n_MK, q_MK = targets.n_NK[model.answered_N], model.q_NK[model.answered_N]
        score_by_name = divergences(n_MK, q_MK, targets.vote_square_N[model.answered_N])
        scores = frame.filter(pl.Series(model.answered_N)).with_columns(
            *(pl.Series(name, score_M).fill_nan(None) for name, score_M in score_by_name.items()),
            accuracy=pl.Series(score_shares(correct, n_MK, q_MK)),
        )
        parts += [_means(scores, model.name, kind) for kind in _KINDS if scores[kind].count()]
    return pl.concat(parts)


def _means(scores: pl.DataFrame, model: str, kind: str) -> pl.DataFrame:
    """Mean scores of the groups of one kind."""
    means = scores.drop_nulls(kind).group_by(pl.col(kind).alias("group"))
    return (
        means.agg(pl.len().alias("utterances"), pl.col(*DIVERGENCES, "accuracy").mean())
        .sort("group")
        .select(
            pl.lit(model).alias("model"),
            pl.lit(kind).alias("kind"),
            "group",
            pl.col("utterances").cast(pl.Int64),
            *DIVERGENCES,
            "accuracy",
        )
    )
