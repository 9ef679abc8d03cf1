"""Initial weights of the audio tower: they compute spectral statistics that carry emotion.

From about a thousand utterances with three votes each, training a transformer from random weights takes hours to
find what the mean spectrum of a voice and its variability reveal. These statistics are known: they are functionals as
in eGeMAPS (Eyben et al., IEEE Transactions on Affective Computing 7(2), 2016). Two layers of Qwen2-Audio's tower
compute them:

    convolutions         B bands of the log-mel spectrogram, their change over 40 ms, and the loudness of the frame
    layer 1, attention   mean of the bands over all frames, and weighted by loudness
    layer 1, MLP         |band - its loudness-weighted mean| and |change|
    layer 2, attention   loudness-weighted mean of both
    layer 2, MLP         a trained classifier: maps the 4 B statistics to one logit per label

Dimensions that the statistics do not use have random input weights and zero output weights, so they change nothing.
Two large constants with opposite signs in every frame make LayerNorm almost the identity. An offset, which the position
embeddings subtract again, makes GELU almost the identity.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ambivox.models.embedded_alm.audio_tower import encode, encoder_frames
from ambivox.models.embedded_alm.tower_layout import TowerLayout

if TYPE_CHECKING:
    import torch

_CONSTANT = 32.0  # twice per frame, with opposite signs; the norm of all other values stays far below it
_OFFSET = 4.0  # GELU(x + 4) = x + 4 to 1 % for all x that occur (log-mels lie between about -1.5 and 2)
_STEEPNESS = 8.0  # GELU(8 x) / 8 approximates max(0, x)
_LOUDNESS_WEIGHT = 4.0  # a frame has weight exp(4 x its mean log-mel): 40 dB more give 50 times the weight
_BAND_EXPONENT = 1.5  # above 1, bands are narrower at pitch and first formant


def write_statistics(tower: Any, layout: TowerLayout) -> None:
    """Write the weights that compute the statistics, in place.

    Args:
        tower: a Qwen2AudioEncoder with two layers and at least two heads, as wide as ``tower_width_for`` gives.
        layout: the dimensions to use.
    """
    import torch

    with torch.no_grad():
        _reset_weights(tower, layout)
        _write_convolutions(tower, layout)
        first, second = tower.layers[:2]
        _write_mean(first.self_attn, 0, None, layout.level, layout.mean)
        _write_mean(first.self_attn, 1, layout.loudness, layout.level, layout.loud_mean)
        _write_absolute_values(first, layout)
        target = layout.loud_deviation
        middle = target.start + layout.bands
        _write_mean(second.self_attn, 0, layout.loudness, layout.level, slice(target.start, middle))
        _write_mean(second.self_attn, 1, layout.loudness, layout.change, slice(middle, target.stop))


def write_classifier(
    tower: Any,
    layout: TowerLayout,
    fc1: tuple[torch.Tensor, torch.Tensor],
    fc2: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Write a trained classifier into the MLP of layer 2, in place.

    Args:
        tower: a tower with the weights of ``write_statistics``.
        layout: the same dimensions.
        fc1: weights (H, 4 B) and biases (H,) from the statistics to H hidden units.
        fc2: weights (K, H) and biases (K,) from the hidden units to the logits.
    """
    import torch

    mlp = tower.layers[1]
    hidden = len(fc1[1])
    with torch.no_grad():
        mlp.fc1.weight[:hidden] = 0
        mlp.fc1.weight[:hidden, layout.statistics], mlp.fc1.bias[:hidden] = fc1
        mlp.fc2.weight[layout.logit, :hidden], mlp.fc2.bias[layout.logit] = fc2


def compute_statistics(
    tower: Any, layout: TowerLayout, mels_BMT: torch.Tensor, frames_B: torch.Tensor
) -> torch.Tensor:
    """The input of the classifier for each recording.

    Args:
        tower: a tower with the weights of ``write_statistics``.
        layout: the same dimensions.
        mels_BMT: log-mels, B recordings by M bands by T frames.
        frames_B: the number of mel frames of each recording.

    Returns:
        B by 4 x bands: mean, loud mean, and loud means of distance and change. All frames of a recording hold the
        same values up to rounding; this is their mean.
    """
    import torch

    mlp_inputs: list[torch.Tensor] = []
    norm = tower.layers[1].final_layer_norm
    hook = norm.register_forward_hook(lambda *arguments: mlp_inputs.append(arguments[2]))
    try:
        with torch.inference_mode():
            encode(tower, mels_BMT, frames_B)
    finally:
        hook.remove()
    (x_BTD,) = mlp_inputs
    encoded_B = encoder_frames(frames_B)
    is_audio_BT = torch.arange(x_BTD.shape[1])[None] < encoded_B[:, None]
    weight_BT = is_audio_BT / encoded_B[:, None]
    return (x_BTD[:, :, layout.statistics] * weight_BT[..., None]).sum(1)


