"""audformat, audeering's format: the tables of a database with schemes and raters (audeering.github.io/audformat).

The ``files`` table is indexed by audio file. Votes are a misc table with one row per vote, because corpora have
thousands of raters with few files each: columns ``utterance``, ``rater`` (declared in the header as human or machine),
``emotion`` and ``weight``. Ratings of arousal, valence and dominance are another, ``ratings``. ``distribution`` is indexed by file and has one column per label.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import MissingExtraError, UserError, first_line
from ambivox.models.exchange import LinkedTables
from ambivox.models.regular_files import check_fetched, check_regular
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes
from ambivox.models.temporary_files import scratch_folder
from ambivox.models.yaml_documents import check_nesting

_SCHEMES: dict[Any, str] = {pl.String: "str", pl.Float64: "float", pl.Int64: "int"}
_VOTE_NAMES = {"utterance_id": "utterance", "annotator_id": "rater", "label": "emotion"}


def write(tables: LinkedTables, folder: Path) -> None:
    """Write the header db.yaml and its tables.

    Args:
        tables: The tables to write.
        folder: The folder to write to.

    Raises:
        UserError: An audio file belongs to several utterances, which a table indexed by file cannot hold.
        MissingExtraError: audformat is not installed.
    """
    audformat = _library()
    frame, votes, distributions = tables.utterances.frame, tables.votes.frame, tables.distributions
    if frame["audio"].is_duplicated().any():
        duplicate = frame.filter(frame["audio"].is_duplicated())["audio"][0]
        raise UserError(
            f"audformat's tables are indexed by file, but {duplicate} belongs to several utterances"
        )
    db = audformat.Database(
        "-".join(sorted(frame["corpus"].unique())) or "empty",
        languages=_languages(audformat, frame),
        meta={"ambivox": {"labels": list(tables.labels)}},
    )
    db.schemes["emotion"] = audformat.Scheme(labels=list(tables.labels))
    db.schemes["probability"] = audformat.Scheme("float", minimum=0, maximum=1)
    for dtype in _SCHEMES.values():
        db.schemes[dtype] = audformat.Scheme(dtype)
    for name, kind in votes.select("annotator_id", "annotator_kind").unique().sort(pl.all()).iter_rows():
        db.raters[name] = audformat.Rater("human" if kind == "human" else "machine")
    _add(audformat, db, "files", frame.drop("audio"), audio=frame["audio"])
    _add(audformat, db, "votes", votes.rename(_VOTE_NAMES), schemes={"emotion": "emotion"})
    if distributions is not None:
        audio = distributions.frame.join(frame, on="utterance_id", how="left", maintain_order="left")["audio"]
        schemes = dict.fromkeys(tables.labels, "probability")
        _add(audformat, db, "distribution", distributions.frame, schemes=schemes, audio=audio)
    if tables.ratings is not None:
        _add(audformat, db, "ratings", tables.ratings.frame.rename(_VOTE_NAMES, strict=False))
    db.save(str(folder), storage_format="parquet")


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: The folder has no database that Ambivox exported.
        MissingExtraError: audformat is not installed.
    """
    audformat = _library()
    for file in sorted(folder.glob("db.*")):
        check_regular(file, "a file of an audformat database")
        check_fetched(file)
    try:
        with scratch_folder() as scratch:
            _copy_without_code(folder, scratch)
            db = audformat.Database.load(str(scratch), load_data=True)
        labels = tuple(db.meta["ambivox"]["labels"])
        utterances = _frame(db["files"]).rename({"file": "audio"})
        votes = _frame(db["votes"]).rename({new: old for old, new in _VOTE_NAMES.items()})
    except Exception as error:  # the library, YAML and Parquet raise errors of many types about damaged files
        raise UserError(
            f"{folder}: not a database that Ambivox exported ({type(error).__name__}: {first_line(error)})"
        ) from error
    distributions = None
    if "distribution" in db:
        distributions = Distributions.check(_frame(db["distribution"]).drop("file"), labels, str(folder))
    ratings = None
    if "ratings" in db:
        rated = _frame(db["ratings"]).rename({new: old for old, new in _VOTE_NAMES.items()}, strict=False)
        ratings = Ratings.check(rated, labels, str(folder))
    return LinkedTables.of(
        Utterances.check(utterances, labels, str(folder)),
        Votes.check(votes, labels, str(folder)),
        distributions,
        ratings,
    )


def _copy_without_code(folder: Path, scratch: Path) -> None:
    """Copy a database without what could run code: audformat reads pickles, and tags in db.yaml that name functions."""
    yaml = import_module("yaml")  # comes with audformat; typed and read as audformat writes it, by YAML 1.1
    content = (folder / "db.yaml").read_bytes()
    check_nesting(content)
    header = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    ids = [str(name) for kind in ("tables", "misc_tables") for name in header.get(kind) or ()]
    if outside := [name for name in ids if {"/", "\\", "\0"} & set(name)]:
        raise ValueError(f"table {outside[0]!r} is in another folder")
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    (scratch / "db.yaml").write_text(yaml.dump(header, Dumper=dumper, sort_keys=False), encoding="utf-8")
    for name in ids:
        for path in (folder / f"db.{name}.parquet", folder / f"db.{name}.csv"):
            if path.exists():
                (scratch / path.name).symlink_to(path.resolve())


def _library() -> Any:
    try:
        import audformat
    except ImportError as error:
        raise MissingExtraError("audformat", "export") from error
    return audformat


def _languages(audformat: Any, frame: pl.DataFrame) -> list[str]:
    """List the languages with an ISO 639-3 code; the table's column keeps the others unchanged."""
    codes = []
    for name in frame["language"].drop_nulls().unique().sort():
        try:
            codes.append(audformat.utils.map_language(name))
        except ValueError:
            continue
    return sorted(set(codes))


def _add(
    audformat: Any,
    db: Any,
    name: str,
    frame: pl.DataFrame,
    *,
    schemes: dict[str, str] | None = None,
    audio: pl.Series | None = None,
) -> None:
    """Add a table, indexed by file where ``audio`` is given; a column not in ``schemes`` has the scheme of its type."""
    import pandas as pd

    if audio is None:
        db[name] = audformat.MiscTable(
            pd.Index(range(frame.height), name=name.removesuffix("s"), dtype="Int64")
        )
    else:
        db[name] = audformat.Table(audformat.filewise_index(audio.to_list()))
    for column in frame.columns:
        scheme = (schemes or {}).get(column) or _SCHEMES[frame[column].dtype]
        db[name][column] = audformat.Column(scheme_id=scheme)
        db[name][column].set(frame[column].to_list())


def _frame(table: Any) -> pl.DataFrame:
    """Convert a table to a polars frame with its index as columns; missing values are null, never NaN."""
    pandas_frame = table.df.reset_index()
    columns = {
        column: [None if missing else value for value, missing in zip(values, values.isna(), strict=True)]
        for column, values in pandas_frame.items()
    }
    return pl.DataFrame(columns, strict=False)
