"""A model folder whose processor or weights are damaged: one line that names the folder, whatever transformers raises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from ambivox.models.alm_backbones.backbone import load
from ambivox.models.errors import UserError
from tests.support.annotation_fixtures import build_small_alm


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_alm(tmp_path_factory.mktemp("right") / "alm", ("anger", "joy"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"- a\n- b\n"),
        ("tokenizer_config.json", b"[" * 100_000),
        ("processor_config.json", b"{}"),
        ("processor_config.json", b"\xff\xfe"),
        ("chat_template.jinja", bytes(range(256))),
        ("model.safetensors", b"cut off"),
    ],
)
def test_a_damaged_file_is_one_line(right: Path, tmp_path: Path, name: str, content: bytes) -> None:
    folder = Path(shutil.copytree(right, tmp_path / "alm"))
    (folder / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(str(folder), torch.device("cpu"), torch.float32)
    assert str(folder) in str(caught.value) and len(str(caught.value)) < 700


def test_a_token_that_the_weights_lack_is_one_line(right: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(right, tmp_path / "alm"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["extra_special_tokens"] = [*config.get("extra_special_tokens", []), "e "]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    backbone = load(str(folder), torch.device("cpu"), torch.float32)
    content = [{"type": "audio", "audio": ""}, {"type": "text", "text": "the answer"}]
    with pytest.raises(
        UserError, match=r"no weights for a token of its own tokenizer \(token \d+, the weights have"
    ):
        backbone.prompt_ids([{"role": "user", "content": content}], 3)
