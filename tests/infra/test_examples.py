"""The notebooks give the results that are stored in them, and the SLURM script does what it says with stand-ins."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

from tests.support.printed_numbers import rounded

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
notebooks = runpy.run_path(str(ROOT / "infra/notebooks.py"))


def results(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The texts of each cell."""
    return [
        [rounded(output.get("text") or output["data"]["text/plain"]) for output in cell.get("outputs", [])]
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_the_results_that_it_stores(path: Path, tmp_path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert results(notebooks["executed"](path, tmp_path)) == results(stored), "run: make notebooks"
    assert not list(tmp_path.iterdir())


SRUN = '#!/bin/bash\necho "srun $*" >> "$CALLS"\nexec "$@"\n'
APPTAINER = (
    '#!/bin/bash\necho "apptainer $*" >> "$CALLS"\nwhile [ "$1" != ambivox ]; do shift; done\nexec "$@"\n'
)
SCONTROL = '#!/bin/bash\necho "scontrol $*" >> "$CALLS"\n'
# As `ambivox run` does: it ends with 143 some time after SIGTERM; else with the code that its option names.
AMBIVOX = """#!/bin/bash
echo "ambivox $*" >> "$CALLS"
trap 'kill $!; sleep 0.3; echo stopped >> "$CALLS"; exit 143' TERM
if [ "$3" = long ]; then echo started >> "$CALLS"; sleep 30 & wait $!; fi
exit "$3"
"""


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """The environment of a job, with stand-ins for the programs of SLURM and Apptainer, which note their calls."""
    programs = {"srun": SRUN, "apptainer": APPTAINER, "scontrol": SCONTROL, "ambivox": AMBIVOX}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "CALLS": str(tmp_path / "calls"), "SLURM_JOB_ID": "17"}


def submit(cluster: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(ROOT / "examples/slurm.sh"), *words], cwd=Path(cluster["CALLS"]).parent, env=cluster
    )


def calls(cluster: dict[str, str]) -> list[str]:
    return Path(cluster["CALLS"]).read_text().splitlines()


@pytest.mark.parametrize("code", [0, 2, 74])
def test_a_job_runs_the_command_once_and_returns_its_code(cluster: dict[str, str], code: int) -> None:
    assert submit(cluster, "--corpus", str(code), "--root", "/data/two words").wait(30) == code
    asked = f"run --corpus {code} --root /data/two words"
    assert calls(cluster) == [f"srun ambivox {asked}", f"ambivox {asked}"]


def test_a_job_that_reaches_its_limit_stops_and_is_put_back(cluster: dict[str, str]) -> None:
    job = submit(cluster, "--corpus", "long")
    deadline = time.monotonic() + 30
    while (
        not (Path(cluster["CALLS"]).exists() and "started" in calls(cluster)) and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 143
    assert calls(cluster)[-2:] == ["stopped", "scontrol requeue 17"]


def test_an_image_is_used_where_one_is_named(cluster: dict[str, str]) -> None:
    image = {"AMBIVOX_IMAGE": "/images/ambivox.sif", "AMBIVOX_BIND": "/data"}
    assert submit(cluster | image, "--corpus", "0").wait(30) == 0
    folder = Path(cluster["CALLS"]).parent
    words = f"exec --nv --bind /data --pwd {folder} /images/ambivox.sif ambivox run --corpus 0"
    assert calls(cluster) == [f"srun apptainer {words}", f"apptainer {words}", "ambivox run --corpus 0"]


def test_what_the_script_asks_of_slurm() -> None:
    text = (ROOT / "examples/slurm.sh").read_text()
    head, _, body = text.partition("set -euo pipefail")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", head, re.MULTILINE))
    assert asked["gres"] == "gpu:1"
    # The signal goes to the script (B:), which passes it on; --requeue lets it put itself back.
    assert asked["signal"].startswith("B:TERM@")
    assert "requeue" in asked
    assert "#SBATCH" not in body
    guide = (ROOT / "docs/guides/gpu.md").read_text()
    assert int(asked["signal"].partition("@")[2]) == 5 * 60 and "SIGTERM five minutes" in guide
    subprocess.run(["bash", "-n", str(ROOT / "examples/slurm.sh")], check=True)
