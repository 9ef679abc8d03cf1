"""Which corpora the pipeline runs on: entering one into params.yaml with its options, and taking it out again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ambivox.models.corpora
from ambivox.flows import yaml_comments
from ambivox.flows.annotators import entered_annotator, name_annotator
from ambivox.flows.job import ALLOW_HOSTED, TINY, Job
from ambivox.flows.job_options import (
    Defaults,
    alm_place,
    checked_defaults,
    from_project,
    pretrain_options,
    shares,
    step_options,
    trial_options,
)
from ambivox.flows.params_file import CORPUS_STEPS, SECTION_STEPS, changing
from ambivox.models.errors import UserError, unknown
from ambivox.models.files import atomic_path
from ambivox.models.ingestion import imported_votes
from ambivox.models.ingestion.labels import check_schema
from ambivox.models.ingestion.splits import check_shares

_logger = logging.getLogger(__name__)
# The stages are in the project's own dvc.yaml; this one, beside a corpus's data, only says what to compare.
_FIGURES = """\
metrics:
  - validation/summary.json
  - evaluation/summary.json
plots:
  - evaluation/rows.csv: {template: bar_horizontal, x: nll, y: model, title: nll of human votes by model}
  - evaluation/tertiles.csv: {template: bar_horizontal_sorted, x: nll, y: model, title: nll by ambiguity}
  - evaluation/calibration.csv: {template: scatter, x: confidence, y: accuracy, title: Calibration}
