"""``ambivox run``: the main job, from a raw corpus to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Switch = Literal["on", "off"]
Source = Literal["human", "synthetic", "combined", "pooled"]


def run(
    *,
    corpus: str = "demo",
    root: Path | None = None,
    key: str | None = None,
    alm: str = "tiny",
    flags: dict[str, str] | None = None,
    trial: str | None = None,
    sources: tuple[Source, ...] = ("human", "pooled"),
    dime_aug: tuple[Switch, ...] = ("on",),
    project: Path = Path(),
    force: bool = False,
    workers: int = 2,
) -> None:
    """Run the whole pipeline on one corpus: ingest to report. What is up to date already is not run again.

    The corpus is entered into params.yaml first, so that `dvc repro` alone reproduces the same afterwards.

    Args:
        corpus: What the folder holds: a key in models/corpora/ (demo makes its own).
        root: The folder that holds the corpus.
        key: The name of this corpus in params.yaml and data/; its corpus key if not given.
        alm: The annotator: "tiny" trains one on the corpus's pretrain speakers; else a key or a model folder.
        flags: Further flags of a step, as in --flags.ingest "--keep-votes 5" (ingest, pretrain, annotate, pool,
            validate); they are remembered in params.yaml.
        trial: Votes to keep in the sparse-vote trial, such as 1,3,5; "" for none.
        sources: The distributions to fine-tune on.
        dime_aug: Whether to fine-tune with DiME-Aug, without, or both.
        project: The folder that holds dvc.yaml.
        force: Run every stage, up to date or not.
        workers: How many independent stages may run side by side.
    """
    from ambivox.flows import prefect_settings
    from ambivox.flows.outcome import show
    from ambivox.flows.project import Job, enter

    prefect_settings.check_project(project)
    job = Job(key or corpus, corpus, root, alm, flags or {}, trial, sources, dime_aug)
    enter(project, job)
    show(project, job.key, force=force, workers=workers)
