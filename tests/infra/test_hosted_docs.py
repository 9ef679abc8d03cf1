"""The commands that README and docs/hosted.md print for hosted ALMs run, against a local server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from tests.support.hosted_server import PERSONALITIES, HostedServer

ROOT = Path(__file__).parents[2]


def commands(document: str, heading: str) -> list[str]:
    """The commands of the first code block below a heading."""
    section = (ROOT / document).read_text().split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    lines = re.findall(r"^    (\S.*)$", section, re.MULTILINE)
    return [line.split("  #")[0].strip() for line in lines]


def write_corpus(folder: Path) -> None:
    """Four clips by two speakers, with two votes each, in the README's columns."""
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(1)
    utterances, votes = [], []
    for number in range(4):
        soundfile.write(folder / "audio" / f"{number}.wav", rng.uniform(-0.5, 0.5, 8000), 16_000)
        utterances.append((f"u{number}", f"audio/{number}.wav", "Hello there.", f"s{number % 2}"))
        votes += [(f"u{number}", f"r{rater}", ("anger", "joy")[(number + rater) % 2]) for rater in range(2)]
    columns = ["utterance_id", "audio", "transcript", "speaker"]
    pl.DataFrame(utterances, schema=columns, orient="row").write_csv(folder / "utterances.csv")
    columns = ["utterance_id", "annotator_id", "label"]
    pl.DataFrame(votes, schema=columns, orient="row").write_csv(folder / "votes.csv")


@pytest.mark.parametrize(
    ("document", "heading"),
    [("README.md", "A hosted ALM in three commands"), ("docs/hosted.md", "Three commands")],
)
def test_the_three_commands_run(document: str, heading: str, tmp_path: Path) -> None:
    write_corpus(tmp_path / "mine")
    server = HostedServer(PERSONALITIES["gemini"])
    export, *calls = commands(document, heading)
    variable = export.removeprefix("export ").partition("=")[0]
    environment = os.environ | {variable: server.personality.key}
    assert len(calls) == 2
    for call in calls:
        words = shlex.split(call.replace("/data/mine", str(tmp_path / "mine")))
        assert words[0] == "ambivox"
        if words[1] == "annotate":
            words += ["--server", server.url]
        command = [sys.executable, "-m", "ambivox", *words[1:]]
        run = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
        )
        assert run.returncode == 0, run.stderr
    server.close()
    assert "for about 0.0" in run.stdout and "min" in run.stdout
    assert pl.read_parquet(tmp_path / "data/mine/annotations/annotations.parquet")["label"].null_count() == 0
