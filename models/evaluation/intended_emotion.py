"""The emotion that an actor was told to express, as an oracle annotator, where a corpus's utterance ids tell it.

A corpus offers this with a function in its file, ``models/corpora/<key>.py``:

    def intended_emotion(utterance_ids: pl.Series) -> pl.Series

It returns one emotion per utterance, null where the id tells none.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models import corpora, registry
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.tables import Utterances, Votes


def intended_emotions(utterances: Utterances) -> pl.Series | None:
    """The intended emotion of every utterance.

    Args:
        utterances: of one corpus; its key is looked up in the column ``corpus``.

    Returns:
        One emotion per utterance; None unless the corpus tells that of every utterance.
    """
    keys = utterances.frame["corpus"].unique().to_list()
    if len(keys) != 1 or keys[0] not in registry.keys(corpora):
        return None
    hook = getattr(registry.find(corpora, keys[0], "corpus"), "intended_emotion", None)
    if hook is None:
        return None
    intents: pl.Series = hook(utterances.frame["utterance_id"])
    return None if intents.null_count() else intents


def oracle_distributions(
    intents: pl.Series, utterances: Utterances, votes: Votes, selected: Utterances
) -> np.ndarray:
    """How the utterances outside the split test with the same intended emotion were perceived.

    Args:
        intents: the intended emotion of every utterance of ``utterances``.
        utterances: of the corpus, all splits; votes on test utterances are not used.
        votes: human votes.
        selected: the N utterances of interest, all of them in ``utterances``.

    Returns:
        ``q_NK``: per utterance the label distribution of all votes for its intended emotion outside the split
        test.
    """
    known_N = (utterances.frame["split"] != "test").to_numpy()
    known_intents = intents.filter(pl.Series(known_N))
    n_NK = votes.counts(utterances.frame["utterance_id"].filter(pl.Series(known_N)))
    emotions = sorted(set(intents.to_list()))
    q_IK = np.stack([corpus_prior(n_NK[(known_intents == emotion).to_numpy()]) for emotion in emotions])
    index = dict(zip(utterances.frame["utterance_id"].to_list(), intents.to_list(), strict=True))
    return q_IK[[emotions.index(index[name]) for name in selected.frame["utterance_id"].to_list()]]
