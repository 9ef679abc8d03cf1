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
    ingest: str | None = None,
    annotate: str | None = None,
    pretrain: str | None = None,
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
        alm: The annotator: "tiny" trains one on the corpus's own pretrain speakers; else a key in models/alms/ or a folder.
        ingest: Further flags of `ambivox ingest`, in one string. On crema_d: "--keep-votes 3".
        annotate: Further flags of `ambivox annotate`, in one string.
        pretrain: Further flags of `ambivox pretrain`, in one string.
        sources: The distributions to fine-tune on.
        dime_aug: Whether to fine-tune with DiME-Aug, without, or both.
        project: The folder that holds dvc.yaml.
        force: Run every stage, up to date or not.
        workers: How many independent stages may run side by side.
    """
    from flows import local
    from flows import project as projects
    from flows.outcome import show

    local.project_here(project)
    key = key or corpus
    params = projects.load(project)
    known = params["corpora"].get(key, {})
    trained = params["pretrain"].get(key, {})
    root = root or Path(known.get("root", f"data/{key}/raw"))
    sparse = "--keep-votes 3" if corpus in ("demo", "crema_d") else ""
    projects.add_corpus(
        project, key, corpus, root,
        ingest=known.get("ingest", sparse) if ingest is None else ingest,
        annotate=known.get("annotate", "") if annotate is None else annotate,
        pretrain=trained.get("flags", "") if pretrain is None else pretrain,
        alm=alm, sources=sources, dime_aug=dime_aug,
    )  # fmt: skip
    local.prepare(project)
    show(project, key, force=force, workers=workers)
