"""The data card of a released dataset: what it holds, who voted, how good it is, and how to get these very bytes.

Follows the questions of Gebru et al., "Datasheets for Datasets" (CACM 2021), as far as the tables answer them.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from ambivox.models.reporting.estimates import as_estimate, estimate, written
from ambivox.models.reporting.headline import ROWS, measures_of
from ambivox.models.reporting.reading import Run

FILES = (
    "ingest/utterances.parquet",
    "ingest/votes.parquet",
    "annotations/annotations.parquet",
    "distributions/human.parquet",
    "distributions/synthetic.parquet",
    "distributions/combined.parquet",
    "distributions/pooled.parquet",
    "distributions/pooling.json",
    "validation/metrics.json",
)


def facts(run: Run, licence: str) -> dict[str, Any]:
    """Everything the card says, as JSON values; parts that are missing are left out."""
    found: dict[str, Any] = {
        "licence": licence,
        "files": {n: d for n in FILES if (d := run.digest(n)) is not None},
    }
    if run.utterances is not None:
        frame = run.utterances.frame
        by_split = (
            frame.group_by("split")
            .agg(pl.len().alias("n"), pl.col("speaker").n_unique().alias("speakers"))
            .sort("split")
        )
        found["corpus"] = sorted(frame["corpus"].unique())
        found["labels"] = list(run.utterances.labels)
        found["utterances"] = frame.height
        found["speakers"] = frame["speaker"].n_unique()
        found["hours"] = round(frame["duration_seconds"].sum() / 3600, 3)
        found["splits"] = {split: {"utterances": n, "speakers": s} for split, n, s in by_split.rows()}
    if run.votes is not None:
        found["human_votes"] = round(float(run.votes.frame["weight"].sum()), 3)
    if run.annotations is not None and len(run.annotations):
        kinds = run.annotations.frame.group_by("alm", "revision", "elicitation", "engine").agg(
            pl.len().alias("answers"),
            pl.col("refused").sum().alias("refusals"),
            pl.col("prompt_sha256").n_unique().alias("prompts"),
            pl.col("label_mass").mean().round(4).alias("label_mass"),
        )
        found["annotators"] = kinds.sort("alm", "revision", "elicitation", "engine").to_dicts()
    if worth := run.equivalent_votes():
        found["equivalent_votes"] = {
            name: {"value": one.value, "low": one.low, "high": one.high} for name, one in worth.items()
        }
    metrics = run.json("validation/metrics.json")
    found["metrics"] = {key: measures for key in ROWS if (measures := measures_of(metrics, key))}
    return found


def card(name: str, version: str, found: dict[str, Any], revision: str) -> str:
    """The card as Markdown. ``revision`` is the git commit that the release was made from."""
    lines = [
        f"# {name} {version}",
        "",
        "Emotion distributions for speech, one per utterance: human votes, an audio-language model's, and both pooled.",
        "Made by Ambivox. Distributions describe how people *perceive* a voice, not what its speaker felt.",
        "",
        "| | |",
        "|---|---|",
    ]
    for key, title in (
        ("corpus", "Corpus"),
        ("licence", "Licence"),
        ("labels", "Labels"),
        ("utterances", "Utterances"),
        ("speakers", "Speakers"),
        ("hours", "Hours"),
        ("human_votes", "Human votes"),
    ):
        if key in found:
            value = found[key]
            lines.append(
                f"| {title} | {_plain(', '.join(map(str, value)) if isinstance(value, list) else value)} |"
            )
    for alm, worth in found.get("equivalent_votes", found.get("worth_in_human_votes", {})).items():
        lines.append(f"| {_plain(alm)} is worth | {written(as_estimate(worth))} human votes |")
    lines += ["", "## Splits, by speaker", "", "| split | utterances | speakers |", "|---|---|---|"]
    lines += [
        f"| {split} | {n['utterances']} | {n['speakers']} |" for split, n in found.get("splits", {}).items()
    ]
    lines += [
        "",
        "## Annotators",
        "",
        "| ALM | revision | elicitation | engine | answers | refusals | label mass |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {_plain(one['alm'])} | {_plain(one['revision'])} | {one['elicitation']} | {_plain(one['engine'])} | {one['answers']} "
        f"| {one['refusals']} | {one['label_mass']} |"
        for one in found.get("annotators", [])
    ]
    lines += [
        "",
        "## Distance to the human votes of test speakers (JS base 2; 95 % intervals)",
        "",
        "| source | JS | BC | accuracy |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {ROWS[key][1]} | {written(estimate(one, 'js'))} | {written(estimate(one, 'bc'))} | {written(estimate(one, 'accuracy'))} |"
        for key, one in found["metrics"].items()
    ]
    lines += ["", "## Files", "", "| file | SHA-256 |", "|---|---|"]
    lines += [f"| {file} | `{digest}` |" for file, digest in found["files"].items()]
    lines += [
        "",
        "## Getting this version",
        "",
        f"Made from git revision `{revision}`, tagged `{name}-{version}`.",
        "",
        "```",
        f"dvc get --rev {name}-{version} REPOSITORY data/{name}/distributions",
        "```",
        "",
        "`REPOSITORY` is this project's git address; the tag's dvc.lock names the content, the DVC remote holds it.",
    ]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    """Text that stays one cell of a Markdown table, whatever it holds."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")[:200]
