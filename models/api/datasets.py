"""``ambivox.load_distributions``."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError, first_line, unknown
from ambivox.models.hub import hub_endpoint, hub_token
from ambivox.models.processes.git import run_git
from ambivox.models.tables import Distributions
from ambivox.models.tables.distributions import SOURCES
from ambivox.models.temporary_files import scratch_folder

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load_distributions(
    path: str | Path, source: str = "pooled", *, revision: str | None = None
) -> pl.DataFrame:
    """The distributions of a finished run or a released dataset.

    Args:
        path: a table; a folder that holds one: ``data/<corpus>``, its ``distributions``, or a release; or the name of a
            dataset on the model hub, OWNER/NAME.
        source: human, synthetic, combined or pooled.
        revision: a git tag or commit of the project that holds ``path``, of which DVC fetches that version; or a version
            of the dataset on the hub.

    Returns:
        ``utterance_id``, ``source``, ``human_votes``, ``equivalent_votes`` and a column per label.

    Raises:
        UserError: there is no such table or revision.
    """
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    if _is_on_hub(str(path)):
        return _from_hub(str(path), source, revision)
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


def _is_on_hub(name: str) -> bool:
    """Whether this is OWNER/NAME, and neither a path nor in a folder that is here."""
    return bool(_HUB_NAME.fullmatch(name)) and not Path(name.split("/")[0]).exists()


def _from_hub(name: str, source: str, revision: str | None) -> pl.DataFrame:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        file = hf_hub_download(
            name,
            f"distributions/{source}.parquet",
            repo_type="dataset",
            revision=revision,
            endpoint=hub_endpoint(),
            token=hub_token(),
        )
    except RevisionNotFoundError:
        raise UserError(f"{hub_endpoint()}/datasets/{name}: has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{name}: no such folder here, and no such dataset on {hub_endpoint()} that HF_TOKEN opens"
        ) from None
    except EntryNotFoundError as error:
        raise UserError(
            f"{hub_endpoint()}/datasets/{name}: has no distributions/{source}.parquet, or cannot be reached; expected a "
            f"dataset that `ambivox release --push-to-hub` published ({type(error).__name__})"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{hub_endpoint()}/datasets/{name}: cannot be read ({reason})") from None
    return Distributions.read(Path(file)).frame


def _at_revision(names: list[Path], revision: str) -> pl.DataFrame:
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    reason = "no such file"
    for name in names:
        folder = name.resolve().parent
        while not folder.is_dir():
            folder = folder.parent
        toplevel = run_git(folder, "rev-parse", "--show-toplevel")
        if toplevel.returncode:
            raise UserError(f"{name}: is in no git repository, so it has no revision {revision!r}")
        root = Path(toplevel.stdout.strip())
        try:
            content = dvc.api.read(
                str(name.resolve().relative_to(root)), repo=str(root), rev=revision, mode="rb"
            )
        except (DvcException, SCMError, OSError, ValueError) as error:
            reason = first_line(error)
            continue
        with scratch_folder() as temporary:
            (fetched := temporary / name.name).write_bytes(content)
            return Distributions.read(fetched).frame
    raise UserError(f"{names[-1]} at {revision!r}: cannot be read ({reason})")
