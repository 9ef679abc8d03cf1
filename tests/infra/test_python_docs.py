"""The Python that README and docs/python.md print runs as it is."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[2]


def test_the_five_lines_of_the_readme_run(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## In Python\n", 1)[1].split("\n## ")[0]
    code = textwrap.dedent("\n".join(re.findall(r"^    .*$", section, re.MULTILINE)))
    assert len(code.splitlines()) == 5
    rng = np.random.default_rng(0)
    p_NK = rng.dirichlet((1, 1), 40)
    rows = [
        (f"u{i}", f"r{j}", ("anger", "joy")[int(rng.random() < p_NK[i, 1])])
        for i in range(40)
        for j in range(4)
    ]
    pl.DataFrame(rows, ["utterance_id", "annotator_id", "label"], orient="row").write_csv(
        tmp_path / "votes.csv"
    )
    columns = {"utterance_id": [f"u{i}" for i in range(40)], "anger": p_NK[:, 0], "joy": p_NK[:, 1]}
    pl.DataFrame(columns).write_csv(tmp_path / "probabilities.csv")
    code += "\nassert type(pooled).__module__.startswith('pandas') and len(pooled) == 40 and len(worth) == 2"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr


def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("│") > 10  # the printed frame
