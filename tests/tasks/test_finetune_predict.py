"""The steps finetune and predict: options that reach the training, what they write, and what they log."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.tables import Distributions, Utterances
from tests.support.annotation_fixtures import build_small_alm
from tests.support.steps import finetune, predict
from tests.support.tone_corpus import LABELS, Corpus, tone_corpus

pytest.importorskip("torch")
pytest.importorskip("peft")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def alm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alm") / "small"
    build_small_alm(folder, LABELS)
    return folder


def paths(corpus: Corpus, alm: Path, folder: Path) -> dict[str, Path | str]:
    return {
        "utterances": corpus.utterances,
        "distributions": corpus.human,
        "alm": str(alm),
        "out": folder / "model",
        "cache": folder / "states",
        "runs": folder / "runs",
    }


def test_a_model_is_trained_and_predicts_every_test_utterance(
    corpus: Corpus, alm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = finetune(
        **paths(corpus, alm, tmp_path),
        dime_aug="off",
        epochs=1,
        batch=12,
        lora_rank=4,
        correct_label_shift=True,
    )
    card = json.loads((model / "ambivox.json").read_text())
    assert card["settings"]["epochs"] == 1
    assert card["settings"]["lora_rank"] == 4
    assert card["settings"]["correct_label_shift"] is True
    assert (model / "curves.svg").is_file()
    out = predict(
        utterances=corpus.utterances, model=model, out=tmp_path / "p.parquet", cache=tmp_path / "states"
    )
    test = Utterances.read(corpus.utterances).in_splits("test")
    assert Distributions.read(out).frame["utterance_id"].to_list() == test.frame["utterance_id"].to_list()
    shown = capsys.readouterr().out
    assert "1 epoch, kept epoch 1" in shown
    assert f"{len(test)} utterances predicted (test)" in shown


def test_an_unreadable_recording_is_rejected_or_stops(
    corpus: Corpus, alm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Utterances.read(corpus.utterances)
    train = table.in_splits("train").frame["utterance_id"][0]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not audio")
    is_broken = pl.col("utterance_id") == train
    frame = table.frame.with_columns(
        audio=pl.when(is_broken).then(pl.lit(str(broken))).otherwise("audio"),
        audio_sha256=pl.when(is_broken).then(pl.lit("0" * 64)).otherwise("audio_sha256"),
    )
    utterances = Utterances.check(frame, table.labels).write(tmp_path / "utterances.parquet")
    arguments = paths(corpus, alm, tmp_path) | {
        "utterances": utterances,
        "dime_aug": "off",
        "epochs": 1,
        "batch": 12,
    }
    with pytest.raises(UserError, match=train):
        finetune(**arguments, on_error="stop")
    model = finetune(**arguments)
    assert pl.read_parquet(model / "rejects.parquet")["utterance_id"].to_list() == [train]
    assert "1 utterance rejected, which could not be read" in capsys.readouterr().out
