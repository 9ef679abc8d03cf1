"""Model folders as people have them: each is taken as it is, or refused in one line that says what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.prompting.model_files import check_weights
from ambivox.models.prompting.model_folder import find_model, read_config, revision_of
from tests.support.model_folders import ARCHITECTURE, write_model, write_weights

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 123\n".format("0" * 64)


def read(folder: Path) -> None:
    check_weights(folder, read_config(folder).quantisation)


def adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen2-Audio-7B-Instruct"})
    )


def damaged_adapter(folder: Path) -> None:
    adapter(folder)
    (folder / "adapter_config.json").write_text("[1, 2")


def adapter_weights_under_a_config(folder: Path) -> None:
    write_weights(folder / "model.safetensors", "q_proj.lora_A.weight", "q_proj.lora_B.weight")


def pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model-00001-of-00002.bin")


def gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-q4.gguf")


def gguf_alone(folder: Path) -> None:
    gguf(folder)
    (folder / "config.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text(POINTER)


def pointer_to_the_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(POINTER)


def pointer_to_the_configuration(folder: Path) -> None:
    (folder / "config.json").write_text(POINTER)


def cut_short(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-10])


def cut_in_the_header(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:20])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def header_that_is_no_json(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((8).to_bytes(8, "little") + b"{{{{{{{{" + bytes(64))


def header_with_other_values(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": "x"}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def broken_link(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder / "blobs" / "gone")


def broken_link_to_the_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("gone")


def quantised_in_name_only(method: str):
    def damage(folder: Path) -> None:
        config = {"architectures": [ARCHITECTURE], "quantization_config": {"quant_method": method}}
        (folder / "config.json").write_text(json.dumps(config))

    return damage


def no_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


def configuration(content: str):
    def damage(folder: Path) -> None:
        (folder / "config.json").write_text(content)

    return damage


METHODS = ("AWQ", "gptq", "bitsandbytes", "fp8")
FAULTS = [
    (adapter, "an adapter .LORA. of Qwen/Qwen2-Audio-7B-Instruct.*merge"),
    (damaged_adapter, "configuration of an adapter"),
    (adapter_weights_under_a_config, "those of an adapter"),
    (pickles, "only pickles .pytorch_model-00001.*convert"),
    (gguf, "GGUF"),
    (gguf_alone, "GGUF"),
    (no_weights, "no .*safetensors weights"),
    (pointer, "model.safetensors is a pointer of git-lfs.*git lfs pull"),
    (pointer_to_the_vocabulary, "tokenizer.json is a pointer"),
    (pointer_to_the_configuration, "config.json is a pointer"),
    (cut_short, r"cut short, [\d,]+ of [\d,]+ bytes"),
    (cut_in_the_header, "cut short"),
    (empty, "cut short .0 bytes"),
    (header_that_is_no_json, "header of a safetensors file"),
    (header_with_other_values, "header of this safetensors file is damaged"),
    (broken_link, "link to a file that is not there"),
    (broken_link_to_the_configuration, "link to a file that is not there"),
    *((quantised_in_name_only(m), rf"quantised .{m.lower()}., but they are not") for m in METHODS),
    (no_configuration, "no config.json"),
    (configuration(""), "configuration of a model.*cut short"),
    (configuration('{"architectures": ["Qwen2'), "cut short"),
    (configuration("[1, 2]"), "configuration of a model.*found .1, 2."),
    (configuration('{"architectures": "Qwen2"}'), "at architectures: .*valid array"),
    (configuration('{"architectures": [{"a": 1}]}'), r"at architectures\.0"),
    (configuration('{"architectures": ["A"], "quantization_config": 4}'), "at quantization_config"),
    (configuration("[" * 100_000), "configuration of a model"),
    (configuration('{"a": ' + "9" * 100_000 + "}"), "number out of range"),
]


@pytest.mark.parametrize(
    ("damage", "says"), FAULTS, ids=[f"{n}-{c[0].__name__}" for n, c in enumerate(FAULTS)]
)
def test_a_folder_that_cannot_be_loaded_is_refused_in_one_line(tmp_path, damage, says):
    folder = write_model(tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError, match=says) as caught:
        read(find_model(folder))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_configuration_with_bytes_that_are_not_utf_8_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / "config.json").write_bytes(b'{"architectures": ["\xff\xfe"]}')
    with pytest.raises(UserError, match="UTF-8"):
        read(folder)


def test_missing_shards_are_counted_and_named(tmp_path):
    folder = write_model(tmp_path / "model", shards=5)
    assert read_config(folder).architectures == [ARCHITECTURE]
    for number in (2, 5):
        (folder / f"model-{number:05d}-of-00005.safetensors").unlink()
    with pytest.raises(UserError, match="2 of 5 files of weights are missing: model-00002-of-00005"):
        read(folder)


@pytest.mark.parametrize(
    "index", ["{", '{"weight_map": []}', '{"weight_map": {"a": "../outside.safetensors"}}', "[]"]
)
def test_a_damaged_index_is_refused(tmp_path, index):
    folder = write_model(tmp_path / "model", shards=2)
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match=r"index\.json"):
        read(folder)


@pytest.mark.parametrize("architectures", [None, [], ["Other"]])
def test_a_readable_configuration_is_read_whatever_it_names(tmp_path, architectures):
    folder = write_model(
        tmp_path / "model", config={"architectures": architectures, "torch_dtype": "bfloat16"}
    )
    assert read_config(folder).architectures == (architectures or [])


def test_a_byte_order_mark_does_no_harm(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())
    assert read_config(folder).architectures == [ARCHITECTURE]


def test_quantised_weights_are_taken_where_they_are_there(tmp_path):
    config = {"architectures": [ARCHITECTURE], "quantization_config": {"quant_method": "gptq", "bits": 4}}
    folder = write_model(tmp_path / "model", config=config)
    write_weights(folder / "model.safetensors", "q_proj.qweight", "q_proj.scales")
    assert read_config(folder).quantisation == "gptq"


def cache_of_a_hub(folder: Path, commits: tuple[str, ...], main: str | None) -> Path:
    """The cache of a model hub: snapshots whose files are links to blobs."""
    for commit in commits:
        plain = write_model(folder.parent / f"{commit}-plain")
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (folder / "blobs").mkdir(exist_ok=True)
        for path in plain.iterdir():
            blob = folder / "blobs" / f"{commit}-{path.name}"
            shutil.copy(path, blob)
            (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    if main:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(f"{main}\n")
    return folder


@pytest.mark.parametrize(
    ("commits", "main"), [(("c1",), "c1"), (("c1",), None), (("c1", "c2"), "c2"), (("c1",), "gone")]
)
def test_the_cache_of_a_hub_is_a_model(tmp_path, commits, main):
    folder = cache_of_a_hub(tmp_path / "models--Qwen--Some-Audio", commits, main)
    found = find_model(folder)
    assert found == folder / "snapshots" / (main if main in commits else commits[0])
    assert read_config(found).architectures == [ARCHITECTURE]
    assert revision_of(found) == revision_of(write_model(tmp_path / "same"))


def test_several_models_below_a_folder_are_named(tmp_path):
    folder = cache_of_a_hub(tmp_path / "models--Qwen--Some-Audio", ("c1", "c2"), None)
    with pytest.raises(UserError, match="snapshots/c1, snapshots/c2"):
        find_model(folder)
    write_model(tmp_path / "run" / "checkpoint-10")
    with pytest.raises(UserError, match="checkpoint-10"):
        find_model(tmp_path / "run")


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "vocab.txt", "merges.txt", "qwen.tiktoken",
        "tokenizer.model", "tokenizer.model.v3", "added_tokens.json", "preprocessor_config.json", "special.spm",
        "additional_chat_templates/tool.jinja", "head.safetensors",
    ],
)  # fmt: skip
def test_every_file_that_decides_an_answer_counts_in_the_revision(tmp_path, name):
    folder = write_model(tmp_path / "model")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"one")
    before = revision_of(folder)
    (folder / name).write_bytes(b"two")
    os.utime(folder / name, ns=(1, 1))
    assert revision_of(folder) != before


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "LICENSE.txt",
        "requirements.txt",
        "trainer_state.json",
        "training.json",
        "x.bin",
        "loss.png",
    ],
)
def test_what_decides_no_answer_does_not_count(tmp_path, name):
    folder = write_model(tmp_path / "model")
    before = revision_of(folder)
    (folder / name).write_bytes(b"one")
    (folder / "checkpoint-1").mkdir()
    write_weights(folder / "checkpoint-1" / "model.safetensors", "b")
    assert revision_of(folder) == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", [
    "config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json", "processor_config.json",
    "model.safetensors", "model.safetensors.index.json", "adapter_config.json", "additional_chat_templates/x.jinja",
])  # fmt: skip
def test_a_pipe_or_a_device_is_named_and_not_waited_for(tmp_path: Path, name: str, make) -> None:
    write_model(tmp_path / "alm")
    path = tmp_path / "alm" / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    make(path)
    for refused in (read, revision_of):
        with pytest.raises(
            UserError, match=f"{path.name}: found a pipe, a socket or a device, expected a file"
        ):
            refused(tmp_path / "alm")
