"""Batches of utterances of like length, padded to the longest of each and no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Side = Literal["left", "right"]
# Batches are sorted by length inside windows of so many batches: padding stays small, order stays random.
_SORTED_BATCHES = 50


@dataclass(frozen=True)
class Batch:
    """B rows: token ids, their mask, the audio states of all rows in one piece, targets and weights."""

    ids_BT: Tensor
    mask_BT: Tensor
    audio_XD: Tensor
    target_BK: Tensor
    weight_B: Tensor


def collate(
    ids: Sequence[Sequence[int]],
    audio: Sequence[Tensor],
    target_BK: Tensor,
    weight_B: Tensor,
    pad_id: int,
    side: Side = "right",
) -> Batch:
    """Pad to the longest row on one side."""
    longest = max(map(len, ids))
    ids_BT = torch.full((len(ids), longest), pad_id, dtype=torch.long)
    mask_BT = torch.zeros((len(ids), longest), dtype=torch.long)
    for row, tokens in enumerate(ids):
        place = slice(0, len(tokens)) if side == "right" else slice(longest - len(tokens), longest)
        ids_BT[row, place] = torch.tensor(tokens)
        mask_BT[row, place] = 1
    return Batch(ids_BT, mask_BT, torch.cat(list(audio)), target_BK, weight_B)


def by_length(length_N: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Rows in batches from short to long: the order for predicting."""
    order = np.argsort(length_N, kind="stable")
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def shuffled_by_length(
    length_N: NDArray[np.int64], batch: int, random: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Rows in batches of like length, which rows and which order being random: one epoch of training."""
    order = random.permutation(len(length_N))
    window = batch * _SORTED_BATCHES
    batches = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(length_N[rows], kind="stable")]
        batches += [rows[first : first + batch] for first in range(0, len(rows), batch)]
    return [batches[index] for index in random.permutation(len(batches))]
