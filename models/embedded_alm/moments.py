"""Where the tower starts from: statistics of the spectrogram that carry emotion, written into its weights.

From some thousand clips with three votes each, a transformer with random weights needs hours to find what a
voice's mean spectrum and its variability tell; they are known (the functionals of eGeMAPS: Eyben et al., IEEE
Transactions on Affective Computing 7(2), 2016). As a program for Qwen2-Audio's tower they are two layers,
and training starts there:

    convolutions         B bands of the log-mel spectrogram, their change over 40 ms, and the frame's loudness
    layer 1, attention   the bands' mean over all frames, and over the loud ones
    layer 1, MLP         |band - its loud mean| and |change|
    layer 2, attention   the mean of both over the loud frames
    layer 2, MLP         free: reads the 4 B statistics and says a logit for each label; this is what is learnt

Everything that the program does not use starts with random input and zero output weights, so it changes
nothing. LayerNorm is kept near the identity by two large opposite constants in every frame, and GELU near
the identity by an offset that the positions take off again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ambivox.models.embedded_alm.tower import hear

if TYPE_CHECKING:
    import torch

_CONSTANT = 32.0  # twice in every frame, with opposite signs; all else together stays far below it
_OFFSET = 4.0  # GELU(x + 4) = x + 4 to 1 % for all x that occur (log-mels lie between about -1.5 and 2)
_STEEP = 8.0  # GELU(8 x) / 8 is nearly a hinge
_LOUD = 4.0  # a frame counts exp(4 x its mean log-mel): 40 dB more, 50 times as much
_BENT = 1.5  # bands are finer where pitch and the first formant are: borders grow with this power


@dataclass(frozen=True)
class Places:
    """Which dimensions of a frame hold what, for B bands and K labels."""

    bands: int
    label_count: int

    @property
    def level(self) -> slice:
        """The bands; behind layer 1 their loud mean plus their distance to it."""
        return slice(0, self.bands)

    @property
    def change(self) -> slice:
        """Their change; behind layer 1 its size."""
        return slice(self.bands, 2 * self.bands)

    @property
    def varying(self) -> slice:
        """Both."""
        return slice(0, 2 * self.bands)

    @property
    def mean(self) -> slice:
        """The bands' mean over all frames."""
        return slice(2 * self.bands, 3 * self.bands)

    @property
    def loud_mean(self) -> slice:
        """The bands' mean over the loud frames."""
        return slice(3 * self.bands, 4 * self.bands)

    @property
    def moments(self) -> slice:
        """The means of ``varying`` over the loud frames, behind layer 1."""
        return slice(4 * self.bands, 6 * self.bands)

    @property
    def statistics(self) -> slice:
        """All that the last MLP reads, 4 B."""
        return slice(self.mean.start, self.moments.stop)

    @property
    def logit(self) -> slice:
        """What it says, K."""
        return slice(6 * self.bands, 6 * self.bands + self.label_count)

    @property
    def loudness(self) -> int:
        """A frame's mean log-mel."""
        return self.logit.stop

    @property
    def constants(self) -> slice:
        """Two dimensions, + and -."""
        return slice(self.loudness + 1, self.loudness + 3)

    @property
    def used(self) -> int:
        """The number of dimensions that the program takes."""
        return self.constants.stop


