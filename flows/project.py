"""A project's params.yaml: which corpora the pipeline runs on, with which options, and the fine-tuning matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ambivox.models.corpora
from ambivox.models.alms import locate
from ambivox.models.errors import UserError, unknown
from ambivox.models.files import atomic_path
from ambivox.models.ingestion import imported_votes
from ambivox.models.registry import find

_KEY = re.compile(r"[a-z][a-z0-9_]*")
TINY = "tiny"
# The stages are in the project's own dvc.yaml; this one, beside a corpus's data, only says what to compare.
_FIGURES = """\
metrics:
  - validation/summary.json
  - evaluation/summary.json
plots:
  - evaluation/rows.csv: {template: bar_horizontal, x: js, y: model, title: JS to human votes by model}
  - evaluation/tertiles.csv: {template: bar_horizontal_sorted, x: js, y: model, title: JS by ambiguity}
  - evaluation/calibration.csv: {template: scatter, x: confidence, y: accuracy, title: Calibration}
"""
# Speakers need not be reserved for an ALM that is trained already.
_NO_PRETRAINING = {"ingest": {"shares": [0.0, 0.7, 0.1, 0.2]}}
# Steps with options in an entry of params.yaml: corpora.<key>.<step>.
CORPUS_STEPS = (
    "ingest",
    "annotate",
    "pool",
    "validate",
    "augment",
    "finetune",
    "predict",
    "evaluate",
    "report",
)
# Steps with a section of their own, <step>.<key>: not every corpus has them.
SECTION_STEPS = ("pretrain", "trial")

# The sections of params.yaml, and what each holds where it is absent.
_SECTIONS: dict[str, dict[str, Any]] = {
    "corpora": {},
    **{step: {} for step in SECTION_STEPS},
    "matrix": {"corpora": [], "sources": [], "dime_aug": []},
}


def load(project: Path) -> Any:
    """params.yaml, with its comments, as ruamel.yaml's mapping.

    Raises:
        UserError: It cannot be read, or a section is not a mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = project / "params.yaml"
    try:
        yaml = YAML()
        yaml.preserve_quotes = True
        params: Any = yaml.load(path)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(params, dict):
        raise UserError(f"{path}: expected a mapping with the sections {', '.join(_SECTIONS)}")
    for name, empty in _SECTIONS.items():
        section = params.setdefault(name, dict(empty))
        if not isinstance(section, Mapping):
            raise UserError(f"{path}: {name}: expected a mapping, found {section!r}")
        if name == "matrix":
            continue
        for key, entry in section.items():
            if not isinstance(entry, Mapping):
                raise UserError(f"{path}: {name}.{key}: expected a mapping, found {entry!r}")
    return params


def save(project: Path, params: Any) -> None:
    """Write params.yaml, keeping its comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    with atomic_path(project / "params.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


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
    """

    key: str
    corpus: str
    root: Path | None
    alm: str
    settings: Mapping[str, Mapping[str, Any]]
    trial: tuple[int, ...] | None
    sources: tuple[str, ...]
    dime_aug: tuple[str, ...]


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
    params = load(project)
    before = repr(params)
    entry = params["corpora"].get(job.key, {})
    root = job.root or Path(entry.get("root", f"data/{job.key}/raw"))
    if job.corpus != "demo" and not (root.is_dir() or str(root).startswith("s3:")):
        raise UserError(f"{root}: no such folder; expected the root of a {job.corpus} corpus")
    options = {step: _options(job, defaults, step, entry.get(step)) for step in CORPUS_STEPS}
    pretrain = _pretrain_options(job, defaults, params["pretrain"].get(job.key)) if job.alm == TINY else None
    trial = _trial_options(job, defaults, params["trial"].get(job.key))
    new_entry = {
        "corpus": job.corpus,
        "root": str(root),
        "watch": "models/corpora/demo.py" if job.corpus == "demo" else str(root),
        "report_after": f"data/{job.key}/validation/metrics.json"
        if trial is None
        else f"data/{job.key}/trial",
    }
    _put(params["corpora"], job.key, new_entry | options)
    _put(params["trial"], job.key, trial)
    _put(params["pretrain"], job.key, pretrain)
    _note_alm(project / "data" / job.key / "alm", job.alm)
    _declare_figures(project / "data" / job.key / "dvc.yaml")
    imported_votes.create(imported_votes.place(project, job.key))
    for name, asked in (("corpora", (job.key,)), ("sources", job.sources), ("dime_aug", job.dime_aug)):
        params["matrix"][name].extend(value for value in asked if value not in params["matrix"][name])
    if repr(params) == before:
        return False
    save(project, params)
    return True


