"""Promotion and its ledger: the pilot's choice, the paired comparison, objections, and rows that stay."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.annotator_registry.ledger import Entry, Ledger
from ambivox.models.annotator_registry.promotion import answers, compare, objections, pilot, prior
from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Utterances, Votes

LABELS = ("a", "b", "c")
START = datetime(2026, 1, 1, tzinfo=UTC)


def corpus(rows: int = 200, seed: int = 0) -> tuple[Utterances, Votes, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = [f"u{row:03d}" for row in range(rows)]
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "unit",
            "audio": ids,
            "audio_sha256": ids,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16000,
            "speaker": [f"s{row % 20}" for row in range(rows)],
            "split": np.array(["pretrain", "train", "development", "test"])[np.arange(rows) % 4],
        }
    )
    truth_NK = rng.dirichlet(np.full(3, 0.5), rows)
    cells = [
        (ids[n], f"r{a}", "human", LABELS[k], 1.0)
        for n in range(rows)
        for a, k in enumerate(rng.choice(3, 3 + n % 5, p=truth_NK[n]))
    ]
    columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    return (
        Utterances.check(frame, LABELS),
        Votes.check(pl.DataFrame(cells, columns, orient="row"), LABELS),
        truth_NK,
    )


def annotations(ids: pl.Series, q_NK: np.ndarray, refused: float = 0.0, mass: float = 0.9) -> Annotations:
    count = round(refused * len(ids))
    logprobs = [None] * count + np.log(q_NK[count:]).tolist()
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "alm": "x",
            "revision": "1",
            "elicitation": "exact",
            "persona": "p",
            "option_order": "0",
            "temperature": 0.0,
            "refused": [True] * count + [False] * (len(ids) - count),
            "prompt_sha256": "0",
            "engine": "fake",
            "logprobs": pl.Series(logprobs, dtype=pl.List(pl.Float64)),
            "label_mass": mass,
        }
    )
    return Annotations.check(frame, LABELS)


def test_pilot_takes_the_most_voted_of_train_and_development() -> None:
    utterances, votes, _ = corpus()
    tried = pilot(utterances, votes, 30)
    assert set(tried.frame["split"]) <= {"train", "development"}
    held = votes.counts(tried.frame["utterance_id"]).sum(1)
    assert len(tried) == 30
    assert (np.diff(held) <= 0).all()
    assert held.min() >= 6
    with pytest.raises(UserError, match="no utterance of the splits"):
        pilot(utterances.in_splits("test"), votes, 30)


def test_better_is_promoted_and_worse_or_equal_is_not() -> None:
    utterances, votes, truth_NK = corpus(400)
    tried = pilot(utterances, votes, 200)
    row = dict(zip(utterances.frame["utterance_id"], range(len(utterances)), strict=True))
    true_NK = truth_NK[[row[name] for name in tried.frame["utterance_id"]]]
    good_NK, poor_NK = 0.7 * true_NK + 0.1, 0.2 * true_NK + 0.8 / 3
    assert compare(votes, tried, good_NK, poor_NK).better_by(0.01)
    assert not compare(votes, tried, poor_NK, good_NK).better_by(0.0)
    assert not compare(votes, tried, good_NK, good_NK).better_by(0.0)
    assert not compare(votes, tried, good_NK, poor_NK).better_by(0.5)
    found = compare(votes, tried, good_NK, prior(votes, tried.frame["utterance_id"]))
    assert found.gain.low <= found.gain.value <= found.gain.high
    assert found.gain.value == pytest.approx(found.js_current - found.js_candidate)


def test_answers_average_prompts_and_score_silence_as_ignorance() -> None:
    ids = pl.Series(["u1", "u2", "u3"])
    one = annotations(ids, np.array([[0.2, 0.3, 0.5]] * 3), refused=0.34)
    other = annotations(ids.head(2), np.array([[0.6, 0.2, 0.2]] * 2))
    both = Annotations.check(pl.concat([one.frame, other.frame]), LABELS)
    expected = [[0.6, 0.2, 0.2], [0.4, 0.25, 0.35], [0.2, 0.3, 0.5]]
    np.testing.assert_allclose(answers(both, ids), expected)
    silent = annotations(ids, np.full((3, 3), 1 / 3), refused=1.0)
    np.testing.assert_allclose(answers(silent, ids), 1 / 3)


def test_answers_count_sampled_labels() -> None:
    frame = annotations(pl.Series(["u1"] * 4), np.full((4, 3), 1 / 3)).frame.with_columns(
        logprobs=pl.lit(None, dtype=pl.List(pl.Float64)), label=pl.Series(["a", "a", "b", "c"])
    )
    # Half a pseudo-vote per label: (2 + 0.5) / (4 + 1.5).
    np.testing.assert_allclose(
        answers(Annotations.check(frame, LABELS), pl.Series(["u1"])), [[5 / 11, 3 / 11, 3 / 11]]
    )


def test_objections() -> None:
    ids, uniform = pl.Series([f"u{n}" for n in range(10)]), np.full((10, 3), 1 / 3)
    assert objections(annotations(ids, uniform), True) == []
    assert "does not hear" in objections(annotations(ids, uniform), False)[0]
    assert "refused 50%" in objections(annotations(ids, uniform, refused=0.5), None)[0]
    assert "on the labels" in objections(annotations(ids, uniform, mass=0.001), None)[0]


def entry(number: int, decision: str = "rejected", js: float | None = 0.3) -> Entry:
    return Entry(
        START + timedelta(hours=number),
        "unit",
        f"alm{number}",
        f"r{number}",
        "folder:x",
        decision,
        "because",
        js=js,
    )  # type: ignore[arg-type]


def test_ledger_remembers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.parquet")
    assert ledger.standing() is None
    assert not ledger.read().height
    ledger.append(entry(1, "standing", 0.30), entry(2, "failed", None), entry(3, "promoted", 0.25), entry(4))
    assert ledger.seen("alm2", "r2")
    assert not ledger.seen("alm2", "r3")
    standing = ledger.standing()
    assert standing is not None
    assert standing == entry(3, "promoted", 0.25)
    assert ledger.leaderboard()["alm"].to_list() == ["alm3", "alm1", "alm4", "alm2"]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ambivox.models.annotator_registry.ledger import Entry, Ledger
for number in range(8):
    entry = Entry(datetime(2026, 1, 1, tzinfo=UTC), "unit", f"{sys.argv[2]}-{number}", "r", "folder:x", "rejected", "because")
    Ledger(Path(sys.argv[1])).append(entry)
"""


def test_ledger_keeps_every_row_of_writers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.parquet"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("x", "y", "z")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert sorted(Ledger(path).read()["alm"]) == sorted(
        f"{name}-{number}" for name in ("x", "y", "z") for number in range(8)
    )


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.parquet").write_text("no")
    with pytest.raises(UserError, match="not a ledger"):
        Ledger(tmp_path / "ledger.parquet").read()
