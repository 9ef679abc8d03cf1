"""trial: keep k human votes of every test utterance, predict the rest: what pooling gains where votes are few."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def trial(
    *,
    utterances: Path,
    votes: Path,
    annotations: Path,
    out: Path,
    heldout: Path | None = None,
    votes_kept: str = "1,3,5",
    draws: int = 5,
    more_annotations: tuple[str, ...] = (),
    criterion: Literal["js", "balanced", "likelihood"] = "js",
    synthetic_votes: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> Path:
    """Run the sparse-vote trial on a corpus with many raters.

    For every number k, k votes of each test utterance are kept, the sources are made from them, and scored by
    their JS (base-2 divergence) to the other votes. Pooling is fitted on the speakers of train and
    development. Writes a folder with trial.json, trial.md, scores.parquet and trial.svg.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        annotations: annotations.parquet of annotate.
        out: The folder to write.
        heldout: heldout.parquet of ingest: joined with the votes, and drawn anew.
        votes_kept: Numbers of votes to keep, such as 1,3,5.
        draws: Of the kept votes; scores are averaged over them.
        more_annotations: Further annotations files, of other ALMs.
        criterion: What the fit aims at; see pool.
        synthetic_votes: How many votes, drawn from the ALMs' distribution, count in combined.
        resamples: Of every bootstrap.
        seed: Of all drawing.

    Raises:
        UserError: tables that are missing, damaged or about other labels, or too few votes.
    """
    import polars as pl

    from ambivox.models.errors import UserError
    from ambivox.models.evaluation.sparse_vote_trial import scores, table
    from ambivox.models.evaluation.sparse_vote_trial import trial as run
    from ambivox.models.files import atomic_folder, write_json
    from ambivox.models.pooling.sources import human_votes
    from ambivox.models.pooling.synthetic import read_synthetic
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.figures.trial import js_ratio_figure
    from ambivox.models.reporting.trial_page import trial_markdown
    from ambivox.models.tables import Utterances, Votes

    try:
        kept = tuple(sorted({int(number) for number in votes_kept.split(",")}))
    except ValueError as error:
        raise UserError(f"votes-kept must be whole numbers like 1,3,5, found {votes_kept!r}") from error
    everyone, given = Utterances.read(utterances), human_votes(Votes.read(votes))
    if heldout is not None:
        more = human_votes(Votes.read(heldout))
        if more.labels != given.labels:
            raise UserError(f"{heldout} is about other labels than {votes}")
        given = Votes.check(pl.concat([given.frame, more.frame], how="diagonal"), given.labels)
    ids = everyone.in_splits("train", "development", "test").frame["utterance_id"]
    opinions = tuple(
        one
        for path in (annotations, *(Path(name) for name in more_annotations))
        for one in read_synthetic(path, ids, given.labels)
    )
    made = run(
        everyone,
        given,
        opinions,
        kept=kept,
        draws=draws,
        criterion=criterion,
        synthetic_votes=synthetic_votes,
        resamples=resamples,
        seed=seed,
    )
    rows = table(made)
    with atomic_folder(out) as folder:
        write_json(
            folder / "trial.json", {"rows": rows, "mean_kappa": {str(k): v for k, v in made.kappa.items()}}
        )
        (folder / "trial.md").write_text(trial_markdown(rows), encoding="utf-8")
        scores(made).write_parquet(folder / "scores.parquet")
        save(js_ratio_figure(rows), folder / "trial.svg")
    print(trial_markdown(rows), end="")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(trial)
