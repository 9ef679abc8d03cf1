"""A project's params.yaml: which corpora the pipeline runs on, and the fine-tuning matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ambivox.models.alms
import ambivox.models.corpora
from ambivox.models.errors import UserError, unknown
from ambivox.models.files import atomic_path
from ambivox.models.registry import find, keys

_KEY = re.compile(r"[a-z][a-z0-9_]*")
TINY = "tiny"
# The stages are in the project's own dvc.yaml; this one, beside a corpus's data, only says what to compare.
_FIGURES = """\
metrics:
  - validation/metrics.json
  - evaluation/metrics.json
plots:
  - evaluation/rows.csv: {template: bar_horizontal, x: js, y: model, title: JS to human votes by model}
  - evaluation/tertiles.csv: {template: bar_horizontal_sorted, x: js, y: model, title: JS by ambiguity}
  - evaluation/calibration.csv: {template: scatter, x: confidence, y: accuracy, title: Calibration}
"""
_NO_PRETRAINING = "--shares 0,0.7,0.1,0.2"
_FLAGGED = ("ingest", "annotate", "pool", "validate")


def load(project: Path) -> Any:
    """params.yaml, with its comments, as ruamel.yaml's mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = project / "params.yaml"
    try:
        return YAML().load(path)
    except (OSError, YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({error})") from error


def save(project: Path, params: Any) -> None:
    """Write params.yaml, keeping its comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    with atomic_path(project / "params.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


@dataclass(frozen=True)
class Job:
    """The main job on one corpus, as the user asked for it; what was not asked for is None."""

    key: str
    corpus: str
    root: Path | None
    alm: str
    flags: Mapping[str, str]
    trial: str | None
    sources: tuple[str, ...]
    dime_aug: tuple[str, ...]


def enter(project: Path, job: Job) -> bool:
    """Enter a job into params.yaml, or change its entry; returns whether anything changed.

    What was not asked for stays as it was entered before, else is what the corpus's own file says
    (``RUN_DEFAULTS`` in models/corpora/). With the ALM "tiny" one is trained on the corpus (stage pretrain);
    any other is noted in data/<key>/alm.

    Raises:
        UserError: an unknown corpus, ALM or step, a folder that is not there, a key that cannot name a stage.
    """
    defaults = _checked(job)
    params = load(project)
    before = repr(params)
    known = params["corpora"].get(job.key, {})
    root = job.root or Path(known.get("root", f"data/{job.key}/raw"))
    if job.corpus != "demo" and not (root.is_dir() or str(root).startswith("s3:")):
        raise UserError(f"{root}: no such folder; expected the root of a {job.corpus} corpus")
    trained = params["pretrain"].get(job.key, {})
    trial = (
        job.trial
        if job.trial is not None
        else params["trial"].get(job.key, {}).get("votes_kept", defaults.get("trial"))
    )
    wanted = {
        "corpus": job.corpus,
        "root": str(root),
        "watch": "models/corpora/demo.py" if job.corpus == "demo" else str(root),
    }
    wanted |= {step: job.flags.get(step, known.get(step, defaults.get(step, ""))) for step in _FLAGGED}
    wanted["report_after"] = f"data/{job.key}/trial" if trial else f"data/{job.key}/validation/metrics.json"
    _put(params["corpora"], job.key, wanted)
    _put(params["trial"], job.key, {"votes_kept": trial} if trial else None)
    tiny = {"flags": job.flags.get("pretrain", trained.get("flags", defaults.get("pretrain", "")))}
    _put(params["pretrain"], job.key, tiny if job.alm == TINY else None)
    _note_alm(project / "data" / job.key / "alm", job.alm)
    _declare_figures(project / "data" / job.key / "dvc.yaml")
    for name, asked in (("corpora", (job.key,)), ("sources", job.sources), ("dime_aug", job.dime_aug)):
        params["matrix"][name].extend(one for one in asked if one not in params["matrix"][name])
    if repr(params) == before:
        return False
    save(project, params)
    return True


def _checked(job: Job) -> dict[str, str]:
    if not _KEY.fullmatch(job.key):
        raise UserError(
            f"{job.key!r} cannot name a corpus in dvc.yaml; expected lower-case letters, digits and _, a letter first"
        )
    corpus = find(ambivox.models.corpora, job.corpus, "corpus")
    if job.alm not in keys(ambivox.models.alms) and not Path(job.alm).is_dir():
        raise unknown("ALM (and not a folder either)", job.alm, keys(ambivox.models.alms))
    for step in job.flags:
        if step not in (*_FLAGGED, "pretrain"):
            raise unknown("step in --flags", step, (*_FLAGGED, "pretrain"))
    defaults: dict[str, str] = getattr(corpus, "RUN_DEFAULTS", {})
    own = {name: value.format(key=job.key) for name, value in defaults.items()}
    if job.alm != TINY:
        # No speakers need to be set aside for an ALM that is trained already.
        own["ingest"] = f"{own.get('ingest', '')} {_NO_PRETRAINING}".strip()
    return own


def _put(mapping: Any, key: str, value: dict[str, str] | None) -> None:
    """Set, change or drop an entry, touching only what differs, so that comments and order stay."""
    if value is None:
        mapping.pop(key, None)
        return
    entry = mapping.setdefault(key, {})
    for name, one in value.items():
        if entry.get(name) != one:
            entry[name] = one


def _note_alm(note: Path, alm: str) -> None:
    """Note an ALM from elsewhere; where a tiny one is to be trained, the stage makes a folder of that name."""
    if alm == TINY:
        if note.is_file():
            note.unlink()
    elif not (note.is_file() and note.read_text(encoding="utf-8").strip() == alm):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(alm + "\n", encoding="utf-8")


def _declare_figures(path: Path) -> None:
    """Tell DVC which of a corpus's files are figures, so that `dvc metrics diff` and `dvc plots diff` work."""
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_text(_FIGURES, encoding="utf-8")
