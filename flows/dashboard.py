"""What a team sees in the Prefect UI: figures and pictures of each stage as one artifact, and changes since a release.

An artifact's page is ``/artifacts/artifact/<id>`` in the UI (``latest_id`` where a collection of the key was
requested), and every run lists the artifacts that it created. Pictures are served beside it (artifact_pictures.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import TypeAdapter

from ambivox.flows.artifact_pictures import picture_markdown
from ambivox.flows.report_pages import report_address
from ambivox.models.annotation.checks_file import hosted_summary, rename_checks
from ambivox.models.errors import UserError
from ambivox.models.json_documents import read_json_document
from ambivox.models.prompting.hosted_spec import shutdown_notice
from ambivox.models.releases.versioning import Versions
from ambivox.models.reporting.captions import caption
from ambivox.models.reporting.estimates import class_size
from ambivox.models.reporting.measures import EXPLANATION, HEADINGS, is_infinite, rank
from ambivox.models.reporting.reading import with_present_keys
from ambivox.models.reporting.source_names import SOURCE_NAMES, source_label
from ambivox.models.reporting.tables import markdown_table

if TYPE_CHECKING:
    from ambivox.flows.pipeline import Stage


@dataclass(frozen=True)
class Page:
    """Where a step leaves its figures, below data/<corpus>/, and its most informative pictures, the first one first."""

    folder: str
    pictures: tuple[str, ...]


PAGES = {
    "ingest": Page("ingest", ("profile",)),
    "annotate": Page("annotations", ("answers", "checks")),
    "pool": Page("distributions", ("worth", "calibration", "examples")),
    "validate": Page("validation", ("sources", "tertiles", "labels", "groups")),
    "trial": Page("trial", ("trial",)),
    "augment": Page("augmented/{cell}", ("balance",)),
    "finetune": Page("finetuned/{cell}", ("curves",)),
    "evaluate": Page("evaluation", ("matrix", "tertiles", "calibration", "confusion")),
}
_FIGURES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
# Heading -> key in metrics.json.
_MEASURES = {heading: key for key, heading in HEADINGS.items()} | {
    "macro F1 ↑": "f1_macro",
    "ECE ↓": "ece",
    "entropy, bits": "entropy",
    "nll, low ambiguity": "nll_low_ambiguity",
    "medium": "nll_medium_ambiguity",
    "high": "nll_high_ambiguity",
}
_WITH_INTERVAL = tuple(HEADINGS)


def publish_stage(stage: Stage, project: Path, seconds: float | None = None) -> None:
    """Publish a stage's figures and pictures as one markdown artifact, ``<corpus>-<step>`` (``<corpus>-finetune-pooled-on``).

    Args:
        stage: The stage; a step without a page publishes nothing.
        project: The folder that holds dvc.yaml.
        seconds: How long the stage took.
    """
    if stage.step not in PAGES:
        return
    name = stage.address.partition("@")[2]
    cell = name.partition("-")[2]
    folder = project / "data" / stage.corpus / PAGES[stage.step].folder.format(cell=cell)
    report = f"[The report of {stage.corpus}]({report_address(stage.corpus)}) (where the server runs with this project)"
    duration = "" if seconds is None else f", brought up to date in {seconds:.0f} s"
    create_markdown_artifact(
        f"{page(stage.step, name, folder, project)}\n\n{report}",
        key=artifact_key(stage.corpus, stage.step, cell),
        description=f"Figures of {stage.address}{duration}",
    )


def page(step: str, name: str, folder: Path, project: Path) -> str:
    """The markdown of a step's page: figures first, then pictures; what the folder does not hold is left out.

    Args:
        step: A key of ``PAGES``.
        name: What follows the step in the stage's address.
        folder: The folder of the stage's outputs.
        project: The folder that holds dvc.yaml.

    Returns:
        Markdown.
    """
    parts = [f"# {step} · {name}"]
    if metrics := read_metrics(folder / "metrics.json"):
        from_target = {name for name, row in metrics.items() if row.get("made_from_the_target")}
        target = "all human votes (none were held out, so no source of them is scored)"
        parts += [
            metrics_table({name: row for name, row in metrics.items() if name not in from_target}),
            f"Against {target if from_target else 'held-out human votes'}, with 95 % intervals over speakers: {EXPLANATION}",
        ]
    if pooling := read_json(folder / "pooling.json"):
        parts += [f"**{statement}**" for statement in pooling.get("statements", [])]
    if checks := read_json(folder / "checks.json"):
        parts.append(_table(("annotation", ""), annotation_summary(checks)))
        if notice := _shutdown_notice(checks):
            parts.append(f"**{notice}**")
    if augmentation := read_json(folder / "augmentation.json"):
        after, before = augmentation.get("after", {}), augmentation.get("before", {})
        balance = [
            (label, class_size(before.get(label, 0)), class_size(count)) for label, count in after.items()
        ]
        parts.append(_table(("utterances by dominant emotion", "before", "after"), balance))
    if training := read_json(folder / "training.json"):
        progress = [
            (key.replace("_", " "), training.get(key)) for key in ("epochs", "best_epoch", "stopped_early")
        ]
        parts.append(_table(("training", ""), progress))
    parts += [
        path.read_text(encoding="utf-8")
        for path in (folder / "profile.md", folder / "trial.md")
        if path.is_file()
    ]
    for picture in PAGES[step].pictures:
        if (path := folder / f"{picture}.svg").is_file():
            step_folder = PAGES[step].folder.partition("/")[0]
            parts.append(picture_markdown(project, path.read_bytes(), caption(step_folder, picture)))
    return "\n\n".join(parts)


def read_metrics(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a metrics.json, by model or source; keys of earlier releases are converted. Empty without a file."""
    return {
        name: row
        for name, row in with_present_keys("metrics.json", read_json(path)).items()
        if isinstance(row, dict)
    }


