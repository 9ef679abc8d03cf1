"""Fine-tuning end to end on a random tiny ALM: what is trained, saved, resumed, refused, and read elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.finetuning.training.checks import check_before_training  # noqa: E402
from ambivox.models.finetuning.training.inference import predict_rows  # noqa: E402

from ambivox.models.alm_backbones.audio_states import AudioStates  # noqa: E402
from ambivox.models.alm_backbones.backbone import Backbone, load  # noqa: E402
from ambivox.models.audio.decoding import decode  # noqa: E402
from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.data.examples import answer_codes, examples_of, mixed_examples_of  # noqa: E402
from ambivox.models.finetuning.model.distribution_head import DistributionHead  # noqa: E402
from ambivox.models.finetuning.model.distribution_model import (  # noqa: E402
    DistributionModel,
    adapted_modules,
    add_adapters,
)
from ambivox.models.finetuning.model.model_folder import load_model, merge  # noqa: E402
from ambivox.models.statistics.metrics import jensen_shannon  # noqa: E402
from ambivox.models.tables import Distributions, Utterances  # noqa: E402
from tests.support.steps import augment, finetune, predict  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = {"epochs": 3, "learning_rate": 3e-3, "batch": 8, "seed": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where caches and models of this module go."""
    return tmp_path_factory.mktemp("finetuning")


@pytest.fixture(scope="module")
def augmented(tones, folder: Path) -> Path:
    """DiME-Aug's samples for the corpus of tones."""
    return augment(
        utterances=tones.utterances,
        distributions=tones.human,
        out=folder / "augmented",
        ratio=0.6,
        cache=folder / "features",
    )


@pytest.fixture(scope="module")
def model(tones, random_alm: Path, augmented: Path, folder: Path) -> Path:
    """A model that was trained without interruption."""
    return finetune(
        utterances=tones.utterances,
        distributions=tones.human,
        augmented=augmented,
        alm=str(random_alm),
        out=folder / "model",
        cache=folder / "states",
        runs=folder / "runs",
        tensorboard=folder / "events",
        **OPTIONS,
    )


@pytest.fixture(scope="module")
def predictions(tones, model: Path, folder: Path) -> Distributions:
    """Its predictions on the test split."""
    return Distributions.read(
        predict(
            utterances=tones.utterances,
            model=model,
            out=folder / "predictions.parquet",
            cache=folder / "states",
        )
    )


@pytest.fixture
def backbone(random_alm: Path) -> Backbone:
    """The ALM, fresh."""
    return load(str(random_alm), torch.device("cpu"), torch.float32)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_equal_runs_give_equal_bytes_and_other_seeds_others(
    tones, random_alm, augmented, model, folder
) -> None:
    common = {
        "utterances": tones.utterances,
        "distributions": tones.human,
        "augmented": augmented,
        "alm": str(random_alm),
        "runs": folder / "runs",
    }
    again = finetune(**common, out=folder / "again", cache=folder / "other-states", **OPTIONS)
    assert contents(again) == contents(model)
    other = finetune(
        **common, out=folder / "other", cache=folder / "states", **(OPTIONS | {"seed": 6, "epochs": 1})
    )
    assert (other / "adapter_model.safetensors").read_bytes() != (
        model / "adapter_model.safetensors"
    ).read_bytes()


def test_the_prior_that_dime_aug_changed_is_taken_back(tones, random_alm, augmented, folder) -> None:
    common = {
        "utterances": tones.utterances,
        "distributions": tones.human,
        "augmented": augmented,
        "alm": str(random_alm),
        "runs": folder / "runs",
        "cache": folder / "states",
    }
    answers = {}
    for prior in ("recorded", "augmented"):
        made = finetune(**common, out=folder / f"prior-{prior}", **(OPTIONS | {"epochs": 1, "prior": prior}))
        found = Distributions.read(
            predict(
                utterances=tones.utterances,
                model=made,
                out=folder / f"prior-{prior}.parquet",
                cache=folder / "states",
            )
        )
        answers[prior] = found.aligned(found.frame["utterance_id"])
    recorded = Distributions.read(tones.human)
    train = Utterances.read(tones.utterances).in_splits("train").frame["utterance_id"]
    mixed = Distributions.read(augmented / "distributions.parquet")
    before_K = recorded.aligned(train).mean(axis=0)
    both = [recorded.aligned(train), mixed.aligned(mixed.frame["utterance_id"])]
    ratio_K = before_K / np.concatenate(both).mean(axis=0)
    assert np.abs(ratio_K - 1).max() > 0.05
    expected_NK = answers["augmented"] * ratio_K
    np.testing.assert_allclose(
        answers["recorded"], expected_NK / expected_NK.sum(axis=1, keepdims=True), atol=1e-5
    )


