"""Measure the whole matrix against human votes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.number_ranges import Seed

_logger = logging.getLogger(__name__)
FIGURES = "metrics.json"  # what --json shows
_REFERENCES = frozenset(
    {"prior", "ceiling", "floor", "votes", "human_smoothed", "human_prior", "human_mixture"}
)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of the step ``evaluate``.

    Attributes:
        seed: Seed of all random draws.
    """

    seed: Seed = 0


def evaluate(
    *,
    utterances: Path,
    votes: Path,
    predictions: Path,
    out: Path,
    heldout: Path | None = None,
    annotations: Path | None = None,
    distributions: Path | None = None,
    options: EvaluateOptions,
) -> Path:
    """Compare fine-tuned models, the zero-shot ALM, the corpus prior and the human ceiling on the split test.

    Targets are human votes only: the held-out ones where there are any, else all.

    Args:
        utterances: Table of utterances.
        votes: Table of observed votes.
        predictions: Folder of predictions, one table per model (such as pooled-on.parquet).
        out: Folder for summary.json, metrics.json, tables and figures.
        heldout: Table of held-out votes; empty where none were held out.
        annotations: annotations.parquet of annotate, for the row zero-shot; answers of its further ALMs get a row each.
        distributions: Folder of distributions, for the row votes.
        options: See EvaluateOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table is missing, damaged or about other labels, or there is no vote to score against.
    """
    from ambivox.models.annotation.several_alms import annotation_files
    from ambivox.models.evaluation.finetuning_tables import PAPER, write_evaluation
    from ambivox.models.evaluation.human_targets import few_speakers, human_targets
    from ambivox.models.evaluation.predictions import read_predictions, reference_predictions
    from ambivox.models.evaluation.summary_figures import figures_of_models
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.reporting.figures import evaluation as figures
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.measures import HEADINGS, format_measure, rank
    from ambivox.models.tables import Utterances, Votes

    answers = annotation_files(annotations) if annotations else ()
    inputs = (utterances, votes, predictions, heldout, *answers, distributions)
    check_output_folder(out, inputs)
    table, observed = Utterances.read(utterances), Votes.read(votes)
    targets = human_targets(table, observed, Votes.read(heldout) if heldout else None)
    models = read_predictions(predictions, targets)
    references = reference_predictions(table, observed, answers, distributions, targets)
    with atomic_folder(out, inputs) as folder:
        written = write_evaluation(models, references, targets, folder, options.seed)
        # validate's summary has the references already.
        own_rows = {name: row for name, row in written.metrics.items() if name not in _REFERENCES}
        write_json(folder / "summary.json", figures_of_models(own_rows))
        save(figures.matrix_figure(written.metrics, PAPER), folder / "matrix.svg")
        save(figures.tertiles_figure(written.metrics), folder / "tertiles.svg")
        save(figures.calibration_figure(written.calibration, written.models), folder / "calibration.svg")
        if written.confusion is not None:
            name, labels, counts = written.confusion
            save(figures.confusion_figure(counts, labels, name), folder / "confusion.svg")
        save(figures.speaker_groups_figure(written.groups, written.models), folder / "groups.svg")
    metrics = written.metrics
    kind = "held-out votes" if targets.held_out else "votes"
    _logger.info(
        f"{counted(targets.frame.height, 'test utterance')}, {targets.n_NK.sum():.0f} human {kind}; nll in nats per vote, JS in base 2"
    )
    if warning := few_speakers(targets.frame):
        _logger.warning(warning)
    for name, row in sorted(metrics.items(), key=lambda pair: (rank(pair[1]), pair[0])):
        if "js" in row:
            _logger.info(
                f"{name:<16} "
                + "  ".join(f"{heading} {format_measure(row, key)}" for key, heading in HEADINGS.items())
            )
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(evaluate)