"""


def enter(project: Path, job: Job) -> bool:
    """Enter a job into params.yaml, or change its entry; returns whether anything changed.

    What was not asked for stays as it was entered before. With the ALM "tiny", one is trained on the corpus (stage
    pretrain); any other is named in data/<key>/alm, or was put there by a promotion.

    Raises:
        UserError: An unknown corpus, ALM, step or option, a folder that does not exist, a key that cannot name a
            stage.
    """
    defaults = checked_defaults(job)
    with changing(project) as params:
        before = repr(params)
        _enter(project, job, defaults, params)
        return repr(params) != before


def _enter(project: Path, job: Job, defaults: Defaults, params: Any) -> None:
    entry = params["corpora"].get(job.key, {})
    root = (
        Path(entry.get("root", f"data/{job.key}/raw"))
        if job.root is None
        else from_project(project, job.root)
    )
    alm = entered_annotator(project, job.key, params) if job.alm is None else alm_place(project, job.alm)
    options = {step: step_options(project, job, defaults, step, entry.get(step)) for step in CORPUS_STEPS}
    if "shares" not in job.settings.get("ingest", {}):
        was_trained = job.key in params["pretrain"]
        options["ingest"]["shares"] = shares(
            job, defaults, entry.get("ingest"), is_trained=alm == TINY, was_trained=was_trained
        )
    _check_ingest(project, options["ingest"])
    told = (job.corpus, str(root), options["ingest"]["options"])
    known = entry.get("ingest") or {}
    if told != (entry.get("corpus"), entry.get("root"), known.get("options") or {}):
        _check_corpus(project, job.corpus, root, options["ingest"]["options"])
    if entry and (job.corpus, str(root)) != (entry.get("corpus"), entry.get("root")):
        _logger.warning(
            f"{job.key}: read from {entry.get('root')} before, from {root} now; to keep both, name a corpus with --key"
        )
    entered_before = params["pretrain"].get(job.key)
    pretrain = pretrain_options(project, job, defaults, entered_before) if alm == TINY else None
    trial = trial_options(project, job, defaults, params["trial"].get(job.key))
    new_entry = {
        "corpus": job.corpus,
        "root": str(root),
        "watch": f"imported_votes/{job.key}.csv" if job.corpus == "demo" else str(root),
        "report_after": f"data/{job.key}/validation/metrics.json"
        if trial is None
        else f"data/{job.key}/trial",
        ALLOW_HOSTED: job.allow_hosted or entry.get(ALLOW_HOSTED, False),
    }
    _put(params["corpora"], job.key, new_entry | options)
    for section, entered in (("trial", trial), ("pretrain", pretrain)):
        if entered is None:
            yaml_comments.remove(params, section, job.key)
        else:
            _put(params[section], job.key, entered)
    name_annotator(project, job.key, alm)
    _declare_figures(_data(project, job.key) / "dvc.yaml")
    imported_votes.create(imported_votes.place(project, job.key))
    for name, asked in (("corpora", (job.key,)), ("sources", job.sources), ("dime_aug", job.dime_aug)):
        yaml_comments.extend(params["matrix"][name], asked)


def forget(project: Path, key: str) -> None:
    """Take a corpus out of params.yaml and out of the pipeline; its results in data/<key>/ stay.

    Raises:
        UserError: params.yaml has no such corpus.
    """
    with changing(project) as params:
        if key not in params["corpora"]:
            raise unknown("corpus of params.yaml", key, params["corpora"])
        for section in ("corpora", *SECTION_STEPS):
            yaml_comments.remove(params, section, key)
        while key in params["matrix"]["corpora"]:
            params["matrix"]["corpora"].remove(key)
    (_data(project, key) / "dvc.yaml").unlink(missing_ok=True)
    note = _data(project, key) / "alm"
    if note.is_file():
        note.unlink()


def _data(project: Path, key: str) -> Path:
    return project / "data" / key


def _check_ingest(project: Path, options: Mapping[str, Any]) -> None:
    """Check the values that only the first stage would refuse."""
    if options["shares"] is not None:
        check_shares(options["shares"])
    schema = str(options["schema"])
    check_schema(schema if schema in ("full", "four") else str(project / schema))


def _check_place(project: Path, root: Path) -> None:
    """Check that neither a project's outputs are among the recordings, nor another project's files.

    Raises:
        UserError: The project is in the folder, or another one is.
    """
    place, home = (project / root).resolve(), project.resolve()
    if home.is_relative_to(place):
        raise UserError(
            f"{root}: the project {home} is in this folder, and DVC cannot track a folder that holds its own outputs; make the "
            "project elsewhere (ambivox init FOLDER), or name a folder that holds the recordings alone"
        )
    if place.is_dir() and (other := next(place.rglob(".dvcignore"), None)) is not None:
        raise UserError(
            f"{root}: holds a project of DVC ({other.parent}), which DVC cannot track; name a folder that holds the recordings alone"
        )


def _check_corpus(project: Path, corpus: str, root: Path, options: Mapping[str, Any]) -> None:
    """Read the corpus's files once, before anything is entered: a wrong folder or column leaves no trace.

    Raises:
        UserError: There is no such folder, or it does not hold such a corpus.
    """
    if corpus == "demo" or str(root).startswith("s3:"):
        return
    place = project / root
    if not (place.is_dir() or (corpus == "table" and place.is_file())):
        raise UserError(f"{root}: no such folder; expected the root of a {corpus} corpus")
    _check_place(project, root)
    ambivox.models.corpora.load_corpus(corpus, place, options)


def _put(mapping: Any, key: str, value: Mapping[str, Any]) -> None:
    """Set or change an entry, touching only what differs, so that comments and order stay."""
    if not isinstance(mapping.get(key), dict) or not mapping[key]:
        yaml_comments.put(mapping, key, value)
        return
    entry = mapping[key]
    for name, new in value.items():
        if isinstance(entry.get(name), dict) and isinstance(new, Mapping):
            _put(entry, name, new)
        elif name not in entry or entry[name] != new:
            yaml_comments.put(entry, name, new)


def _declare_figures(path: Path) -> None:
    """Tell DVC which of a corpus's files are figures, so that `dvc metrics diff` and `dvc plots diff` work."""
    if not path.is_file() or path.read_bytes() != _FIGURES.encode():
        with atomic_path(path) as temporary:
            temporary.write_text(_FIGURES, encoding="utf-8")
