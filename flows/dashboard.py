"""What a team sees in the Prefect UI: each stage's figures and pictures as one artifact, and what changed since a release.

An artifact's page is ``/artifacts/artifact/<id>`` in the UI (``latest_id`` where a collection of the key was asked
for), and every run lists those it made. Pictures are inline, so that the pages need nothing but the server.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from ambivox.models.errors import UserError
from ambivox.models.releases.versioning import Versions

if TYPE_CHECKING:
    from ambivox.flows.pipeline import Stage


@dataclass(frozen=True)
class Page:
    """Where a step leaves its figures, below data/<corpus>/, and its most telling pictures, the first first."""

    folder: str
    pictures: tuple[str, ...]


PAGES = {
    "ingest": Page("ingest", ("profile",)),
    "annotate": Page("annotations", ("answers", "checks")),
    "pool": Page("distributions", ("equivalent_votes", "calibration", "examples")),
    "validate": Page("validation", ("sources", "tertiles", "labels", "groups")),
    "trial": Page("trial", ("trial",)),
    "augment": Page("augmented/{cell}", ("balance",)),
    "finetune": Page("finetuned/{cell}", ("curves",)),
    "evaluate": Page("evaluation", ("matrix", "tertiles", "calibration", "confusion")),
}
# Heading -> the names that validation and evaluation give the measure.
_MEASURES = {
    "JS ↓": ("js",),
    "BC ↑": ("bc",),
    "accuracy ↑": ("accuracy",),
    "macro F1 ↑": ("f1_macro",),
    "ECE ↓": ("ece",),
    "entropy, bits": ("entropy",),
    "JS, low ambiguity": ("js_low_ambiguity",),
    "medium": ("js_medium_ambiguity",),
    "high": ("js_high_ambiguity",),
}
_WITH_INTERVAL = ("js", "bc", "accuracy")
# Not models or sources, but what they are read against: they come last.
_REFERENCES = ("ceiling", "prior")
_NAMES = {"ceiling": "human ceiling", "prior": "corpus prior"}


def publish_stage(stage: Stage, project: Path, took_seconds: float | None = None) -> None:
    """Publish what a stage left behind as one markdown artifact, ``<corpus>-<step>`` (``<corpus>-finetune-pooled-on``)."""
    if stage.step not in PAGES:
        return
    name = stage.address.partition("@")[2]
    cell = name.partition("-")[2]
    folder = project / "data" / stage.corpus / PAGES[stage.step].folder.format(cell=cell)
    took = "" if took_seconds is None else f", brought up to date in {took_seconds:.0f} s"
    create_markdown_artifact(
        page(stage.step, name, folder),
        key=_key(stage.corpus, stage.step, cell),
        description=f"Figures of {stage.address}{took}",
    )


def page(step: str, name: str, folder: Path) -> str:
    """The markdown of a step's page: figures first, then pictures; what the folder does not hold is left out."""
    parts = [f"# {step} · {name}"]
    if figures := _read(folder / "metrics.json"):
        parts += [
            measures(figures),
            "JS is the base-2 divergence to held-out human votes; 95 % over speakers.",
        ]
    if pooling := _read(folder / "pooling.json"):
        parts += [f"**{said}**" for said in pooling.get("statements", [])]
    if checks := _read(folder / "checks.json"):
        parts.append(_table(("what the annotator said", ""), annotator(checks)))
    if augmented := _read(folder / "augmentation.json"):
        after, before = augmented.get("after", {}), augmented.get("before", {})
        balance = [(label, f"{before.get(label, 0):.0f}", f"{count:.0f}") for label, count in after.items()]
        parts.append(_table(("utterances by dominant emotion", "before", "after"), balance))
    if training := _read(folder / "training.json"):
        told = [
            (one.replace("_", " "), training.get(one)) for one in ("epochs", "best_epoch", "stopped_early")
        ]
        parts.append(_table(("training", ""), told))
    for written in (folder / "profile.md", folder / "trial.md"):
        if written.is_file():
            parts.append(written.read_text(encoding="utf-8"))
    for picture in PAGES[step].pictures:
        if (drawn := folder / f"{picture}.svg").is_file():
            inline = base64.b64encode(drawn.read_bytes()).decode("ascii")
            parts.append(f"![{picture}](data:image/svg+xml;base64,{inline})")
    return "\n\n".join(parts)


def measures(metrics: dict[str, Any]) -> str:
    """A table of the rows of metrics.json, the closest to the humans first, intervals beside their figures."""
    rows = {name: row for name, row in metrics.items() if isinstance(row, dict)}
    order = sorted(rows, key=lambda name: (name in _REFERENCES, rows[name].get("js", 2.0), name))
    shown = {
        heading: names for heading, names in _MEASURES.items() if any(_found(rows[r], names) for r in order)
    }
    lines = [(_NAMES.get(one, one), *(_found(rows[one], names) for names in shown.values())) for one in order]
    return _table(("", *shown), lines)


def annotator(checks: dict[str, Any]) -> list[tuple[str, Any]]:
    """What an annotation run came to, from its checks.json: who answered, refusals, whether it listens."""
    return [
        ("ALM", f"{checks['alm']} {checks['revision']} on {checks['engine']}"),
        ("utterances", checks["utterances"]),
        ("answers", checks["answers"]),
        ("refusals", checks["refusals"]),
        ("rejected", checks["rejected"]),
        ("mean label mass", checks["label_mass"]["mean"]),
        ("hears", checks["hears"]),
        ("canary JS (bits)", checks["canary"]["js"]),
        ("order bias JS (bits)", checks["order_bias"]["js"]),
        *((f"arms {pair} JS (bits)", js) for pair, js in checks["arms"]["js"].items()),
    ]


def publish_changes(project: Path, corpus: str) -> None:
    """Publish what changed in a corpus's figures since its last release, ``<corpus>-changes``; nothing without one."""
    if not (project / "data" / corpus / "validation" / "metrics.json").is_file():
        return
    try:
        versions = Versions(project)
        tag = versions.latest(corpus)
        changes = versions.changes(tag, corpus) if tag else {}
    except UserError as error:
        # What was computed stands, whether or not git and DVC can compare it.
        get_run_logger().warning("no comparison with the last release of %s: %s", corpus, error)
        return
    if not tag:
        return
    rows = [
        (_NAMES.get(source, source), heading, f"{was:.3f}", f"{now:.3f}", f"{now - was:+.3f}")
        for source, figures in sorted(changes.items())
        for heading, names in _MEASURES.items()
        for was, now in [figures.get(next((n for n in names if n in figures), ""), (None, None))]
        if was is not None and now is not None
    ]
    said = _table(("", "measure", tag, "now", "change"), rows) if rows else "Nothing changed."
    create_markdown_artifact(
        f"# {corpus} since {tag}\n\n{said}",
        key=_key(corpus, "changes"),
        description=f"What changed since the release {tag}",
    )


def _found(row: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if isinstance(row.get(name), int | float):
            ends = row.get(f"{name}_low"), row.get(f"{name}_high")
            if name in _WITH_INTERVAL and all(isinstance(end, int | float) for end in ends):
                return f"{row[name]:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
            return f"{row[name]:.3f}"
    return ""


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _key(*parts: str) -> str:
    return "-".join(part for part in parts if part).lower().replace("_", "-")
