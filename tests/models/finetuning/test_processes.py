"""Training in two processes: the same steps as in one, with DDP and with FSDP."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from ambivox.models.errors import UserError
from ambivox.models.finetuning.distributed.processes import Processes
from tests.support.finetuned_models import predict_split, run_finetune, start_finetune

FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}


@pytest.fixture(scope="module")
def arguments(tones, run_arguments) -> dict[str, Any]:
    """A run that takes the same steps in one process and in two."""
    # A step has 3 batches, which two processes cannot share evenly. The head's dropout is seeded by step and batch, so
    # both cases draw the same; LoRA's dropout is not comparable with DDP and stays off.
    options = {
        "lora_dropout": 0.0,
        "epochs": 2,
        "batch": 8,
        "accumulation": 3,
        "seed": 2,
        "perturbation": 0.0,
        "learning_rate": 1e-3,
        "checkpoint_seconds": 0.0,
    }
    tables = {"utterances": tones.utterances, "distributions": tones.human}
    return run_arguments | tables | {"preset": "paper", "options": options}


@pytest.fixture(scope="module")
def single(arguments, folder: Path) -> Path:
    """The model of that run in one process."""
    run_finetune(**(arguments | {"runs": folder / "runs-1", "out": folder / "single"}))
    return folder / "single"


def scores(model: Path) -> list[list[float]]:
    """Loss and development scores, one row per epoch."""
    rows = json.loads((model / "curves.json").read_text())["curves"]
    return [[row["loss"], row["development_js"], row["development_cross_entropy"]] for row in rows]


def test_two_processes_take_the_same_steps_as_one(arguments, single, folder) -> None:
    out = folder / "two"
    running = start_finetune(arguments | {"runs": folder / "runs-2", "out": out}, folder, processes=2)
    output, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors[-2000:]
    assert len(output.splitlines()) == 1
    assert json.loads(output)["processes"] == 2
    np.testing.assert_allclose(scores(out), scores(single), atol=1e-5)


def test_sharded_over_two_processes_and_killed_it_resumes_to_the_same_model(
    tones, arguments, single, folder
) -> None:
    runs, out = folder / "runs-sharded", folder / "sharded"
    options = arguments["options"] | {"gradient_checkpointing": True}
    sharded = arguments | {"runs": runs, "out": out, "options": options}
    running = start_finetune(sharded, folder, processes=2, **FSDP)
    deadline = time.monotonic() + 240
    while not (checkpoints := list(runs.glob("*/checkpoint.safetensors"))) and time.monotonic() < deadline:
        assert running.poll() is None, running.communicate()[1][-2000:]
        time.sleep(0.005)
    workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    assert len(workers) == 2
    for process in (running.pid, *map(int, workers)):
        os.kill(process, signal.SIGKILL)
    running.communicate()
    assert checkpoints
    assert not out.exists()

    running = start_finetune(sharded, folder, processes=2, **FSDP)
    output, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors[-2000:]
    result = json.loads(output)
    assert result["training_result"]["resumed_at"] > 0
    half = (result["parameters"] + result["trained_parameters"]) / 2
    assert result["local_parameters"] == pytest.approx(half, abs=0.06e6)
    np.testing.assert_allclose(scores(out), scores(single), atol=1e-5)
    predictions = [predict_split(tones, model, folder / "states") for model in (out, single)]
    ids = predictions[0].frame["utterance_id"]
    np.testing.assert_allclose(predictions[0].aligned(ids), predictions[1].aligned(ids), atol=1e-4)


def test_the_first_version_of_fsdp_is_refused_by_name(monkeypatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match="--fsdp_version 2"):
        Processes()
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert not Processes().sharded
