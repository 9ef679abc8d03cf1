"""The card of a dataset on the model hub: a YAML header that the hub and ``datasets`` read, and the data card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ambivox.models.publishing.hub_metadata import features_list, licence_fields, size_category
from ambivox.models.reporting.data_card import INTRODUCTION, files_table, sections

#: A table of distributions is one file for all splits, as ``datasets`` needs a name for it.
ALL_UTTERANCES = "utterances"
METHOD_CITATION = """@inproceedings{scaling-ambiguity,
  title = {Scaling Ambiguity: Augmenting Human Annotation in Speech Emotion Recognition with Audio-Language Models},
  booktitle = {ICASSP 2026},
  pages = {16217--16221},
  year = {2026},
  eprint = {2601.14620},
  archivePrefix = {arXiv}
}"""


@dataclass(frozen=True)
class HubTable:
    """A table of the dataset: what ``load_dataset(name, config)`` loads.

    Attributes:
        files: its files by split, relative to the repository.
        features: its columns, as ``datasets.Features.to_dict`` describes them.
        description: what a row is.
    """

    files: Mapping[str, list[str]]
    features: Mapping[str, Any]
    description: str


def dataset_card(
    repository: str,
    key: str,
    version: str,
    content: Mapping[str, Any],
    tables: Mapping[str, HubTable],
    files: Mapping[str, str],
    languages: list[str],
    citation: str = "",
) -> str:
    """Return the README.md of a dataset's repository.

    Args:
        repository: OWNER/NAME.
        key: of the corpus.
        version: of the release; the repository has a tag of this name.
        content: what ``data_card.facts`` returned.
        tables: by name; ``default`` is what ``load_dataset(name)`` loads.
        files: SHA-256 of the files, by their names in the repository.
        languages: codes of the languages that are spoken.
        citation: BibTeX of the corpus; empty for none.
    """
    from huggingface_hub import DatasetCardData

    header = DatasetCardData(
        pretty_name=f"{key} {version}: emotion distributions",
        language=languages or None,
        task_categories=["audio-classification"],
        tags=["speech-emotion-recognition", "emotion-distributions", "ambivox", "croissant"],
        size_categories=[size_category(content["utterances"])],
        annotations_creators=["machine-generated"] if content.get("annotators") else None,
        **licence_fields(content["licence"]),
        configs=[
            {
                "config_name": name,
                "data_files": [{"split": split, "path": paths} for split, paths in table.files.items()],
            }
            | ({"default": True} if name == "default" else {})
            for name, table in tables.items()
        ],
        dataset_info=[
            {"config_name": name, "features": features_list(table.features)} for name, table in tables.items()
        ],
    )
    blocks = [
        f"---\n{header.to_yaml()}\n---",
        f"# {key} {version}",
        INTRODUCTION,
        *sections(content),
        "## How to load it",
        _loading(repository, version, tables),
        "## Files",
        files_table(files),
        "`croissant.json` describes the tables in Croissant's vocabulary (mlcommons.org/croissant).",
        "## Citation",
        "Cite the corpus as its authors ask, and the method:",
        *([_code("bibtex", citation)] if citation else []),
        _code("bibtex", METHOD_CITATION),
    ]
    return "\n\n".join(blocks) + "\n"


def _loading(repository: str, version: str, tables: Mapping[str, HubTable]) -> str:
    rows = "\n".join(f"- `{name}`: {table.description}" for name, table in tables.items())
    others = [name for name in tables if name != "default"]
    example = [
        "import ambivox",
        "from datasets import load_dataset",
        "",
        f'utterances = load_dataset("{repository}", revision="{version}")',
    ]
    if others:
        example += [
            f'{others[0]} = load_dataset("{repository}", "{others[0]}", split="{ALL_UTTERANCES}", revision="{version}")',
            f'frame = ambivox.load_distributions("{repository}", "{others[-1]}", revision="{version}")',
        ]
    default = tables["default"]
    if default.features["audio"].get("_type") == "Audio":
        # Decoding by datasets itself needs torchcodec, which few readers have.
        example += [
            "",
            "# The recordings, decoded by soundfile (datasets itself needs torchcodec for it):",
            "import io, soundfile",
            "from datasets import Audio",
            f'rows = utterances["{next(iter(default.files))}"].cast_column("audio", Audio(decode=False))',
            'samples, sample_rate = soundfile.read(io.BytesIO(rows[0]["audio"]["bytes"]))',
        ]
    return _code("python", "\n".join(example)) + f"\n\n{rows}"


def _code(language: str, text: str) -> str:
    """A block of code whose fence is longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.strip()}\n{fence}"
