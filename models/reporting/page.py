"""Putting the page together: headline, sections, examples, provenance, in one HTML file that asks for nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ambivox.models.errors import UserError
from ambivox.models.reporting.drawing import bar, label_colours
from ambivox.models.reporting.headline import headline
from ambivox.models.reporting.parts import Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.sections import BODY, examples, provenance

_MISSING = {
    "corpus": "no ingest/ here yet",
    "annotation": "no annotations/ here yet",
    "pooling": "no distributions/ here yet",
    "validation": "no validation/ here yet",
    "augmentation": "DiME-Aug was not run",
    "finetuning": "nothing was fine-tuned",
    "examples": "no human votes of test speakers to show",
}
_IF_ANY = ("trial", "problems")  # not every corpus has raters enough, not every run problems


def page(data: Path, title: str | None = None, example_count: int = 8) -> str:
    """The report on the outputs under ``data`` as HTML; equal inputs give equal text.

    Raises:
        UserError: ``data`` is no folder, or holds none of the pipeline's outputs.
    """
    if not data.is_dir():
        raise UserError(
            f"{data}: no such folder; expected the outputs of a run (ingest/, distributions/, ...)"
        )
    run = Run(data)
    top = headline(run)
    sections = [section(run) for section in BODY] + [examples(run, example_count)]
    if not top.rows and all(section.empty for section in sections):
        raise UserError(
            f"{data}: none of a run's outputs are here; expected ingest/, annotations/, distributions/, ..."
        )
    for section in sections:
        section.missing = _MISSING.get(section.key, "") if section.empty else ""
    sections.append(provenance(run))
    sections.append(_problems(run))
    labels = run.utterances.labels if run.utterances is not None else ()
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=title or _title(run, data),
        subtitle=_subtitle(run),
        headline=top,
        sections=[section for section in sections if not (section.key in _IF_ANY and section.empty)],
        colours=label_colours(labels),
        labels=labels,
        bar=bar,
        css=(folder / "page.css").read_text(encoding="utf-8"),
    )


def _problems(run: Run) -> Section:
    return Section("problems", "What could not be read", warnings=list(run.problems))


def _title(run: Run, data: Path) -> str:
    if run.utterances is not None and len(run.utterances):
        return ", ".join(sorted(run.utterances.frame["corpus"].unique()))
    return data.name


def _subtitle(run: Run) -> str:
    said = []
    if run.utterances is not None:
        frame = run.utterances.frame
        said.append(f"{frame.height:,} utterances, {frame['speaker'].n_unique():,} speakers")
    if run.annotations is not None and len(run.annotations):
        said.append("ALM " + ", ".join(sorted(run.annotations.frame["alm"].unique())))
    return " · ".join(said)
