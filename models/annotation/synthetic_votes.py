"""Votes of synthetic annotators, drawn from an annotations table."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.tables import Annotations, Votes


def draw_synthetic_votes(annotations: Annotations, votes: int, seed: int) -> Votes:
    """The votes of synthetic annotators, with weight 1 each.

    A sampled answer is one vote. From distributions, each persona casts ``votes`` votes per utterance, drawn from the
    mean over its option orders. This needs no further call of the ALM.

    Args:
        annotations: the answers of one run.
        votes: the number of votes per persona and utterance; unused for sampled answers.
        seed: the seed of the draws; the same seed draws the same votes, whatever other utterances there are.

    Returns:
        The votes table, with ``annotator_kind`` "alm".
    """
    frame = annotations.frame
    sampled = frame.filter(pl.col("elicitation") == "sampled")
    if sampled.height:
        number = pl.int_range(pl.len()).over("utterance_id").cast(pl.String)
        labelled = sampled.select(
            "utterance_id",
            "label",
            pl.concat_str("alm", "persona", number, separator=":").alias("annotator_id"),
        ).drop_nulls("label")
    else:
        labelled = _draw_from_distributions(frame.drop_nulls("logprobs"), annotations.labels, votes, seed)
    complete = labelled.with_columns(annotator_kind=pl.lit("alm"), weight=pl.lit(1.0))
    return Votes.check(complete.select(list(Votes.required)), annotations.labels)


def _draw_from_distributions(
    frame: pl.DataFrame, labels: tuple[str, ...], votes: int, seed: int
) -> pl.DataFrame:
    schema = {"utterance_id": pl.String, "annotator_id": pl.String, "label": pl.String}
    if votes < 1 or not frame.height:
        return pl.DataFrame(schema=schema)
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    columns = [f"p{k}" for k in range(len(labels))]
    group = ["utterance_id", "persona", "alm"]
    rows = frame.select(group).hstack([pl.Series(name, p_RK[:, k]) for k, name in enumerate(columns)])
    means = rows.group_by(group, maintain_order=True).mean()
    mean_GK = means.select(columns).to_numpy()
    cumulative_GK = np.cumsum(mean_GK / mean_GK.sum(axis=1, keepdims=True), axis=1)
    uniform_GV = np.stack([_uniform(votes, seed, *names) for names in means.select(group).iter_rows()])
    label_GV = (uniform_GV[:, :, None] >= cumulative_GK[:, None, :-1]).sum(axis=2)
    annotators = means.select(pl.concat_str("alm", "persona", separator=":")).to_series()
    return pl.DataFrame(
        {
            "utterance_id": means["utterance_id"].to_numpy().repeat(votes),
            "annotator_id": [f"{annotator}:{vote}" for annotator in annotators for vote in range(votes)],
            "label": np.array(labels)[label_GV.ravel()],
        },
        schema=schema,
    )


def _uniform(votes: int, *identity: object) -> NDArray[np.float64]:
    """Numbers from 0 to 1 (1 excluded) that depend on nothing but the seed and the names of a group."""
    stream = hashlib.shake_128(json.dumps(identity).encode()).digest(8 * votes)
    whole = np.frombuffer(stream, "<u8") >> 11
    return whole.astype(np.float64) * 2.0**-53
