"""Splits that no speaker crosses: the corpus's official ones, or drawn with a seed.

Speakers, not utterances, are assigned to splits, in order of their number of utterances, each to the split that is
furthest below its share; the seed decides between speakers with equally many. Every split with a share gets at least
one speaker.

Unknown speakers: an utterance without a known speaker could be by anybody. Where splits are drawn, it goes to train,
where it cannot make test results look better than they are. Official splits are kept as published, including their
unknown speakers; the profile counts speakers that are in train and in another split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.tables import SPLITS

Shares = tuple[float, float, float, float]
DEFAULT_SHARES: Shares = (0.6, 0.15, 0.05, 0.2)
UnknownSpeakers = Literal["train", "alone"]


def check_shares(shares: Sequence[float]) -> Shares:
    """Check the shares of pretrain, train, development and test.

    Args:
        shares: Four numbers from 0 to 1 that sum to 1 (within 1e-6).

    Returns:
        The shares, as a tuple.

    Raises:
        UserError: There are more or fewer than four numbers, or they are out of range or do not sum to 1.

    Example:
        >>> check_shares([0, 0.7, 0.1, 0.2])
        (0.0, 0.7, 0.1, 0.2)
    """
    if len(shares) != 4 or not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise UserError(
            f"shares {' '.join(f'{share:g}' for share in shares)}: expected four numbers from 0 to 1 that sum to 1 "
            f"({', '.join(SPLITS)}), such as 0 0.7 0.1 0.2"
        )
    pretrain, train, development, test = (float(share) for share in shares)
    return (pretrain, train, development, test)


def draw_splits(
    utterances: pl.DataFrame, shares: Shares, seed: int, unknown_speakers: UnknownSpeakers = "train"
) -> pl.Series:
    """Draw a split for every utterance, by speaker, so that no speaker is in two splits.

    Args:
        utterances: ``utterance_id`` and ``speaker``.
        shares: Shares of utterances, in the order of SPLITS.
        seed: Decides which speakers go to which split.
        unknown_speakers: ``train`` puts utterances without a speaker there; ``alone`` treats each as a speaker of
            its own, for corpora in which nobody speaks twice.

    Returns:
        The split of each utterance, in the order of ``utterances``.

    Raises:
        UserError: There are fewer speakers than splits.
    """
    speaker = utterances["speaker"]
    if unknown_speakers == "alone":
        speaker = speaker.fill_null("?" + utterances["utterance_id"])
    sizes = speaker.drop_nulls().value_counts(name="size").sort("speaker")
    if not sizes.height:
        return pl.Series("split", ["train"] * utterances.height, dtype=pl.String)
    split_S = _assign_speakers(sizes["size"].to_numpy(), np.array(shares), np.random.default_rng(seed))
    split_of = dict(zip(sizes["speaker"], (SPLITS[split] for split in split_S), strict=True))
    return speaker.replace_strict(split_of, default="train", return_dtype=pl.String).alias("split")


def assign_splits(
    utterances: pl.DataFrame,
    shares: Shares | None,
    seed: int,
    unknown_speakers: UnknownSpeakers = "train",
    default: Shares = DEFAULT_SHARES,
) -> pl.DataFrame:
    """Give every utterance a split: its official one, or a drawn one where it has none.

    Where all splits are official, they stay, except that a pretrain share given by the user is taken by speaker from
    the official train split. Where some are official (a session that is left out, for example), the other splits
    share the remaining utterances, and a speaker with an official split in some utterances stays in it.

    Args:
        utterances: ``utterance_id``, ``speaker`` and ``split`` (null where there is no official one).
        shares: The shares that the user gave; None for ``default``.
        seed: Decides which speakers go to which split.
        unknown_speakers: As in ``draw_splits``.
        default: The shares of a corpus without official splits.

    Returns:
        The utterances, with ``split`` complete.

    Raises:
        UserError: There are fewer speakers than splits.
    """
    is_open = utterances["split"].is_null()
    if not is_open.any():
        return _reserve_pretrain(utterances, shares, seed) if shares and shares[0] else utterances
    official = (
        utterances.filter(~is_open & pl.col("speaker").is_not_null())
        .group_by("speaker")
        .agg(pl.col("split").min())
    )
    completed = utterances.with_columns(
        pl.col("split").fill_null(
            pl.col("speaker").replace_strict(official["speaker"], official["split"], default=None)
        )
        if official.height
        else pl.col("split")
    )
    filled = set(utterances["split"].drop_nulls().unique())
    open_shares = [
        0.0 if split in filled else share for split, share in zip(SPLITS, shares or default, strict=True)
    ]
    rest = completed.filter(pl.col("split").is_null())
    if not sum(open_shares):
        open_shares[SPLITS.index("train")] = 1.0
    pretrain, train, development, test = (share / sum(open_shares) for share in open_shares)
    drawn = rest.select(
        "utterance_id",
        _drawn=draw_splits(rest, (pretrain, train, development, test), seed, unknown_speakers),
    )
    joined = completed.join(drawn, on="utterance_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("split").fill_null(pl.col("_drawn"))).drop("_drawn")


def _reserve_pretrain(utterances: pl.DataFrame, shares: Shares, seed: int) -> pl.DataFrame:
    """Take speakers from the official train split for pretraining; only the ratio of the two shares counts."""
    in_train = pl.col("split") == "train"
    pretrain_share = shares[0] / (shares[0] + shares[1])
    known = utterances.filter(in_train & pl.col("speaker").is_not_null())
    drawn = draw_splits(known, (pretrain_share, 1 - pretrain_share, 0.0, 0.0), seed)
    reserved = known.filter(drawn == "pretrain")["speaker"].unique()
    is_reserved = in_train & pl.col("speaker").is_in(reserved.implode())
    return utterances.with_columns(
        pl.when(is_reserved).then(pl.lit("pretrain")).otherwise("split").alias("split")
    )


def split_overlap(utterances: pl.DataFrame) -> dict[str, int]:
    """Count what may leak between splits: speakers in several splits, and unknown speakers.

    Args:
        utterances: ``speaker`` and ``split``.

    Returns:
        ``speakers``: known speakers in more than one split. ``unknown_train`` and ``unknown_other``: utterances of
        unknown speakers in pretrain or train, and in development or test; where both are above 0, the same speaker
        may be in both.
    """
    known = utterances.filter(pl.col("speaker").is_not_null())
    crossing = known.group_by("speaker").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    unknown = utterances.filter(pl.col("speaker").is_null())["split"].is_in(["pretrain", "train"])
    return {"speakers": crossing, "unknown_train": int(unknown.sum()), "unknown_other": int((~unknown).sum())}


def _assign_speakers(size_S: np.ndarray, share_L: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Assign S speakers with ``size_S`` utterances to L splits; returns each speaker's index of a split."""
    used = np.flatnonzero(share_L > 0)
    if len(size_S) < len(used):
        names = ", ".join(SPLITS[split] for split in used)
        raise UserError(
            f"{counted(len(size_S), 'known speaker')} cannot fill {len(used)} splits ({names}) without sharing; "
            "set the share of a split to 0 with --shares, e.g. 0 0.8 0 0.2"
        )
    order = rng.permutation(len(size_S))
    order = order[np.argsort(-size_S[order], kind="stable")]
    missing_L = share_L * size_S.sum()
    split_S = np.empty(len(size_S), dtype=np.int64)
    empty = set(used.tolist())
    for assigned, speaker in enumerate(order):
        # When only as many speakers are left as there are empty splits, those splits get them.
        candidates = np.array(sorted(empty)) if len(empty) == len(order) - assigned else used
        split = int(candidates[np.argmax(missing_L[candidates])])
        split_S[speaker] = split
        missing_L[split] -= size_S[speaker]
        empty.discard(split)
    return split_S


