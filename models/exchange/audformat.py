"""audformat, audeering's format: tables of a database with schemes and raters (audeering.github.io/audformat).

The ``files`` table is indexed by audio file. Votes are a misc table, a row a vote, because corpora have
thousands of raters and each hears few files: columns ``utterance``, ``rater`` (each declared in the header,
human or machine), ``emotion`` and ``weight``. ``distribution`` is indexed by file and has a column a label.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.exchange import Bundle
from ambivox.models.tables import Distributions, Utterances, Votes

_KINDS: dict[Any, str] = {pl.String: "str", pl.Float64: "float", pl.Int64: "int"}
_VOTE_NAMES = {"utterance_id": "utterance", "annotator_id": "rater", "label": "emotion"}


def write(bundle: Bundle, folder: Path) -> None:
    """Write the header db.yaml and its tables.

    Raises:
        UserError: an audio file belongs to several utterances, which a table by file cannot hold.
        MissingExtraError: audformat is not installed.
    """
    audformat = _library()
    frame, votes, distributions = bundle.utterances.frame, bundle.votes.frame, bundle.distributions
    if frame["audio"].is_duplicated().any():
        twice = frame.filter(frame["audio"].is_duplicated())["audio"][0]
        raise UserError(f"audformat's tables are indexed by file, but {twice} belongs to several utterances")
    db = audformat.Database(
        "-".join(sorted(frame["corpus"].unique())) or "empty",
        languages=_languages(audformat, frame),
        meta={"ambivox": {"labels": list(bundle.labels)}},
    )
    db.schemes["emotion"] = audformat.Scheme(labels=list(bundle.labels))
    db.schemes["probability"] = audformat.Scheme("float", minimum=0, maximum=1)
    for kind in _KINDS.values():
        db.schemes[kind] = audformat.Scheme(kind)
    for name, kind in votes.select("annotator_id", "annotator_kind").unique().sort(pl.all()).iter_rows():
        db.raters[name] = audformat.Rater("human" if kind == "human" else "machine")
    _add(audformat, db, "files", frame.drop("audio"), audio=frame["audio"])
    _add(audformat, db, "votes", votes.rename(_VOTE_NAMES), schemes={"emotion": "emotion"})
    if distributions is not None:
        audio = distributions.frame.join(frame, on="utterance_id", how="left", maintain_order="left")["audio"]
        schemes = dict.fromkeys(bundle.labels, "probability")
        _add(audformat, db, "distribution", distributions.frame, schemes=schemes, audio=audio)
    db.save(str(folder), storage_format="parquet")


def read(folder: Path) -> Bundle:
    """Read what ``write`` wrote.

    Raises:
        UserError: there is no such database in the folder.
        MissingExtraError: audformat is not installed.
    """
    audformat = _library()
    try:
        db = audformat.Database.load(str(folder), load_data=True)
        labels = tuple(db.meta["ambivox"]["labels"])
    except (OSError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: not a database that Ambivox exported ({type(error).__name__}: {error})"
        ) from error
    utterances = _frame(db["files"]).rename({"file": "audio"})
    votes = _frame(db["votes"]).rename({new: old for old, new in _VOTE_NAMES.items()})
    distributions = None
    if "distribution" in db:
        distributions = Distributions.check(_frame(db["distribution"]).drop("file"), labels, str(folder))
    return Bundle.of(
        Utterances.check(utterances, labels, str(folder)),
        Votes.check(votes, labels, str(folder)),
        distributions,
    )


def _library() -> Any:
    try:
        import audformat
    except ImportError as error:
        raise MissingExtraError("audformat", "export") from error
    return audformat


def _languages(audformat: Any, frame: pl.DataFrame) -> list[str]:
    """The languages that ISO 639-3 knows; the column keeps the others as they are."""
    known = []
    for name in frame["language"].drop_nulls().unique().sort():
        try:
            known.append(audformat.utils.map_language(name))
        except ValueError:
            continue
    return sorted(set(known))


def _add(
    audformat: Any,
    db: Any,
    name: str,
    frame: pl.DataFrame,
    *,
    schemes: dict[str, str] | None = None,
    audio: pl.Series | None = None,
) -> None:
    """Add a table, by file where ``audio`` is given; a column's scheme is its type unless ``schemes`` says more."""
    import pandas as pd

    if audio is None:
        db[name] = audformat.MiscTable(pd.Index(range(frame.height), name="vote", dtype="Int64"))
    else:
        db[name] = audformat.Table(audformat.filewise_index(audio.to_list()))
    for column in frame.columns:
        scheme = (schemes or {}).get(column) or _KINDS[frame[column].dtype]
        db[name][column] = audformat.Column(scheme_id=scheme)
        db[name][column].set(frame[column].to_list())


def _frame(table: Any) -> pl.DataFrame:
    """A table as a polars frame, its index as columns; missing is null, never nan."""
    found = table.df.reset_index()
    columns = {
        column: [
            None if missing else value
            for value, missing in zip(found[column], found[column].isna(), strict=True)
        ]
        for column in found.columns
    }
    return pl.DataFrame(columns, strict=False)
