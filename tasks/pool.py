"""pool: human votes and ALMs' annotations become one distribution per utterance, from each of four sources."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.models.counted import counted
from ambivox.models.number_ranges import Count, Seed

_logger = logging.getLogger(__name__)
FIGURES = "pooling.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """Options of the step ``pool``.

    Attributes:
        more_annotations: Further files of annotations, by other ALMs.
        criterion: What the fit minimises. likelihood: the negative log-likelihood of further votes, whose best
            answer is the true distribution; js: the divergence to further votes, which over-sharpens (lower JS to few
            votes, but a worse likelihood and a larger squared error to the truth, also on CREMA-D); balanced: the
            negative log-likelihood (nats per vote) and the divergence (bits) together, which gives most of the lower JS at
            little cost.
        raters: Whether pooled weights votes by the reliability of their raters, estimated on all but test
            utterances; needs raters with identities, and the extra raters.
        synthetic_votes: How many votes an ALM's exact distribution counts for in combined (sampled answers count as
            they are).
        matrix: Whether the calibration may have a confusion matrix beside temperature and biases; it has one where that
            predicts other speakers' votes better.
        allow_audio_insensitive: Also pool an annotator that fails its own check of sensitivity to the audio.
        seed: Seed of all random draws.
    """

    more_annotations: tuple[Path, ...] = ()
    criterion: Literal["likelihood", "js", "balanced"] = "likelihood"
    raters: Literal["alike", "dawid_skene", "mace"] = "alike"
    synthetic_votes: Count = 10
    matrix: bool = True
    allow_audio_insensitive: bool = False
    seed: Seed = 0


def pool(*, utterances: Path, votes: Path, annotations: Path, out: Path, options: PoolOptions) -> Path:
    """Turn votes into distributions: human, synthetic, combined (the paper's count) and pooled.

    Writes a folder with a table per source, pooling.json and figures. human.parquet, pooled.parquet, human_mixture.parquet (pooled
    without any ALM, the baseline) and human_prior.parquet have a row per utterance; synthetic.parquet and combined.parquet have none
    of the split pretrain: the ALM was trained on its votes, so these are pooled without its answers.
    The pooled distribution is the mean of a posterior. Its prior is a mixture of Dirichlet distributions, learned from the
    votes and, where an ALM is informative, shifted by the ALM's calibrated answer; the votes on the utterance update it.
    All are learned from votes on speakers of the splits train and development only. An annotator that fails its check of
    sensitivity to the audio is left out; without any, pooled is human_mixture.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        annotations: annotations.parquet of annotate; answers of its further ALMs are pooled, too.
        out: The folder to write.
        options: See PoolOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table is missing, damaged or about other labels.
    """
    import polars as pl

    from ambivox.models.annotation.checks_file import drop_audio_insensitive
    from ambivox.models.annotation.several_alms import annotation_files
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.left_out import left_out_reason
    from ambivox.models.pooling.inputs import keep_human_votes
    from ambivox.models.pooling.sources import make_sources
    from ambivox.models.pooling.summary import statements, summary
    from ambivox.models.pooling.vote_file import VoteFile
    from ambivox.models.reporting.figures import pooling as figures
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Utterances, Votes

    files = annotation_files(annotations, options.more_annotations)
    inputs = (utterances, votes, *files)
    check_output_folder(out, inputs)
    all_utterances = Utterances.read(utterances)
    weighted_votes = None
    if options.raters != "alike":
        from ambivox.models.pooling.annotator_reliability import reliability

        human_votes = keep_human_votes(Votes.read(votes))
        learnable_ids = all_utterances.frame.filter(pl.col("split") != "test")["utterance_id"]
        learnable_votes = Votes(
            human_votes.frame.filter(pl.col("utterance_id").is_in(learnable_ids.implode())),
            human_votes.labels,
        )
        weighted_votes = reliability(learnable_votes, options.raters, seed=options.seed).weigh(human_votes)
    kept, left_out = drop_audio_insensitive(files, allow_audio_insensitive=options.allow_audio_insensitive)
    for reason in left_out:
        _logger.warning(reason)
    # The steps that were left out have said why.
    left_out += filter(None, (left_out_reason(file.parent) for file in files))
    sources = make_sources(
        all_utterances,
        VoteFile.open(votes),
        kept,
        criterion=options.criterion,
        weighted_votes=weighted_votes,
        synthetic_votes=options.synthetic_votes,
        matrix=options.matrix,
        seed=options.seed,
    )
    with atomic_folder(out, inputs) as folder:
        for source, table in sources.tables.items():
            table.write(folder / f"{source}.parquet")
        write_json(folder / "pooling.json", summary(sources, left_out))
        if sources.model.alms:
            save(figures.worth_figure(sources), folder / "worth.svg")
            save(figures.calibration_figure(sources), folder / "calibration.svg")
        save(figures.examples_figure(sources), folder / "examples.svg")
    reserved = len(all_utterances.in_splits("pretrain"))
    without = (
        f", {reserved} of them without an ALM: their speakers are reserved for training one"
        if reserved
        else ""
    )
    _logger.info(f"pooled {counted(len(sources.tables['pooled']), 'utterance')} into {out}{without}")
    for statement in statements(sources):
        _logger.info(f"  {statement}")
    alone, prior = int(sources.pooled.from_alm_N.sum()), int(sources.pooled.from_prior_N.sum())
    if alone or prior:
        _logger.info(
            f"  without human votes: {alone} rest on the ALMs alone, {prior} on the prior (column fallback)"
        )
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(pool)
