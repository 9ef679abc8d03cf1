"""plan-labels: which utterances deserve the next human votes, ready to be sent to the raters."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.models.counted import counted
from ambivox.models.number_ranges import Count, Seed

_logger = logging.getLogger(__name__)
_MOST_SHOWN = 12  # groups; groups.csv has all


@dataclass(frozen=True, kw_only=True)
class PlanLabelsOptions:
    """Options of the step ``plan-labels``.

    Attributes:
        splits: Utterances of these splits may get votes.
        more_annotations: Further files of annotations, by other ALMs.
        criterion: What the pooling fit minimises; see pool.
        by: Measure by group, on votes left out, where pooled is worse than it says, and spend more there. A group is a
            speaker, sex, age (in decades) or language, or the label that pooled says is dominant.
        seed: Seed of all random draws.
        audio_url: What takes the place of the folder that holds all audio in tasks.json; see export.
        spreadsheet_safe: Put an apostrophe before cells of batch.csv that a spreadsheet program would run as formulas.
    """

    splits: tuple[str, ...] = ("train", "development", "test")
    more_annotations: tuple[Path, ...] = ()
    criterion: Literal["likelihood", "js", "balanced"] = "likelihood"
    by: Literal["speaker", "sex", "age", "language", "label"] | None = None
    seed: Seed = 0
    audio_url: str | None = None
    spreadsheet_safe: bool = True


def plan_labels(
    *,
    utterances: Path,
    votes: Path,
    annotations: Path,
    out: Path,
    budget: Count,
    heldout: Path | None = None,
    options: PlanLabelsOptions,
) -> Path:
    """Spend a budget of human votes where they are expected to improve the pooled distributions most.

    Writes a folder with batch.csv (utterances in order of their expected gain, with the number of votes to ask for),
    and config.xml and tasks.json for Label Studio. With --by, also groups.csv: the squared error of each group, expected
    and measured, and its votes. With held-out votes it also simulates the plan against random
    allocation on the test speakers, and writes simulation.json and simulation.svg.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        annotations: annotations.parquet of annotate.
        out: The folder to write.
        budget: The number of human votes.
        heldout: heldout.parquet of ingest, for the simulation.
        options: See PlanLabelsOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table is missing, damaged or about other labels, or the budget is below 1.
    """
    import numpy as np
    import polars as pl

    from ambivox.models.annotation.several_alms import annotation_files
    from ambivox.models.errors import UserError
    from ambivox.models.exchange import LinkedTables, label_studio
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.pooling.allocation import plan
    from ambivox.models.pooling.allocation_simulation import simulate
    from ambivox.models.pooling.fit import fit_pooling
    from ambivox.models.pooling.group_errors import group_errors, groups, table
    from ambivox.models.pooling.inputs import FIT_SPLITS, keep_human_votes, pooling_inputs
    from ambivox.models.pooling.several_alms import read_alms
    from ambivox.models.reporting.figures.allocation import savings_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.spreadsheet_cells import without_formulas
    from ambivox.models.tables import Utterances, Votes

    input_paths = (utterances, votes, annotations, heldout, *options.more_annotations)
    check_output_folder(out, input_paths)
    utterance_table = Utterances.read(utterances).in_splits("train", "development", "test")
    human_votes = keep_human_votes(Votes.read(votes))
    ids = utterance_table.frame["utterance_id"]
    synthetic = read_alms(annotation_files(annotations, options.more_annotations), ids, human_votes.labels)
    inputs = pooling_inputs(utterance_table, human_votes, synthetic)
    split_N = utterance_table.frame["split"].to_numpy()
    names = [alm.alm for alm in synthetic]
    model = fit_pooling(
        human_votes.labels,
        names,
        inputs.rows(np.isin(split_N, FIT_SPLITS)),
        inputs.n_NK.sum(1),
        criterion=options.criterion,
        seed=options.seed,
    )
    allowed_N = np.isin(split_N, options.splits)
    if not allowed_N.any():
        raise UserError(f"no utterance is in the splits {', '.join(options.splits)}")
    frame, allowed = utterance_table.frame.filter(pl.Series(allowed_N)), inputs.rows(allowed_N)
    errors, group_M = {}, None
    if options.by is not None:
        group_M = groups(options.by, frame, model, allowed)
        is_label = options.by == "label"
        errors = group_errors(model, allowed, group_M, is_label=is_label, seed=options.seed)
    ratio_M = None if group_M is None else np.array([errors[name].ratio for name in group_M])
    votes_M, fall_M = plan(model, allowed, budget, ratio_M)
    batch = (
        frame.with_columns(
            votes_wanted=pl.Series(votes_M),
            expected_fall=pl.Series(fall_M),
            human_votes=pl.Series(allowed.n_NK.sum(1)),
        )
        .filter(pl.col("votes_wanted") > 0)
        .sort("expected_fall", "utterance_id", descending=[True, False])
    )
    columns = [
        "utterance_id",
        "votes_wanted",
        "expected_fall",
        "human_votes",
        "audio",
        "transcript",
        "speaker",
    ]
    simulation = None
    if heldout is not None:
        heldout_votes = keep_human_votes(Votes.read(heldout))
        all_votes = Votes.check(
            pl.concat([human_votes.frame, heldout_votes.frame], how="diagonal"), human_votes.labels
        )
        all_inputs = pooling_inputs(utterance_table, all_votes, synthetic)
        several_votes_model = fit_pooling(
            human_votes.labels,
            names,
            all_inputs.rows(np.isin(split_N, FIT_SPLITS)),
            np.arange(1.0, 6.0),
            criterion=options.criterion,
            seed=options.seed,
        )
        simulation = simulate(several_votes_model, all_inputs.rows(split_N == "test"), seed=options.seed)
    with atomic_folder(out, input_paths) as folder:
        rows = batch.select(columns)
        (without_formulas(rows) if options.spreadsheet_safe else rows).write_csv(folder / "batch.csv")
        if group_M is not None:
            rows = table(errors, group_M, votes_M)
            (without_formulas(rows) if options.spreadsheet_safe else rows).write_csv(folder / "groups.csv")
        selected = Utterances(batch.select(utterance_table.frame.columns), utterance_table.labels)
        bundle = LinkedTables.of(selected, Votes(human_votes.frame.clear(), human_votes.labels), None)
        notes = label_studio.write_project(bundle, folder, options.audio_url)
        if simulation is not None:
            saved = {
                score: {f"{budget:g}": vars(saving) for budget, saving in by_budget.items()}
                for score, by_budget in simulation.saved.items()
            }
            curves = {
                name: {score: curve.tolist() for score, curve in getattr(simulation, name).items()}
                for name in ("planned", "at_random")
            }
            grid = {"votes_per_utterance": simulation.votes_per_utterance.tolist()}
            write_json(
                folder / "simulation.json", {"saved_by_random_votes_per_utterance": saved} | grid | curves
            )
            save(savings_figure(simulation), folder / "simulation.svg")
    _logger.info(
        f"{counted(int(votes_M.sum()), 'vote')} for {batch.height} of {counted(int(allowed_N.sum()), 'utterance')}: {out / 'batch.csv'}"
    )
    for name, error in sorted(errors.items(), key=lambda item: -item[1].ratio)[:_MOST_SHOWN]:
        _logger.info(
            f"  {options.by} {name}: squared error {error.measured} on {counted(error.utterances, 'utterance')}, {error.expected:.3f} "
            f"expected; planned with {error.ratio:.2f} times that"
        )
    for note in notes:
        _logger.info(note)
    if simulation is not None:
        _logger.info(
            "votes that planning saves to reach the score of random allocation [95 % over speakers]:"
        )
        for votes_each in simulation.saved["nll"]:
            by_score = (
                f"{score.replace('_', ' ')} {saved[votes_each].value:.0%} "
                f"[{saved[votes_each].low:.0%}, {saved[votes_each].high:.0%}]"
                for score, saved in simulation.saved.items()
            )
            _logger.info(f"  {votes_each:g} random votes per utterance: {', '.join(by_score)}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(plan_labels)
