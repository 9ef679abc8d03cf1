"""Splits that no speaker crosses: drawn by seed, or the corpus's own where it has them.

Speakers, not utterances, are dealt out, the one with most utterances first, each to the split that lacks most
of its share; the seed decides between equals. Every split with a share gets at least one speaker.

Unknown speakers: an utterance whose speaker is not known could be by anybody, so where splits are drawn it
goes to train, where it can never flatter a test. A corpus's official splits are kept as published, unknown
speakers included, and those who are in train and in another split too are counted in the profile.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables import SPLITS

Shares = tuple[float, float, float, float]
DEFAULT_SHARES: Shares = (0.6, 0.15, 0.05, 0.2)
UnknownSpeakers = Literal["train", "alone"]


def parse_shares(text: str) -> Shares:
    """Read ``0.6,0.15,0.05,0.2``: the shares of pretrain, train, development and test.

    Raises:
        UserError: not four numbers from 0 up that sum to 1.
    """
    wanted = f"expected four numbers from 0 up that sum to 1 ({', '.join(SPLITS)}), like 0,0.7,0.1,0.2"
    try:
        a, b, c, d = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"shares {text!r}: {wanted}") from error
    if not all(0 <= share <= 1 for share in (a, b, c, d)) or abs(a + b + c + d - 1) > 1e-6:
        raise UserError(f"shares {text!r}: {wanted}")
    return (a, b, c, d)


def draw(
    utterances: pl.DataFrame, shares: Shares, seed: int, unknown_speakers: UnknownSpeakers = "train"
) -> pl.Series:
    """Draw a split for every utterance: by speaker, so that no speaker is in two.

    Args:
        utterances: ``utterance_id`` and ``speaker``.
        shares: Of utterances, in the order of SPLITS.
        seed: Decides which speakers go where.
        unknown_speakers: ``train`` puts utterances without a speaker there; ``alone`` takes each for a
            speaker of its own, for who knows that nobody speaks twice.

    Raises:
        UserError: fewer speakers than splits.
    """
    speaker = utterances["speaker"]
    if unknown_speakers == "alone":
        speaker = speaker.fill_null("?" + utterances["utterance_id"])
    sizes = speaker.drop_nulls().value_counts(name="size").sort("speaker")
    if not sizes.height:
        return pl.Series("split", ["train"] * utterances.height, dtype=pl.String)
    dealt = _deal(sizes["size"].to_numpy(), np.array(shares), np.random.default_rng(seed))
    of = dict(zip(sizes["speaker"], (SPLITS[split] for split in dealt), strict=True))
    return speaker.replace_strict(of, default="train", return_dtype=pl.String).alias("split")


def assign(
    utterances: pl.DataFrame,
    shares: Shares | None,
    seed: int,
    unknown_speakers: UnknownSpeakers = "train",
    default: Shares = DEFAULT_SHARES,
) -> pl.DataFrame:
    """Give every utterance a split: its official one, or a drawn one where that is null.

    Where all splits are official they stay, except that a pretrain share asked for is taken by speaker from
    the official train. Where some are (one session left out, say), the splits not yet filled share the rest,
    and a speaker with an official split somewhere stays in it.

    Args:
        utterances: ``utterance_id``, ``speaker`` and ``split`` (all or some null).
        shares: As given by the user; None: ``default``.
        seed: Decides which speakers go where.
        unknown_speakers: As in ``draw``.
        default: The shares of a corpus without official splits.
    """
    open_rows = utterances["split"].is_null()
    if not open_rows.any():
        return _reserve_pretrain(utterances, shares, seed) if shares and shares[0] else utterances
    homes = (
        utterances.filter(~open_rows & pl.col("speaker").is_not_null())
        .group_by("speaker")
        .agg(pl.col("split").min())
    )
    homed = utterances.with_columns(
        pl.col("split").fill_null(
            pl.col("speaker").replace_strict(homes["speaker"], homes["split"], default=None)
        )
        if homes.height
        else pl.col("split")
    )
    filled = set(utterances["split"].drop_nulls().unique())
    left = [0.0 if split in filled else share for split, share in zip(SPLITS, shares or default, strict=True)]
    rest = homed.filter(pl.col("split").is_null())
    if not sum(left):
        left[SPLITS.index("train")] = 1.0
    a, b, c, d = (share / sum(left) for share in left)
    drawn = rest.select("utterance_id", _drawn=draw(rest, (a, b, c, d), seed, unknown_speakers))
    joined = homed.join(drawn, on="utterance_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("split").fill_null(pl.col("_drawn"))).drop("_drawn")


def _reserve_pretrain(utterances: pl.DataFrame, shares: Shares, seed: int) -> pl.DataFrame:
    """Take speakers from the official train for pretraining; only the ratio of their two shares counts."""
    in_train = pl.col("split") == "train"
    part = shares[0] / (shares[0] + shares[1])
    known = utterances.filter(in_train & pl.col("speaker").is_not_null())
    drawn = draw(known, (part, 1 - part, 0.0, 0.0), seed)
    reserved = known.filter(drawn == "pretrain")["speaker"].unique()
    move = in_train & pl.col("speaker").is_in(reserved.implode())
    return utterances.with_columns(pl.when(move).then(pl.lit("pretrain")).otherwise("split").alias("split"))


def straddling(utterances: pl.DataFrame) -> dict[str, int]:
    """What a reader of a result must know: speakers in several splits, and unknown ones on both sides.

    Returns:
        ``speakers``: known speakers in more than one split. ``unknown_train`` and ``unknown_other``:
            utterances of unknown speakers in train or pretrain, and in development or test; a speaker may be
            in both if both are > 0.
    """
    known = utterances.filter(pl.col("speaker").is_not_null())
    crossing = known.group_by("speaker").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    unknown = utterances.filter(pl.col("speaker").is_null())["split"].is_in(["pretrain", "train"])
    return {"speakers": crossing, "unknown_train": int(unknown.sum()), "unknown_other": int((~unknown).sum())}


def _deal(size_S: np.ndarray, share_L: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal S speakers to L splits; index of the split for each.

    A split lacks ``share * total - dealt so far`` utterances; the next speaker goes where most is lacking.
    When only as many speakers are left as there are splits without one, those get them.
    """
    wanted = np.flatnonzero(share_L > 0)
    if len(size_S) < len(wanted):
        names = ", ".join(SPLITS[split] for split in wanted)
        raise UserError(
            f"{len(size_S)} known speakers cannot fill {len(wanted)} splits ({names}) without sharing; "
            "ask for fewer with --shares, e.g. 0,0.8,0,0.2"
        )
    order = rng.permutation(len(size_S))
    order = order[np.argsort(-size_S[order], kind="stable")]
    lacking_L = share_L * size_S.sum()
    split_S = np.empty(len(size_S), dtype=np.int64)
    empty = set(wanted.tolist())
    for done, speaker in enumerate(order):
        choice = np.array(sorted(empty)) if len(empty) == len(order) - done else wanted
        chosen = int(choice[np.argmax(lacking_L[choice])])
        split_S[speaker] = chosen
        lacking_L[chosen] -= size_S[speaker]
        empty.discard(chosen)
    return split_S