def test_a_run_killed_with_kill_9_goes_on_to_the_same_model(
    tones, random_alm, augmented, model, folder
) -> None:
    runs = folder / "killed-runs"
    command = [
        sys.executable,
        "-m",
        "ambivox.tasks.finetune",
        "--utterances",
        tones.utterances,
        "--distributions",
        tones.human,
        "--augmented",
        augmented,
        "--alm",
        random_alm,
        "--out",
        folder / "killed",
        "--cache",
        folder / "states",
        "--runs",
        runs,
        "--checkpoint-seconds",
        "0",
        *(str(part) for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", value)),
    ]
    # As many threads as this process has: how sums are split among them is part of their last bits.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    running = subprocess.Popen(
        list(map(str, command)), cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while not (found := list(runs.glob("*/checkpoint.safetensors"))) and time.monotonic() < deadline:
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert found
    assert not (folder / "killed").exists()
    resumed = finetune(
        utterances=tones.utterances,
        distributions=tones.human,
        augmented=augmented,
        alm=str(random_alm),
        out=folder / "killed",
        cache=folder / "states",
        runs=runs,
        checkpoint_seconds=0,
        **OPTIONS,
    )
    assert contents(resumed) == contents(model)
    assert not list(runs.glob("*/checkpoint.safetensors"))


def test_only_the_language_models_attention_is_adapted(backbone: Backbone) -> None:
    tower_has_the_same_names = [
        name
        for name, _ in backbone.model.named_modules()
        if name.endswith("audio_tower.layers.0.self_attn.q_proj")
    ]
    assert tower_has_the_same_names
    model = add_adapters(backbone, 3, 8, 16, 0.2, seed=0)
    layers = backbone.model.config.text_config.num_hidden_layers
    expected = {
        f"base_model.model.model.language_model.layers.{layer}.self_attn.{name}_proj"
        for layer in range(layers)
        for name in "qkvo"
    }
    assert set(adapted_modules(backbone.model)) == expected
    assert all("lora_" in name or name.startswith("head.") for name in model.trainable())


def test_the_short_window_says_what_the_whole_30_seconds_say(tones, backbone: Backbone) -> None:
    utterances = Utterances.read(tones.utterances).frame.head(5)
    recordings = [decode(audio) for audio in utterances["audio"]]
    short = backbone.audio_states(recordings)
    for recording, states in zip(recordings, short, strict=True):
        whole = backbone.processor.feature_extractor(
            recording,
            sampling_rate=16_000,
            return_attention_mask=True,
            return_tensors="pt",
            padding="max_length",
        )
        valid, tokens = backbone.architecture.lengths(whole["attention_mask"].sum(-1))
        assert len(states) == int(tokens[0])
        mask = backbone.architecture.tower_mask(valid, 1500)
        with torch.no_grad():
            expected = backbone.model.model.audio_tower(
                whole["input_features"], attention_mask=mask
            ).last_hidden_state
        np.testing.assert_allclose(states, expected[0, : len(states)], atol=2e-5)


def ready(tones, backbone: Backbone, folder: Path):
    """A model and examples, untrained."""
    states = AudioStates(backbone, folder / "states")
    utterances = Utterances.read(tones.utterances).in_splits("train")
    examples, _ = examples_of(utterances, backbone, states, "both", "stop", Distributions.read(tones.human))
    return add_adapters(backbone, 3, 8, 16, 0.0, seed=0), examples, states


def test_a_batch_answers_as_its_rows_do_on_either_side_and_audio_moves_the_answer(
    tones, backbone, folder
) -> None:
    model, examples, states = ready(tones, backbone, folder)
    found = check_before_training(model, examples, states)
    assert found.batch_difference < 1e-5
    assert found.change > 1e-4
    assert found.gradient > 1e-5


def test_a_model_that_hears_nothing_is_refused(tones, backbone, folder, monkeypatch) -> None:
    model, examples, states = ready(tones, backbone, folder)
    heard = Backbone.hidden
    monkeypatch.setattr(Backbone, "hidden", lambda self, ids, mask, audio: heard(self, ids, mask, audio * 0))
    with pytest.raises(UserError, match="does not reach the model"):
        check_before_training(model, examples, states)


def test_a_model_whose_padding_leaks_is_refused(tones, backbone, folder, monkeypatch) -> None:
    model, examples, states = ready(tones, backbone, folder)
    head = DistributionHead.forward
    monkeypatch.setattr(
        DistributionHead, "forward", lambda self, hidden, mask, _=None: head(self, hidden, mask * 0 + 1)
    )
    with pytest.raises(UserError, match="padding leaks"):
        check_before_training(model, examples, states)


def test_the_chosen_transcript_is_in_the_prompt(tones, backbone, augmented, folder) -> None:
    parents = Utterances.read(tones.utterances)
    states = AudioStates(backbone, folder / "states")
    examples = mixed_examples_of(augmented, parents, backbone, states, "both")
    samples = Utterances.read(augmented / "utterances.parquet").frame
    words = dict(parents.frame.select("utterance_id", "transcript").iter_rows())
    assert examples.utterance_ids == samples["utterance_id"].to_list()
    for tokens, row in zip(examples.tokens, samples.iter_rows(named=True), strict=True):
        speaking = row["parent_first"] if row["mixing_weight"] < 0.5 else row["parent_second"]
        assert f'"{words[speaking]}"' in backbone.tokenizer.decode(tokens)
        assert tokens.count(backbone.audio_token_id) == len(
            states[examples.keys[examples.utterance_ids.index(row["utterance_id"])]]
        )


def test_samples_of_other_than_training_parents_are_refused(tones, backbone, augmented, folder) -> None:
    parents = Utterances.read(tones.utterances)
    victim = Utterances.read(augmented / "utterances.parquet").frame["parent_second"][0]
    moved = parents.frame.with_columns(
        split=pl.when(pl.col("utterance_id") == victim).then(pl.lit("test")).otherwise(pl.col("split"))
    )
    with pytest.raises(UserError, match="not in the split train"):
        mixed_examples_of(
            augmented, Utterances.check(moved, parents.labels), backbone, AudioStates(backbone, None), "both"
        )


def test_an_unreadable_recording_stops_the_run_by_name_or_is_left_out(
    tones, random_alm, folder, tmp_path
) -> None:
    parents = Utterances.read(tones.utterances)
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    broken = parents.frame.with_columns(
        audio=pl.when(pl.col("utterance_id") == "train-004")
        .then(pl.lit(str(tmp_path / "broken.wav")))
        .otherwise(pl.col("audio")),
        audio_sha256=pl.when(pl.col("utterance_id") == "train-004")
        .then(pl.lit("0" * 64))
        .otherwise(pl.col("audio_sha256")),
    )
    table = Utterances.check(broken, parents.labels).write(tmp_path / "utterances.parquet")
    common = {
        "utterances": table,
        "distributions": tones.human,
        "alm": str(random_alm),
        "out": tmp_path / "model",
        "cache": folder / "states",
        "runs": tmp_path / "runs",
        "epochs": 1,
    }
    with pytest.raises(UserError, match="train-004"):
        finetune(**common)
    rejects = pl.read_parquet(finetune(**common, on_error="reject") / "rejects.parquet")
    assert rejects["utterance_id"].to_list() == ["train-004"]


def test_a_stranger_with_transformers_and_peft_gets_the_same_answers(
    tones, random_alm, model, predictions
) -> None:
    readme = (model / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    world: dict = {}
    exec(compile(code, "README.md", "exec"), world)  # noqa: S102 - the very code that we tell people to run
    assert not any(line.startswith(("import models", "from models")) for line in code.splitlines())
    loaded = world["load"](str(model), str(random_alm))
    test = Utterances.read(tones.utterances).in_splits("test").frame
    for audio, transcript, expected in zip(
        test["audio"][:4], test["transcript"][:4], predictions.aligned(test["utterance_id"]), strict=False
    ):
        found = world["distribution"](*loaded, decode(audio), transcript)
        np.testing.assert_allclose(list(found.values()), expected, atol=2e-5)
        assert tuple(found) == predictions.labels


def test_the_towers_states_are_computed_once(tones, backbone, model, folder) -> None:
    states = AudioStates(backbone, folder / "states")
    keys = Utterances.read(tones.utterances).in_splits("train").frame["audio_sha256"]

    def nobody(missing):
        raise AssertionError(f"{len(missing)} recordings were decoded again")

    states.add(keys, nobody)
    assert states[keys[0]].shape[1] == 32


def test_training_learns_what_the_tones_mean(tones, model, predictions) -> None:
    curves = json.loads((model / "curves.json").read_text())["curves"]
    assert curves[-1]["loss"] < curves[0]["loss"]
    assert [row["epoch"] for row in curves] == [1, 2, 3]
    checks = json.loads((model / "training.json").read_text())
    assert checks["checks"]["gradient"] > 0
    assert len(predictions) == 12


def test_tensorboard_gets_the_curves(model, folder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "events"))
    events.Reload()
    curves = json.loads((model / "curves.json").read_text())["curves"]
    for name in ("loss", "development_js", "development_cross_entropy", "learning_rate"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        np.testing.assert_allclose(found, [(row["epoch"], row[name]) for row in curves], rtol=1e-6)


def test_neighbours_by_the_alms_own_embedding(tones, random_alm, backbone, folder) -> None:
    out = augment(
        utterances=tones.utterances,
        distributions=tones.human,
        out=folder / "by-alm",
        ratio=0.6,
        features="alm",
        alm=random_alm,
    )
    samples = Utterances.read(out / "utterances.parquet").frame
    train = Utterances.read(tones.utterances).in_splits("train").frame
    means_NF = np.stack(
        [backbone.audio_states([decode(audio)])[0].mean(dim=0).numpy() for audio in train["audio"]]
    )
    standard_NF = (means_NF - means_NF.mean(0)) / means_NF.std(0)
    dominant = dict(
        zip(
            train["utterance_id"],
            Distributions.read(tones.human).aligned(train["utterance_id"]).argmax(1),
            strict=True,
        )
    )
    row_of = {name: row for row, name in enumerate(train["utterance_id"])}
    assert samples.height > 5
    for sample in samples.iter_rows(named=True):
        first = row_of[sample["parent_first"]]
        members = [
            row
            for name, row in row_of.items()
            if dominant[name] == dominant[sample["parent_first"]] and row != first
        ]
        nearest = sorted(members, key=lambda row: np.linalg.norm(standard_NF[row] - standard_NF[first]))
        assert nearest[sample["neighbour_rank"] - 1] == row_of[sample["parent_second"]]


@pytest.fixture(scope="module")
def four_bit(tones, random_alm: Path, folder: Path) -> Path:
    """A model that was trained on 4-bit weights, and its merged weights beside it."""
    return finetune(
        utterances=tones.utterances,
        distributions=tones.human,
        alm=str(random_alm),
        out=folder / "four-bit",
        quantise=True,
        cache=folder / "states",
        runs=folder / "runs",
        merged=folder / "four-bit-merged",
        **(OPTIONS | {"epochs": 2}),
    )


@pytest.fixture(scope="module")
def said_of_development(tones, four_bit: Path, folder: Path) -> Distributions:
    """What it predicts for the development split."""
    out = folder / "four-bit.parquet"
    return Distributions.read(
        predict(
            utterances=tones.utterances,
            model=four_bit,
            out=out,
            splits=("development",),
            cache=folder / "states",
        )
    )


def test_qlora_trains_on_four_bit_weights(random_alm, four_bit) -> None:
    quantised = load(str(random_alm), torch.device("cpu"), torch.float32, quantise=True)
    packed = {name for name, part in quantised.model.named_modules() if type(part).__name__ == "Linear4bit"}
    linear = {name for name, part in quantised.model.named_modules() if isinstance(part, torch.nn.Linear)}
    assert packed == {name for name in linear if name.startswith("model.language_model.layers.")}
    assert any("audio_tower" in name for name in linear)
    assert json.loads((four_bit / "training.json").read_text())["checks"]["gradient"] > 0


def test_what_was_trained_on_four_bits_predicts_with_four_bits(
    tones, four_bit, said_of_development, random_alm
) -> None:
    run = json.loads((four_bit / "curves.json").read_text())
    measured = run["curves"][run["best_epoch"] - 1]["development_js"]
    ids = said_of_development.frame["utterance_id"]
    target_NK = Distributions.read(tones.human).aligned(ids)
    found = float(jensen_shannon(target_NK, said_of_development.aligned(ids)).mean())
    assert found == pytest.approx(measured, abs=1e-7)
    # On the base as it was before it was packed, the same adapters answer otherwise.
    (model, _), (unpacked, _) = (
        load_model(four_bit, None, torch.device("cpu"), torch.float32, unpacked=after)
        for after in (False, True)
    )
    whole = load(str(random_alm), torch.device("cpu"), torch.float32).model.state_dict()
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert (
        unpacked.backbone.model.base_model.model.state_dict()[name].sub(whole[name]).abs().max()
        > 1e-3 * whole[name].abs().max()
    )
    assert model.backbone.model.base_model.model.is_loaded_in_4bit


def test_a_stranger_loads_four_bits_too_and_merged_weights_answer_alike(
    tones, four_bit, said_of_development, random_alm, folder
) -> None:
    world: dict = {}
    code = (four_bit / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), world)  # noqa: S102 - the very code that we tell people to run
    loaded = world["load"](str(four_bit), str(random_alm))
    development = Utterances.read(tones.utterances).in_splits("development")
    frame = development.frame
    expected_NK = said_of_development.aligned(frame["utterance_id"])
    for audio, transcript, expected in zip(
        frame["audio"][:2], frame["transcript"][:2], expected_NK, strict=False
    ):
        found = world["distribution"](*loaded, decode(audio), transcript)
        np.testing.assert_allclose(list(found.values()), expected, atol=2e-5)
    found_NK = answers_of_merged(folder / "four-bit-merged", development)
    np.testing.assert_allclose(found_NK, expected_NK, atol=1e-4)


def test_without_bitsandbytes_predict_says_what_to_install(tones, four_bit, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="bitsandbytes"):
        load_model(four_bit, None, torch.device("cpu"), torch.float32)
    with pytest.raises(UserError, match="4-bit"):
        predict(utterances=tones.utterances, model=four_bit, out=tmp_path / "p.parquet")


def test_without_bitsandbytes_qlora_says_what_to_install(random_alm, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="bitsandbytes"):
        load(str(random_alm), torch.device("cpu"), torch.float32, quantise=True)


def test_the_first_version_of_fsdp_is_refused_by_name(monkeypatch) -> None:
    from ambivox.models.finetuning.distributed.processes import Processes

    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match="--fsdp_version 2"):
        Processes()
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert not Processes().sharded