def tower_width_for(bands: int, label_count: int, heads: int) -> int:
    """The least width, a multiple of the heads and of 8, that holds the program and some room."""
    step = int(np.lcm(heads, 8))
    return -(-(Places(bands, label_count).used + 4) // step) * step


def band_weights(bands: int, mel_bands: int) -> np.ndarray:
    """Averages of neighbouring mel bands, (B, mel bands), narrow at the bottom; each row sums to 1."""
    borders = np.round((mel_bands - 1) * np.linspace(0, 1, bands + 1) ** _BENT).astype(int)
    for band in range(1, bands + 1):
        borders[band] = max(borders[band], borders[band - 1] + 1)
    weights = np.zeros((bands, mel_bands), np.float32)
    for band, (low, high) in enumerate(pairwise(borders)):
        weights[band, low:high] = 1 / (high - low)
    return weights


def write_moments(tower: Any, places: Places) -> None:
    """Write the program into a Qwen2AudioEncoder of two layers and at least two heads, in place."""
    import torch

    with torch.no_grad():
        _silence(tower, places)
        _write_convolutions(tower, places)
        first, second = tower.layers[:2]
        _write_mean(first.self_attn, 0, None, places.level, places.mean)
        _write_mean(first.self_attn, 1, places.loudness, places.level, places.loud_mean)
        _write_distances(first, places)
        half = slice(places.moments.start, places.moments.start + places.bands)
        _write_mean(second.self_attn, 0, places.loudness, places.level, half)
        _write_mean(
            second.self_attn, 1, places.loudness, places.change, slice(half.stop, places.moments.stop)
        )


def statistics(tower: Any, places: Places, mels_BMT: torch.Tensor, frames_B: torch.Tensor) -> torch.Tensor:
    """What the last MLP reads of each clip, B x 4 bands; the same in all frames, up to LayerNorm's rounding."""
    import torch

    read: list[torch.Tensor] = []
    hook = tower.layers[1].final_layer_norm.register_forward_hook(lambda *given: read.append(given[2]))
    try:
        with torch.inference_mode():
            hear(tower, mels_BMT, frames_B)
    finally:
        hook.remove()
    inner_B = (frames_B - 1) // 2 + 1
    there_BT = torch.arange(read[0].shape[1])[None] < inner_B[:, None]
    share_BT = there_BT / inner_B[:, None]
    return (read[0][:, :, places.statistics] * share_BT[..., None]).sum(1)


def write_reader(
    tower: Any,
    places: Places,
    fc1: tuple[torch.Tensor, torch.Tensor],
    fc2: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Write layer 2's MLP: weights and biases from the statistics to H hidden units, and on to K logits."""
    import torch

    mlp = tower.layers[1]
    hidden = len(fc1[1])
    with torch.no_grad():
        mlp.fc1.weight[:hidden] = 0
        mlp.fc1.weight[:hidden, places.statistics], mlp.fc1.bias[:hidden] = fc1
        mlp.fc2.weight[places.logit, :hidden], mlp.fc2.bias[places.logit] = fc2


def _silence(tower: Any, places: Places) -> None:
    """Zero all that writes to the frames, random input weights for what is unused, norms near the identity."""
    import torch

    width = tower.config.d_model
    spare = slice(places.used, width)
    for convolution in (tower.conv1, tower.conv2):
        torch.nn.init.kaiming_normal_(convolution.weight)
        convolution.weight[: spare.start] = 0
        convolution.bias.zero_()
    tower.conv2.weight[spare, : spare.start] = 0
    tower.embed_positions.weight[:, : spare.start] = 0
    keep = torch.full((width,), _CONSTANT * (2 / width) ** 0.5)
    keep[places.constants] = (2 / width) ** 0.5  # read as +1 and -1
    norms = [tower.layer_norm]
    for layer in tower.layers:
        norms += [layer.self_attn_layer_norm, layer.final_layer_norm]
        for name, weight in layer.named_parameters():
            if name.endswith("bias") or "out_proj" in name or "fc2" in name:
                weight.zero_()
            elif weight.ndim == 2:
                torch.nn.init.xavier_uniform_(weight)
    for norm in norms:
        norm.weight.copy_(keep)
        norm.bias.zero_()


def _write_convolutions(tower: Any, places: Places) -> None:
    """Bands, change over four mel frames (two steps of two) and loudness, each with the offset at first."""
    import torch

    bands = torch.from_numpy(band_weights(places.bands, tower.config.num_mel_bins))
    first, second, positions = tower.conv1, tower.conv2, tower.embed_positions.weight
    first.weight[places.level, :, 1] = bands
    first.weight[places.change, :, 0], first.weight[places.change, :, 2] = -bands, bands
    first.weight[places.loudness, :, 1] = bands.mean(0)
    level, change = (torch.arange(part.start, part.stop) for part in (places.level, places.change))
    second.weight[level, level, 1] = 1
    second.weight[change, change, 0], second.weight[change, change, 2] = 1, 1
    second.weight[places.loudness, places.loudness, 1] = 1
    second.bias[places.change] = -_OFFSET  # it came in twice
    for part in (places.varying, places.loudness):
        first.bias[part] = _OFFSET
        positions[:, part] = -_OFFSET
    positions[0, places.change] = 0  # the first frame has no frame before it, and so no offset from there
    positions[:, places.constants.start] = _CONSTANT
    positions[:, places.constants.start + 1] = -_CONSTANT


def _write_mean(attention: Any, head: int, weigh_by: int | None, read: slice, write: slice) -> None:
    """Copy the mean over all frames, each counting exp(_LOUD x its ``weigh_by``), with one head."""
    import torch

    size = attention.head_dim
    rows = slice(head * size, (head + 1) * size)
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[rows] = 0
    if weigh_by is not None:
        attention.q_proj.bias[rows.start] = _LOUD * size**0.5
        attention.k_proj.weight[rows.start, weigh_by] = 1
    for offset in range(read.stop - read.start):
        attention.v_proj.weight[rows.start + offset, read.start + offset] = 1
    source = torch.arange(read.stop - read.start)
    attention.out_proj.weight[write.start + source, rows.start + source] = 1


def _write_distances(layer: Any, places: Places) -> None:
    """x becomes m + |x - m| = x + 2 max(0, m - x), m its loud mean; and a change d |d| = d + 2 max(0, -d)."""
    import torch

    units = torch.arange(2 * places.bands)
    bands = torch.arange(places.bands)
    layer.fc1.weight[: 2 * places.bands] = 0
    layer.fc1.weight[units, units] = -_STEEP
    layer.fc1.weight[bands, places.loud_mean.start + bands] = _STEEP
    layer.fc2.weight[units, units] = 2 / _STEEP
