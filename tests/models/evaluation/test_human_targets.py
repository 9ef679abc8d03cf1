"""Which votes an evaluation is scored against."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.evaluation.human_targets import human_targets, vote_squares
from ambivox.models.tables import Utterances, Votes
from tests.support.pooling_tables import label_names, simulated_corpus, utterance_table, vote_table

_NAMES = label_names(2)
_IDS = [f"u{number}" for number in range(60)]


@pytest.fixture
def utterances() -> Utterances:
    return utterance_table(simulated_corpus(rows=60, labels=2, speakers=12), _IDS, _NAMES)


def _votes(n_K: list[float]) -> Votes:
    return vote_table(np.tile(n_K, (60, 1)), _IDS, _NAMES)


def test_held_out_votes_are_the_target_where_there_are_any(utterances: Utterances) -> None:
    targets = human_targets(utterances, _votes([3.0, 0.0]), _votes([1.0, 1.0]))
    assert targets.held_out and targets.description == "held-out votes"
    assert targets.p_NK.tolist() == [[0.5, 0.5]] * len(targets.ids)
    assert targets.all_NK[0].tolist() == [4.0, 1.0]
    assert set(targets.frame["split"]) == {"test"}


@pytest.mark.parametrize("heldout", [None, vote_table(np.zeros((60, 2)), _IDS, _NAMES)])
def test_otherwise_all_votes_are_the_target(utterances: Utterances, heldout: Votes | None) -> None:
    targets = human_targets(utterances, _votes([3.0, 1.0]), heldout)
    assert not targets.held_out and targets.description == "all votes"
    assert targets.n_NK[0].tolist() == targets.all_NK[0].tolist() == [3.0, 1.0]


def test_alms_votes_are_ignored_and_utterances_without_votes_left_out(utterances: Utterances) -> None:
    test_ids = utterances.in_splits("test").frame["utterance_id"].to_list()
    human = _votes([1.0, 0.0]).frame.filter(pl.col("utterance_id") != test_ids[0])
    alm = vote_table(np.tile([0.0, 5.0], (60, 1)), _IDS, _NAMES, kind="alm").frame
    targets = human_targets(utterances, Votes.check(pl.concat([human, alm]), _NAMES), None)
    assert targets.ids.to_list() == test_ids[1:]
    assert targets.n_NK.sum(0).tolist() == [len(test_ids) - 1, 0.0]


def test_votes_that_raters_split_are_less_than_whole() -> None:
    def table(*votes: tuple[str, str, str, float]) -> Votes:
        columns = ("utterance_id", "annotator_id", "label", "weight")
        frame = pl.DataFrame(votes, schema=columns, orient="row").with_columns(annotator_kind=pl.lit("human"))
        return Votes.check(frame, ("a", "b", "c"))

    third = 1 / 3
    votes = table(
        *(("thirds", "r", label, third) for label in "abc"),
        *(("mixed", "r", label, 0.5) for label in "ab"),
        ("mixed", "s", "a", 1.0),
        ("mixed", "t", "b", 1.0),
        ("counts", "1", "a", 7.0),  # seven votes, as in a table with a count per label
        ("counts", "2", "b", 2.0),
        ("in two rows", "r", "a", 0.5),
        ("in two rows", "r", "a", 0.5),
    )
    ids = pl.Series(["counts", "mixed", "nobody", "thirds", "in two rows"])
    square_N = vote_squares(votes, ids)
    assert square_N[[0, 2, 4]].tolist() == [1.0, 1.0, 1.0]  # exactly
    assert square_N[[1, 3]] == pytest.approx([2.5 / 3, third])


def test_targets_know_how_whole_their_votes_are(utterances: Utterances) -> None:
    whole = _votes([1.0, 1.0])
    split = Votes.check(
        whole.frame.with_columns(weight=pl.lit(0.5), annotator_id="r" + pl.col("utterance_id")), _NAMES
    )
    targets = human_targets(utterances, whole, split)  # one held-out rater, who named both labels
    assert set(targets.vote_square_N) == {0.5}
    assert targets.all_vote_square_N == pytest.approx((2 * 1 + 1 * 0.5) / 3)
    assert set(human_targets(utterances, split, whole).vote_square_N) == {1.0}
    assert set(human_targets(utterances, split, None).all_vote_square_N) == {0.5}


def test_fewer_than_two_speakers_are_no_groups(utterances: Utterances) -> None:
    alone = Utterances(utterances.frame.with_columns(speaker=pl.lit("s")), _NAMES)
    assert human_targets(alone, _votes([1.0, 0.0]), None).speakers is None
    assert human_targets(utterances, _votes([1.0, 0.0]), None).speakers is not None


def test_no_votes_and_other_labels(utterances: Utterances) -> None:
    with pytest.raises(UserError, match=r"no human votes on the \d+ utterances of the split test"):
        human_targets(utterances, Votes(_votes([1.0, 0.0]).frame.clear(), _NAMES), None)
    other = Votes.check(_votes([1.0, 0.0]).frame.with_columns(label=pl.lit("x")), ("x", "y"))
    with pytest.raises(UserError, match="the votes have the labels x, y"):
        human_targets(utterances, other, None)
