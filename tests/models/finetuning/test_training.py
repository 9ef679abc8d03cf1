"""Training on a small random ALM: deterministic, resumable, and it reduces the loss."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.finetuning.model.distribution_model import adapted_modules, add_adapters  # noqa: E402
from tests.support.finetuned_models import (  # noqa: E402
    CPU_TEST_OPTIONS,
    files_of,
    finetune_tones,
    start_finetune,
)


def test_equal_runs_give_equal_bytes_and_other_seeds_others(tones, run_arguments, model, folder) -> None:
    again = finetune_tones(tones, folder / "again", **(run_arguments | {"cache": folder / "other-states"}))
    assert files_of(again) == files_of(model)
    options = CPU_TEST_OPTIONS | {"seed": 6, "epochs": 1}
    other = finetune_tones(tones, folder / "other", **(run_arguments | {"options": options}))
    weights = "adapter_model.safetensors"
    assert (other / weights).read_bytes() != (model / weights).read_bytes()


def test_a_run_killed_with_kill_9_resumes_to_the_same_model(tones, run_arguments, model, folder) -> None:
    runs = folder / "killed-runs"
    options = CPU_TEST_OPTIONS | {"checkpoint_seconds": 0}
    arguments = run_arguments | {"runs": runs, "options": options}
    # Equal numbers of threads: the division of sums among threads changes their last bits.
    running = start_finetune(
        arguments | {"utterances": tones.utterances, "distributions": tones.human, "out": folder / "killed"},
        folder,
        threads=torch.get_num_threads(),
    )
    deadline = time.monotonic() + 240
    while not (checkpoints := list(runs.glob("*/checkpoint.safetensors"))) and time.monotonic() < deadline:
        assert running.poll() is None, f"the run ended too early: {running.communicate()[1][-2000:]}"
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert checkpoints
    assert not (folder / "killed").exists()
    resumed = finetune_tones(tones, folder / "killed", **arguments)
    assert files_of(resumed) == files_of(model)
    assert not list(runs.glob("*/checkpoint.safetensors"))


def test_only_the_language_models_attention_is_adapted(backbone) -> None:
    projections_of_tower = [
        name
        for name, _ in backbone.model.named_modules()
        if name.endswith("audio_tower.layers.0.self_attn.q_proj")
    ]
    assert projections_of_tower  # They have the same names as the language model's.
    model = add_adapters(backbone, 3, 8, 16, 0.2, seed=0)
    layers = backbone.model.config.text_config.num_hidden_layers
    expected = {
        f"base_model.model.model.language_model.layers.{layer}.self_attn.{name}_proj"
        for layer in range(layers)
        for name in "qkvo"
    }
    assert set(adapted_modules(backbone.model)) == expected
    assert all("lora_" in name or name.startswith("head.") for name in model.trainable())


def test_training_learns_what_the_tones_mean(model, predictions) -> None:
    curves = json.loads((model / "curves.json").read_text())["curves"]
    assert curves[-1]["loss"] < curves[0]["loss"]
    assert [row["epoch"] for row in curves] == [1, 2, 3]
    training = json.loads((model / "training.json").read_text())
    assert training["checks"]["gradient"] > 0
    assert len(predictions) == 12


def test_tensorboard_gets_the_curves(model, folder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "events"))
    events.Reload()
    curves = json.loads((model / "curves.json").read_text())["curves"]
    for name in ("loss", "development_js", "development_cross_entropy", "learning_rate"):
        points = [(event.step, event.value) for event in events.Scalars(name)]
        np.testing.assert_allclose(points, [(row["epoch"], row[name]) for row in curves], rtol=1e-6)
