"""DiME-Aug: filling small emotion classes by mixing neighbouring training utterances (arXiv 2601.14620).

Every class below ``ratio`` times the largest is filled up to that. One new sample: draw x1 of the class, draw x2
among its k nearest neighbours in the class (Euclidean, standardised features), draw a weight a; then

    audio = x1 + a (x2 - x1)    transcript = x1's if a < 0.5 else x2's    p = p1 + a (p2 - p1), renormalised

The paper takes classes by dominant label and a uniform in [0, 1). Beyond the paper: classes by expected label
mass, and a from Beta(alpha, alpha), whose alpha = 1 is the uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ambivox.models.errors import UserError

Classes = Literal["dominant", "mass"]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How many samples to make, and of what. The defaults are the paper's."""

    ratio: float = 0.25
    neighbours: int = 3
    alpha: float = 1.0
    classes: Classes = "dominant"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise UserError(f"ratio must lie in [0, 1], found {self.ratio}; the paper uses 0.20 to 0.30")
        if self.neighbours < 1:
            raise UserError(f"neighbours must be 1 or more, found {self.neighbours}; the paper uses 3")
        if not (self.alpha > 0 and math.isfinite(self.alpha)):
            raise UserError(f"mixing alpha must be positive, found {self.alpha}; 1 is the paper's uniform")


@dataclass(frozen=True)
class Lineage:
    """S new samples: rows of both parents, the second's rank among the first's neighbours (1 is the nearest),
    the mixing weight a in [0, 1], and the class that was being filled.
    """

    first_S: Rows
    second_S: Rows
    rank_S: Rows
    weight_S: Floats
    class_S: Rows

    def __len__(self) -> int:
        """S."""
        return len(self.first_S)

    def first_few(self, count: int) -> Lineage:
        """The first ``count`` samples."""
        return Lineage(
            self.first_S[:count],
            self.second_S[:count],
            self.rank_S[:count],
            self.weight_S[:count],
            self.class_S[:count],
        )

    def distributions(self, p_NK: Floats) -> Floats:
        """``p_SK``: p1 + a (p2 - p1), renormalised."""
        p_SK = p_NK[self.first_S] + self.weight_S[:, None] * (p_NK[self.second_S] - p_NK[self.first_S])
        renormalised: Floats = p_SK / p_SK.sum(axis=1, keepdims=True)
        return renormalised

    def speaking_rows(self) -> Rows:
        """The row of the parent whose transcript the sample has."""
        return np.where(self.weight_S < 0.5, self.first_S, self.second_S)


def class_sizes(p_NK: Floats, classes: Classes) -> Floats:
    """Utterances per dominant label (first of equals), or expected label mass."""
    if classes == "mass":
        mass_K: Floats = p_NK.sum(axis=0)
        return mass_K
    return np.bincount(p_NK.argmax(axis=1), minlength=p_NK.shape[1]).astype(np.float64)


def plan(features_NF: Floats, p_NK: Floats, recipe: Recipe) -> Lineage:
    """Which new samples to make. Classes draw from generators of their own, so that one does not move another.

    A class of fewer than two members has no neighbours and stays as it is.
    """
    if len(features_NF) != len(p_NK):
        raise ValueError(f"{len(features_NF)} rows of features for {len(p_NK)} distributions")
    if not len(p_NK):
        raise UserError("there is no training utterance to augment")
    size_K = class_sizes(p_NK, recipe.classes)
    standard_NF = standardised(features_NF)
    parts = [
        _fill(k, standard_NF, p_NK, recipe.ratio * size_K.max() - size_K[k], recipe)
        for k in range(len(size_K))
    ]
    return Lineage(
        np.concatenate([part.first_S for part in parts]),
        np.concatenate([part.second_S for part in parts]),
        np.concatenate([part.rank_S for part in parts]),
        np.concatenate([part.weight_S for part in parts]),
        np.concatenate([part.class_S for part in parts]),
    )


