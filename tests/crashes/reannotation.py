"""The flow ``reannotate``, killed while a better ALM takes the place of a poor one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crashes.trial import Scenario
from tests.support.reannotation_project import make_team, run_in

_NOTE = "file:.ambivox/promotions/unit.json"
# Listing and pilots, the promotion and its completion, and the stages that follow it, as the log names them.
_MOMENTS = (
    "'list folder:shelf'", "'pilot ", _NOTE, "Beginning flow run", "Beginning flow run", "it is complete now",
    "Beginning subflow run", "prompts are not in the store yet", "annotate@unit took", "pool@unit took",
)  # fmt: skip
_OUTPUTS = ("alm", "annotations", "distributions", "validation")


def run(*sources: str) -> None:
    """What a worker does: call the flow in this process; it ends with an exception where the flow fails."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2] / "src")
    from ambivox.flows.reannotate import reannotate

    reannotate(
        corpus="unit", sources=sources, pilot_size=40, margin=0.02, engine="transformers", orders=2,
        timeout_seconds=600,
    )  # fmt: skip


@contextmanager
def reannotation(base: Path) -> Iterator[Scenario]:
    """The scenario; while the block runs, so does a Prefect server.

    Args:
        base: Where the project is made that every trial copies.
    """
    from ambivox.flows.prefect_server import PrefectServer
    from ambivox.flows.prefect_settings import prefect_home

    if not (base / "shelf/good").is_dir():
        shutil.rmtree(base, ignore_errors=True)
        _make(base)
    place = base.with_name(f"{base.name}-server")
    prefect_home(place).mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    os.environ["PREFECT_HOME"] = str(prefect_home(place))
    server = PrefectServer.start(place)
    os.environ.clear()
    os.environ.update(before)
    try:
        server.wait()

        def facts(folder: Path) -> object:
            return _decisions(folder)

        yield Scenario(
            "reannotate",
            lambda folder: _copy(base, folder),
            ("folder:shelf",),
            tuple(f"data/unit/{name}" for name in _OUTPUTS),
            (".ambivox/store",),
            {"PREFECT_API_URL": server.url, "PREFECT_HOME": str(prefect_home(place))},
            facts,
            call="tests.crashes.reannotation:run",
            moments=_MOMENTS,
            longest_seconds=3600,
        )
    finally:
        server.stop()


def _make(base: Path) -> None:
    """The project with its poor annotator, committed, and the better ALM on the shelf."""
    from ambivox.flows.annotators import install_annotator, track

    make_team(base)
    track(base, base / "data/unit/ingest")
    install_annotator(base, "unit", base / "made/poor")
    run_in(base, "git", "add", "-A")
    run_in(base, "git", "commit", "-qm", "A project")
    shutil.copytree(base / "made/worse", base / "shelf/worse")
    shutil.copytree(base / "made/good", base / "shelf/good")


def _copy(base: Path, folder: Path) -> None:
    folder.rmdir()
    shutil.copytree(base, folder, symlinks=True)


def _decisions(folder: Path) -> list[tuple[str, str]]:
    """The ledger's decisions; one that was made twice is there twice."""
    from ambivox.models.annotator_registry.ledger import Ledger

    rows = Ledger(folder / "data/unit/ledger.parquet").read().iter_rows(named=True)
    return sorted((row["alm"], row["decision"]) for row in rows)
