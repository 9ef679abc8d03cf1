"""Which corpora the pipeline runs on: entering one into params.yaml with its options, and taking it out again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ambivox.models.corpora
from ambivox.flows import yaml_comments
from ambivox.flows.params_file import CORPUS_STEPS, SECTION_STEPS, changing
from ambivox.models.alms import locate
from ambivox.models.errors import UserError, unknown
from ambivox.models.files import atomic_path, exists
from ambivox.models.ingestion import imported_votes
from ambivox.models.registry import find

_KEY = re.compile(r"[a-z][a-z0-9_]*")
TINY = "tiny"
ALLOW_HOSTED = "allow_hosted"  # in a corpus's entry: whether its recordings may be sent to a provider
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
# Speakers need not be reserved for an ALM that is trained already.
_NO_PRETRAINING = {"ingest": {"shares": [0.0, 0.7, 0.1, 0.2]}}


@dataclass(frozen=True)
class Job:
    """The main job on one corpus, as the user asked for it; what was not asked for is None or absent.

    Attributes:
        key: The corpus's name in params.yaml and data/.
        corpus: Its key in models/corpora/.
        root: The folder or s3:// URL that holds it.
        alm: "tiny", a key in models/alms/, or a model folder.
        settings: Options by step, as params.yaml holds them.
        trial: Numbers of votes to keep in the sparse-vote trial; empty for no trial.
        sources: Distributions to fine-tune on.
        dime_aug: Fine-tune with DiME-Aug ("on"), without ("off"), or both.
        allow_hosted: Whether the corpus is marked as one whose recordings may be sent to a provider.
    """

    key: str
    corpus: str
    root: Path | None
    alm: str
    settings: Mapping[str, Mapping[str, Any]]
    trial: tuple[int, ...] | None
    sources: tuple[str, ...]
    dime_aug: tuple[str, ...]
    allow_hosted: bool = False


def enter(project: Path, job: Job) -> bool:
    """Enter a job into params.yaml, or change its entry; returns whether anything changed.

    What was not asked for stays as it was entered before, else is what the corpus's own file says
    (``RUN_DEFAULTS`` in models/corpora/). With the ALM "tiny", one is trained on the corpus (stage pretrain);
    any other is named in data/<key>/alm.

    Raises:
        UserError: An unknown corpus, ALM, step or option, a folder that does not exist, a key that cannot name a
            stage.
    """
    defaults = _checked_defaults(job)
    with changing(project) as params:
        before = repr(params)
        _enter(project, job, defaults, params)
        return repr(params) != before


def _enter(project: Path, job: Job, defaults: Mapping[str, Mapping[str, Any]], params: Any) -> None:
    entry = params["corpora"].get(job.key, {})
    root = Path(entry.get("root", f"data/{job.key}/raw")) if job.root is None else _from(project, job.root)
    options = {step: _options(project, job, defaults, step, entry.get(step)) for step in CORPUS_STEPS}
    told = (job.corpus, str(root), options["ingest"]["options"])
    known = entry.get("ingest") or {}
    if told != (entry.get("corpus"), entry.get("root"), known.get("options") or {}):
        _check_corpus(project, job.corpus, root, options["ingest"]["options"])
    pretrain = _pretrain_options(project, job, defaults, params["pretrain"].get(job.key))
    trial = _trial_options(project, job, defaults, params["trial"].get(job.key))
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
    _note_alm(_data(project, job.key) / "alm", job.alm if job.alm == TINY else _alm(project, job.alm))
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


def _from(project: Path, path: Path) -> Path:
    """A path that the user gave, as stages see it: they run in the project's folder."""
    if str(path).startswith("s3:"):
        return path
    path = path.expanduser()
    return path if path.is_absolute() else Path(os.path.relpath(path.absolute(), project.resolve()))


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
    ambivox.models.corpora.load_corpus(corpus, place, options)


