"""Pooling: what an ALM's answer is worth in human votes, and how much it counts for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.reporting.estimates import display_name, format_estimate, parse_estimate
from ambivox.models.reporting.json_tables import json_tables
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run, worth_text
from ambivox.models.reporting.tables import Table
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.groups import few_groups

_NEGLIGIBLE_VOTES = 0.1


def pooling(run: Run) -> Section:
    """Describe what each ALM is worth, overall and by ambiguity, and its equivalent votes by utterance."""
    section = Section("pooling", "Pooling: worth of the ALM in human votes")
    for name, worth in run.worth().items():
        if warning := few_groups(speakers) if isinstance(speakers := worth.get("speakers"), int) else None:
            section.warnings.append(f"{name}: {warning}.")
    if run.worth():
        section.text.append(
            "An ALM is worth as many further human votes as pooling without it needs to "
            "reach the score of pooling with it. It is measured on votes and speakers that the models were not fitted "
            "on; brackets show 95% intervals over speakers."
        )
    for name, votes in run.equivalent_votes().items():
        section.text.append(
            f"{name} counts for {format_estimate(votes)} votes (κ) on average: with its answer, a pooled distribution is as "
            "certain as that many more human votes would make it. The pooled distribution is the mean of a posterior, a "
            "mixture of Dirichlet distributions in which the ALM's answer says which kinds of utterances are likely, and the "
            "human votes decide between them."
        )
        if votes.value < _NEGLIGIBLE_VOTES:
            section.text.append(f"{name} has almost no effect: pooled is close to human + mixture.")
    content = run.json("distributions/pooling.json")
    section.text += _added(content)
    section.warnings += [f"Left out: {sentence}." for sentence in _sentences(content)]
    if content.get("alms") == {}:
        section.text.append(
            "No ALM is pooled: the pooled distributions are those of the human votes pooled with the mixture."
        )
    section.tables = _worth_tables(run) + _tables_by_ambiguity(content)
    pooled = run.distributions.get("pooled")
    if pooled is not None and pooled.frame["equivalent_votes"].max() != 0:
        votes_N = pooled.frame["equivalent_votes"]
        section.text.append(
            f"κ varies by utterance: for the middle half of the utterances it lies between {votes_N.quantile(0.25):.2f} "
            f"and {votes_N.quantile(0.75):.2f}."
        )
        without = pooled.frame.filter(pl.col("human_votes") == 0).height
        if without:
            section.warnings.append(
                f"{without:,} utterances have no human votes: their pooled distribution comes from the calibrated ALM and the prior alone."
            )
    if pooled is not None and "expected_squared_error" in pooled.frame.columns:
        section.text.append(_trust(pooled.frame))
    section.details = json_tables(content)
    section.pictures = pictures(run, "distributions")
    return section


def _sentences(content: Mapping[str, Any]) -> list[str]:
    """Why ALMs were left out, a sentence each."""
    left_out = content.get("left_out")
    return [str(sentence) for sentence in left_out] if isinstance(left_out, list) else []


def _trust(frame: pl.DataFrame) -> str:
    """Which distributions can be trusted, by what the posterior says of each."""
    error_N = frame["expected_squared_error"].to_numpy()
    width_N = frame["dominant_high"].to_numpy() - frame["dominant_low"].to_numpy()
    return (
        f"How far each distribution can be trusted: the squared error that its posterior expects has the median "
        f"{np.median(error_N):.3f} and exceeds {np.quantile(error_N, 0.9):.3f} for a tenth of the utterances; the 90% interval of "
        f"the dominant label's probability has the median width {np.median(width_N):.2f}. Columns expected_squared_error, "
        "dominant_low and dominant_high of distributions/pooled.parquet have them."
    )


def _added(content: Mapping[str, Any]) -> list[str]:
    """What each of several ALMs adds to the others, a sentence each."""
    alms = content.get("alms")
    sentences = []
    for name, alm in alms.items() if isinstance(alms, Mapping) else ():
        if isinstance(alm, Mapping) and (added := parse_estimate(alm.get("adds_nll"))):
            sentences.append(
                f"{name} adds {format_estimate(added)} nats per held-out vote to the other ALMs: by so much nll is lower with "
                "it than with the others alone, on speakers that the models were not fitted on."
            )
    return sentences


def _worth_tables(run: Run) -> list[Table]:
    parts = ("overall", *TERTILES)
    rows = [
        [
            name,
            display_name(score),
            str(worth.get("votes")),
            *(worth_text(worth, score, part) for part in parts),
        ]
        for name, worth in run.worth().items()
        for score in ("nll", "squared_error")
    ]
    if not rows:
        return []
    columns = ["ALM", "score", "beside human votes", *parts]
    return [
        Table.of(columns, rows, "Worth in further human votes, overall and by ambiguity of the utterance")
    ]


def _tables_by_ambiguity(content: Mapping[str, Any]) -> list[Table]:
    alms = content.get("alms")
    rows = []
    for name, alm in alms.items() if isinstance(alms, Mapping) else ():
        levels = alm.get("equivalent_votes_by_ambiguity") if isinstance(alm, Mapping) else None
        if isinstance(levels, Mapping):
            rows.append([str(name), *(format_estimate(parse_estimate(levels.get(t))) for t in TERTILES)])
    if not rows:
        return []
    return [Table.of(["ALM", *TERTILES], rows, "Equivalent votes by ambiguity of the utterance")]
