"""``ambivox.load_distributions``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.parquet_files import read_parquet
from ambivox.models.tables import Distributions
from ambivox.models.tables.distributions import SOURCES


def load_distributions(
    path: str | Path, source: str = "pooled", *, revision: str | None = None
) -> pl.DataFrame:
    """The distributions of a finished run or a released dataset.

    Args:
        path: a table, or a folder that holds one: ``data/<corpus>``, its ``distributions``, or a release.
        source: human, synthetic, combined or pooled.
        revision: a git tag or commit of the project that holds ``path``; DVC fetches that version.

    Returns:
        ``utterance_id``, ``source``, ``human_votes``, ``equivalent_votes`` and a column per label.

    Raises:
        UserError: there is no such table or revision.
    """
    if source not in SOURCES:
        raise UserError(f"unknown source {source!r}; known: {', '.join(SOURCES)}")
    path = Path(path)
    names = (
        [path]
        if path.suffix == ".parquet"
        else [
            path / f"{source}.parquet",
            path / "distributions" / f"{source}.parquet",
        ]
    )
    if revision is not None:
        return _at_revision(names, revision)
    for name in names:
        if name.is_file():
            return Distributions.read(name).frame
    raise UserError(
        f"{path}: found no table of {source} distributions; expected {' or '.join(map(str, names))}"
    )


def _at_revision(names: list[Path], revision: str) -> pl.DataFrame:
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    reason = "no such file"
    for name in names:
        folder = name.resolve().parent
        while not folder.is_dir():
            folder = folder.parent
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            raise UserError(f"{name}: is in no git repository, so it has no revision {revision!r}")
        root = Path(found.stdout.strip())
        try:
            content = dvc.api.read(
                str(name.resolve().relative_to(root)), repo=str(root), rev=revision, mode="rb"
            )
        except (DvcException, SCMError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            continue
        frame = read_parquet(content, "a table of distributions", origin=str(name))
        labels = tuple(
            column for column in frame.columns if column not in {*Distributions.required, "fallback"}
        )
        return Distributions.check(frame, labels).frame
    raise UserError(f"{names[-1]} at {revision!r}: cannot be read ({reason})")
