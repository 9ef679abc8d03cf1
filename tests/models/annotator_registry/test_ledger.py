"""The ledger of annotators: what is known, what is in use, ledgers of earlier releases, writers at the same time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Decision, Entry, Ledger
from ambivox.models.errors import UserError

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(number: int, decision: Decision = "rejected", js: float | None = 0.3) -> Entry:
    time = START + timedelta(hours=number)
    return Entry(time, "unit", f"alm{number}", f"r{number}", "folder:x", decision, "because", js=js)


def candidate(alm: str, version: str) -> Candidate:
    return Candidate(alm, version, "folder:x", f"/x/{alm}")


def test_ledger_remembers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.parquet")
    assert ledger.current() is None
    assert not ledger.read().height
    ledger.append(entry(1, "initial", 0.30), entry(2, "failed", None), entry(3, "promoted", 0.25), entry(4))
    assert ledger.is_known(candidate("alm2", "r2"))
    assert not ledger.is_known(candidate("alm2", "r3"))
    assert ledger.current() == entry(3, "promoted", 0.25)
    assert ledger.leaderboard()["alm"].to_list() == ["alm3", "alm1", "alm4", "alm2"]


def test_the_same_weights_are_known_under_another_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.parquet")
    ledger.append(replace(entry(1, "promoted"), revision="0123456789abcdef"))
    assert ledger.is_known(candidate("a-copy", "0123456789abcdef"))
    assert not ledger.is_known(candidate("alm1", ""))
    assert ledger.revisions() == {"0123456789abcdef": "alm1"}
    duplicate = replace(entry(2, "duplicate", None), revision="0123456789abcdef")
    ledger.append(duplicate)
    assert ledger.revisions() == {"0123456789abcdef": "alm1"}
    assert ledger.leaderboard()["alm"].to_list() == ["alm1"]
    assert ledger.current() == replace(entry(1, "promoted"), revision="0123456789abcdef")


def former_ledger(path: Path, *rows: tuple[str, str, str, str]) -> Ledger:
    """A ledger as earlier releases wrote it; rows of alm, revision, source, decision."""
    frame = pl.DataFrame(
        {
            "decided_at": [START + timedelta(hours=number) for number in range(len(rows))],
            "corpus": "unit",
            "alm": [row[0] for row in rows],
            "revision": [row[1] for row in rows],
            "source": [row[2] for row in rows],
            "decision": [row[3] for row in rows],
            "reason": "because",
            "against": "the corpus prior",
            "pilot_utterances": 30,
            "js": 0.2,
            "js_against": 0.3,
            "gain": 0.1,
            "gain_low": 0.05,
            "gain_high": 0.15,
            "label_mass": 0.9,
            "refused": 0.01,
            "hears": True,
            "seconds": 12.0,
            "location": "/x",
        }
    )
    frame.write_parquet(path)
    return Ledger(path)


def test_a_former_ledger_is_read_and_extended(tmp_path: Path) -> None:
    """Hub and S3 candidates and the annotator in use stay known; a folder's 64-digit digest costs one more pilot."""
    ledger = former_ledger(
        tmp_path / "ledger.parquet",
        ("tiny", "0123456789abcdef", "folder:", "standing"),
        ("Qwen/a", "c" * 40, "hub:author=Qwen", "rejected"),
        ("on-s3", "d" * 64, "s3://bucket/alms", "failed"),
        ("shelved", "e" * 64, "folder:/shelf", "rejected"),
    )
    assert ledger.is_known(candidate("tiny", "0123456789abcdef"))
    assert ledger.is_known(candidate("any-name", "0123456789abcdef"))
    assert ledger.is_known(candidate("Qwen/a", "c" * 40))
    assert ledger.is_known(candidate("on-s3", "d" * 64))
    shelved = candidate("shelved", "fedcba9876543210")
    assert not ledger.is_known(shelved)
    ledger.append(replace(entry(9), alm="shelved", version=shelved.version, revision=shelved.version))
    assert ledger.is_known(shelved)
    rows = ledger.read()
    first = rows.row(0, named=True)
    assert (first["decision"], first["baseline"], first["baseline_js"]) == (
        "initial",
        "the corpus prior",
        0.3,
    )
    assert (first["audio_sensitive"], first["refusal_rate"]) == (True, 0.01)
    assert rows["revision"].to_list() == ["0123456789abcdef", "", "", "", "fedcba9876543210"]
    assert rows.height == 5
    current = ledger.current()
    assert current is not None
    assert current.alm == "tiny"


def test_trials_that_could_end_in_a_promotion_are_counted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.parquet")
    assert ledger.trials() == 0
    tried = [replace(entry(number), gain=0.1) for number in range(3)]
    ledger.append(
        replace(entry(7, "initial"), gain=0.2), *tried, entry(8, "failed", None), entry(9, "duplicate", None)
    )
    assert ledger.trials() == 3


def test_the_lowest_nll_leads_and_rows_of_earlier_releases_follow(tmp_path: Path) -> None:
    former = former_ledger(tmp_path / "ledger.parquet", ("old", "0123456789abcdef", "folder:", "standing"))
    former.append(replace(entry(8), nll=1.2), replace(entry(9), nll=1.1))
    assert former.leaderboard()["alm"].to_list() == ["alm9", "alm8", "old"]


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


@pytest.mark.parametrize("content", ["text", "another table"])
def test_a_broken_ledger_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ledger.parquet"
    if content == "text":
        path.write_text("no")
    else:
        pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(UserError, match="expected a ledger of annotators"):
        Ledger(path).read()
