"""The checks of the annotator: sensitivity to the audio, order bias, modalities."""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models.tables import Utterances
from tests.support.annotation_runs import ALL_SPLITS, read_annotations, read_checks


def test_an_audio_insensitive_annotator_is_flagged(
    make_utterances, run_annotate, monkeypatch, capsys, tmp_path
):
    utterances = make_utterances(8)
    assert read_checks(run_annotate(utterances, splits=ALL_SPLITS))["audio_sensitive"] is True
    monkeypatch.setattr("ambivox.models.engines.fake._logprobs", lambda _: np.log([0.4, 0.3, 0.2, 0.09]))
    out = run_annotate(
        utterances, "insensitive", splits=ALL_SPLITS, store=str(tmp_path / "insensitive-store")
    )
    assert read_checks(out)["audio_sensitive"] is False and read_checks(out)["canary"]["js"] == 0
    assert "audio-insensitive" in capsys.readouterr().err


def test_order_bias_is_measured(make_utterances, run_annotate, monkeypatch):
    first_wins = np.log(np.array([0.7, 0.1, 0.1, 0.1]))
    monkeypatch.setattr("ambivox.models.engines.fake._logprobs", lambda _: first_wins)
    biased = read_checks(run_annotate(make_utterances(4), orders=8, splits=ALL_SPLITS))["order_bias"]
    assert biased["positions"] == [0.7, 0.1, 0.1, 0.1] and biased["js"] > 0.1


def test_the_modalities_show_which_input_it_follows(make_utterances, run_annotate):
    modalities = read_checks(run_annotate(make_utterances(8), splits=ALL_SPLITS))["modalities"]
    assert set(modalities["each"]) == {"audio", "transcript", "both"}
    # The fake engine uses the audio where there is any.
    assert modalities["js"]["audio / both"] < 0.01 < modalities["js"]["audio / transcript"]


def test_the_modality_transcript_uses_no_audio_and_needs_a_transcript(make_utterances, run_annotate):
    utterances = make_utterances(4)
    before = Utterances.read(utterances)
    spoken = before.frame.with_columns(
        transcript=pl.when(pl.col("utterance_id") == "u0001").then(None).otherwise("transcript"),
        audio=pl.lit("/nowhere.wav"),
    )
    Utterances.check(spoken, before.labels).write(utterances)
    out = run_annotate(utterances, modality="transcript", splits=ALL_SPLITS)
    assert (
        read_annotations(out).frame["utterance_id"].n_unique() == 3
        and read_checks(out)["audio_sensitive"] is None
    )
    assert pl.read_parquet(out / "rejects.parquet")["reason"].to_list() == ["no transcript"]
