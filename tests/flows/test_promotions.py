"""A promotion that is killed between any two of its steps is completed, or not begun, by the next run; never half of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ambivox.flows.annotators import install_annotator
from ambivox.flows.promotions import complete, end
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Entry, Ledger
from ambivox.models.annotator_registry.watch import list_candidates
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import revision_of
from tests.support.scratch_project import environment

# Where the process kills itself: before or after a function, by its place.
MOMENTS = {
    "before the row": ("ambivox.models.annotator_registry.ledger.Ledger.append", "before", False),
    "after the row": ("ambivox.models.annotator_registry.ledger.Ledger.append", "after", True),
    "before the copy": ("ambivox.flows.promotions.install_annotator", "before", True),
    "without an annotator": ("ambivox.flows.annotators.atomic_folder", "before", True),
    "before DVC knows": ("ambivox.flows.annotators.track", "before", True),
    "before the ledger is tracked": ("ambivox.flows.promotions.track", "before", True),
}
RECORD = """
import importlib, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ambivox.flows import promotions
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Entry, Ledger

place, moment, *named = sys.argv[1:]
parent, name = place.rsplit(".", 1)
try:
    owner = importlib.import_module(parent)
except ModuleNotFoundError:
    module, kind = parent.rsplit(".", 1)
    owner = getattr(importlib.import_module(module), kind)
function = getattr(owner, name)

def killed(*args, **named):
    if moment == "after":
        function(*args, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killed)
candidate = Candidate(*named)
entry = Entry(datetime.now(UTC), "a", candidate.alm, candidate.version, candidate.source, "promoted", "better")
promotions.record(Path.cwd(), "a", Ledger(Path.cwd() / "data/a/ledger.parquet"), [entry], candidate)
"""


def model(folder: Path, weights: str) -> Candidate:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["Qwen2AudioForConditionalGeneration"]}')
    (folder / "model.safetensors").write_text(weights)
    (candidate,) = (each for each in list_candidates(f"folder:{folder.parent}") if each.alm == folder.name)
    return candidate


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_no_half_promotion(toy_project: Path, moment: str) -> None:
    place, when, is_decided = MOMENTS[moment]
    install_annotator(toy_project, "a", Path(model(toy_project / "shelf/old", "old").location))
    better = model(toy_project / "shelf/better", "better")
    words = [place, when, better.alm, better.version, better.source, better.location]
    killed = subprocess.run(
        [sys.executable, "-c", RECORD, *words], cwd=toy_project, env=environment(), check=False
    )
    assert killed.returncode == -signal.SIGKILL
    ledger = Ledger(toy_project / "data/a/ledger.parquet")
    assert ledger.is_known(better) == is_decided

    completed = complete(toy_project, "a", ledger)
    assert completed == (better if is_decided else None)
    weights = (toy_project / "data/a/alm/model.safetensors").read_text()
    assert weights == ("better" if is_decided else "old")
    assert (revision_of(toy_project / "data/a/alm") == better.version) == is_decided
    assert ledger.is_known(better) == is_decided  # else it is tried again
    # The pipeline is not up to date yet; a kill before it is must not make the next run forget it.
    assert complete(toy_project, "a", ledger) == completed
    end(toy_project, "a")
    assert complete(toy_project, "a", ledger) is None
    tracked = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "data/a/alm.dvc"],
        cwd=toy_project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "up to date" in tracked.stdout


def test_an_alm_that_is_gone_is_named(toy_project: Path) -> None:
    better = model(toy_project / "shelf/better", "better")
    words = [*MOMENTS["after the row"][:2], better.alm, better.version, better.source, better.location]
    subprocess.run([sys.executable, "-c", RECORD, *words], cwd=toy_project, env=environment(), check=False)
    (toy_project / "shelf").rename(toy_project / "elsewhere")
    ledger = Ledger(toy_project / "data/a/ledger.parquet")
    with pytest.raises(UserError, match=r"was decided, but cannot be completed: .*to give it up, delete"):
        complete(toy_project, "a", ledger)
    (toy_project / "elsewhere").rename(toy_project / "shelf")
    assert complete(toy_project, "a", ledger) == better


def test_a_damaged_note_is_named(toy_project: Path) -> None:
    note = toy_project / ".ambivox/promotions/a.json"
    note.parent.mkdir(parents=True)
    note.write_text('{"alm": 1}')
    ledger = Ledger(toy_project / "data/a/ledger.parquet")
    ledger.append(Entry(datetime.now(UTC), "a", "x", "1", "folder:x", "rejected", "worse"))
    with pytest.raises(UserError, match="expected an interrupted promotion; delete it to give that up"):
        complete(toy_project, "a", ledger)