def _options(
    project: Path,
    job: Job,
    defaults: Mapping[str, Mapping[str, Any]],
    step: str,
    entered: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A step's options: asked for now, else entered before, else the corpus's own, else the step's defaults."""
    from ambivox.flows.step_options import build_options, default_values, path_options

    known = defaults.get(step, {}) if entered is None else entered
    asked = dict(job.settings.get(step, {}))
    for name in path_options(step) & asked.keys():
        asked[name] = _relocated(project, asked[name])
    if asked.get("more_alms"):
        asked["more_alms"] = [_alm(project, alm) for alm in asked["more_alms"]]
    options = default_values(step) | dict(known) | asked
    build_options(step, options, f"params.yaml: {job.key}: {step}")
    return options


def _pretrain_options(
    project: Path,
    job: Job,
    defaults: Mapping[str, Mapping[str, Any]],
    entered: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Options of pretraining, with the tower that is meant and its revision now; None where nothing is pretrained."""
    from ambivox.models.embedded_alm.tower_choice import choose_tower

    if job.alm != TINY:
        return None
    options = _options(project, job, defaults, "pretrain", entered)
    asked = job.settings.get("pretrain", {})
    tower = str(options["tower"])
    folder = Path(tower).expanduser() if "tower" in asked else project / tower
    is_folder = folder.is_dir()
    # What was recorded for a folder, or for another tower, says nothing about what is there now.
    revision = asked.get("tower_revision") if is_folder or "tower" in asked else options["tower_revision"]
    choice = choose_tower(str(folder) if is_folder else tower, revision)
    chosen = str(_from(project, folder)) if is_folder else choice.tower
    return options | {"tower": chosen, "tower_revision": choice.revision}


def _alm(project: Path, alm: str) -> str:
    """An ALM as stages see it: a model folder by its path from the project's folder, a key or a hosted model as it is."""
    return str(_from(project, Path(alm))) if exists(alm) else alm


def _relocated(project: Path, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_relocated(project, item) for item in value]
    return value if value is None else str(_from(project, Path(value)))


def _trial_options(
    project: Path, job: Job, defaults: Mapping[str, Mapping[str, Any]], entered: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Options of the trial; None for no trial."""
    if job.trial is None and entered is None and not (defaults.get("trial") or job.settings.get("trial")):
        return None
    options = _options(project, job, defaults, "trial", entered)
    if job.trial is not None:
        options["votes_kept"] = list(job.trial)
    return options if options.get("votes_kept") else None


def _checked_defaults(job: Job) -> dict[str, dict[str, Any]]:
    """Options by step that the corpus's own file recommends."""
    if not _KEY.fullmatch(job.key):
        raise UserError(
            f"{job.key!r} cannot name a corpus in dvc.yaml; expected lower-case letters, digits and _, a letter first"
        )
    corpus = find(ambivox.models.corpora, job.corpus, "corpus")
    if job.alm != TINY:
        locate(job.alm)
    for alm in job.settings.get("annotate", {}).get("more_alms", ()):
        locate(alm)
    for step in job.settings:
        if step not in (*CORPUS_STEPS, *SECTION_STEPS):
            raise unknown("step in --set", step, (*CORPUS_STEPS, *SECTION_STEPS))
    recommended: Mapping[str, Mapping[str, Any]] = getattr(corpus, "RUN_DEFAULTS", {})
    defaults = {step: dict(options) for step, options in recommended.items()}
    if job.alm != TINY:
        for step, options in _NO_PRETRAINING.items():
            defaults[step] = options | defaults.get(step, {})
    return defaults


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


def _note_alm(note: Path, alm: str) -> None:
    """Name an ALM from elsewhere; where a tiny one is to be trained, the stage makes a folder of that name."""
    if alm == TINY:
        if note.is_file():
            note.unlink()
    elif not (note.is_file() and note.read_bytes().strip() == alm.encode()):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(alm + "\n", encoding="utf-8")


def _declare_figures(path: Path) -> None:
    """Tell DVC which of a corpus's files are figures, so that `dvc metrics diff` and `dvc plots diff` work."""
    if not path.is_file() or path.read_bytes() != _FIGURES.encode():
        with atomic_path(path) as temporary:
            temporary.write_text(_FIGURES, encoding="utf-8")
