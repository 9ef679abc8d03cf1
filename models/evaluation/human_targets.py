"""The target of every evaluation: the human votes on the test speakers, held out where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.evaluation.ambiguity_strata import AmbiguityStrata
from ambivox.models.pooling.inputs import keep_human_votes
from ambivox.models.statistics.groups import few_groups, group_index
from ambivox.models.statistics.vote_counts import TOLERANCE, shares
from ambivox.models.tables import Utterances, Votes


@dataclass(frozen=True)
class HumanTargets:
    """N test utterances with human votes to score against.

    Attributes:
        frame: the utterances' rows.
        n_NK: the target votes.
        all_NK: all human votes: the targets and, where votes were held out, those that were not.
        vote_square_N: how whole the target votes are, see ``vote_squares``.
        all_vote_square_N: how whole all human votes are.
        labels: the label set.
        held_out: whether the targets are held-out votes; otherwise they are all votes.
    """

    frame: pl.DataFrame
    n_NK: np.ndarray
    all_NK: np.ndarray
    vote_square_N: np.ndarray
    all_vote_square_N: np.ndarray
    labels: tuple[str, ...]
    held_out: bool

    @property
    def p_NK(self) -> np.ndarray:  # noqa: N802  (arrays carry their axes in capitals)
        """The human distributions."""
        return shares(self.n_NK)

    @property
    def ids(self) -> pl.Series:
        """Utterance ids."""
        return self.frame["utterance_id"]

    @cached_property
    def speakers(self) -> np.ndarray | None:
        """``speaker_N``, or None; see ``known_speakers``."""
        return known_speakers(self.frame)

    def rows(self, strata: AmbiguityStrata) -> HumanTargets:
        """The targets of the pairs in ``strata``, with their votes; an utterance occurs more than once.

        All pairs of an utterance are in one group, also where its speaker is unknown.

        Args:
            strata: draws of the target votes.
        """
        row_M, square_M = strata.row_M, strata.vote_square_M
        frame = self.frame
        if self.speakers is None:  # fewer than two are known
            frame = frame.with_columns(speaker=pl.lit(None, dtype=pl.String))
        frame = frame.with_columns(speaker=Utterances.speakers_apart(frame))
        return HumanTargets(
            frame[row_M.tolist()],
            strata.target_MK,
            self.all_NK[row_M],
            self.vote_square_N[row_M] if square_M is None else square_M,
            self.all_vote_square_N[row_M],
            self.labels,
            self.held_out,
        )

    @property
    def description(self) -> str:
        """Which votes the targets are: "held-out votes" or "all votes"."""
        return "held-out votes" if self.held_out else "all votes"


def known_speakers(utterances: pl.DataFrame) -> np.ndarray | None:
    """A speaker per utterance, over whom the jackknife intervals are.

    Args:
        utterances: rows of a table of utterances.

    Returns:
        ``speaker_N``, a number per speaker, and one of its own for each utterance whose speaker is unknown; None where
        fewer than two speakers are known, so that intervals are over utterances.
    """
    speakers = utterances["speaker"]
    return group_index(speakers.to_list(), len(speakers)) if speakers.drop_nulls().n_unique() > 1 else None


def few_speakers(utterances: pl.DataFrame) -> str | None:
    """A warning where fewer speakers are known than intervals and tests should rest on; None otherwise.

    Args:
        utterances: rows of an utterances table.
    """
    return few_groups(utterances["speaker"].drop_nulls().n_unique())


def human_targets(utterances: Utterances, votes: Votes, heldout: Votes | None) -> HumanTargets:
    """The utterances of the split test with at least one human vote to score against.

    Args:
        utterances: of the corpus, all splits.
        votes: the votes that distributions were made from; votes of ALMs are ignored.
        heldout: votes held out; where none of them is on a test utterance, the targets are all votes.

    Raises:
        TooLittleDataError: no test utterance has a vote to score against.
        UserError: the label sets differ.
    """
    human = [keep_human_votes(table) for table in (votes, heldout) if table is not None]
    for table in human:
        if table.labels != utterances.labels:
            raise UserError(
                f"the votes have the labels {', '.join(table.labels)}, the utterances "
                f"{', '.join(utterances.labels)}; use tables of the same ingest"
            )
    test = utterances.in_splits("test").frame
    counts = [table.counts(test["utterance_id"]) for table in human]
    held_out = len(counts) == 2 and bool(counts[1].sum() > 0)
    n_NK = counts[1] if held_out else counts[0]
    squares = [vote_squares(table, test["utterance_id"]) for table in human]
    voted_N = n_NK.sum(1) > 0
    if not test.height:
        raise TooLittleDataError(
            "the split test is empty, so there are no votes to score against; it needs a speaker of its own, or official "
            "splits"
        )
    if not voted_N.any():
        raise TooLittleDataError(
            f"no human votes on the {test.height} utterances of the split test, so there is nothing to evaluate "
            "against; ingest with --keep-votes, or give the test speakers votes"
        )
    all_NK, square_N, all_square_N = n_NK, squares[0], squares[0]
    if held_out:
        all_NK, square_N = np.sum(counts, axis=0), squares[1]
        share_N = n_NK.sum(1) / np.maximum(all_NK.sum(1), TOLERANCE)
        all_square_N = squares[0] + share_N * (squares[1] - squares[0])
    return HumanTargets(
        test.filter(pl.Series(voted_N)),
        n_NK[voted_N],
        all_NK[voted_N],
        square_N[voted_N],
        all_square_N[voted_N],
        utterances.labels,
        held_out,
    )


def vote_squares(votes: Votes, utterance_ids: pl.Series) -> np.ndarray:
    """How whole the votes on each utterance are: the mean over its raters of ``|x|^2``, x the rater's vote.

    What the squared error needs to know of votes that raters split between labels (models/statistics/proper_scores.py).

    Args:
        votes: human votes.
        utterance_ids: N utterances.

    Returns:
        ``vote_square_N``, above 0 and at most 1; exactly 1 where no rater named two labels, and where nobody voted.

    Examples:
        >>> columns = {"utterance_id": ["u"] * 3, "annotator_id": ["r", "r", "s"], "annotator_kind": ["human"] * 3}
        >>> votes = pl.DataFrame(columns | {"label": ["joy", "fear", "joy"], "weight": [0.5, 0.5, 1.0]})
        >>> vote_squares(Votes.check(votes, ("fear", "joy")), pl.Series(["u", "unheard"])).tolist()
        [0.75, 1.0]
    """
    weight, rater = pl.col("weight"), ("utterance_id", "annotator_id")
    by_label = votes.frame.group_by(*rater, "label", maintain_order=True).agg(weight.sum())
    # Fractions of the rater's own weight, so that votes that count for more or less than one are no split votes.
    by_rater = by_label.group_by(*rater, maintain_order=True).agg(
        weight.sum(), lost=1 - (weight * weight).sum() / (weight.sum() * weight.sum())
    )
    split = by_rater.group_by("utterance_id", maintain_order=True).agg(
        lost=(pl.col("lost") * weight).sum() / weight.sum()
    )
    by_utterance = pl.DataFrame({"utterance_id": utterance_ids}).join(
        split, on="utterance_id", how="left", maintain_order="left"
    )
    square_N: np.ndarray = 1 - by_utterance["lost"].fill_null(0.0).to_numpy()
    return square_N