def _options(
    job: Job, defaults: Mapping[str, Mapping[str, Any]], step: str, entered: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A step's options: asked for now, else entered before, else the corpus's own, else the step's defaults."""
    from ambivox.flows.step_options import build_options, default_values

    known = defaults.get(step, {}) if entered is None else entered
    options = default_values(step) | dict(known) | dict(job.settings.get(step, {}))
    build_options(step, options, f"params.yaml: {job.key}: {step}")
    return options


def _pretrain_options(
    job: Job, defaults: Mapping[str, Mapping[str, Any]], entered: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Options of pretraining, with the tower and the revision that ``auto``, a folder or a name on the hub is now."""
    from ambivox.models.embedded_alm.tower_choice import choose_tower

    options = _options(job, defaults, "pretrain", entered)
    asked = job.settings.get("pretrain", {})
    is_new = "tower" in asked or Path(options["tower"]).is_dir()
    revision = asked.get("tower_revision") if is_new else options["tower_revision"]
    choice = choose_tower(options["tower"], revision)
    return options | {"tower": choice.tower, "tower_revision": choice.revision}


def _trial_options(
    job: Job, defaults: Mapping[str, Mapping[str, Any]], entered: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Options of the trial; None for no trial."""
    if job.trial is None and entered is None and not (defaults.get("trial") or job.settings.get("trial")):
        return None
    options = _options(job, defaults, "trial", entered)
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
    for step in job.settings:
        if step not in (*CORPUS_STEPS, *SECTION_STEPS):
            raise unknown("step in --set", step, (*CORPUS_STEPS, *SECTION_STEPS))
    recommended: Mapping[str, Mapping[str, Any]] = getattr(corpus, "RUN_DEFAULTS", {})
    defaults = {step: dict(options) for step, options in recommended.items()}
    if job.alm != TINY:
        for step, options in _NO_PRETRAINING.items():
            defaults[step] = options | defaults.get(step, {})
    return defaults


def _put(mapping: Any, key: str, value: Mapping[str, Any] | None) -> None:
    """Set, change or drop an entry, touching only what differs, so that comments and order stay."""
    if value is None:
        mapping.pop(key, None)
        return
    entry = mapping.setdefault(key, {})
    for name, new in value.items():
        if name in entry and isinstance(entry[name], dict) and isinstance(new, Mapping):
            _put(entry, name, new)
        elif name not in entry or entry[name] != new:
            entry[name] = new


def _note_alm(note: Path, alm: str) -> None:
    """Name an ALM from elsewhere; where a tiny one is to be trained, the stage makes a folder of that name."""
    if alm == TINY:
        if note.is_file():
            note.unlink()
    elif not (note.is_file() and note.read_text(encoding="utf-8").strip() == alm):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(alm + "\n", encoding="utf-8")


def _declare_figures(path: Path) -> None:
    """Tell DVC which of a corpus's files are figures, so that `dvc metrics diff` and `dvc plots diff` work."""
    if not path.is_file() or path.read_text(encoding="utf-8") != _FIGURES:
        with atomic_path(path) as temporary:
            temporary.write_text(_FIGURES, encoding="utf-8")