def test_another_base_model_is_refused(tones, random_alm, model, tmp_path) -> None:
    import shutil

    shutil.copytree(random_alm, tmp_path / "changed")
    config = json.loads((tmp_path / "changed" / "generation_config.json").read_text())
    (tmp_path / "changed" / "generation_config.json").write_text(json.dumps(config | {"max_new_tokens": 7}))
    with pytest.raises(UserError, match="trained on revision"):
        predict(
            utterances=tones.utterances,
            model=model,
            out=tmp_path / "p.parquet",
            alm=str(tmp_path / "changed"),
        )


def answers_of_merged(folder: Path, utterances: Utterances) -> np.ndarray:
    """What merged weights and the head beside them say."""
    from safetensors.torch import load_file

    merged = load(str(folder), torch.device("cpu"), torch.float32)
    head = DistributionHead(merged.width, 3, from_answer=True)
    head.load_state_dict(load_file(folder / "distribution_head.safetensors"))
    codes = answer_codes(merged, ("anger", "neutral", "sadness"), "both")
    whole = DistributionModel(merged, head, codes).eval()
    states = AudioStates(merged, None)
    examples, _ = examples_of(utterances, merged, states, "both", "stop")
    return predict_rows(whole, examples, states, 4)


def test_merged_weights_answer_as_adapter_and_base_do(tones, model, predictions, tmp_path) -> None:
    test = Utterances.read(tones.utterances).in_splits("test")
    found_NK = answers_of_merged(merge(model, None, tmp_path / "merged"), test)
    np.testing.assert_allclose(found_NK, predictions.aligned(test.frame["utterance_id"]), atol=1e-4)


