"""A Whisper's encoder in Qwen2-Audio's tower computes what transformers' Whisper computes; bad folders are one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ambivox.models.embedded_alm.architecture import build_feature_extractor, build_model
from ambivox.models.embedded_alm.audio_tower import embed, encode, run_layers
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.whisper_encoder import load_encoder, read_shape
from ambivox.models.errors import UserError
from tests.support.whisper_folders import REAL_WHISPER, make_whisper, needs_real_whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("whisper") / "w")


def loaded_tower(folder: Path):
    model = build_model(read_shape(folder, 2), build_tokenizer(("a b", "c d"), ["x"]))
    tower = model.model.audio_tower.eval()
    load_encoder(tower, folder)
    return tower


def half_minute(mel_bands: int) -> torch.Tensor:
    """Log-mels of a clip that fills the window, so that no padding is masked."""
    rng = np.random.default_rng(5)
    audio = np.sin(np.cumsum(rng.uniform(0.02, 0.2, 480_000))).astype(np.float32) * 0.3
    features = build_feature_extractor(mel_bands)(audio, sampling_rate=16_000, return_tensors="pt")
    return features.input_features


def assert_equals_transformers(folder: Path, mel_bands: int) -> None:
    from transformers import WhisperModel

    encoder = WhisperModel.from_pretrained(folder, dtype=torch.float32).eval().encoder
    tower, mels = loaded_tower(folder), half_minute(mel_bands)
    with torch.no_grad():
        expected = encoder(mels).last_hidden_state
        before_norm = run_layers(tower.layers, embed(tower, mels), torch.tensor([1500]))
        torch.testing.assert_close(tower.layer_norm(before_norm), expected, atol=2e-4, rtol=1e-4)
        # Qwen2-Audio averages pairs of frames before the norm.
        h_BLD, is_audio_BL = encode(tower, mels, torch.tensor([3000]))
        pairs = before_norm.unflatten(1, (750, 2)).mean(2)
        torch.testing.assert_close(h_BLD, tower.layer_norm(pairs), atol=1e-5, rtol=1e-5)
        assert is_audio_BL.all()
    assert expected.std() > 0.1


@pytest.mark.parametrize("mel_bands", [80, 128])
def test_the_tower_computes_what_whisper_computes(mel_bands: int, tmp_path: Path) -> None:
    assert_equals_transformers(make_whisper(tmp_path / "w", mel_bands=mel_bands), mel_bands)


@needs_real_whisper
def test_the_tower_computes_what_whisper_tiny_computes() -> None:
    from safetensors.torch import load_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    shape = read_shape(REAL_WHISPER, 6)
    assert (shape.mel_bands, shape.tower_width, shape.tower_layers, shape.tower_heads) == (80, 384, 4, 6)
    encoder = WhisperEncoder(WhisperConfig.from_pretrained(REAL_WHISPER)).eval()
    weights = load_file(REAL_WHISPER / "model.safetensors")
    encoder.load_state_dict({name.removeprefix("model.encoder."): value for name, value in weights.items()})
    tower, mels = loaded_tower(REAL_WHISPER), half_minute(80)[:, :, :3000]
    with torch.no_grad():
        expected = encoder(mels).last_hidden_state
        found = tower.layer_norm(run_layers(tower.layers, embed(tower, mels), torch.tensor([1500])))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_parts_an_encoder_alone_and_half_precision_hold_the_same_encoder(
    whisper: Path, tmp_path: Path
) -> None:
    from transformers import WhisperModel

    expected = loaded_tower(whisper).state_dict()
    parts = make_whisper(tmp_path / "parts", shard="100KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    model = WhisperModel.from_pretrained(whisper)
    model.encoder.save_pretrained(tmp_path / "alone")
    for folder in (parts, tmp_path / "alone"):
        for name, weight in loaded_tower(folder).state_dict().items():
            assert torch.equal(weight, expected[name]), (folder, name)
    model.half().save_pretrained(tmp_path / "half")
    for name, weight in loaded_tower(tmp_path / "half").state_dict().items():
        assert weight.dtype == torch.float32
        torch.testing.assert_close(weight, expected[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "wav2vec2"}, "at model_type: Input should be 'whisper', found 'wav2vec2'"),
        ({"d_model": "64"}, "at d_model: Input should be a valid integer, found '64'"),
        ({"encoder_layers": 0}, "at encoder_layers: Input should be greater than 0, found 0"),
        ({"encoder_ffn_dim": 10**9}, "at encoder_ffn_dim: Input should be less than 10000"),
        ({"encoder_attention_heads": 7}, "d_model: expected a multiple of 7 attention heads, found 64"),
        ({"max_source_positions": 750}, "at max_source_positions: Input should be 1500"),
        ({"activation_function": "relu"}, "at activation_function: Input should be 'gelu'"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_line(
    whisper: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    folder = tmp_path / "w"
    shutil.copytree(whisper, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=message) as error:
        read_shape(folder, 2)
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_are_one_line(whisper: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "w"
    shutil.copytree(whisper, folder)
    weights = load_file(folder / "model.safetensors")

    def rejects(changed: dict[str, torch.Tensor], message: str) -> None:
        save_file(changed, folder / "model.safetensors")
        with pytest.raises(UserError, match=message) as error:
            loaded_tower(folder)
        assert "\n" not in str(error.value)

    name = next(name for name in weights if name.endswith("encoder.layers.0.fc1.weight"))
    rejects({key: value for key, value in weights.items() if key != name}, "layers.0.fc1.weight")
    rejects(weights | {name: torch.zeros(3, 3)}, r"layers.0.fc1.weight: expected the shape \(96, 64\)")
    rejects(weights | {name: torch.full((96, 64), torch.nan)}, "expected finite weights")
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        loaded_tower(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"expected model\.safetensors, or its parts"):
        loaded_tower(folder)
    for index in (
        '{"weight_map": {"a": "../other/model.safetensors"}}',
        '{"weight_map": {"a": "weights.bin"}}',
    ):
        (folder / "model.safetensors.index.json").write_text(index)
        with pytest.raises(UserError, match="expected names of safetensors files beside it"):
            loaded_tower(folder)
