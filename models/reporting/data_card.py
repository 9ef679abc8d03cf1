"""The data card of a released dataset: its content, its annotators, its quality, and how to get exactly these bytes.

Follows the questions of Gebru et al., "Datasheets for Datasets" (CACM 2021), as far as the tables answer them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from ambivox.models.annotation.several_alms import ANNOTATIONS
from ambivox.models.counted import counted
from ambivox.models.reporting.estimates import display_name, format_estimate, parse_estimate
from ambivox.models.reporting.measures import EXPLANATION, HEADINGS, format_measure
from ambivox.models.reporting.reading import Run, worth_text
from ambivox.models.reporting.source_names import SOURCE_NAMES, source_label, source_order
from ambivox.models.reporting.tables import markdown_table, single_cell

FILES = (
    "ingest/utterances.parquet",
    "ingest/votes.parquet",
    "ingest/ratings.parquet",
    "annotations/annotations.parquet",
    "distributions/human.parquet",
    "distributions/synthetic.parquet",
    "distributions/combined.parquet",
    "distributions/pooled.parquet",
    "distributions/human_prior.parquet",
    "distributions/human_mixture.parquet",
    "distributions/pooling.json",
    "validation/metrics.json",
)
INTRODUCTION = (
    "Emotion distributions for speech, one per utterance: from human votes, from an audio-language model (ALM), and "
    "from both pooled.\nMade with Ambivox. The distributions describe how listeners *perceive* a voice, not what "
    "the speaker felt."
)
#: Key of the facts -> its name in the card.
_OVERVIEW = {
    "corpus": "Corpus",
    "licence": "Licence",
    "corpus_licence": "Licence of the corpus",
    "labels": "Labels",
    "utterances": "Utterances",
    "speakers": "Speakers",
    "hours": "Hours",
    "human_votes": "Human votes",
    "ratings": "Ratings of arousal, valence and dominance",
}
#: Key of an annotator -> its column in the card.
_ANNOTATOR = {
    "alm": "ALM",
    "revision": "revision",
    "elicitation": "elicitation",
    "engine": "engine",
    "answers": "answers",
    "refusals": "refusals",
    "label_mass": "label mass",
}
_MAXIMUM_CHARACTERS = 200


def facts(run: Run, licence: str) -> dict[str, Any]:
    """Return everything that the card states as JSON values; what the run does not have is left out.

    A card is the same whether these values come from here or from the JSON file that a release writes.

    Args:
        run: the outputs of a corpus.
        licence: the terms under which the distributions may be used.
    """
    content: dict[str, Any] = {
        "licence": licence,
        "files": {name: digest for name in _files(run) if (digest := run.digest(name)) is not None},
    }
    if isinstance(corpus_licence := run.json("ingest/profile.json").get("licence"), str):
        content["corpus_licence"] = corpus_licence
    if run.utterances is not None:
        frame = run.utterances.frame
        splits = (
            frame.group_by("split")
            .agg(pl.len().alias("utterances"), pl.col("speaker").n_unique().alias("speakers"))
            .sort("split")
        )
        content["corpus"] = sorted(frame["corpus"].unique())
        content["labels"] = list(run.utterances.labels)
        content["utterances"] = frame.height
        content["speakers"] = frame["speaker"].n_unique()
        content["hours"] = round(frame["duration_seconds"].sum() / 3600, 3)
        content["splits"] = {
            split: {"utterances": utterances, "speakers": speakers}
            for split, utterances, speakers in splits.rows()
        }
    if run.votes is not None:
        content["human_votes"] = round(float(run.votes.frame["weight"].sum()), 3)
    if run.ratings is not None:
        frame = run.ratings.frame
        content["ratings"] = (
            f"of {counted(frame['utterance_id'].n_unique(), 'utterance')} by "
            f"{counted(frame['annotator_id'].drop_nulls().n_unique(), 'annotator')}, from {frame['lowest'][0]:g} to "
            f"{frame['highest'][0]:g}"
        )
    if run.annotations is not None:
        annotators = run.annotations.frame.group_by("alm", "revision", "elicitation", "engine").agg(
            pl.len().alias("answers"),
            pl.col("refused").sum().alias("refusals"),
            pl.col("prompt_sha256").n_unique().alias("prompts"),
            pl.col("label_mass").mean().round(4).alias("label_mass"),
        )
        content["annotators"] = annotators.sort("alm", "revision", "elicitation", "engine").to_dicts()
    if worth := run.worth():
        content["worth"] = {
            name: {score: worth_text(values, score) for score in ("nll", "squared_error")}
            for name, values in worth.items()
        }
    if votes := run.equivalent_votes():
        content["equivalent_votes"] = {
            name: {"value": one.value, "low": one.low, "high": one.high} for name, one in votes.items()
        }
    metrics = run.json("validation/metrics.json")
    content["metrics"] = {
        key: measures
        for key in SOURCE_NAMES
        if isinstance(measures := metrics.get(key), Mapping) and measures
    }
    return content


def _files(run: Run) -> list[str]:
    """FILES, with the answers of further ALMs after those of the first."""
    answers = [f"{folder}/{ANNOTATIONS}" for folder in run.annotation_folders]
    place = FILES.index(answers[0])
    return [*FILES[:place], *answers, *FILES[place + 1 :]]


def card(name: str, version: str, content: Mapping[str, Any], revision: str) -> str:
    """Return the card as Markdown.

    Args:
        name: of the corpus.
        version: of the release.
        content: what ``facts`` returned.
        revision: the git commit that the release was made from.
    """
    blocks = [
        f"# {name} {version}",
        INTRODUCTION,
        *sections(content),
        "## Files",
        files_table(content["files"]),
        "## How to get this version",
        f"Made from git revision `{revision}`, tagged `{name}-{version}`.",
        f"```\ndvc get --rev {name}-{version} REPOSITORY data/{name}/distributions\n```",
        "`REPOSITORY` is the git address of this project. The dvc.lock file of the tag identifies the content; the DVC "
        "remote stores it.",
    ]
    return "\n\n".join(blocks) + "\n"


def sections(content: Mapping[str, Any]) -> list[str]:
    """Return what every card of a dataset says, as blocks of Markdown: content, splits, annotators, and its quality.

    Args:
        content: what ``facts`` returned.
    """
    overview = [(title, _text(content[key])) for key, title in _OVERVIEW.items() if key in content]
    overview += [
        (f"Worth of {alm} in further human votes, by {display_name(score)}", _text(text))
        for alm, by_score in content.get("worth", {}).items()
        for score, text in by_score.items()
    ]
    overview += [
        (f"Equivalent votes (κ) of {alm}", format_estimate(parse_estimate(votes)))
        for alm, votes in content.get("equivalent_votes", {}).items()
    ]
    splits = [
        (split, str(counts["utterances"]), str(counts["speakers"]))
        for split, counts in content.get("splits", {}).items()
    ]
    annotators = [[_text(one[key]) for key in _ANNOTATOR] for one in content.get("annotators", [])]
    metrics = [
        (source_label(key), *(format_measure(measures, name) for name in HEADINGS))
        for key, measures in sorted(content["metrics"].items(), key=lambda row: source_order(row[0]))
    ]
    return [
        _table(("", ""), overview),
        "## Splits by speaker",
        _table(("split", "utterances", "speakers"), splits),
        "## Annotators",
        _table(tuple(_ANNOTATOR.values()), annotators),
        "## Distance to the human votes of the test speakers (95% intervals)",
        EXPLANATION,
        _table(("source", *HEADINGS.values()), metrics),
    ]


def files_table(files: Mapping[str, str]) -> str:
    """Return a table of files with their hashes.

    Args:
        files: SHA-256 by name.
    """
    return _table(("file", "SHA-256"), [(file, f"`{digest}`") for file, digest in files.items()])


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(columns: tuple[str, ...], rows: Any) -> str:
    return markdown_table(columns, rows, lambda cell: single_cell(cell[:_MAXIMUM_CHARACTERS]))
