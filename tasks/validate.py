"""validate: how close each source's distributions come to human votes that it has not seen, with intervals."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.number_ranges import Count, Seed

_logger = logging.getLogger(__name__)
FIGURES = "metrics.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """Options of the step ``validate``.

    Attributes:
        more_annotations: Further files of annotations, by other ALMs.
        saturation_votes: The largest number of synthetic votes in the saturation analysis.
        seed: Seed of all random draws.
    """

    more_annotations: tuple[Path, ...] = ()
    saturation_votes: Count = 20
    seed: Seed = 0


def validate(
    *,
    utterances: Path,
    votes: Path,
    heldout: Path,
    annotations: Path,
    distributions: Path,
    out: Path,
    truth: Path | None = None,
    options: ValidateOptions,
) -> Path:
    """Compare the sources with the human votes of the test speakers.

    Writes a folder with summary.json (the figures that matter, for `dvc metrics`), metrics.json (per source all
    metrics with intervals over speakers), details.json (paired tests, ambiguity tertiles, saturation,
    calibration, labels, speaker groups), scores.parquet (one row per utterance) and figures. Scores are nll (nats per
    vote), squared error to the truth, and JS (the base-2 divergence, not its square root).

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest: the votes that the sources were made from.
        heldout: heldout.parquet of ingest; where it is empty, the targets are all votes of the test split.
        annotations: annotations.parquet of annotate, for the saturation analysis.
        distributions: The folder of pool.
        out: The folder to write.
        truth: truth.parquet of ingest, where the true distributions are known.
        options: See ValidateOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table is missing, damaged or about other labels, or there is no vote to score against.
    """
    from ambivox.models.annotation.several_alms import annotation_files
    from ambivox.models.evaluation.human_targets import few_speakers
    from ambivox.models.evaluation.predictions import distribution_files
    from ambivox.models.evaluation.summary_figures import figures_of_sources, read_worth
    from ambivox.models.evaluation.validation import validate as compare
    from ambivox.models.evaluation.validation_tables import details, metrics_by_source, scores_by_utterance
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.pooling.inputs import keep_human_votes
    from ambivox.models.pooling.several_alms import read_alms
    from ambivox.models.reporting.figures import validation as figures
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.measures import HEADINGS, format_measure, rank
    from ambivox.models.tables import Distributions, Utterances, Votes

    inputs = (utterances, votes, heldout, annotations, distributions, truth, *options.more_annotations)
    check_output_folder(out, inputs)
    all_utterances, human_votes = Utterances.read(utterances), keep_human_votes(Votes.read(votes))
    by_source = {
        source: Distributions.read(path) for source, path in distribution_files(distributions).items()
    }
    test = all_utterances.in_splits("test")
    files = annotation_files(annotations, options.more_annotations)
    synthetic = read_alms(files, test.frame["utterance_id"], human_votes.labels)
    validation = compare(
        all_utterances,
        human_votes,
        keep_human_votes(Votes.read(heldout)),
        by_source,
        synthetic,
        truth=Distributions.read(truth) if truth else None,
        saturation_votes=options.saturation_votes,
        seed=options.seed,
    )
    rows = metrics_by_source(validation)
    compared = validation.without_target()
    with atomic_folder(out, inputs) as folder:
        write_json(folder / "metrics.json", rows)
        write_json(folder / "summary.json", figures_of_sources(rows, read_worth(distributions)))
        write_json(folder / "details.json", details(validation))
        scores_by_utterance(validation).write_parquet(folder / "scores.parquet")
        for draw, name in (
            (figures.sources_figure, "sources"),
            (figures.tertiles_figure, "tertiles"),
            (figures.saturation_figure, "saturation"),
            (figures.calibration_figure, "calibration"),
            (figures.labels_figure, "labels"),
            (figures.speaker_groups_figure, "groups"),
        ):
            save(draw(compared), folder / f"{name}.svg")
    over = (
        "speakers"
        if validation.targets.speakers is not None
        else "utterances (fewer than two test speakers are known)"
    )
    _logger.info(
        f"{counted(len(validation.truth_NK), 'test utterance')} against {validation.targets.description}, 95 % over {over}; "
        "nll in nats per vote, JS is the base-2 divergence"
    )
    if warning := few_speakers(validation.targets.frame):
        _logger.warning(f"split test: {warning}")
    for source, row in sorted(rows.items(), key=lambda item: rank(item[1])):
        note = "  (made from the target votes)" if row.get("made_from_the_target") else ""
        measures = "  ".join(f"{heading} {format_measure(row, key)}" for key, heading in HEADINGS.items())
        _logger.info(f"  {source:<14} {measures}{note}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(validate)
