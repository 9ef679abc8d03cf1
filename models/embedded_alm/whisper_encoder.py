"""A published Whisper encoder as the audio tower: its sizes, and its weights in Qwen2-Audio's architecture.

Qwen2-Audio's encoder is Whisper's with one step more: it averages pairs of frames between the last layer and the layer
norm. All weights have the same names and shapes. Read are config.json and safetensors only: of a whole model
(``model.encoder.`` in front of each name) or of an encoder alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambivox.models.embedded_alm.architecture import WINDOW_FRAMES, Shape
from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import read_config

if TYPE_CHECKING:
    import torch

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
_ENCODER_WEIGHT = re.compile(
    r"(?:(?:model\.)?encoder\.)?((?:conv[12]|embed_positions|layers|layer_norm)\..+)"
)
_SIZES = ("num_mel_bins", "d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim")
_SIZE_LIMIT = 10_000  # the largest published one is 5,120
# Qwen2-Audio's encoder has these values, too.
_SAME_IN_ALL = {
    "max_source_positions": WINDOW_FRAMES // 2,
    "activation_function": "gelu",
    "scale_embedding": False,
}


def read_shape(folder: Path, label_count: int) -> Shape:
    """The sizes of an embedded ALM with this Whisper as its tower.

    Args:
        folder: the Whisper's folder.
        label_count: the number of labels, which decides the sizes of the language model.

    Raises:
        UserError: config.json is not that of a Whisper whose encoder fits Qwen2-Audio's.
    """
    config = read_config(folder)
    path = folder / "config.json"
    if config.get("model_type") != "whisper":
        raise UserError(
            f"{path}: expected the model_type 'whisper', found {config.get('model_type')!r}; "
            "--tower takes a Whisper, such as openai/whisper-tiny"
        )
    values = [config.get(name) for name in _SIZES]
    for name, value in zip(_SIZES, values, strict=True):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _SIZE_LIMIT:
            raise UserError(f"{path}: {name}: expected a positive whole number, found {value!r}")
    for name, value in _SAME_IN_ALL.items():
        if config.get(name, value) != value:
            raise UserError(
                f"{path}: {name}: expected {value!r}, as in every published Whisper, found {config[name]!r}"
            )
    mel_bands, width, layers, heads, inner = (int(value or 0) for value in values)
    if width % heads:
        raise UserError(f"{path}: d_model: expected a multiple of {heads} attention heads, found {width}")
    return Shape(
        mel_bands=mel_bands,
        tower_width=width,
        tower_layers=layers,
        tower_heads=heads,
        tower_inner=inner,
        text_width=text_width_for(label_count),
        text_inner=text_inner_for(label_count),
    )


def load_encoder(tower: Any, folder: Path) -> None:
    """Write a published encoder's weights into a tower, in place.

    Args:
        tower: a Qwen2AudioEncoder of the sizes that ``read_shape`` gives.
        folder: the folder of the Whisper.

    Raises:
        UserError: weights are missing, unreadable, or of other shapes than config.json says.
    """
    import torch

    weights = _read_weights(folder)
    expected = tower.state_dict()
    missing = sorted(set(expected) - set(weights))
    if missing:
        raise UserError(f"{folder}: weights of the encoder are missing: {', '.join(missing[:3])}")
    for name, value in expected.items():
        if weights[name].shape != value.shape:
            raise UserError(
                f"{folder}: {name}: expected the shape {tuple(value.shape)} by config.json, "
                f"found {tuple(weights[name].shape)}"
            )
        if not torch.isfinite(weights[name]).all():
            raise UserError(f"{folder}: {name}: expected finite weights, found infinite ones or NaN")
    tower.load_state_dict({name: weights[name].float() for name in expected})


def weight_parts(index: Path) -> list[str]:
    """The names of the files that an index of weights lists.

    Raises:
        UserError: the index is unreadable, or names a file that is not beside it.
    """
    try:
        names = sorted({str(name) for name in json.loads(index.read_text("utf-8"))["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index}: expected an index of weights, found something else ({error})") from error
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UserError(f"{index}: expected names of safetensors files beside it, found {name!r}")
    return names


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The encoder's weights by their name in the encoder."""
    from safetensors import SafetensorError, safe_open

    single, index = folder / WEIGHTS, folder / WEIGHTS_INDEX
    if single.is_file():
        paths = [single]
    elif index.is_file():
        paths = [folder / name for name in weight_parts(index)]
    else:
        raise UserError(f"{folder}: expected {WEIGHTS}, or its parts with {WEIGHTS_INDEX}; found neither")
    weights: dict[str, torch.Tensor] = {}
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    if match := _ENCODER_WEIGHT.fullmatch(name):
                        weights[match[1]] = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cannot be read as safetensors ({error})") from error
    return weights
