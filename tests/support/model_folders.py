"""Model folders with one small tensor, for tests of what is checked before an engine starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

ARCHITECTURE = "Qwen2AudioForConditionalGeneration"


def write_model(folder: Path, *, config: dict[str, Any] | None = None, shards: int = 1) -> Path:
    """Write a folder with config.json, a vocabulary, and weights in one file or in shards with an index."""
    folder.mkdir(parents=True)
    content = {"architectures": [ARCHITECTURE]} if config is None else config
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "tokenizer.json").write_text("{}")
    if shards == 1:
        write_weights(folder / "model.safetensors", "a.weight")
        return folder
    names = [f"model-{number:05d}-of-{shards:05d}.safetensors" for number in range(1, shards + 1)]
    for number, name in enumerate(names):
        write_weights(folder / name, f"layers.{number}.weight")
    places = {f"layers.{number}.weight": name for number, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def write_weights(path: Path, *names: str) -> None:
    """Write a *.safetensors file with a small tensor of each name."""
    save_file({name: np.arange(64, dtype=np.float32) for name in names}, path, metadata={"format": "pt"})
