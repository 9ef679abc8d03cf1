"""The oracle of the sparse-vote trial: the corpus tells the intended emotion, votes tell its distribution."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.evaluation.intended_emotion import intended_emotions, oracle_distributions
from ambivox.models.tables import Utterances
from tests.support.pooling_tables import label_names, simulated_corpus, utterance_table, vote_table

_NAMES = label_names(2)
_IDS = [f"{1000 + n}_IEO_{('ANG', 'SAD')[n % 2]}_XX" for n in range(12)]


@pytest.fixture
def utterances() -> Utterances:
    frame = utterance_table(simulated_corpus(rows=12, labels=2, speakers=6), _IDS, _NAMES).frame
    splits = ["train"] * 8 + ["test"] * 4
    return Utterances.check(frame.with_columns(corpus=pl.lit("crema_d"), split=pl.Series(splits)), _NAMES)


def test_the_corpus_is_asked_by_its_key(utterances: Utterances) -> None:
    intents = intended_emotions(utterances)
    assert intents is not None and intents.to_list() == ["anger", "sadness"] * 6


@pytest.mark.parametrize("corpus", ["made_up", "demo"])
def test_a_corpus_that_is_unknown_or_offers_nothing(utterances: Utterances, corpus: str) -> None:
    assert intended_emotions(Utterances(utterances.frame.with_columns(corpus=pl.lit(corpus)), _NAMES)) is None


def test_one_unknown_intent_leaves_the_oracle_out(utterances: Utterances) -> None:
    renamed = pl.col("utterance_id").replace(_IDS[0], "a clip of another name")
    assert intended_emotions(Utterances(utterances.frame.with_columns(renamed), _NAMES)) is None


def test_votes_on_test_utterances_are_not_used(utterances: Utterances) -> None:
    intents = intended_emotions(utterances)
    assert intents is not None
    # In train, anger is perceived as the first label, sadness as the second; in test it is the reverse.
    n_NK = np.array([[1.0, 0.0], [0.0, 1.0]] * 4 + [[0.0, 1.0], [1.0, 0.0]] * 2)
    votes = vote_table(n_NK, _IDS, _NAMES)
    q_NK = oracle_distributions(intents, utterances, votes, utterances.in_splits("test"))
    assert q_NK == pytest.approx(np.array([[4.5, 0.5], [0.5, 4.5]] * 2) / 5)
