"""Examples: transcripts in prompts, parents of samples, weights, and utterances whose audio cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.errors import UserError
from ambivox.models.finetuning.data.example_building import build_mixed_examples
from ambivox.models.finetuning.predict import predict
from ambivox.models.tables import Utterances
from tests.support.finetuned_models import run_finetune


def test_the_chosen_transcript_is_in_the_prompt(tones, backbone, augmented, folder) -> None:
    recorded = Utterances.read(tones.utterances)
    states = AudioStates(backbone, folder / "states")
    examples = build_mixed_examples(augmented, recorded, backbone, states, "both")
    samples = Utterances.read(augmented / "utterances.parquet").frame
    transcripts = dict(recorded.frame.select("utterance_id", "transcript").iter_rows())
    assert examples.utterance_ids == samples["utterance_id"].to_list()
    for index, row in enumerate(samples.iter_rows(named=True)):
        tokens = examples.tokens[index]
        parent = row["parent_first"] if row["mixing_weight"] < 0.5 else row["parent_second"]
        assert f'"{transcripts[parent]}"' in backbone.tokenizer.decode(tokens)
        assert tokens.count(backbone.audio_token_id) == len(states[examples.keys[index]])


def test_samples_of_other_than_training_parents_are_refused(tones, backbone, augmented) -> None:
    recorded = Utterances.read(tones.utterances)
    parent = Utterances.read(augmented / "utterances.parquet").frame["parent_second"][0]
    moved = recorded.frame.with_columns(
        split=pl.when(pl.col("utterance_id") == parent).then(pl.lit("test")).otherwise(pl.col("split"))
    )
    table = Utterances.check(moved, recorded.labels)
    with pytest.raises(UserError, match="not in the split train"):
        build_mixed_examples(augmented, table, backbone, AudioStates(backbone, None), "both")


def test_weights_by_votes_are_the_numbers_of_votes(untrained) -> None:
    _, examples, _ = untrained()
    assert examples.weight_N.tolist() == [5.0] * len(examples)
    assert replace(examples, weight_N=np.ones(len(examples))).weight_N.sum() == len(examples)


def with_unreadable_audio(utterances: Path, folder: Path, *names: str) -> Path:
    """A copy of the table in which the audio of some utterances is not audio."""
    table = Utterances.read(utterances)
    (folder / "broken.wav").write_bytes(b"RIFF nonsense")
    is_broken = pl.col("utterance_id").is_in(names)
    frame = table.frame.with_columns(
        audio=pl.when(is_broken).then(pl.lit(str(folder / "broken.wav"))).otherwise(pl.col("audio")),
        audio_sha256=pl.when(is_broken).then(pl.lit("0" * 64)).otherwise(pl.col("audio_sha256")),
    )
    return Utterances.check(frame, table.labels).write(folder / "utterances.parquet")


def test_an_unreadable_recording_stops_the_run_by_name_or_is_rejected_by_default(
    tones, random_alm, folder, tmp_path
) -> None:
    arguments = {
        "utterances": with_unreadable_audio(tones.utterances, tmp_path, "train-004"),
        "distributions": tones.human,
        "alm": random_alm,
        "out": tmp_path / "model",
        "cache": folder / "states",
        "runs": tmp_path / "runs",
    }
    with pytest.raises(UserError, match="train-004"):
        run_finetune(**arguments, options={"epochs": 1, "on_error": "stop"})
    result = run_finetune(**arguments, options={"epochs": 1})
    assert list(result["rejects"]) == ["train-004"]
    assert result["training_utterances"] == 35
    rejects = pl.read_parquet(tmp_path / "model" / "rejects.parquet")
    assert rejects["utterance_id"].to_list() == ["train-004"]
    assert rejects["reason"].to_list() == list(result["rejects"].values())


def test_prediction_stops_at_an_unreadable_recording_or_rejects_it_by_default(
    tones, model, folder, tmp_path
) -> None:
    table = with_unreadable_audio(tones.utterances, tmp_path, "test-000")
    utterances = Utterances.read(table).in_splits("test")
    with pytest.raises(UserError, match="test-000"):
        predict(utterances, model, None, batch=4, on_error="stop", cache=folder / "states")
    predictions, rejects = predict(utterances, model, None, batch=4, cache=folder / "states")
    assert list(rejects) == ["test-000"]
    assert len(predictions) == len(utterances) - 1
    unreadable = Utterances(utterances.frame.head(1), utterances.labels)
    with pytest.raises(UserError, match="none of the 1 utterances can be read"):
        predict(unreadable, model, None, batch=4, cache=folder / "states")
