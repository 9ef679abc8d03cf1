"""The rows of the fine-tuning matrix: predictions of fine-tuned models, and of the references beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.evaluation.human_targets import HumanTargets
from ambivox.models.left_out import left_out_reason
from ambivox.models.pooling.inputs import FIT_SPLITS, keep_human_votes
from ambivox.models.pooling.several_alms import read_alms
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.proper_scores import smoothed
from ambivox.models.step_figures import read_step_figures
from ambivox.models.tables import SOURCES, Distributions, Utterances, Votes


@dataclass(frozen=True)
class Prediction:
    """The distributions of N test utterances by one model.

    Attributes:
        name: of the model, such as pooled-on.
        q_NK: its distributions; nan where it has none.
    """

    name: str
    q_NK: np.ndarray

    @property
    def answered_N(self) -> np.ndarray:  # noqa: N802  (arrays carry their axes in capitals)
        """Whether there is a distribution."""
        return np.isfinite(self.q_NK).all(1)


def read_predictions(folder: Path, targets: HumanTargets) -> list[Prediction]:
    """The fine-tuned models' predictions.

    Args:
        folder: with a table of distributions per model.
        targets: the utterances to predict.

    Returns:
        One entry per file, sorted by name. Empty tables, of models that the pipeline left out, have none.

    Raises:
        UserError: no predictions, other labels, or a table without any test utterance.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise UserError(f"{folder}: no predictions (*.parquet) in this folder; run predict first")
    filled = [file for file in files if len(Distributions.read(file))]
    return [Prediction(file.stem, _aligned(file, targets)) for file in filled]


def reference_predictions(
    utterances: Utterances,
    votes: Votes,
    annotations: Sequence[Path],
    distributions: Path | None,
    targets: HumanTargets,
) -> list[Prediction]:
    """The references of the matrix.

    Args:
        utterances: of the corpus, all splits.
        votes: the votes that were not held out.
        annotations: files of ALMs' answers; without any, ``zero-shot`` is left out.
        distributions: the folder of pool; None leaves ``votes`` and what is made from them out.
        targets: the utterances to predict.

    Returns:
        ``zero-shot`` (the mean of an ALM's answers; with the ALM's name where there are more than one),
        ``prior`` (the corpus prior of the splits that pooling is fitted on, where they have votes), and, where votes were held out, the
        others: ``votes`` (their shares), ``human_smoothed``, ``human_prior`` and ``human_mixture`` (pooled without ALMs).

    Raises:
        UserError: files that are missing, damaged or about other labels.
    """
    alms = read_alms(annotations, targets.ids, targets.labels)
    references = [
        Prediction("zero-shot" if len(alms) == 1 else f"zero-shot-{alm.alm}", alm.q_NK) for alm in alms
    ]
    train_NK = keep_human_votes(votes).counts(utterances.in_splits(*FIT_SPLITS).frame["utterance_id"])
    if train_NK.sum() > 0:
        references.append(Prediction("prior", np.tile(corpus_prior(train_NK), (len(targets.ids), 1))))
    if targets.held_out and distributions is not None and not left_out_reason(distributions):
        files = distribution_files(distributions)
        kept_NK = keep_human_votes(votes).counts(targets.ids)
        baselines = ("human_prior", "human_mixture")
        for name, source in (("votes", "human"), *zip(baselines, baselines, strict=True)):
            if (file := files.get(source)) is not None:
                references.append(Prediction(name, _aligned(file, targets)))
        references.append(Prediction("human_smoothed", smoothed(kept_NK)))
    return references


def distribution_files(folder: Path) -> dict[str, Path]:
    """The tables of distributions in a folder that pool wrote, by source.

    Raises:
        UserError: It has none, is no folder, or was damaged.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
    if (folder / "pooling.json").is_file():
        read_step_figures(folder / "pooling.json")
    if not files:
        raise UserError(
            f"{folder}: no distributions here; expected {', '.join(SOURCES)}.parquet, written by pool"
        )
    return files


def _aligned(file: Path, targets: HumanTargets) -> np.ndarray:
    """Distributions in the order of the targets; nan where the table has none."""
    table = Distributions.read(file)
    if table.labels != targets.labels:
        raise UserError(
            f"{file} has the labels {', '.join(table.labels)}, the votes have {', '.join(targets.labels)}; "
            "make it again from the same ingest"
        )
    joined = pl.DataFrame({"utterance_id": targets.ids}).join(
        table.frame, on="utterance_id", how="left", maintain_order="left"
    )
    q_NK: np.ndarray = joined.select(table.labels).to_numpy()
    if not np.isfinite(q_NK).all(1).any():
        raise UserError(f"{file}: no distribution of any test utterance; predict the split test first")
    return q_NK
