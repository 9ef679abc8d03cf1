"""The report: headline, sections, examples and provenance in one self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.left_out import left_out_reason
from ambivox.models.reporting.clips import ClipLimits
from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.headline import headline
from ambivox.models.reporting.inline_svg import probability_bar
from ambivox.models.reporting.measures import EXPLANATION
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.rendering import FOLDER, render
from ambivox.models.reporting.sections import BODY, example_anchors, examples, provenance
from ambivox.models.reporting.utterance_figures import utterance_figures
from ambivox.models.reporting.utterance_table import utterance_table

#: Section -> why it has no content.
_MISSING = {
    "corpus": "there is no ingest/",
    "annotation": "there is no annotations/",
    "pooling": "there is no distributions/",
    "validation": "there is no validation/",
    "augmentation": "DiME-Aug was not run",
    "finetuning": "no model was fine-tuned",
    "examples": "there are no distributions and no human votes",
}
#: Section -> the output folders of its steps.
_FOLDERS = {
    "annotation": ("alm", "annotations"),
    "validation": ("validation",),
    "trial": ("trial",),
    "augmentation": ("augmented/*",),
    "finetuning": ("finetuned/*", "evaluation"),
}
_SCRIPTS = ("vendor/dataTables.min.js", "utterance_table.js")
#: Sections left out when empty: few corpora have enough annotators for the trial.
_OPTIONAL = ("trial",)
_UNNAMED_CORPUS = "table"  # of a table: only the folder has the name that the user gave


def page(
    data: Path,
    title: str | None = None,
    example_count: int = 4,
    limits: ClipLimits | None = None,
    table_rows: int = 20_000,
) -> str:
    """Return the report on the outputs of a run as HTML; equal inputs give equal text.

    Args:
        data: the folder of the run, data/<key>.
        title: of the page; None for the names of the corpora.
        example_count: how many utterances of every kind to show; 0 for none.
        limits: which clips of them are embedded.
        table_rows: the most rows of the table of utterances; 0 for no table.

    Raises:
        UserError: ``data`` is not a folder, or has none of the pipeline's outputs, or an output is damaged.
    """
    if not data.is_dir():
        raise UserError(
            f"{data}: no such folder; expected the outputs of a run (ingest/, distributions/, ...)"
        )
    run = Run(data)
    top = headline(run)
    figures = utterance_figures(run)
    listening = examples(run, figures, example_count, limits or ClipLimits())
    sections = [listening] + [section(run) for section in BODY]
    if not top.rows and all(section.empty for section in sections):
        raise UserError(
            f"{data}: none of a run's outputs are here; expected ingest/, annotations/, distributions/, ..."
        )
    for section in sections:
        if section.empty:
            section.missing = _left_out(data, section.key) or _MISSING.get(section.key, "")
    table = None
    if figures is not None and table_rows:
        table = utterance_table(figures, example_anchors(listening, figures), table_rows)
    sections.append(provenance(run))
    labels = run.utterances.labels if run.utterances is not None else ()
    # Scripts are named by their hashes, so that the browser runs these and nothing that came with the data.
    scripts = [(FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS] if table else []
    return render(
        "page.html.j2",
        title=title or _title(run, data),
        subtitle=_subtitle(run),
        headline=top,
        explanation=EXPLANATION,
        interval_unit=run.interval_unit,
        sections=[section for section in sections if not (section.key in _OPTIONAL and section.empty)],
        colours=label_colours(labels),
        labels=labels,
        probability_bar=probability_bar,
        table=table,
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (files of this package)
        script_policy=" ".join(map(_policy_hash, scripts)) or "'none'",
    )


def _policy_hash(script: str) -> str:
    """How a Content-Security-Policy names a script that may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _left_out(data: Path, section: str) -> str:
    """Why the pipeline left out the steps of a section; the first reason found."""
    folders = [folder for pattern in _FOLDERS.get(section, ()) for folder in sorted(data.glob(pattern))]
    return next((reason for folder in folders if (reason := left_out_reason(folder))), "")


def _title(run: Run, data: Path) -> str:
    names = sorted(run.utterances.frame["corpus"].unique()) if run.utterances is not None else []
    return ", ".join(name for name in names if name != _UNNAMED_CORPUS) or data.resolve().name


def _subtitle(run: Run) -> str:
    parts = []
    if run.utterances is not None:
        frame = run.utterances.frame
        parts.append(
            f"{counted(frame.height, 'utterance')}, {counted(frame['speaker'].drop_nulls().n_unique(), 'speaker')}"
        )
    if run.annotations is not None:
        parts.append("ALM " + ", ".join(sorted(run.annotations.frame["alm"].unique())))
    return " · ".join(parts)