def test_weights_by_votes_change_the_loss(tones, backbone, folder) -> None:
    _, examples, _ = ready(tones, backbone, folder)
    assert examples.weight_N.tolist() == [5.0] * len(examples)
    assert replace(examples, weight_N=examples.weight_N * 0 + 1).weight_N.sum() == len(examples)


@pytest.fixture(scope="module")
def steps(tones, random_alm: Path, augmented: Path, folder: Path) -> list[object]:
    """Options of a run that one and two processes take the same steps of."""
    # Parts of a step that two processes cannot share evenly; the head's own dropout is seeded by step and part, so
    # that the processes draw what one would.
    return [
        "--utterances",
        tones.utterances,
        "--distributions",
        tones.human,
        "--augmented",
        augmented,
        "--alm",
        random_alm,
        "--cache",
        folder / "states",
        "--lora-dropout",
        "0",
        "--epochs",
        "2",
        "--batch",
        "8",
        "--accumulation",
        "3",
        "--seed",
        "2",
        "--preset",
        "paper",
        "--perturbation",
        "0",
        "--learning-rate",
        "1e-3",
        "--checkpoint-seconds",
        "0",
    ]


@pytest.fixture(scope="module")
def alone(steps, folder: Path) -> Path:
    """The model of that run in one process."""
    from ambivox.tasks._main import app, run

    alone = app("finetune", "")
    alone.default(finetune)
    assert run(alone, list(map(str, [*steps, "--runs", folder / "runs-1", "--out", folder / "by-1"]))) == 0
    return folder / "by-1"


