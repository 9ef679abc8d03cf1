"""A published Whisper encoder as the audio tower: its sizes, and its weights in Qwen2-Audio's architecture.

Qwen2-Audio's encoder is Whisper's with one step more: it averages pairs of frames between the last layer and the layer
norm. All weights have the same names and shapes. Read are config.json and safetensors only: of a whole model
(``model.encoder.`` in front of each name) or of an encoder alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, TypeAdapter

from ambivox.models.embedded_alm.architecture import Shape
from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.json_documents import read_json_document

if TYPE_CHECKING:
    import torch

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
_ENCODER_WEIGHT = re.compile(
    r"(?:(?:model\.)?encoder\.)?((?:conv[12]|embed_positions|layers|layer_norm)\..+)"
)
_Size = Annotated[StrictInt, Field(gt=0, lt=10_000)]  # the largest in a published one is 5,120


class WhisperConfig(BaseModel):
    """The parts of a Whisper's config.json that describe its encoder.

    Those with a single value are the same in every published Whisper, and in Qwen2-Audio.
    """

    model_config = ConfigDict(extra="ignore")
    model_type: Literal["whisper"]
    num_mel_bins: _Size
    d_model: _Size
    encoder_layers: _Size
    encoder_attention_heads: _Size
    encoder_ffn_dim: _Size
    max_source_positions: Literal[1500] = 1500
    activation_function: Literal["gelu"] = "gelu"
    scale_embedding: Literal[False] = False


class _WeightsIndex(BaseModel):
    weight_map: dict[str, str]


_CONFIG, _INDEX = TypeAdapter(WhisperConfig), TypeAdapter(_WeightsIndex)


def read_shape(folder: Path, label_count: int) -> Shape:
    """The sizes of an embedded ALM with this Whisper as its tower.

    Args:
        folder: the Whisper's folder.
        label_count: the number of labels, which decides the sizes of the language model.

    Raises:
        UserError: config.json is not that of a Whisper whose encoder fits Qwen2-Audio's.
    """
    path = folder / "config.json"
    config = read_json_document(path, _CONFIG, "the configuration of a Whisper, such as openai/whisper-tiny")
    if config.d_model % config.encoder_attention_heads:
        raise UserError(
            f"{path}: d_model: expected a multiple of {config.encoder_attention_heads} attention heads, "
            f"found {config.d_model}"
        )
    return Shape(
        mel_bands=config.num_mel_bins,
        tower_width=config.d_model,
        tower_layers=config.encoder_layers,
        tower_heads=config.encoder_attention_heads,
        tower_inner=config.encoder_ffn_dim,
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
    document = read_json_document(index, _INDEX, "the index of a model's weights")
    names = sorted(set(document.weight_map.values()))
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
            raise UserError(f"{path}: cannot be read as safetensors ({error_text(error)})") from error
    return weights
