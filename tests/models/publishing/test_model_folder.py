"""Trained models on the hub: the card's metadata and results, nothing of the machine that trained them, and the upload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.publishing.hub_upload import publish
from ambivox.models.publishing.model_folder import TrainedModel, find_model, model_facts, write_model
from ambivox.models.withdrawn import withdraw
from tests.support.hub_repositories import WRITE_TOKEN
from tests.support.hub_server import HubServer
from tests.support.report_run import make_run
from tests.support.writable_hub import writable_hub

ROW = {
    "nll": 1.21,
    "nll_low": 1.1,
    "nll_high": 1.3,
    "squared_error": {"value": 0.12, "low": 0.1, "high": 0.14},
    "js": 0.21,
    "js_low": 0.2,
    "js_high": 0.22,
    "bc": 0.82,
    "accuracy": None,
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus's folder with a fine-tuned model and an embedded ALM, as their steps leave them."""
    root = make_run(tmp_path / "secret-place/data/unit", 8)
    write_json(root / "evaluation/metrics.json", {"pooled-on": ROW})
    adapter = root / "finetuned/pooled-on"
    place = str(tmp_path / "secret-place/models/Qwen2-Audio-7B-Instruct")
    card = {
        "alm": place,
        "alm_name": "Qwen/Qwen2-Audio-7B-Instruct",
        "alm_revision": "0a09",
        "labels": ["angry"],
    }
    write_json(adapter / "ambivox.json", card)
    write_json(adapter / "adapter_config.json", {"base_model_name_or_path": place, "r": 8})
    write_json(adapter / "training.json", {"best_epoch": 2})
    (adapter / "adapter_model.safetensors").write_bytes(b"\0" * 64)
    (adapter / "rejects.parquet").write_bytes(b"ids of utterances")
    (adapter / "README.md").write_text("# Emotion distributions from speech\n\nHow to load it.\n")
    embedded = root / "alm"
    write_json(embedded / "config.json", {"model_type": "qwen2_audio"})
    write_json(embedded / "training.json", {"audio_tower": "openai/whisper-tiny"})
    (embedded / "model.safetensors").write_bytes(b"\1" * 64)
    return root


def found(folder: Path) -> TrainedModel:
    model = find_model(folder)
    assert model is not None
    return model


def write(folder: Path, out: Path, **facts: Any) -> ModelCard:
    model = found(folder)
    out.mkdir()
    write_model(model, "v1", model_facts(model, "Apache 2.0") | facts, out)
    return ModelCard.load(out / "README.md")


def test_a_fine_tuned_model(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    card = write(corpus / "finetuned/pooled-on", out)
    assert found(corpus / "finetuned/pooled-on").key == "unit-pooled-on"
    header = card.data
    assert header.pipeline_tag == "audio-classification"
    assert header.license == "apache-2.0"
    assert header.base_model == "Qwen/Qwen2-Audio-7B-Instruct"
    assert header.to_dict()["base_model_relation"] == "adapter"
    results = {result.metric_type: result for result in header.eval_results}
    assert {name: result.metric_value for name, result in results.items()} == {
        "nll": 1.21,
        "squared_error": 0.12,
        "js": 0.21,
        "bc": 0.82,
    }
    assert results["nll"].metric_args == {"low": 1.1, "high": 1.3, "level": 0.95}
    assert results["bc"].metric_args is None
    assert "How to load it." in card.text
    assert "| nll (nats per vote) | 1.210 [1.100, 1.300] |" in card.text
    assert "secret-place" not in "".join(path.read_text(errors="replace") for path in out.iterdir())
    assert not (out / "rejects.parquet").exists()
    for name, key in (("ambivox.json", "alm"), ("adapter_config.json", "base_model_name_or_path")):
        assert json.loads((out / name).read_text())[key] == "Qwen/Qwen2-Audio-7B-Instruct"
    assert (out / "adapter_model.safetensors").read_bytes() == b"\0" * 64


def test_the_embedded_alm(corpus: Path, tmp_path: Path) -> None:
    card = write(corpus / "alm", tmp_path / "out")
    assert found(corpus / "alm").key == "unit-alm"
    assert card.data.library_name == "transformers"
    assert card.data.base_model == "openai/whisper-tiny"
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "js": 0.222,
        "bc": 0.81,
        "accuracy": 0.66,
    }
    assert "# unit-alm v1" in card.text


def test_a_model_without_figures_or_known_base(corpus: Path, tmp_path: Path) -> None:
    (corpus / "evaluation/metrics.json").unlink()
    adapter = corpus / "finetuned/pooled-on"
    write_json(adapter / "ambivox.json", {"alm": "/home/anna/alm", "alm_name": "tiny", "labels": ["<b>"]})
    card = write(adapter, tmp_path / "out")
    assert card.data.eval_results is None
    assert card.data.to_dict().get("base_model") is None
    assert json.loads((tmp_path / "out/ambivox.json").read_text())["alm"] == "alm"


def test_folders_that_hold_no_model(corpus: Path) -> None:
    assert find_model(corpus) is None
    withdraw(corpus / "alm")
    with pytest.raises(UserError, match="forgotten"):
        find_model(corpus / "alm")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with writable_hub(monkeypatch) as server:
        yield server


def test_it_is_published_and_downloaded(corpus: Path, hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    write(corpus / "finetuned/pooled-on", tmp_path / "out")
    published = publish(tmp_path / "out", "team/model", "model", "v1")
    assert published.url == f"{hub.url}/team/model/tree/v1"
    assert published.is_new
    assert not publish(tmp_path / "out", "team/model", "model", "v1").is_new
    folder = snapshot_download(
        "team/model", revision="v1", endpoint=hub.url, token=WRITE_TOKEN, cache_dir=tmp_path / "cache"
    )
    for name in ("adapter_model.safetensors", "README.md", "ambivox.json"):
        assert (Path(folder) / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert not (Path(folder) / ".gitignore").exists()
