"""The options of every step for a job: asked for now, else entered before, else the corpus's own, else the step's defaults.

Options of steps that are asked for once stay in params.yaml. The shares of the splits depend on the ALM: speakers are reserved
for training only where an ALM is trained on the corpus.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ambivox.models.corpora
from ambivox.flows.job import TINY, Job
from ambivox.flows.params_file import CORPUS_STEPS, SECTION_STEPS
from ambivox.models.alms import locate
from ambivox.models.errors import UserError, unknown
from ambivox.models.files import exists
from ambivox.models.registry import find

_KEY = re.compile(r"[a-z][a-z0-9_]*")
# Speakers need not be reserved for an ALM that is trained already.
_SHARES_WITHOUT_PRETRAINING = [0.0, 0.7, 0.1, 0.2]
_logger = logging.getLogger(__name__)
Defaults = Mapping[str, Mapping[str, Any]]


def checked_defaults(job: Job) -> Defaults:
    """Options by step that the corpus's own file recommends (``RUN_DEFAULTS`` in models/corpora/).

    Args:
        job: The job.

    Raises:
        UserError: A key that cannot name a stage, or an unknown corpus, ALM or step.
    """
    if not _KEY.fullmatch(job.key):
        raise UserError(
            f"{job.key!r} cannot name a corpus in dvc.yaml; expected lower-case letters, digits and _, a letter first"
        )
    corpus = find(ambivox.models.corpora, job.corpus, "corpus")
    for alm in (job.alm, *job.settings.get("annotate", {}).get("more_alms", ())):
        if alm not in (None, TINY):
            locate(alm)
    for step in job.settings:
        if step not in (*CORPUS_STEPS, *SECTION_STEPS):
            raise unknown("step in --set", step, (*CORPUS_STEPS, *SECTION_STEPS))
    recommended: Defaults = getattr(corpus, "RUN_DEFAULTS", {})
    return recommended


def step_options(
    project: Path, job: Job, defaults: Defaults, step: str, entered: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A step's options.

    Args:
        project: The folder that holds params.yaml.
        job: The job.
        defaults: The corpus's own options by step.
        step: The step.
        entered: What params.yaml has for the step; None for nothing.

    Raises:
        UserError: An option that the step does not have, or a value that it does not take.
    """
    from ambivox.flows.step_options import build_options, default_values, path_options

    known = defaults.get(step, {}) if entered is None else entered
    asked = dict(job.settings.get(step, {}))
    for name in path_options(step) & asked.keys():
        asked[name] = _relocated(project, asked[name])
    if asked.get("more_alms"):
        asked["more_alms"] = [alm_place(project, alm) for alm in asked["more_alms"]]
    options = default_values(step) | dict(known) | asked
    build_options(step, options, f"params.yaml: {job.key}: {step}")
    return options


def shares(
    job: Job, defaults: Defaults, entered: Mapping[str, Any] | None, *, is_trained: bool, was_trained: bool
) -> Any:
    """The shares of pretrain, train, development and test where none were asked for.

    Default shares change with a note where a corpus gets an ALM from elsewhere after one that was trained on it, or the
    reverse.

    Args:
        job: The job.
        defaults: The corpus's own options by step.
        entered: What params.yaml has for ``ingest``; None for a new corpus.
        is_trained: Whether an ALM is trained on the corpus.
        was_trained: Whether one was before.
    """
    own = defaults.get("ingest", {}).get("shares")
    by_kind = {True: own, False: _SHARES_WITHOUT_PRETRAINING if own is None else own}
    chosen = by_kind[is_trained]
    if entered is None:
        return chosen
    before = None if entered.get("shares") is None else list(entered["shares"])
    if is_trained == was_trained or before != by_kind[was_trained]:
        return before
    reason = (
        "speakers are reserved for training the ALM"
        if is_trained
        else "no speakers are reserved for training"
    )
    _logger.warning(
        f"{job.key}: {reason} now, so the splits change: ingest.shares is {'the default' if chosen is None else chosen}"
    )
    return chosen


def pretrain_options(
    project: Path, job: Job, defaults: Defaults, entered: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Options of pretraining, with the tower that is meant and its revision now.

    Args:
        project: The folder that holds params.yaml.
        job: The job.
        defaults: The corpus's own options by step.
        entered: What params.yaml has; None for nothing.

    Raises:
        UserError: A wrong option, or a tower that is none.
    """
    from ambivox.models.embedded_alm.tower_choice import choose_tower

    options = step_options(project, job, defaults, "pretrain", entered)
    asked = job.settings.get("pretrain", {})
    tower = str(options["tower"])
    folder = Path(tower).expanduser() if "tower" in asked else project / tower
    is_folder = folder.is_dir()
    # What was recorded for a folder, or for another tower, says nothing about what is there now.
    revision = asked.get("tower_revision") if is_folder or "tower" in asked else options["tower_revision"]
    choice = choose_tower(str(folder) if is_folder else tower, revision)
    chosen = str(from_project(project, folder)) if is_folder else choice.tower
    return options | {"tower": chosen, "tower_revision": choice.revision}


def trial_options(
    project: Path, job: Job, defaults: Defaults, entered: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Options of the trial; None for no trial.

    Args:
        project: The folder that holds params.yaml.
        job: The job.
        defaults: The corpus's own options by step.
        entered: What params.yaml has; None for nothing.

    Raises:
        UserError: A wrong option.
    """
    if job.trial is None and entered is None and not (defaults.get("trial") or job.settings.get("trial")):
        return None
    options = step_options(project, job, defaults, "trial", entered)
    if job.trial is not None:
        options["votes_kept"] = list(job.trial)
    return options if options.get("votes_kept") else None


def alm_place(project: Path, alm: str) -> str:
    """An ALM as stages see it: a model folder by its path from the project's folder, a key or a hosted model as it is.

    Args:
        project: The folder that holds params.yaml.
        alm: What the user gave.
    """
    return str(from_project(project, Path(alm))) if exists(alm) else alm


def from_project(project: Path, path: Path) -> Path:
    """A path that the user gave, as stages see it: they run in the project's folder.

    Args:
        project: The folder that holds params.yaml.
        path: A path from the current folder, an absolute one, or an s3:// URL.
    """
    if str(path).startswith("s3:"):
        return path
    path = path.expanduser()
    return path if path.is_absolute() else Path(os.path.relpath(path.absolute(), project.resolve()))


def _relocated(project: Path, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_relocated(project, item) for item in value]
    return value if value is None else str(from_project(project, Path(value)))