def in_two_processes(folder: Path, *options: object, **environment: str) -> subprocess.Popen[str]:
    """The step under torchrun, which is what accelerate's launcher starts, too."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ambivox.tasks.finetune",
    ]
    return subprocess.Popen(
        list(map(str, [*command, *options])),
        cwd=folder,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def curves_of(model: Path) -> list[list[float]]:
    """Loss and scores, a row an epoch."""
    rows = json.loads((model / "curves.json").read_text())["curves"]
    return [[row["loss"], row["development_js"], row["development_cross_entropy"]] for row in rows]


def test_two_processes_take_the_same_steps_as_one(steps, alone, folder) -> None:
    running = in_two_processes(folder, *steps, "--runs", folder / "runs-2", "--out", folder / "by-2")
    said, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors[-2000:]
    assert said.count("held in this one") == 1
    np.testing.assert_allclose(curves_of(folder / "by-2"), curves_of(alone), atol=1e-5)


def test_sharded_over_two_processes_and_killed_it_comes_to_the_same_model(
    tones, steps, alone, folder
) -> None:
    runs = folder / "runs-sharded"
    options = [*steps, "--runs", runs, "--out", folder / "sharded", "--gradient-checkpointing"]
    sharded = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    running = in_two_processes(folder, *options, **sharded)
    deadline = time.monotonic() + 240
    while not (found := list(runs.glob("*/checkpoint.safetensors"))) and time.monotonic() < deadline:
        assert running.poll() is None, running.communicate()[1][-2000:]
        time.sleep(0.005)
    workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    assert len(workers) == 2
    for process in (running.pid, *map(int, workers)):
        os.kill(process, signal.SIGKILL)
    running.communicate()
    assert found
    assert not (folder / "sharded").exists()

    running = in_two_processes(folder, *options, **sharded)
    said, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors[-2000:]
    millions, trained, held = (
        float(found[1])
        for found in (
            re.search(pattern, said)
            for pattern in (r"\(([\d.]+) M par", r", ([\d.]+) M trained", r"([\d.]+) M parameters held")
        )
        if found
    )
    assert "went on from step" in said
    assert held == pytest.approx((millions + trained) / 2, abs=0.06)
    np.testing.assert_allclose(curves_of(folder / "sharded"), curves_of(alone), atol=1e-5)
    answers = [
        Distributions.read(
            predict(
                utterances=tones.utterances,
                model=model,
                out=folder / f"{model.name}.parquet",
                cache=folder / "states",
            )
        )
        for model in (folder / "sharded", alone)
    ]
    ids = answers[0].frame["utterance_id"]
    np.testing.assert_allclose(answers[0].aligned(ids), answers[1].aligned(ids), atol=1e-4)
