"""A project's params.yaml: which corpora the pipeline runs on, and the fine-tuning matrix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import models.alms
import models.corpora
from models.errors import UserError, unknown
from models.files import atomic_path
from models.registry import keys

_KEY = re.compile(r"[a-z][a-z0-9_]*")
TINY = "tiny"


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


def add_corpus(
    project: Path, key: str, corpus: str, root: Path, ingest: str, alm: str, annotate: str, pretrain: str,
    sources: tuple[str, ...], dime_aug: tuple[str, ...],
) -> bool:  # fmt: skip
    """Enter a corpus into params.yaml under ``key``, or change its entry; returns whether anything changed.

    With the ALM "tiny" one is trained on the corpus (stage pretrain); any other is noted in data/<key>/alm.

    Raises:
        UserError: an unknown corpus or ALM, a folder that is not there, a key that cannot name a stage.
    """
    if not _KEY.fullmatch(key):
        raise UserError(
            f"{key!r} cannot name a corpus in dvc.yaml; expected lower-case letters, digits and _, a letter first"
        )
    if corpus not in keys(models.corpora):
        raise unknown("corpus", corpus, keys(models.corpora))
    if alm not in keys(models.alms) and not Path(alm).is_dir():
        raise unknown("ALM (and not a folder either)", alm, keys(models.alms))
    if corpus != "demo" and not (root.is_dir() or str(root).startswith("s3:")):
        raise UserError(f"{root}: no such folder; expected the root of a {corpus} corpus")
    params = load(project)
    before = repr(params)
    entry = params["corpora"].setdefault(key, {})
    watch = "models/corpora/demo.py" if corpus == "demo" else str(root)
    for name, value in {
        "corpus": corpus,
        "root": str(root),
        "watch": watch,
        "ingest": ingest,
        "annotate": annotate,
    }.items():
        if entry.get(name) != value:
            entry[name] = value
    note = project / "data" / key / "alm"
    if alm == TINY:
        if note.is_file():
            note.unlink()
        trained = params["pretrain"].setdefault(key, {})
        if trained.get("flags") != pretrain:
            trained["flags"] = pretrain
    else:
        params["pretrain"].pop(key, None)
        if not (note.is_file() and note.read_text(encoding="utf-8").strip() == alm):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(alm + "\n", encoding="utf-8")
    matrix = params["matrix"]
    for name, wanted in (("corpora", (key,)), ("sources", sources), ("dime_aug", dime_aug)):
        matrix[name].extend(one for one in wanted if one not in matrix[name])
    if repr(params) == before:
        return False
    save(project, params)
    return True