def split_warnings(
    utterances: pl.DataFrame, published: pl.DataFrame, unknown_speakers: UnknownSpeakers
) -> list[str]:
    """List what a user should know about splits before trusting a result.

    Args:
        utterances: With ``split``, ``speaker`` and ``audio_sha256``.
        published: ``speaker`` and ``split`` before splits were drawn (null where there is no official one).
        unknown_speakers: As in ``draw_splits``.
    """
    overlap = split_overlap(utterances)
    lines = []
    if overlap["speakers"]:
        lines.append(
            f"{counted(overlap['speakers'], 'speaker is', 'speakers are')} in more than one split, as published"
        )
    if overlap["unknown_train"] and overlap["unknown_other"]:
        drawn = published.filter(pl.col("speaker").is_null())["split"].null_count()
        if not drawn:
            why = ", as published"
        else:
            why = ", because each counts as a speaker of its own" if unknown_speakers == "alone" else ""
        lines.append(
            f"utterances of unknown speakers are in train ({overlap['unknown_train']}) and in development or test "
            f"({overlap['unknown_other']}){why}: the same speaker may be in both"
        )
    copies = (
        utterances.group_by("audio_sha256").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    )
    if copies:
        lines.append(
            f"{counted(copies, 'recording is', 'recordings are')} in more than one split, byte for byte, under different names"
        )
    return lines
