"""Which dimensions of the audio tower's frames hold which value of models/embedded_alm/spectral_statistics.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TowerLayout:
    """Dimensions of a frame, for B bands and K labels."""

    bands: int
    label_count: int

    @property
    def level(self) -> slice:
        """Level of each band (B); after layer 1, loud mean plus absolute distance from it."""
        return slice(0, self.bands)

    @property
    def change(self) -> slice:
        """Change of each band over 40 ms (B); after layer 1, its absolute value."""
        return slice(self.bands, 2 * self.bands)

    @property
    def level_and_change(self) -> slice:
        """``level`` and ``change`` together (2 B)."""
        return slice(0, 2 * self.bands)

    @property
    def mean(self) -> slice:
        """Mean level over all frames (B)."""
        return slice(2 * self.bands, 3 * self.bands)

    @property
    def loud_mean(self) -> slice:
        """Mean level, weighted by loudness (B)."""
        return slice(3 * self.bands, 4 * self.bands)

    @property
    def loud_deviation(self) -> slice:
        """Loudness-weighted means of what ``level`` and ``change`` hold after layer 1 (2 B)."""
        return slice(4 * self.bands, 6 * self.bands)

    @property
    def statistics(self) -> slice:
        """``mean``, ``loud_mean`` and ``loud_deviation``: the input of the classifier (4 B)."""
        return slice(self.mean.start, self.loud_deviation.stop)

    @property
    def logit(self) -> slice:
        """Output of the classifier (K)."""
        return slice(6 * self.bands, 6 * self.bands + self.label_count)

    @property
    def loudness(self) -> int:
        """Mean log-mel of the frame."""
        return self.logit.stop

    @property
    def constants(self) -> slice:
        """Two constants with opposite signs."""
        return slice(self.loudness + 1, self.loudness + 3)

    @property
    def used(self) -> int:
        """The number of dimensions in use."""
        return self.constants.stop


def tower_width_for(bands: int, label_count: int, heads: int) -> int:
    """The least width of a tower for the layout and at least four free dimensions.

    Args:
        bands: B.
        label_count: K.
        heads: attention heads; the width is a multiple of them and of 8.
    """
    step = int(np.lcm(heads, 8))
    return -(-(TowerLayout(bands, label_count).used + 4) // step) * step
