"""The step: what it writes, that it writes the same twice, and how it fails."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.output_places import MARKER
from ambivox.models.reporting.profile_page import profile_markdown, profile_summary
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.tables import Utterances, Votes
from tests.support.steps import ingest

NASTY = "<script>alert(1)</script> | $x$ \x1b[31mred"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Forty utterances of eight speakers, some of unknown speakers, with a nasty label and transcript."""
    root = tmp_path / "corpus"
    (root / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    utterances = ["utterance_id,audio,transcript,speaker"]
    votes = ["utterance_id,annotator_id,label"]
    for number in range(40):
        name = f"u{number:02}"
        samples = rng.normal(scale=0.1, size=int(rng.integers(8_000, 16_000)))
        soundfile.write(root / "audio" / f"{name}.wav", samples, 16_000)
        utterances.append(f'{name},audio/{name}.wav,"{NASTY}",{"" if number < 4 else f"s{number % 8}"}')
        labels = rng.choice(["anger", "neutral", NASTY], p=[0.3, 0.5, 0.2], size=int(rng.integers(0, 7)))
        votes += [f'{name},r{rater},"{label}"' for rater, label in enumerate(labels)]
    (root / "utterances.csv").write_text("\n".join(utterances))
    (root / "votes.csv").write_text("\n".join(votes))
    return root


def run(root: Path, out: Path, **options: object) -> Path:
    """The step with a cache beside the corpus."""
    return ingest(corpus="table", root=root, out=out, cache=root.parent / "cache.sqlite", **options)  # type: ignore[arg-type]


def hashes(folder: Path) -> dict[str, str]:
    """File name to hash of its bytes."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_writes_its_tables_and_the_same_bytes_twice(root: Path, tmp_path: Path) -> None:
    first = run(root, tmp_path / "one", keep_votes=2, seed=3)
    (tmp_path / "cache.sqlite").unlink()
    second = run(root, tmp_path / "two", keep_votes=2, seed=3)
    assert hashes(first) == hashes(second)
    assert set(hashes(first)) == {
        "utterances.parquet",
        "votes.parquet",
        "heldout.parquet",
        "rejects.parquet",
        "profile.json",
        "profile.md",
        "profile.svg",
        MARKER,
    }
    other = run(root, tmp_path / "other", keep_votes=2, seed=4)
    assert hashes(first)["votes.parquet"] != hashes(other)["votes.parquet"]
    utterances = Utterances.read(first / "utterances.parquet")
    votes, heldout = Votes.read(first / "votes.parquet"), Votes.read(first / "heldout.parquet")
    assert utterances.labels == votes.labels == heldout.labels
    assert votes.counts(utterances.frame["utterance_id"]).sum(1).max() == 2
    assert set(utterances.frame.filter(pl.col("speaker").is_null())["split"]) == {"train"}


def test_an_existing_output_is_replaced(root: Path, tmp_path: Path) -> None:
    out = run(root, tmp_path / "out")
    (out / "stray.txt").write_text("from another run")
    run(root, out)
    assert not (out / "stray.txt").exists()
    assert len(Votes.read(out / "heldout.parquet")) == 0


def test_the_profile_tells_the_truth(root: Path, tmp_path: Path) -> None:
    out = run(root, tmp_path / "out", keep_votes=2)
    profile = json.loads((out / "profile.json").read_text())
    votes = pl.read_csv(root / "votes.csv")
    labels = sorted(votes["label"].unique())
    counts = {name: [0] * len(labels) for name in pl.read_csv(root / "utterances.csv")["utterance_id"]}
    for name, _, label in votes.iter_rows():
        counts[name][labels.index(label)] += 1
    n_NK = np.array(list(counts.values()), dtype=float)
    assert profile["votes"] == votes.height
    assert profile["votes_held_back"] == int(np.maximum(n_NK.sum(1) - 2, 0).sum())
    assert profile["without"] == {
        "audio": 0,
        "votes": int((n_NK.sum(1) == 0).sum()),
        "transcript": 0,
        "speaker": 4,
    }
    assert profile["fleiss_kappa"] == pytest.approx(fleiss_kappa(n_NK))
    assert profile["krippendorff_alpha"] == pytest.approx(krippendorff_alpha(n_NK))
    assert profile["label_prior"] == pytest.approx(dict(zip(labels, n_NK.sum(0) / n_NK.sum(), strict=True)))
    seconds = sum(soundfile.info(path).duration for path in (root / "audio").iterdir())
    assert profile["hours"] == pytest.approx(seconds / 3600)
    assert sum(profile["entropy_bits"]["utterances"]) == int((n_NK.sum(1) >= 2).sum())
    assert sum(its["utterances"] for its in profile["splits"].values()) == profile["utterances"] == 40


def test_hostile_text_stays_text(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(root, tmp_path / "out")
    assert "\x1b" not in capsys.readouterr().out
    assert "<script>" not in (out / "profile.svg").read_text()
    text = (out / "profile.md").read_text()
    assert "<script>" not in text.replace("\\<", "")
    assert text == profile_markdown(json.loads((out / "profile.json").read_text()))
    assert Utterances.read(out / "utterances.parquet").frame["transcript"][0] == NASTY


def test_schema_file_and_what_it_drops_is_shown(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"labels": {"calm": ["neutral"], "cross": ["anger"]}, "drop": [NASTY]}))
    out = run(root, tmp_path / "out", schema=str(schema))
    dropped = pl.read_csv(root / "votes.csv").filter(pl.col("label") == NASTY).height
    profile = json.loads((out / "profile.json").read_text())
    assert profile["dropped_votes"] == {NASTY: dropped}
    assert profile["labels"] == ["calm", "cross"]
    assert "dropped votes" in capsys.readouterr().out
    assert len(Utterances.read(out / "utterances.parquet")) == 40


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The step as DVC and the shell call it."""
    line = [sys.executable, "-m", "ambivox.tasks.ingest", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])


