"""pool: human votes and ALMs' annotations become one distribution per utterance, from each of four sources."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def pool(
    *,
    utterances: Path,
    votes: Path,
    annotations: Path,
    out: Path,
    more_annotations: tuple[str, ...] = (),
    criterion: Literal["js", "balanced", "likelihood"] = "js",
    raters: Literal["alike", "dawid_skene", "mace"] = "alike",
    synthetic_votes: int = 10,
    matrix: bool = True,
    resamples: int = 20,
    seed: int = 0,
    insist: bool = False,
) -> Path:
    """Turn votes into distributions: human, synthetic, combined (the paper's count) and pooled.

    Writes a folder with human.parquet, synthetic.parquet, combined.parquet, pooled.parquet (utterances of the
    splits train, development and test), pooling.json and figures. The pooled distribution is
    p = (n + kappa q) / (N + kappa): q is the ALM's calibrated distribution and kappa how many human votes
    it is worth, both learned from the votes on speakers of the splits train and development, never on test speakers.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        annotations: annotations.parquet of annotate.
        out: The folder to write.
        more_annotations: Further annotations files, of other ALMs.
        criterion: What the fit aims at: js comes closest to the votes that further listeners would give;
            balanced does so while the mean distribution stays that of the votes (js favours the commonest
            label a little); likelihood is the plain posterior mean (flatter).
        raters: Whether pooled weighs votes by their raters' reliability, estimated on all but test utterances;
            needs raters with identities, and the extra raters.
        synthetic_votes: How many votes, drawn from the ALMs' distribution, count in combined.
        matrix: Whether the calibration has a confusion matrix besides temperature and biases.
        resamples: Refits on resampled speakers, for the intervals of kappa (0: none).
        seed: Of all drawing.
        insist: Pool an annotator too that, by its own checks, does not hear.

    Raises:
        UserError: tables that are missing, damaged or about other labels, or no annotator that hears.
    """
    import polars as pl

    from ambivox.models.annotation.checks import drop_audio_insensitive
    from ambivox.models.files import atomic_folder, write_json
    from ambivox.models.pooling.sources import human_votes, make_sources, statements, summary
    from ambivox.models.pooling.vote_file import VoteFile
    from ambivox.models.reporting.figures import pooling as figures
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Utterances, Votes

    everyone = Utterances.read(utterances)
    weighed = None
    if raters != "alike":
        from ambivox.models.pooling.raters import reliability

        given = human_votes(Votes.read(votes))
        known = everyone.frame.filter(pl.col("split") != "test")["utterance_id"]
        seen = Votes(given.frame.filter(pl.col("utterance_id").is_in(known.implode())), given.labels)
        weighed = reliability(seen, raters, seed=seed).weigh(given)
    made = make_sources(
        everyone,
        VoteFile.open(votes),
        drop_audio_insensitive((annotations, *(Path(path) for path in more_annotations)), insist=insist),
        criterion=criterion,
        weighed_votes=weighed,
        synthetic_votes=synthetic_votes,
        matrix=matrix,
        resamples=resamples,
        seed=seed,
    )
    with atomic_folder(out) as folder:
        for source, table in made.tables.items():
            table.write(folder / f"{source}.parquet")
        write_json(folder / "pooling.json", summary(made))
        save(figures.equivalent_votes_figure(made), folder / "worth.svg")
        save(figures.calibration_figure(made), folder / "calibration.svg")
        save(figures.examples_figure(made), folder / "examples.svg")
    print(f"pooled {len(made.tables['pooled'])} utterances into {out}")
    for statement in statements(made):
        print(f"  {statement}")
    alone, prior = int(made.pooled.from_alm_N.sum()), int(made.pooled.from_prior_N.sum())
    if alone or prior:
        print(
            f"  without human votes: {alone} rest on the ALMs alone, {prior} on the corpus prior (column fallback)"
        )
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(pool)
