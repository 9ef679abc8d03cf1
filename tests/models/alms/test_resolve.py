"""Which ALM a name, a file or a folder is."""

from __future__ import annotations

import pytest

from ambivox.models.alms import alms, resolve
from ambivox.models.errors import UserError
from tests.support.model_folders import ARCHITECTURE, write_model


@pytest.mark.parametrize("key", sorted(key for key, spec in alms().items() if spec.checkpoint))
@pytest.mark.parametrize("form", ["{}", "https://huggingface.co/{}", "hf.co/{}/", "hub:{}"])
def test_the_name_on_the_hub_is_the_alm_at_its_pinned_revision(key, form):
    spec = alms()[key]
    found = resolve(form.format(spec.checkpoint))
    assert (found.key, found.source, found.revision) == (key, spec.checkpoint, spec.revision)
    assert resolve(key) == found


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("qwen2-audio", "qwen2_audio"),
        ("Qwen2Audio", "qwen2_audio"),
        ("Qwen2-Audio-7B-Instruct", "qwen2_audio"),
        ("someone/Qwen2-Audio-7B-Instruct-4bit", "qwen2_audio"),
        ("voxtral", "voxtral_mini"),
        ("/models/Voxtral-Mini-3B-2507", "voxtral_mini"),
        ("gemma3n", "gemma_3n"),
    ],
)
def test_a_name_that_is_close_to_a_known_one_gets_a_hint(name, key):
    with pytest.raises(UserError, match=f"did you mean --alm {key}"):
        resolve(name)


@pytest.mark.parametrize("name", ["", "gpt-9", "../nowhere", "openai/whisper-large", "models/\nx"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(UserError, match=r"known: .*qwen2_audio"):
        resolve(name)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model-q4.gguf", b"GGUF\x03\x00\x00\x00" + bytes(range(256)), "GGUF"),
        ("renamed", b"GGUF\x03\x00\x00\x00" + bytes(range(256)), "GGUF"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      ", "one file of a model; pass its folder"),
        ("config.json", b"{}", "one file of a model"),
        ("weights.bin", b"PK\x03\x04", "a pickle"),
        ("weights.pt", bytes(range(256)), "a pickle"),
        ("clip.wav", b"RIFF" + bytes(100), "neither a model folder"),
        ("latin", "schön".encode("latin-1"), "neither a model folder"),
        ("empty", b"", "neither a model folder"),
        ("long", b"a" * 100_000, "neither a model folder"),
        ("lines", b"qwen2_audio\nvoxtral_mini", "neither a model folder"),
    ],
)
def test_a_file_that_names_no_alm_is_described(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        resolve(str(tmp_path / name))


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(UserError, match="cannot be read"):
        resolve("a" * 5000)


def test_a_text_file_names_an_alm(tmp_path):
    (tmp_path / "alm").write_text("qwen2_audio\n")
    assert resolve(str(tmp_path / "alm")).key == "qwen2_audio"


def test_a_narrow_folder_is_the_published_alm_unless_its_configuration_says_otherwise(tmp_path):
    narrow = {"architectures": [ARCHITECTURE], "text_config": {"hidden_size": 64}}
    assert resolve(str(write_model(tmp_path / "narrow", config=narrow))).key == "qwen2_audio"
    marked = write_model(tmp_path / "marked", config=narrow | {"ambivox_alm": "tiny"})
    assert resolve(str(marked)).key == "tiny"
    other = write_model(tmp_path / "other", config=narrow | {"ambivox_alm": "nonesuch"})
    with pytest.raises(UserError, match="no file in models/alms/"):
        resolve(str(other))


def test_the_embedded_alm_states_its_key(small_alm):
    assert resolve(str(small_alm)).key == "tiny"


def test_a_file_that_changes_is_hashed_again(tmp_path):
    folder = write_model(tmp_path / "model")
    before = resolve(str(folder)).revision
    (folder / "chat_template.jinja").write_text("other")
    assert resolve(str(folder)).revision != before