def test_a_mistake_is_one_line_and_exit_code_2(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, message in [
        (["--corpus", "nope"], "unknown corpus 'nope'; known: "),
        (["--corpus", "table", "--options.label", "emotion"], "columns ['emotion'] are missing"),
    ]:
        done = command(
            *arguments, "--root", str(root), "--out", str(out), "--cache", str(tmp_path / "c.sqlite")
        )
        assert done.returncode == 2, done
        assert message in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert not out.exists()
    for path in (root / "audio").iterdir():
        path.unlink()
    with pytest.raises(
        ValueError, match=r"rejected: audio is missing 40, .*; then: .*none of 40 utterances has usable audio"
    ):
        run(root, out)
    table = root / "utterances.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="they list no utterances"):
        run(root, out)


def test_an_error_says_first_what_was_rejected_and_leaves_the_rejects(root: Path, tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 80044\n"
    for number, path in enumerate(sorted((root / "audio").iterdir())):
        if number < 30:
            path.write_text(pointer)
        else:
            path.write_bytes(path.read_bytes()[:60])
    out = tmp_path / "out"
    message = (
        r"rejected: audio is a git-lfs pointer 30, audio is corrupt 10, votes for an utterance without audio \d+; "
        r"for example .*run git lfs pull.*; then: corpus table: none of 40 utterances has usable audio "
        r"\(all rejects: .*out/rejects\.parquet\)"
    )
    with pytest.raises(ValueError, match=message):
        run(root, out)
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects.filter(reason="audio is a git-lfs pointer").height == 30
    assert {path.name for path in out.iterdir()} == {MARKER, "rejects.parquet"}
    # Once the recordings are there, the same folder is written.
    for path in (root / "audio").iterdir():
        soundfile.write(path, np.random.default_rng(0).normal(scale=0.1, size=8000), 16_000)
    assert (run(root, out) / "utterances.parquet").exists()
    # An earlier output stays beside the rejects of a run that failed.
    before = hashes(out)
    (root / "votes.csv").write_text("utterance_id,annotator_id,label\nnobody,r1,anger\n")
    with pytest.raises(ValueError, match="no vote can be used"):
        run(root, out)
    after = hashes(out)
    assert {name for name in after if after[name] != before[name]} == {"rejects.parquet"}


def test_what_is_unusual_about_recordings_is_on_the_screen(root: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=(8000, 2))
    soundfile.write(root / "audio" / "u00.wav", np.zeros(8000), 16_000)
    soundfile.write(root / "audio" / "u01.wav", noise, 16_000)
    soundfile.write(root / "audio" / "u02.wav", noise[:, :1] * [1, -1], 16_000)
    path = root / "audio" / "u03.wav"
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    (root / "audio" / "u04.wav").write_bytes(b"%PDF-1.7" + bytes(900))
    out = run(root, tmp_path / "out")
    screen = profile_summary(json.loads((out / "profile.json").read_text()))
    for line in (
        "1 recording is silent, the first is ",
        "1 recording has different channels, which are averaged, the first is ",
        "1 recording has channels that cancel each other, so channel 1 is used, the first is ",
        "1 recording has a header with a wrong length, read to the end of the file, the first is ",
        "1 recording cannot be used, the first: ",
        "the file is a PDF document",
    ):
        assert line in screen
    frame = Utterances.read(out / "utterances.parquet").frame
    assert frame.filter(utterance_id="u02")["channel"].to_list() == [1]
    assert len(run(root, tmp_path / "right", channel=2).joinpath("utterances.parquet").read_bytes())
    right = Utterances.read(tmp_path / "right" / "utterances.parquet").frame
    assert right["channel"].unique().to_list() == [2]


def test_audio_outside_the_corpus_needs_an_option(root: Path, tmp_path: Path) -> None:
    path = root / "utterances.csv"
    path.write_text(path.read_text().replace("audio/", f"{tmp_path}/elsewhere/"))
    (root / "audio").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"is not below .*; if it is meant: --allow-outside-root"):
        run(root, tmp_path / "out")
    frame = Utterances.read(run(root, tmp_path / "out", allow_outside_root=True) / "utterances.parquet").frame
    assert frame.height == 40