def frame_head(tower: Any, layout: TowerLayout) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear head that copies the logits from a frame of the tower's output: weights K x D and biases K."""
    import torch

    weight_KD = torch.zeros(layout.label_count, tower.config.d_model)
    weight_KD[:, layout.logit] = torch.eye(layout.label_count)
    return weight_KD, torch.zeros(layout.label_count)


def band_weights(bands: int, mel_bands: int) -> np.ndarray:
    """Weights that average neighbouring mel bands; low bands are narrower.

    Args:
        bands: B, the number of averages.
        mel_bands: M, the number of mel bands.

    Returns:
        B by M; each row sums to 1, and no mel band is in two rows.
    """
    borders = np.round((mel_bands - 1) * np.linspace(0, 1, bands + 1) ** _BAND_EXPONENT).astype(int)
    for band in range(1, bands + 1):
        borders[band] = max(borders[band], borders[band - 1] + 1)
    weights = np.zeros((bands, mel_bands), np.float32)
    for band, (low, high) in enumerate(pairwise(borders)):
        weights[band, low:high] = 1 / (high - low)
    return weights


def _reset_weights(tower: Any, layout: TowerLayout) -> None:
    """Zero output weights, random input weights for unused dimensions, norms near the identity."""
    import torch

    width = tower.config.d_model
    unused = slice(layout.used, width)
    for convolution in (tower.conv1, tower.conv2):
        torch.nn.init.kaiming_normal_(convolution.weight)
        convolution.weight[: unused.start] = 0
        convolution.bias.zero_()
    tower.conv2.weight[unused, : unused.start] = 0
    tower.embed_positions.weight[:, : unused.start] = 0
    scale = torch.full((width,), _CONSTANT * (2 / width) ** 0.5)
    scale[layout.constants] = (2 / width) ** 0.5  # +1 and -1 after the norm
    norms = [tower.layer_norm]
    for layer in tower.layers:
        norms += [layer.self_attn_layer_norm, layer.final_layer_norm]
        for name, weight in layer.named_parameters():
            if name.endswith("bias") or "out_proj" in name or "fc2" in name:
                weight.zero_()
            elif weight.ndim == 2:
                torch.nn.init.xavier_uniform_(weight)
    for norm in norms:
        norm.weight.copy_(scale)
        norm.bias.zero_()


def _write_convolutions(tower: Any, layout: TowerLayout) -> None:
    """Bands, their change over four mel frames (two steps of two) and loudness, each plus the offset."""
    import torch

    bands = torch.from_numpy(band_weights(layout.bands, tower.config.num_mel_bins))
    first, second, positions = tower.conv1, tower.conv2, tower.embed_positions.weight
    first.weight[layout.level, :, 1] = bands
    first.weight[layout.change, :, 0], first.weight[layout.change, :, 2] = -bands, bands
    first.weight[layout.loudness, :, 1] = bands.mean(0)
    level, change = (torch.arange(part.start, part.stop) for part in (layout.level, layout.change))
    second.weight[level, level, 1] = 1
    second.weight[change, change, 0], second.weight[change, change, 2] = 1, 1
    second.weight[layout.loudness, layout.loudness, 1] = 1
    second.bias[layout.change] = -_OFFSET  # two taps add the offset twice
    for part in (layout.level_and_change, layout.loudness):
        first.bias[part] = _OFFSET
        positions[:, part] = -_OFFSET
    positions[0, layout.change] = 0  # the first frame has no predecessor, so one offset is missing
    positions[:, layout.constants.start] = _CONSTANT
    positions[:, layout.constants.start + 1] = -_CONSTANT


def _write_mean(attention: Any, head: int, loudness: int | None, source: slice, target: slice) -> None:
    """Write the mean of ``source`` over all frames into ``target``, weighted by loudness if its dimension is given."""
    import torch

    size = attention.head_dim
    rows = slice(head * size, (head + 1) * size)
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[rows] = 0
    if loudness is not None:
        attention.q_proj.bias[rows.start] = _LOUDNESS_WEIGHT * size**0.5
        attention.k_proj.weight[rows.start, loudness] = 1
    offsets = torch.arange(source.stop - source.start)
    attention.v_proj.weight[rows.start + offsets, source.start + offsets] = 1
    attention.out_proj.weight[target.start + offsets, rows.start + offsets] = 1


def _write_absolute_values(layer: Any, layout: TowerLayout) -> None:
    """Level x becomes m + |x - m| = x + 2 max(0, m - x), m its loud mean; change d becomes |d| = d + 2 max(0, -d)."""
    import torch

    units = torch.arange(2 * layout.bands)
    bands = torch.arange(layout.bands)
    layer.fc1.weight[: 2 * layout.bands] = 0
    layer.fc1.weight[units, units] = -_STEEPNESS
    layer.fc1.weight[bands, layout.loud_mean.start + bands] = _STEEPNESS
    layer.fc2.weight[units, units] = 2 / _STEEPNESS
