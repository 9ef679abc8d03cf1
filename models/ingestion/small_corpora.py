"""Splits of a small corpus: which stay empty because there are too few speakers, or too few votes to train an ALM."""

from __future__ import annotations

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.splits import Shares, UnknownSpeakers, assign_splits
from ambivox.models.tables import SPLITS

#: Utterances with votes from which the embedded ALM can be trained.
LEAST_PRETRAIN_UTTERANCES = 20
#: Fewer train an ALM that is seldom worth a human vote; where the user gives no shares, it gets none, and train gets all.
ENOUGH_PRETRAIN_UTTERANCES = 60
# The first split is the last to stay empty: without training speakers nothing can be fitted.
_PRIORITY = ("train", "test", "development", "pretrain")


def fitting_shares(
    utterances: pl.DataFrame,
    voted: pl.Series,
    shares: Shares | None,
    seed: int,
    unknown_speakers: UnknownSpeakers,
    default: Shares,
) -> tuple[Shares | None, list[str]]:
    """Set the shares of splits to 0 that the corpus cannot fill.

    Args:
        utterances: ``utterance_id``, ``speaker`` and ``split`` (null where there is no official one).
        voted: The ids of the utterances with votes.
        shares: The shares that the user gave; None for ``default``.
        seed: Decides which speakers go to which split.
        unknown_speakers: As in ``draw_splits``.
        default: The shares of a corpus without official splits.

    Returns:
        The shares for ``assign_splits``, and notes for the user about the splits that stay empty.
    """
    is_open = pl.col("split").is_null()
    undecided = utterances.filter(is_open)
    if not undecided.height:
        return shares, []
    official = utterances.filter(~is_open)
    speakers = undecided["speaker"].drop_nulls().unique()
    known = speakers.filter(~speakers.is_in(official["speaker"].drop_nulls().implode()))
    count = len(known) + (undecided["speaker"].null_count() if unknown_speakers == "alone" else 0)
    share_of = dict(zip(SPLITS, shares or default, strict=True))
    wanted = [split for split in _PRIORITY if share_of[split] and split not in set(official["split"])]
    if len(wanted) < 2:
        return shares, []
    notes = []
    if count < len(wanted):
        empty = wanted[max(count, 1) :]
        share_of |= dict.fromkeys(empty, 0.0)
        notes.append(_few_speakers(count, empty))
    fitting = _normalised(share_of)
    if shares is None and share_of["pretrain"]:
        drawn = assign_splits(utterances, fitting, seed, unknown_speakers)
        in_pretrain = int(drawn.filter(split="pretrain")["utterance_id"].is_in(voted.implode()).sum())
        if in_pretrain < ENOUGH_PRETRAIN_UTTERANCES:
            # The pooling is fitted on train.
            share_of |= {"train": share_of["train"] + share_of["pretrain"], "pretrain": 0.0}
            fitting = _normalised(share_of)
            notes.append(_few_utterances(in_pretrain, default))
    return (fitting if notes else shares), notes


def _few_speakers(count: int, empty: list[str]) -> str:
    """Say which splits stay empty for want of speakers, and what follows."""
    noun = "speaker is" if count < 2 else "speakers are"
    note = f"{count or 'no'} {noun} known, and no speaker may be in two splits: {', '.join(empty)} empty"
    if "test" in empty:
        note += "; without test speakers no distribution can be scored"
    if count == 0:
        note += (
            " (--unknown-speakers alone counts every utterance of an unknown speaker as a speaker's only one)"
        )
    return note


def _few_utterances(in_pretrain: int, default: Shares) -> str:
    """Say why the split pretrain is empty, and what to do."""
    note = (
        f"the split pretrain would have {counted(in_pretrain, 'utterance')} with votes, and an ALM that is trained on fewer than "
        f"{ENOUGH_PRETRAIN_UTTERANCES} is seldom worth a human vote, so it is empty: no ALM is trained on this corpus"
    )
    if in_pretrain < LEAST_PRETRAIN_UTTERANCES:
        return note
    shares = ",".join(f"{share:g}" for share in default)
    return f"{note}; --set ingest.shares={shares} trains one nevertheless"


def _normalised(share_of: dict[str, float]) -> Shares:
    """Scale shares so that they sum to 1."""
    total = sum(share_of.values())
    pretrain, train, development, test = (share_of[split] / total for split in SPLITS)
    return (pretrain, train, development, test)
