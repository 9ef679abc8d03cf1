"""The demo corpus: speech-like, repeatable, hard in the right places, its votes unbiased for the truth."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.corpora import demo
from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import jensen_shannon

SMALL = {"speakers": 6, "utterances": 5}


def digest(root: Path) -> str:
    files = sorted((root / "audio").glob("*.wav"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = demo.load(tmp_path / "a", **SMALL), demo.load(tmp_path / "b", **SMALL)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert first.votes.equals(second.votes) and first.truth.equals(second.truth)
    other = demo.load(tmp_path / "c", **SMALL, seed=1)
    assert digest(tmp_path / "c") != digest(tmp_path / "a") and not other.votes.equals(first.votes)


def test_a_second_call_reads_what_is_there(tmp_path: Path) -> None:
    demo.load(tmp_path / "a", **SMALL)
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")}
    demo.load(tmp_path / "a", **SMALL)
    assert times == {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")}


def test_a_corpus_of_an_older_release_is_made_anew(tmp_path: Path) -> None:
    demo.load(tmp_path / "a", **SMALL)
    before = digest(tmp_path / "a")
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    (tmp_path / "a" / "recipe.json").write_text(json.dumps(recipe | {"version": 0}))
    (tmp_path / "a" / "audio" / "demo_s00_u00.wav").write_bytes(b"old")
    demo.load(tmp_path / "a", **SMALL)
    assert digest(tmp_path / "a") == before


def test_recordings_are_sound(tmp_path: Path) -> None:
    loaded = demo.load(tmp_path / "a", **SMALL)
    for name in loaded.utterances["audio"]:
        samples, rate = soundfile.read(name)
        assert rate == 16_000 and 0.9 < len(samples) / rate < 3.0
        assert 0.001 < samples.std() < 0.4 and np.abs(samples).max() < 1


def test_the_voice_follows_the_emotion() -> None:
    simulation = demo.Simulation(60, 20, 0)
    voices = simulation.voices()
    main_N = simulation.truth_NK.argmax(1)
    level = {label: voices.level_db[main_N == k].mean() for k, label in enumerate(demo.LABELS)}
    rate = {label: voices.rate_hz[main_N == k].mean() for k, label in enumerate(demo.LABELS)}
    assert level["anger"] > level["neutral"] + 3 > level["sadness"] + 5
    assert rate["fear"] > rate["neutral"] > rate["sadness"]


def test_many_votes_come_to_the_truth_and_three_do_not() -> None:
    simulation = demo.Simulation(300, 20, 5)
    votes = simulation.votes()
    p_K = np.array([(votes["label"] == label).mean() for label in demo.LABELS])
    heard = votes.group_by("utterance_id").len()["len"]
    assert heard.min() == 3 and heard.max() == 10
    weights = votes.group_by("utterance_id", maintain_order=True).len()["len"].to_numpy()
    np.testing.assert_allclose(p_K, np.average(simulation.truth_NK, axis=0, weights=weights), atol=0.006)
    rng = np.random.default_rng(0)
    three_NK = rng.multinomial(3, simulation.truth_NK) / 3
    few = jensen_shannon(simulation.truth_NK, three_NK).mean()
    prior = jensen_shannon(
        simulation.truth_NK, np.broadcast_to(simulation.truth_NK.mean(0), simulation.truth_NK.shape)
    ).mean()
    assert 0.12 < few < 0.25 and 0.15 < prior < 0.3
    top_N = simulation.truth_NK.max(1)
    assert (top_N < 0.5).mean() > 0.1 and (top_N > 0.75).mean() > 0.2  # some ambiguous, some clear


def test_raters_have_biases_of_their_own() -> None:
    confusion_RKK = demo.Simulation(4, 1, 0).confusion_RKK
    np.testing.assert_allclose(confusion_RKK.sum(2), 1)
    assert confusion_RKK.std(0).max() > 0.03


def test_it_leaves_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        demo.load(tmp_path / "other", **SMALL)
    demo.load(tmp_path / "a", **SMALL)
    with pytest.raises(UserError, match="another recipe"):
        demo.load(tmp_path / "a", speakers=7, utterances=5)
    with pytest.raises(UserError, match="4 or more speakers"):
        demo.load(tmp_path / "b", speakers=3)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"
