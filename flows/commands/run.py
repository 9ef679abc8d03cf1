"""``ambivox run``: the main job, from a raw corpus to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ambivox.models.number_ranges import Count, CountOrNone

Switch = Literal["on", "off"]
Source = Literal["human", "synthetic", "combined", "pooled"]


def run(
    *,
    corpus: str = "demo",
    root: Path | None = None,
    key: str | None = None,
    alm: str | None = None,
    set: tuple[str, ...] = (),  # noqa: A002 - the flag's name
    trial: tuple[CountOrNone, ...] | None = None,
    sources: tuple[Source, ...] = ("human", "pooled"),
    dime_aug: tuple[Switch, ...] = ("on",),
    allow_hosted: bool = False,
    project: Path = Path(),
    force: bool = False,
    workers: Count = 2,
) -> None:
    """Run the whole pipeline on one corpus: ingest to report. Stages that are up to date are not run again.

    The corpus is entered into params.yaml first, so that `dvc repro` alone reproduces the same afterwards.

    Args:
        corpus: What the folder holds: a key in models/corpora/ (demo makes its own).
        root: The folder that holds the corpus; by default the one in params.yaml.
        key: The name of this corpus in params.yaml and data/; its corpus key if not given.
        alm: The annotator: "tiny" trains one on the corpus's pretrain speakers; else a key or a model folder. By default
            the one that was used before, in a new corpus "tiny".
        set: Options of steps, as in --set ingest.keep_votes=5 pool.criterion=likelihood; they are remembered in
            params.yaml. A value is YAML: 5, true, [1, 3].
        trial: Numbers of votes to keep in the sparse-vote trial, such as 1 3 5; 0 for no trial; by default what
            params.yaml has.
        sources: The distributions to fine-tune on.
        dime_aug: Whether to fine-tune with DiME-Aug, without, or both.
        allow_hosted: With a hosted ALM: the recordings may be sent to the provider. It is remembered in params.yaml as
            a mark of the corpus; without it, a terminal asks once.
        project: The folder that holds dvc.yaml.
        force: Run every stage, up to date or not.
        workers: How many independent stages may run side by side.
    """
    import logging
    from dataclasses import replace

    from ambivox.flows import prefect_settings, software
    from ambivox.flows.hosted_consent import is_agreed
    from ambivox.flows.job import Job
    from ambivox.flows.params_conversion import convert
    from ambivox.flows.pipeline_files import check_pipeline_files
    from ambivox.flows.project import enter
    from ambivox.flows.project_watch import ends_without
    from ambivox.flows.run_pipeline import run_pipeline
    from ambivox.flows.step_options import parse_settings

    prefect_settings.check_project(project)
    check_pipeline_files(project)
    software.check(project)
    for note in convert(project):
        logging.getLogger(__name__).warning(f"params.yaml: converted from the earlier form: {note}")
    votes_kept = None if trial is None else tuple(number for number in trial if number)
    job = Job(key or corpus, corpus, root, alm, parse_settings(set), votes_kept, sources, dime_aug)
    job = replace(job, allow_hosted=allow_hosted or is_agreed(project, job))
    with ends_without(project):
        enter(project, job)
        run_pipeline(project, job.key, force=force, workers=workers)
