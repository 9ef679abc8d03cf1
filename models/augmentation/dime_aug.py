"""DiME-Aug: fills small emotion classes by mixing neighbouring training utterances (arXiv 2601.14620).

Every class below ``ratio`` times the largest is filled up to that size. For each new sample, DiME-Aug draws x1 of the
class, then x2 among its k nearest neighbours in the class (Euclidean distance of standardised features), then a weight a:

    audio = x1 + a (x2 - x1)    transcript = x1's if a < 0.5, else x2's    p = p1 + a (p2 - p1), renormalised

In the paper, an utterance belongs to the class of its dominant label, and a is uniform in [0, 1). Beyond the paper,
classes can be filled by expected label mass, and a can follow Beta(alpha, alpha); alpha = 1 is uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ambivox.models.errors import UserError, unknown
from ambivox.models.statistics.dominant_emotion import dominance

Classes = Literal["dominant", "mass"]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class DimeAugSettings:
    """Settings of DiME-Aug; the defaults are the paper's.

    Attributes:
        ratio: size to which classes are filled, as a share of the largest, in [0, 1].
        neighbours: k, the nearest neighbours to mix with.
        mixing_alpha: alpha of the Beta distribution of mixing weights.
        classes: size of a class: ``dominant`` counts utterances by dominant label, ``mass`` sums probabilities.
        seed: of all random draws.
    """

    ratio: float = 0.25
    neighbours: int = 3
    mixing_alpha: float = 1.0
    classes: Classes = "dominant"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UserError: a value is out of range.
        """
        if not 0 <= self.ratio <= 1:
            raise UserError(f"ratio must be in [0, 1], found {self.ratio}; the paper uses 0.20 to 0.30")
        if self.classes not in get_args(Classes):
            raise unknown("classes", self.classes, get_args(Classes))
        if self.neighbours < 1:
            raise UserError(f"neighbours must be at least 1, found {self.neighbours}; the paper uses 3")
        if not (self.mixing_alpha > 0 and math.isfinite(self.mixing_alpha)):
            raise UserError(f"mixing alpha must be positive, found {self.mixing_alpha}; the paper uses 1")


@dataclass(frozen=True)
class Lineage:
    """The parents of S mixed samples.

    Attributes:
        first_S: row of the first parent.
        second_S: row of the second parent.
        rank_S: rank of the second parent among the neighbours of the first; 1 is the nearest.
        weight_S: mixing weight a, in [0, 1].
        class_S: the class that the sample fills.
    """

    first_S: Rows
    second_S: Rows
    rank_S: Rows
    weight_S: Floats
    class_S: Rows

    def __len__(self) -> int:
        """The number of samples, S."""
        return len(self.first_S)

    def head(self, count: int) -> Lineage:
        """The first ``count`` samples."""
        return Lineage(
            self.first_S[:count],
            self.second_S[:count],
            self.rank_S[:count],
            self.weight_S[:count],
            self.class_S[:count],
        )

    def distributions(self, p_NK: Floats) -> Floats:
        """Mixed distributions ``p_SK``: p1 + a (p2 - p1), renormalised."""
        p_SK = p_NK[self.first_S] + self.weight_S[:, None] * (p_NK[self.second_S] - p_NK[self.first_S])
        renormalised_SK: Floats = p_SK / p_SK.sum(axis=1, keepdims=True)
        return renormalised_SK

    def transcript_rows(self) -> Rows:
        """Row of the parent whose transcript each sample has."""
        return np.where(self.weight_S < 0.5, self.first_S, self.second_S)


def class_sizes(p_NK: Floats, classes: Classes) -> Floats:
    """Sizes of the K classes.

    Args:
        p_NK: distributions of N utterances.
        classes: ``dominant`` counts utterances per dominant label (equally probable ones share it), ``mass`` sums
            probabilities.

    Examples:
        >>> p_NK = np.array([[0.75, 0.25], [0.5, 0.5]])
        >>> class_sizes(p_NK, "dominant").tolist()
        [1.5, 0.5]
        >>> class_sizes(p_NK, "mass").tolist()
        [1.25, 0.75]
    """
    if classes == "mass":
        mass_K: Floats = p_NK.sum(axis=0)
        return mass_K
    share_K: Floats = dominance(p_NK).sum(axis=0)
    return share_K


def plan(features_NF: Floats, p_NK: Floats, settings: DimeAugSettings) -> Lineage:
    """Draw the parents and weights of all new samples.

    Every class has a random generator of its own, so classes do not affect each other. A class with fewer than two
    members has no neighbours and is not filled.

    Args:
        features_NF: features of N training utterances, not standardised.
        p_NK: their distributions.
        settings: the settings.

    Raises:
        UserError: there is no utterance.
    """
    if len(features_NF) != len(p_NK):
        raise ValueError(
            f"expected features and distributions of equal length, found {len(features_NF)} and {len(p_NK)}"
        )
    if not len(p_NK):
        raise UserError("found no training utterance to augment, expected at least one")
    size_K = class_sizes(p_NK, settings.classes)
    standard_NF = standardised(features_NF)
    target = settings.ratio * size_K.max()
    parts = [_fill(k, standard_NF, p_NK, target - size_K[k], settings) for k in range(len(size_K))]
    return Lineage(
        np.concatenate([part.first_S for part in parts]),
        np.concatenate([part.second_S for part in parts]),
        np.concatenate([part.rank_S for part in parts]),
        np.concatenate([part.weight_S for part in parts]),
        np.concatenate([part.class_S for part in parts]),
    )


