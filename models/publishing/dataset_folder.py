"""A release of a dataset as a folder, which ``datasets.load_dataset`` and ``ambivox.load_distributions`` read.

README.md                        the card
croissant.json                   metadata for search engines
data/<split>.parquet             utterances with their votes and one distribution, as exchange/huggingface.py writes them
distributions/<source>.parquet   the tables of distributions, byte for byte those of the release
metrics.json                     the figures of the card
audformat/                       where it is included: the same as a database of audformat
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ambivox.models.audio.clip_files import clip_file
from ambivox.models.audio.clips import CLIP_COLUMNS, Clip
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables, audformat, huggingface
from ambivox.models.files import write_json
from ambivox.models.hashes import file_sha256
from ambivox.models.publishing.croissant import croissant, full_version
from ambivox.models.publishing.dataset_card import (
    ALL_UTTERANCES,
    METHOD_CITATION,
    HubTable,
    dataset_card,
)
from ambivox.models.publishing.hub_metadata import licence_id
from ambivox.models.publishing.hub_upload import repository_url
from ambivox.models.reporting.data_card import INTRODUCTION
from ambivox.models.reporting.reading import Run
from ambivox.models.tables import SOURCES

Content = Literal["votes", "transcripts", "audio", "audformat"]
# The distributions beside the utterances, where there are several.
_PREFERRED = ("pooled", "combined", "human", "synthetic")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# What polars calls a type -> what datasets calls it, where that is not the same in lower case.
_DTYPES = {"Boolean": "bool"}


@dataclass(frozen=True)
class Release:
    """What a release is called and says about itself.

    Attributes:
        repository: OWNER/NAME on the hub.
        key: The corpus's key.
        version: The version, such as v1.
        date: The day of the released commit, as YYYY-MM-DD.
        facts: What ``data_card.facts`` returned.
        citation: BibTeX of the corpus; empty for none.
    """

    repository: str
    key: str
    version: str
    date: str
    facts: Mapping[str, Any]
    citation: str = ""


def write_dataset(run: Run, release: Release, include: Collection[Content], folder: Path) -> None:
    """Write the folder of a dataset.

    Args:
        run: The outputs of a corpus.
        release: The release.
        include: What of the corpus is published with the distributions, and in which further form.
        folder: The folder to write to; it must exist.

    Raises:
        UserError: The run has no utterances or distributions, or audio that is to be included cannot be read.
    """
    tables = _linked_tables(run)
    passed_on = tables.for_others(transcripts="transcripts" in include, votes="votes" in include)
    load_audio = _AudioLoader(tables) if "audio" in include else None
    written = huggingface.write_data(passed_on, folder, load_audio)
    parts = [name for name, is_there in (("votes", "votes" in include), ("audio", load_audio)) if is_there]
    source = next(name for name in _PREFERRED if name in run.distributions)
    hub_tables = {
        "default": HubTable(
            written.files,
            written.features,
            f"an utterance with its {' and '.join([*parts, f'{source} distribution'])}",
        )
    }
    hub_tables |= {
        source: _copy_distributions(run, source, folder) for source in SOURCES if source in run.distributions
    }
    if "audformat" in include:
        audformat.write(passed_on, folder / "audformat")
    metrics = run.root / "validation" / "metrics.json"
    if metrics.is_file():
        shutil.copyfile(metrics, folder / "metrics.json")
    digests = {
        path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(folder.rglob("*.parquet"))
    }
    languages = sorted(
        name
        for name in tables.utterances.frame["language"].drop_nulls().unique()
        if _LANGUAGE.fullmatch(name)
    )
    card = dataset_card(
        release.repository,
        release.key,
        release.version,
        release.facts,
        hub_tables,
        digests,
        languages,
        release.citation,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    licence = release.facts["licence"]
    metadata = croissant(
        name=release.repository.replace("/", "-"),
        description=INTRODUCTION.replace("\n", " "),
        licence=licence_id(licence) or licence,
        url=repository_url(release.repository, "dataset"),
        version=full_version(release.version),
        date=release.date,
        citation=release.citation or METHOD_CITATION,
        files=digests,
        tables={name: (table.files, table.features) for name, table in hub_tables.items()},
    )
    write_json(folder / "croissant.json", metadata)
    # The folder is below releases/, which is committed; its content is on the hub.
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _linked_tables(run: Run) -> LinkedTables:
    if run.utterances is None or run.votes is None or not run.distributions:
        raise UserError(f"{run.root}: no utterances, votes or distributions here; run the pipeline first")
    source = next(name for name in _PREFERRED if name in run.distributions)
    return LinkedTables.of(run.utterances, run.votes, run.distributions[source], run.ratings)


class _AudioLoader:
    """Gives the audio of rows of the published tables, which do not know any more where it is."""

    def __init__(self, tables: LinkedTables) -> None:
        columns = [*CLIP_COLUMNS, "sample_rate_hz", "audio_sha256"]
        frame = tables.utterances.frame
        self._places = dict(zip(frame["utterance_id"], frame.select(columns).to_dicts(), strict=True))

    def __call__(self, row: Mapping[str, Any]) -> tuple[bytes, str]:
        place = self._places[row["utterance_id"]]
        clip = Clip(**{name: place[name] for name in CLIP_COLUMNS})
        file = clip_file(clip, place["sample_rate_hz"], place["audio_sha256"])
        name = re.sub(r"[^\w.-]", "_", row["utterance_id"])
        return file.content, f"{name}{file.suffix}"


def _copy_distributions(run: Run, source: str, folder: Path) -> HubTable:
    name = f"distributions/{source}.parquet"
    (folder / "distributions").mkdir(exist_ok=True)
    shutil.copyfile(run.root / name, folder / name)
    schema = run.distributions[source].frame.schema
    features = {
        column: {"dtype": _DTYPES.get(str(dtype), str(dtype).lower()), "_type": "Value"}
        for column, dtype in schema.items()
    }
    return HubTable({ALL_UTTERANCES: [name]}, features, f"an utterance with its {source} distribution only")
