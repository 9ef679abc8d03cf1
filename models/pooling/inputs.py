"""What pooling works on: human votes and ALMs' distributions as arrays, for the same utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.pooling.vote_file import VoteCounts
from ambivox.models.statistics.vote_draws import whole_votes
from ambivox.models.tables import Utterances, Votes

FIT_SPLITS = ("train", "development")  # speakers that the pooling model may be fitted on


@dataclass(frozen=True)
class PoolingInputs:
    """Arrays of N utterances, A ALMs and K labels.

    Attributes:
        n_NK: human votes, zeros where nobody voted.
        q_NAK: the ALMs' distributions, nan where one did not answer.
        label_mass_NA: probability that the ALM gave to all labels together, from 0 to 1; nan where unknown.
        speaker_N: a number per speaker.
        raters_NK: how many raters chose each label, where votes are weighted by their raters' reliability: a vote of
            weight 1.05 is one vote, not two. None: a vote of any weight up to 1 is one.
    """

    n_NK: np.ndarray
    q_NAK: np.ndarray
    label_mass_NA: np.ndarray
    speaker_N: np.ndarray
    raters_NK: np.ndarray | None = None

    @property
    def slots_NK(self) -> np.ndarray:  # noqa: N802  (arrays carry their axes in capitals)
        """The number of votes per label that can be drawn or left out, each as a whole."""
        return whole_votes(self.n_NK) if self.raters_NK is None else self.raters_NK

    def unknown_votes(self, known_NK: np.ndarray) -> np.ndarray:
        """The votes that are not among the known ones: a target, in which every rater counts alike.

        The weights of raters are for pooling only: a target of weighted votes would reward agreement with the weights.

        Args:
            known_NK: votes drawn from ``n_NK``, with their weights.

        Returns:
            ``n_NK`` less the known votes; where votes are weighted by their raters, numbers of raters.
        """
        if self.raters_NK is None:
            return np.maximum(self.n_NK - known_NK, 0)
        weight_NK = self.n_NK / np.maximum(self.raters_NK, 1)
        known_raters_NK = np.rint(known_NK / np.where(weight_NK > 0, weight_NK, 1))
        return np.maximum(self.raters_NK - known_raters_NK, 0)

    def with_votes(self, known_NK: np.ndarray) -> PoolingInputs:
        """The same utterances with some of their votes.

        Args:
            known_NK: votes drawn from ``n_NK``, with their weights.
        """
        raters_NK = None if self.raters_NK is None else self.raters_NK - self.unknown_votes(known_NK)
        return replace(self, n_NK=known_NK, raters_NK=raters_NK)

    @classmethod
    def concatenate(cls, parts: Sequence[PoolingInputs]) -> PoolingInputs:
        """The utterances of all parts.

        Args:
            parts: one or more, of the same ALMs and labels; in all of them or in none, votes are weighted by raters.
        """
        raters = [part.raters_NK for part in parts if part.raters_NK is not None]
        assert len(raters) in (0, len(parts)), "weighted and unweighted votes"
        return cls(
            np.concatenate([part.n_NK for part in parts]),
            np.concatenate([part.q_NAK for part in parts]),
            np.concatenate([part.label_mass_NA for part in parts]),
            np.concatenate([part.speaker_N for part in parts]),
            np.concatenate(raters) if raters else None,
        )

    def rows(self, index: np.ndarray) -> PoolingInputs:
        """The utterances at ``index``.

        Args:
            index: row numbers, or a mask of N rows.
        """
        return PoolingInputs(
            self.n_NK[index],
            self.q_NAK[index],
            self.label_mass_NA[index],
            self.speaker_N[index],
            None if self.raters_NK is None else self.raters_NK[index],
        )

    def with_alms(self, index: Sequence[int]) -> PoolingInputs:
        """The same utterances with some of the ALMs.

        Args:
            index: numbers of ALMs; none is allowed.
        """
        columns = np.array(index, dtype=int)
        return replace(self, q_NAK=self.q_NAK[:, columns], label_mass_NA=self.label_mass_NA[:, columns])

    def sample(self, most: int, seed: int) -> PoolingInputs:
        """At most ``most`` utterances in their order, drawn without replacement.

        Args:
            most: how many; all utterances are kept where there are no more than that.
            seed: of the drawing.
        """
        if len(self.n_NK) <= most:
            return self
        return self.rows(np.sort(np.random.default_rng(seed).choice(len(self.n_NK), most, replace=False)))


def pooling_inputs(
    utterances: Utterances,
    votes: VoteCounts,
    synthetic: Sequence[SyntheticDistributions],
    weighted_votes: VoteCounts | None = None,
) -> PoolingInputs:
    """Votes and ALMs' distributions as arrays, in the order of ``utterances``.

    Args:
        utterances: N utterances; each one whose speaker is unknown counts as a speaker.
        votes: human votes.
        synthetic: the ALMs' distributions of these utterances, A of them (A may be 0).
        weighted_votes: the same votes weighted by their raters' reliability, which are pooled in their place.
    """
    rows, labels = len(utterances), len(votes.labels)
    n_NK = votes.counts(utterances.frame["utterance_id"])
    return PoolingInputs(
        n_NK if weighted_votes is None else weighted_votes.counts(utterances.frame["utterance_id"]),
        np.stack([alm.q_NK for alm in synthetic], axis=1) if synthetic else np.zeros((rows, 0, labels)),
        np.stack([alm.label_mass_N for alm in synthetic], axis=1) if synthetic else np.zeros((rows, 0)),
        speaker_numbers(utterances),
        None if weighted_votes is None else whole_votes(n_NK),
    )


def speaker_numbers(utterances: Utterances) -> np.ndarray:
    """A number per speaker, in the order of their names, and one for each utterance whose speaker is unknown.

    Args:
        utterances: N utterances.

    Returns:
        ``speaker_N``.
    """
    return Utterances.speakers_apart(utterances.frame).rank("dense").to_numpy().astype(np.int64)


def mean_over_alms(q_NAK: np.ndarray) -> np.ndarray:
    """The unweighted mean of the ALMs' distributions: the source "synthetic".

    Args:
        q_NAK: the ALMs' distributions, nan where one did not answer.

    Returns:
        ``q_NK``; nan where no ALM answered.

    Examples:
        >>> mean_over_alms(np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.25, 0.75], [np.nan, np.nan]]])).tolist()
        [[0.75, 0.25], [0.25, 0.75]]
    """
    answered_NA = np.isfinite(q_NAK).all(2)
    q_NK = np.nan_to_num(q_NAK).sum(1) / np.maximum(answered_NA.sum(1), 1)[:, None]
    return np.where(answered_NA.any(1)[:, None], q_NK, np.nan)


def keep_human_votes(votes: Votes) -> Votes:
    """The votes of human annotators only.

    Args:
        votes: votes of annotators of any kind.
    """
    return Votes(votes.frame.filter(pl.col("annotator_kind") == "human"), votes.labels)
