"""What a stage of dvc.yaml runs: its step, the paths below data/<corpus>/, and the options from params.yaml.

A stage's command names the step only; which corpus and cell it runs on, DVC says by the stage's name (DVC_STAGE), and the
options are read here. So nothing that params.yaml, a table or a folder's name holds is ever part of a shell command.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ambivox.flows.params_file import SECTION_STEPS, load
from ambivox.flows.step_options import build_options
from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion import imported_votes

# The path arguments of each step, below data/<corpus>/. Test test_stages.py keeps dvc.yaml's deps and outs equal to them.
PATHS: dict[str, dict[str, str]] = {
    "ingest": {"out": "ingest"},
    "pretrain": {
        "utterances": "ingest/utterances.parquet",
        "votes": "ingest/votes.parquet",
        "out": "alm",
    },
    "annotate": {"utterances": "ingest/utterances.parquet", "alm": "alm", "out": "annotations"},
    "pool": {
        "utterances": "ingest/utterances.parquet",
        "votes": "ingest/votes.parquet",
        "annotations": "annotations/annotations.parquet",
        "out": "distributions",
    },
    "validate": {
        "utterances": "ingest/utterances.parquet",
        "votes": "ingest/votes.parquet",
        "heldout": "ingest/heldout.parquet",
        "truth": "ingest/truth.parquet",
        "annotations": "annotations/annotations.parquet",
        "distributions": "distributions",
        "out": "validation",
    },
    "trial": {
        "utterances": "ingest/utterances.parquet",
        "votes": "ingest/votes.parquet",
        "heldout": "ingest/heldout.parquet",
        "annotations": "annotations/annotations.parquet",
        "out": "trial",
    },
    "augment": {
        "utterances": "ingest/utterances.parquet",
        "distributions": "distributions/{source}.parquet",
        "out": "augmented/{source}",
    },
    "finetune": {
        "utterances": "ingest/utterances.parquet",
        "distributions": "distributions/{source}.parquet",
        "augmented": "augmented/{source}",
        "alm": "alm",
        "out": "finetuned/{source}-{dime_aug}",
    },
    "predict": {
        "utterances": "ingest/utterances.parquet",
        "model": "finetuned/{source}-{dime_aug}",
        "out": "predictions/{source}-{dime_aug}.parquet",
    },
    "evaluate": {
        "utterances": "ingest/utterances.parquet",
        "votes": "ingest/votes.parquet",
        "heldout": "ingest/heldout.parquet",
        "annotations": "annotations/annotations.parquet",
        "distributions": "distributions",
        "predictions": "predictions",
        "out": "evaluation",
    },
    "report": {"data": "", "out": "report.html"},
}
# Passed only where ingest wrote them.
_OPTIONAL = frozenset({"truth"})
_NAME = re.compile(
    r"(?P<step>[a-z_]+)@(?P<corpus>[a-z][a-z0-9_]*)(?:-(?P<source>[a-z_]+))?(?:-(?P<dime_aug>on|off))?"
)


@dataclass(frozen=True)
class StageCall:
    """A step, the function that runs it, and its arguments."""

    step: str
    function: Callable[..., Any]
    arguments: dict[str, Any]

    def run(self) -> None:
        """Run the step."""
        self.function(**self.arguments)


def stage_call(project: Path, name: str) -> StageCall:
    """The call that the stage ``name`` (such as ``finetune@demo-pooled-on``) of dvc.yaml makes.

    Args:
        project: The folder that holds dvc.yaml; also the working folder, which the paths are relative to.
        name: The stage's name.

    Raises:
        UserError: The name is malformed, params.yaml does not know the corpus, or an option is wrong.
    """
    match = _NAME.fullmatch(name)
    if match is None or match["step"] not in PATHS:
        raise UserError(f"{name!r} is not a stage of dvc.yaml; expected STEP@CORPUS, such as pool@demo")
    step, corpus = match["step"], match["corpus"]
    params = load(project)
    if corpus not in params["corpora"]:
        raise unknown("corpus of params.yaml", corpus, params["corpora"])
    data = Path("data") / corpus
    arguments: dict[str, Any] = {}
    for argument, path in PATHS[step].items():
        place = data / path.format(**match.groupdict())
        if argument not in _OPTIONAL or (project / place).exists():
            arguments[argument] = str(place) if argument == "alm" else place
    entry = params["corpora"][corpus]
    if not {"corpus", "root"} <= entry.keys():
        raise UserError(
            f"params.yaml: corpora.{corpus}: expected a mapping with corpus and root, found {entry!r}"
        )
    if step == "ingest":
        arguments["imported"] = imported_votes.place(Path(), corpus)
        arguments |= {"corpus": str(entry["corpus"]), "root": Path(str(entry["root"]))}
    if step == "finetune":
        arguments["dime_aug"] = match["dime_aug"]
    if step in SECTION_STEPS:
        values, where = params[step].get(corpus, {}), f"{step}.{corpus}"
    else:
        values, where = entry.get(step, {}), f"corpora.{corpus}.{step}"
    options = build_options(step, values, f"params.yaml: {where}")
    if "seed" in {field.name for field in fields(options)} and "seed" not in values:
        options = replace(options, seed=_seed(params))
    if step == "annotate":
        options = replace(options, allow_hosted=_is_hosted_allowed(corpus, entry))
    function = getattr(import_module(f"ambivox.tasks.{step}"), step)
    return StageCall(step, function, arguments | {"options": options})


def _is_hosted_allowed(corpus: str, entry: Any) -> bool:
    """Whether the corpus is marked as one whose recordings may be sent to a provider."""
    allowed = entry.get("allow_hosted", False)
    if not isinstance(allowed, bool):
        raise UserError(
            f"params.yaml: corpora.{corpus}.allow_hosted: expected true or false, found {allowed!r}"
        )
    return allowed


def _seed(params: Any) -> int:
    seed = params.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UserError(f"params.yaml: seed: expected a whole number, found {seed!r}")
    return int(seed)
