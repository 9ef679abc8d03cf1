"""Which utterances the report lets people hear: the most ambiguous, certain and disputed ones, and those to label next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.reporting.utterance_figures import UtteranceFigures


@dataclass(frozen=True)
class ExampleKind:
    """One reason to listen to utterances.

    Attributes:
        key: a short name.
        title: what these utterances have in common.
        reading: how they were chosen, and what to look for.
        rows: of the figures, the most extreme first.
    """

    key: str
    title: str
    reading: str
    rows: tuple[int, ...]


def choose_examples(figures: UtteranceFigures, count: int) -> list[ExampleKind]:
    """Return up to ``count`` utterances of every kind; no utterance has two kinds, and kinds without any are left out.

    Ties are broken by the utterance's name.

    Args:
        figures: of the utterances.
        count: utterances per kind.
    """
    kinds = (
        (
            "ambiguous",
            "Most ambiguous",
            "The highest entropy: several emotions are about equally likely. Do you hear more than one, too?",
            figures.entropy_N,
        ),
        (
            "disputed",
            "Most disputed",
            "The largest divergence between the human votes and the ALM’s answer. Who is right?",
            figures.disagreement_N,
        ),
        (
            "valuable",
            "Most worth another vote",
            "One more human vote is expected to lower the error of the pooled distribution most here.",
            figures.gain_N,
        ),
        (
            "certain",
            "Most certain",
            "The lowest entropy: one emotion has almost all of the probability.",
            -figures.entropy_N,
        ),
    )
    ids = figures.frame["utterance_id"].to_list()
    # The ALM was trained on the votes of the others, so there is no answer of it to compare with.
    is_shown_N = (figures.frame["split"] != "pretrain").to_numpy()
    taken: set[int] = set()
    chosen = []
    for key, title, reading, score_N in kinds:
        order = sorted(
            (int(row) for row in np.flatnonzero(np.isfinite(score_N) & is_shown_N) if row not in taken),
            key=lambda row, score_N=score_N: (-round(float(score_N[row]), 9), ids[row]),  # type: ignore[misc]
        )
        rows = tuple(order[:count])
        taken.update(rows)
        if rows:
            chosen.append(ExampleKind(key, title, reading, rows))
    return chosen
