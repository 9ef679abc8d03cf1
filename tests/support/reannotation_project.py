"""A team's project for the flow ``reannotate``: a corpus, a poor ALM that annotates it, and better and worse ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.hub_alms import make_alm, make_clips, make_project, vote_like

STEP = f"{sys.executable} -m ambivox.tasks"
DVC_YAML = f"""
metrics:
  - data/unit/validation/metrics.json
stages:
  annotate:
    foreach: ${{corpora}}
    do:
      cmd: {STEP}.annotate --utterances data/${{key}}/ingest/utterances.parquet --alm data/${{key}}/alm --engine transformers --orders 2 --out data/${{key}}/annotations
      deps: ["data/${{key}}/ingest/utterances.parquet", "data/${{key}}/alm"]
      outs: ["data/${{key}}/annotations"]
  pool:
    foreach: ${{corpora}}
    do:
      cmd: {STEP}.pool --utterances data/${{key}}/ingest/utterances.parquet --votes data/${{key}}/ingest/votes.parquet
        --annotations data/${{key}}/annotations/annotations.parquet --out data/${{key}}/distributions
      deps: ["data/${{key}}/ingest", "data/${{key}}/annotations/annotations.parquet"]
      outs: ["data/${{key}}/distributions"]
  validate:
    foreach: ${{corpora}}
    do:
      cmd: {STEP}.validate --utterances data/${{key}}/ingest/utterances.parquet --votes data/${{key}}/ingest/votes.parquet
        --heldout data/${{key}}/ingest/heldout.parquet --annotations data/${{key}}/annotations/annotations.parquet
        --distributions data/${{key}}/distributions --out data/${{key}}/validation
      deps: ["data/${{key}}/ingest", "data/${{key}}/distributions"]
      outs: ["data/${{key}}/validation"]
"""


def run_in(project: Path, *command: str) -> str:
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def make_team(root: Path) -> Path:
    """Write the project, with the ALMs good, poor and worse below ``made/``; none of them annotates yet."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("corpora:\n  unit: {corpus: table}\npretrain:\n  unit: {flags: ''}\n")
    (root / ".gitignore").write_text(".ambivox/\n/clips/\n/made/\n/shelf/\n/truth/\n/other-store/\n")
    run_in(root, "git", "init", "-q", "-b", "main")
    for name, value in (("user.name", "A. Person"), ("user.email", "a@example.org")):
        run_in(root, "git", "config", name, value)
    run_in(root, sys.executable, "-m", "dvc", "init", "-q")
    clips = make_clips(root / "clips", 50)
    make_alm(root / "made/good", clips, seed=1)
    make_alm(root / "made/poor", clips, seed=2)
    make_alm(root / "made/worse", clips, seed=3)
    make_project(root, clips)
    # Two votes per utterance: one is pooled, one is scored, so that the ALM decides most of the score.
    vote_like(root, root / "made/good", votes=2)
    return root
