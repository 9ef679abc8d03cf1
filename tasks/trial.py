"""trial: keep k human votes of every test utterance, predict the rest: what pooling gains where votes are few."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.models.number_ranges import Count, Seed

_logger = logging.getLogger(__name__)
FIGURES = "trial.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """Options of the step ``trial``.

    Attributes:
        votes_kept: Numbers of votes to keep, such as 1 3 5.
        draws: Random draws of the kept votes; scores are averaged over them.
        more_annotations: Further files of annotations, by other ALMs.
        criterion: What the fit minimises; see pool.
        synthetic_votes: How many votes an ALM's exact distribution counts for in combined.
        seed: Seed of all random draws.
    """

    votes_kept: tuple[Count, ...] = (1, 3, 5)
    draws: Count = 5
    more_annotations: tuple[Path, ...] = ()
    criterion: Literal["likelihood", "js", "balanced"] = "likelihood"
    synthetic_votes: Count = 10
    seed: Seed = 0


def trial(
    *,
    utterances: Path,
    votes: Path,
    annotations: Path,
    out: Path,
    heldout: Path | None = None,
    options: TrialOptions,
) -> Path:
    """Run the sparse-vote trial on a corpus with many raters.

    For every number k, k votes of each test utterance are kept, the sources are made from them, and scored against
    the other votes by nll, squared error and JS (base-2 divergence). Pooling is fitted on the speakers of train and
    development. Writes a folder with trial.json, trial.md, scores.parquet and trial.svg.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        annotations: annotations.parquet of annotate.
        out: The folder to write.
        heldout: heldout.parquet of ingest: joined with the votes before the votes to keep are drawn.
        options: See TrialOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table is missing, damaged or about other labels, or there are too few votes.
    """
    import polars as pl

    from ambivox.models.annotation.several_alms import annotation_files
    from ambivox.models.errors import UserError
    from ambivox.models.evaluation.human_targets import few_speakers
    from ambivox.models.evaluation.intended_emotion import intended_emotions
    from ambivox.models.evaluation.sparse_vote_tables import trial_rows, trial_scores
    from ambivox.models.evaluation.sparse_vote_trial import trial as run_trial
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.pooling.inputs import keep_human_votes
    from ambivox.models.pooling.several_alms import read_alms
    from ambivox.models.pooling.summary import worth_sentence, worth_values
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.figures.trial import squared_error_ratio_figure
    from ambivox.models.reporting.trial_page import trial_markdown
    from ambivox.models.tables import Utterances, Votes

    inputs = (utterances, votes, annotations, heldout, *options.more_annotations)
    check_output_folder(out, inputs)
    if not options.votes_kept or min(options.votes_kept) < 1:
        raise UserError(f"votes-kept must be whole numbers of 1 or more, found {list(options.votes_kept)}")
    all_utterances, human_votes = Utterances.read(utterances), keep_human_votes(Votes.read(votes))
    if heldout is not None:
        heldout_votes = keep_human_votes(Votes.read(heldout))
        if heldout_votes.labels != human_votes.labels:
            raise UserError(f"{heldout} is about other labels than {votes}")
        human_votes = Votes.check(
            pl.concat([human_votes.frame, heldout_votes.frame], how="diagonal"), human_votes.labels
        )
    ids = all_utterances.in_splits("train", "development", "test").frame["utterance_id"]
    synthetic = read_alms(annotation_files(annotations, options.more_annotations), ids, human_votes.labels)
    result = run_trial(
        all_utterances,
        human_votes,
        synthetic,
        intents=intended_emotions(all_utterances),
        kept=tuple(sorted(set(options.votes_kept))),
        draws=options.draws,
        criterion=options.criterion,
        synthetic_votes=options.synthetic_votes,
        seed=options.seed,
    )
    rows = trial_rows(result)
    with atomic_folder(out, inputs) as folder:
        write_json(
            folder / "trial.json",
            {
                "rows": rows,
                "worth": {
                    str(k): {worth.alm: worth_values(worth) for worth in by_alm}
                    for k, by_alm in result.worth.items()
                },
                "mean_equivalent_votes": {str(k): votes for k, votes in result.equivalent_votes.items()},
            },
        )
        (folder / "trial.md").write_text(trial_markdown(rows), encoding="utf-8")
        trial_scores(result).write_parquet(folder / "scores.parquet")
        save(squared_error_ratio_figure(rows), folder / "trial.svg")
    _logger.info(trial_markdown(rows).rstrip())
    for by_alm in result.worth.values():
        for worth in by_alm:
            _logger.info(worth_sentence(worth))
    if warning := few_speakers(all_utterances.in_splits("test").frame):
        _logger.warning(warning)
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(trial)
