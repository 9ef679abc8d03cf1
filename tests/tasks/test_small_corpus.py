"""A table corpus of 24 utterances by three speakers, with neither sex, age, transcript nor held-out votes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.tables import Annotations, Distributions, Utterances, Votes
from tests.support.pooling_tables import (
    annotation_frame,
    label_names,
    simulated_corpus,
    utterance_table,
    vote_table,
)
from tests.support.report_run import Page
from tests.support.steps import evaluate, pool, report, trial, validate

ROWS, LABELS = 24, label_names(3)
GROUPS_MISSING = "age and sex of the test speakers are unknown"
OVER_UTTERANCES = "fewer than two test speakers are known"


def run(data: Path, unanimous: bool, test_speakers: int = 1, audio_sensitive: bool = True) -> None:
    """All steps from pool to report. ``unanimous`` votes give the humans a JS of 0, by which nothing is divided."""
    corpus = simulated_corpus(ROWS, len(LABELS), speakers=3)
    ids = [f"u{row:02}" for row in range(ROWS)]
    split_N = np.array(["train", "development", "test"])[np.arange(ROWS) % 3]
    frame = utterance_table(corpus, ids, LABELS).frame.drop("sex", "age", "transcript", strict=False)
    # The numbers modulo 3 are the speakers; with two test speakers, every second utterance is another's.
    speakers = [f"s{row % 3 + 3 * (row // 3 % test_speakers)}" for row in range(ROWS)]
    frame = frame.with_columns(split=pl.Series(split_N), speaker=pl.Series(speakers))
    ingest = data / "ingest"
    ingest.mkdir(parents=True)
    Utterances.check(frame, LABELS).write(ingest / "utterances.parquet")
    n_NK = np.eye(len(LABELS))[corpus.n_NK.argmax(1)] * 4 if unanimous else corpus.n_NK
    votes = vote_table(n_NK, ids, LABELS)
    votes.write(ingest / "votes.parquet")
    Votes(votes.frame.clear(), LABELS).write(ingest / "heldout.parquet")
    (data / "annotations").mkdir()
    annotations = data / "annotations/annotations.parquet"
    (data / "annotations/checks.json").write_text(
        json.dumps({"alm": "tiny", "audio_sensitive": audio_sensitive})
    )
    Annotations.check(annotation_frame(corpus.q_NK, ids), LABELS).write(annotations)
    tables = {
        "utterances": ingest / "utterances.parquet",
        "votes": ingest / "votes.parquet",
        "annotations": annotations,
    }
    distributions, heldout = data / "distributions", ingest / "heldout.parquet"
    pool(**tables, out=distributions)
    validate(**tables, heldout=heldout, distributions=distributions, out=data / "validation")
    trial(**tables, out=data / "trial", votes_kept=(1, 2), draws=2)
    (data / "predictions").mkdir()
    pooled = Distributions.read(distributions / "pooled.parquet")
    for name in ("human-on", "pooled-on"):
        Distributions(pooled.frame.filter(pl.Series(split_N == "test")), LABELS).write(
            data / f"predictions/{name}.parquet"
        )
    evaluate(
        **tables,
        heldout=heldout,
        predictions=data / "predictions",
        distributions=distributions,
        out=data / "evaluation",
    )
    report(data=data, out=data / "report.html")


@pytest.mark.filterwarnings("error:Attempting to set identical:UserWarning")
@pytest.mark.parametrize("unanimous", [False, True], ids=["votes differ", "unanimous votes"])
def test_every_step_ends_and_the_report_says_what_is_missing(unanimous: bool, tmp_path: Path) -> None:
    run(tmp_path / "data", unanimous)
    text = Page((tmp_path / "data/report.html").read_text()).text
    assert GROUPS_MISSING in text
    assert OVER_UTTERANCES in text
    details = json.loads((tmp_path / "data/validation/details.json").read_text())
    assert details["per_group"] == {"sex": {}, "age": {}}
    assert {test["intervals_over"] for test in details["paired_tests"]} == {"utterances"}
    rows = json.loads((tmp_path / "data/trial/trial.json").read_text())["rows"]
    assert {row["intervals_over"] for row in rows} == {"utterances"}
    ratios = {row["over_human"]["value"] for row in rows if row["source"] == "human"}
    assert ratios == ({None} if unanimous else {1.0})
    assert ("undefined" in (tmp_path / "data/trial/trial.md").read_text()) == unanimous
    if not unanimous:  # not an interval of width 0, as resampling one speaker would give
        assert all(row["js"]["low"] < row["js"]["high"] for row in rows)


def test_two_test_speakers_are_resampled_as_speakers(tmp_path: Path) -> None:
    run(tmp_path / "data", unanimous=False, test_speakers=2)
    text = Page((tmp_path / "data/report.html").read_text()).text
    assert GROUPS_MISSING in text
    assert OVER_UTTERANCES not in text
    rows = json.loads((tmp_path / "data/trial/trial.json").read_text())["rows"]
    assert not any("intervals_over" in row for row in rows)
    details = json.loads((tmp_path / "data/validation/details.json").read_text())
    assert not any("intervals_over" in test for test in details["paired_tests"])


def test_an_alm_that_ignores_the_audio_is_left_out_and_the_report_says_why(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run(data, unanimous=False, audio_sensitive=False)
    text = Page((data / "report.html").read_text()).text
    assert (
        "tiny is audio-insensitive (its answers hardly change when the audio is swapped), so it is not pooled"
        in text
    )
    assert "No ALM is pooled" in text
    metrics = json.loads((data / "validation/metrics.json").read_text())
    assert {"human", "pooled", "prior"} <= metrics.keys()
    assert not {"synthetic", "combined"} & metrics.keys()
    pooled = Distributions.read(data / "distributions/pooled.parquet").frame
    assert pooled["equivalent_votes"].sum() == 0
    assert pooled["human_votes"].min() > 0