def standardised(features_NF: Floats) -> Floats:
    """Columns with mean 0 and standard deviation 1; constant columns become 0."""
    deviation_F = features_NF.std(axis=0)
    centred_NF = features_NF - features_NF.mean(axis=0)
    return np.where(deviation_F > 1e-12, centred_NF / np.where(deviation_F > 1e-12, deviation_F, 1), 0.0)


def mix(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: float, match_loudness: bool = False
) -> tuple[NDArray[np.int16], bool]:
    """Mix two recordings: x1 + a (x2 - x1) on their common length.

    If both stay within [-1, 1], so does the mixture. Only if the mixture exceeds that range (decoders of lossy formats
    can overshoot), it is scaled to a peak of 1; it is never clipped.

    Args:
        first: samples of x1.
        second: samples of x2, at the same rate.
        weight: a, in [0, 1].
        match_loudness: scale x2 to the RMS of x1 first (the paper does not).

    Returns:
        16-bit samples, and whether they were scaled down.
    """
    length = min(len(first), len(second))
    x1, x2 = first[:length].astype(np.float64), second[:length].astype(np.float64)
    if match_loudness:
        rms1, rms2 = np.sqrt(np.mean(x1**2)), np.sqrt(np.mean(x2**2))
        x2 = x2 * (rms1 / rms2) if rms2 > 0 else x2
    mixture = x1 + weight * (x2 - x1)
    peak = float(np.abs(mixture).max())
    is_scaled = peak > 1
    if is_scaled:
        mixture = mixture / peak
    return np.clip(np.rint(mixture * 32768), -32768, 32767).astype(np.int16), is_scaled


def _fill(k: int, standard_NF: Floats, p_NK: Floats, deficit: float, settings: DimeAugSettings) -> Lineage:
    """New samples of class k that make up for ``deficit``, in samples or label mass."""
    random = np.random.default_rng([settings.seed, k])
    label_count = p_NK.shape[1]
    by_mass = settings.classes == "mass"
    is_member_N = p_NK[:, k] >= 1 / label_count if by_mass else dominance(p_NK)[:, k] > 0
    members = np.flatnonzero(is_member_N)
    # By mass, members have at least 1/K of label k, and so has every mixture: this many samples always suffice.
    count = math.ceil(deficit * label_count - 1e-9) if by_mass else math.ceil(deficit - 1e-9)
    if count <= 0 or len(members) < 2:
        empty = np.zeros(0, np.int64)
        return Lineage(empty, empty, empty, np.zeros(0), empty)
    chance = p_NK[members, k] / p_NK[members, k].sum() if by_mass else None
    drawn_S = random.choice(len(members), size=count, p=chance)
    k_nearest = min(settings.neighbours, len(members) - 1)
    neighbours_SR = _neighbours(standard_NF[members], drawn_S, k_nearest)
    rank_S = random.integers(k_nearest, size=count)
    alpha = settings.mixing_alpha
    weight_S = random.beta(alpha, alpha, count) if alpha != 1 else random.random(count)
    lineage = Lineage(
        members[drawn_S],
        members[neighbours_SR[np.arange(count), rank_S]],
        rank_S + 1,
        weight_S,
        np.full(count, k, dtype=np.int64),
    )
    if not by_mass:
        return lineage
    mass_S = np.cumsum(lineage.distributions(p_NK)[:, k])
    return lineage.head(int(np.searchsorted(mass_S, deficit)) + 1)


def _neighbours(standard_MF: Floats, drawn_S: Rows, k_nearest: int) -> Rows:
    """Nearest neighbours of each drawn member, nearest first, without the member itself; (S, k_nearest)."""
    from sklearn.neighbors import NearestNeighbors

    unique_U, inverse_S = np.unique(drawn_S, return_inverse=True)
    index = NearestNeighbors(n_neighbors=k_nearest + 1).fit(standard_MF)
    neighbour_UR = index.kneighbors(standard_MF[unique_U], return_distance=False)
    # A member is its own nearest neighbour, unless many others have equal features: then the last one is dropped.
    is_itself_UR = neighbour_UR == unique_U[:, None]
    is_itself_UR[~is_itself_UR.any(axis=1), -1] = True
    nearest_UR: Rows = neighbour_UR[~is_itself_UR].reshape(len(unique_U), k_nearest).astype(np.int64)
    return nearest_UR[inverse_S]