def standardised(features_NF: Floats) -> Floats:
    """Mean 0, standard deviation 1 a column; constant columns become 0."""
    deviation_F = features_NF.std(axis=0)
    centred_NF = features_NF - features_NF.mean(axis=0)
    return np.where(deviation_F > 1e-12, centred_NF / np.where(deviation_F > 1e-12, deviation_F, 1), 0.0)


def mix(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: float, match_loudness: bool = False
) -> tuple[NDArray[np.int16], bool]:
    """The mixed recording as 16-bit samples, and whether it had to be scaled down.

    Both parents are at one rate; the mix has their common length. A mix of two sounds within [-1, 1] stays
    within; only parents that leave it (lossy codecs overshoot) are scaled to a peak of 1, never clipped.

    Args:
        match_loudness: bring the second parent to the first's RMS before mixing (the paper does not).
    """
    length = min(len(first), len(second))
    one, two = first[:length].astype(np.float64), second[:length].astype(np.float64)
    if match_loudness:
        rms_one, rms_two = np.sqrt(np.mean(one**2)), np.sqrt(np.mean(two**2))
        two = two * (rms_one / rms_two) if rms_two > 0 else two
    mixed = one + weight * (two - one)
    peak = float(np.abs(mixed).max())
    scaled = peak > 1
    if scaled:
        mixed = mixed / peak
    return np.clip(np.rint(mixed * 32768), -32768, 32767).astype(np.int16), scaled


def _fill(k: int, standard_NF: Floats, p_NK: Floats, deficit: float, recipe: Recipe) -> Lineage:
    """New samples of class k until ``deficit`` (samples, or label mass) is made up."""
    random = np.random.default_rng([recipe.seed, k])
    label_count = p_NK.shape[1]
    by_mass = recipe.classes == "mass"
    members = np.flatnonzero(p_NK[:, k] >= 1 / label_count if by_mass else p_NK.argmax(axis=1) == k)
    # Members by mass give 1/K at least, and so does any mix of two: this many samples always suffice.
    count = math.ceil(deficit * label_count - 1e-9) if by_mass else math.ceil(deficit - 1e-9)
    if count <= 0 or len(members) < 2:
        nobody = np.zeros(0, np.int64)
        return Lineage(nobody, nobody, nobody, np.zeros(0), nobody)
    chance = p_NK[members, k] / p_NK[members, k].sum() if by_mass else None
    drawn_S = random.choice(len(members), size=count, p=chance)
    k_nearest = min(recipe.neighbours, len(members) - 1)
    neighbours_SR = _neighbours(standard_NF[members], drawn_S, k_nearest)
    rank_S = random.integers(k_nearest, size=count)
    weight_S = random.beta(recipe.alpha, recipe.alpha, count) if recipe.alpha != 1 else random.random(count)
    made = Lineage(
        members[drawn_S],
        members[neighbours_SR[np.arange(count), rank_S]],
        rank_S + 1,
        weight_S,
        np.full(count, k, dtype=np.int64),
    )
    if not by_mass:
        return made
    kept = int(np.searchsorted(np.cumsum(made.distributions(p_NK)[:, k]), deficit)) + 1
    return made.first_few(kept)


def _neighbours(standard_MF: Floats, drawn_S: Rows, k_nearest: int) -> Rows:
    """The ``k_nearest`` neighbours of each drawn member, nearest first, without itself; (S, k_nearest)."""
    from sklearn.neighbors import NearestNeighbors

    asked_U, back_S = np.unique(drawn_S, return_inverse=True)
    index = NearestNeighbors(n_neighbors=k_nearest + 1).fit(standard_MF)
    found_UR = index.kneighbors(standard_MF[asked_U], return_distance=False)
    # A member is its own nearest neighbour, unless as many others equal it: then the last is left out.
    itself_UR = found_UR == asked_U[:, None]
    itself_UR[~itself_UR.any(axis=1), -1] = True
    nearest_UR: Rows = found_UR[~itself_UR].reshape(len(asked_U), k_nearest).astype(np.int64)
    return nearest_UR[back_S]
