"""The validation part of the pretrain split: whose utterances it has, and the scores on them."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.statistics.metrics import jensen_shannon

SELECTION_SHARE = 0.12  # of the speakers, where they select the epoch
MEASUREMENT_SHARE = 0.05  # where the tower is only measured on them


def validation_utterances(
    frame: pl.DataFrame, seed: int, share: float = SELECTION_SHARE
) -> NDArray[np.bool_]:
    """Choose validation speakers: a share of them, at least one.

    With fewer than three known speakers, utterances are drawn instead.

    Args:
        frame: utterances with a column ``speaker``.
        seed: the same seed gives the same choice.
        share: of the speakers.

    Returns:
        ``is_validation_N``, True for utterances of the validation speakers.
    """
    rng = np.random.default_rng([seed, 11])
    speakers = sorted(frame["speaker"].drop_nulls().unique())
    if len(speakers) < 3:
        count = max(1, round(share * frame.height))
        return np.asarray(rng.permutation(frame.height) < count)
    count = max(1, round(share * len(speakers)))
    chosen = set(rng.permutation(np.array(speakers))[:count].tolist())
    return np.array([speaker in chosen for speaker in frame["speaker"]])


def validation_scores(p_NK: NDArray[np.float64], q_NK: NDArray[np.float64]) -> dict[str, float]:
    """Scores of predicted distributions against the shares of votes.

    Args:
        p_NK: shares of votes, N utterances by K labels.
        q_NK: predictions.

    Returns:
        ``validation_loss``, the mean cross-entropy in nats, and ``validation_js``, the mean base-2 Jensen-Shannon
        divergence, in [0, 1].
    """
    return {
        "validation_loss": float(-(p_NK * np.log(q_NK + 1e-12)).sum(1).mean()),
        "validation_js": float(jensen_shannon(p_NK, q_NK).mean()),
    }


def is_best(history: list[dict[str, float]]) -> bool:
    """Whether the last entry has the lowest validation loss so far."""
    return history[-1]["validation_loss"] <= min(entry["validation_loss"] for entry in history)