def metrics_table(metrics: dict[str, dict[str, Any]]) -> str:
    """A table of the rows of metrics.json, lowest nll first, with intervals; references last."""
    order = sorted(metrics, key=lambda name: (_is_reference(name), rank(metrics[name]), name))
    columns = {
        heading: key
        for heading, key in _MEASURES.items()
        if any(_figure(metrics[name], key) for name in order)
    }
    lines = [
        (source_label(name), *(_figure(metrics[name], key) for key in columns.values())) for name in order
    ]
    return _table(("", *columns), lines)


def annotation_summary(checks: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names and values that sum up an annotation run, from its checks.json: ALM, counts, checks."""
    checks = rename_checks(checks)
    return [
        ("ALM", f"{checks['alm']} {checks['revision']} on {checks['engine']}"),
        ("utterances", checks["utterances"]),
        ("answers", checks["answers"]),
        ("refusals", checks["refusals"]),
        ("rejected", checks["rejected"]),
        ("mean label mass", checks["label_mass"]["mean"]),
        ("audio-sensitive", checks["audio_sensitive"]),
        ("canary JS (bits)", checks["canary"]["js"]),
        ("order bias JS (bits)", checks["order_bias"]["js"]),
        *((f"modalities {pair} JS (bits)", js) for pair, js in checks["modalities"]["js"].items()),
        *hosted_summary(checks),
    ]


def _shutdown_notice(checks: dict[str, Any]) -> str:
    hosted = checks.get("hosted") or {}
    shutdown = hosted.get("shutdown")
    day = date.fromisoformat(shutdown) if isinstance(shutdown, str) and shutdown else None
    return shutdown_notice(str(checks.get("alm")), day, datetime.now(UTC).date())


def publish_changes(project: Path, corpus: str) -> None:
    """Publish what changed in a corpus's figures since its last release, ``<corpus>-changes``; nothing without one."""
    if not (project / "data" / corpus / "validation" / "metrics.json").is_file():
        return
    try:
        versions = Versions(project)
        tag = versions.latest(corpus)
        changes = versions.changes(tag, corpus) if tag else {}
    except UserError as error:
        # The figures are valid whether or not git and DVC can compare them.
        get_run_logger().warning("no comparison with the last release of %s: %s", corpus, error)
        return
    if not tag:
        return
    rows = [
        (source_label(source), heading, f"{before:.3f}", f"{now:.3f}", f"{now - before:+.3f}")
        for source, figures in sorted(changes.items())
        for heading, key in _MEASURES.items()
        if key in figures
        for before, now in [figures[key]]
        if before is not None and now is not None
    ]
    text = _table(("", "measure", tag, "now", "change"), rows) if rows else "Nothing changed."
    create_markdown_artifact(
        f"# {corpus} since {tag}\n\n{text}",
        key=artifact_key(corpus, "changes"),
        description=f"What changed since the release {tag}",
    )


def _is_reference(name: str) -> bool:
    return name in SOURCE_NAMES and SOURCE_NAMES[name].is_reference


def _figure(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, int | float):
        return "∞" if is_infinite(row, key) else ""
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    if key in _WITH_INTERVAL and isinstance(low, int | float) and isinstance(high, int | float):
        return f"{value:.3f} [{low:.3f}, {high:.3f}]"
    return f"{value:.3f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return markdown_table(columns, [["none" if cell is None else str(cell) for cell in row] for row in rows])


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is none, or where it is damaged: the step that reads it says so."""
    try:
        return read_json_document(path, _FIGURES, "figures")
    except UserError:
        return {}


def artifact_key(*parts: str) -> str:
    """The key of an artifact: its parts, joined by hyphens."""
    return "-".join(part for part in parts if part).lower().replace("_", "-")
