"""A candidate's trial: scored against a baseline, failed, or recognised as an ALM that was decided on before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.promotion import ERROR_BUDGET
from ambivox.models.annotator_registry.trial import Pilot
from tests.support.pilot_tables import answered, corpus

REVISION = "0123456789abcdef"
CANDIDATE = Candidate("Qwen/a", "c" * 40, "hub:author=Qwen", "Qwen/a")


@pytest.fixture
def pilot(tmp_path: Path) -> Pilot:
    """The pilot of a corpus, and in ``good`` the tables of an annotator that is close to its raters."""
    utterances, votes, truth_NK = corpus(400)
    utterances.write(tmp_path / "ingest/utterances.parquet")
    votes.write(tmp_path / "ingest/votes.parquet")
    pilot = Pilot.read("unit", tmp_path / "ingest", 200)
    row = {name: number for number, name in enumerate(utterances.frame["utterance_id"])}
    ids = pilot.utterances.frame["utterance_id"]
    good_NK = 0.7 * truth_NK[[row[name] for name in ids]] + 0.1
    answered(ids, good_NK).write(tmp_path / "good/annotations.parquet")
    return pilot


def write_checks(folder: Path, **checks: object) -> Path:
    (folder / "checks.json").write_text(json.dumps(checks))
    return folder


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_a_better_candidate_may_be_promoted_unless_it_ignores_the_audio(
    pilot: Pilot, tmp_path: Path, key: str
) -> None:
    """``hears`` is the key of checks.json in earlier releases."""
    out = write_checks(tmp_path / "good", **{key: True})
    trial = pilot.score(CANDIDATE, REVISION, out, pilot.prior(), margin=0.01, seed=0)
    assert trial.better
    assert (trial.entry.decision, trial.entry.reason, trial.entry.revision) == ("rejected", "", REVISION)
    assert trial.entry.audio_sensitive is True
    assert trial.entry.baseline == "votes without an ALM"
    assert trial.entry.nll is not None
    assert trial.entry.baseline_nll is not None
    assert trial.entry.gain == pytest.approx(trial.entry.baseline_nll - trial.entry.nll)
    assert trial.entry.level == ERROR_BUDGET / 2
    later = pilot.score(CANDIDATE, REVISION, out, pilot.prior(), margin=0.01, seed=0, number=9)
    assert later.entry.gain == trial.entry.gain and later.entry.level == pytest.approx(ERROR_BUDGET / 90)
    assert later.entry.gain_low is not None and trial.entry.gain_low is not None
    assert later.entry.gain_low < trial.entry.gain_low
    assert not pilot.score(CANDIDATE, REVISION, out, pilot.prior(), margin=0.9, seed=0).better
    write_checks(out, **{key: False})
    trial = pilot.score(CANDIDATE, REVISION, out, pilot.prior(), margin=0.01, seed=0)
    assert not trial.better
    assert "do not depend on the audio" in trial.entry.reason


def test_the_annotator_in_use_is_no_better_than_itself(pilot: Pilot, tmp_path: Path) -> None:
    out = write_checks(tmp_path / "good", audio_sensitive=True)
    baseline = pilot.answers_of(CANDIDATE, out)
    trial = pilot.score(CANDIDATE, REVISION, out, baseline, margin=0.0, seed=0)
    assert trial.entry.gain == 0
    assert not trial.better


def test_failed_and_recognised_candidates_are_never_better(pilot: Pilot) -> None:
    failed = pilot.fail(CANDIDATE, "out of memory", pilot.prior())
    assert (failed.entry.decision, failed.entry.reason, failed.better) == ("failed", "out of memory", False)
    known = pilot.recognise(CANDIDATE, REVISION, "good", pilot.prior())
    assert (known.entry.decision, known.entry.reason) == ("duplicate", "the same weights as good")
    assert (known.entry.revision, known.better) == (REVISION, False)
