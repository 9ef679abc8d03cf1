"""Publishing a folder on a model hub: a repository of its own, one commit and one tag per version.

HF_ENDPOINT names another hub than the Hugging Face Hub; HF_TOKEN is the token. Publishing the same version again changes
nothing; another content under the name of a version that is published is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.hub import hub_endpoint, hub_token
from ambivox.models.output_places import MARKER

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoFile

Kind = Literal["dataset", "model"]
_UNPUBLISHED = frozenset({MARKER, ".gitignore"})
#: Folders whose files are replaced as a whole by each version.
_OWN_FOLDERS = ("data/", "distributions/", "audformat/")
_URL_PREFIXES: dict[Kind, str] = {"dataset": "datasets/", "model": ""}
_READ_BYTES = 1 << 20
_ADVICE = {
    401: "the hub does not know this HF_TOKEN; make a new one in the hub's settings",
    403: "this HF_TOKEN may not write there; use a token with write access to {owner}",
    404: "there is no such owner, or HF_TOKEN does not open it",
    409: "somebody else is changing it; run the same command again",
    412: "somebody else changed it; run the same command again",
}


@dataclass(frozen=True)
class Published:
    """A version on the hub.

    Attributes:
        url: Its page.
        commit: Its commit.
        is_new: False where the hub had this version already.
    """

    url: str
    commit: str
    is_new: bool


def check_repository_name(name: str) -> str:
    """Check the name of a repository.

    Args:
        name: OWNER/NAME.

    Returns:
        ``name``.

    Raises:
        UserError: It is no such name.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{name!r} is not the name of a hub repository; expected OWNER/NAME") from error
    if name.count("/") != 1:
        raise UserError(f"{name!r} is not the name of a hub repository; expected OWNER/NAME")
    return name


def require_token(name: str) -> str:
    """The token that publishing needs.

    Args:
        name: OWNER/NAME.

    Raises:
        UserError: There is none.
    """
    if token := hub_token():
        return str(token)
    owner = name.split("/")[0]
    raise UserError(f"found no token for {hub_endpoint()}; set HF_TOKEN to one with write access to {owner}")


def repository_url(name: str, kind: Kind) -> str:
    """The page of a repository.

    Args:
        name: OWNER/NAME.
        kind: What it holds.
    """
    return f"{hub_endpoint()}/{_URL_PREFIXES[kind]}{name}"


def files_to_publish(folder: Path) -> dict[str, Path]:
    """The files of a folder that are published, by their names in the repository.

    Args:
        folder: The folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _UNPUBLISHED)
    return {path.relative_to(folder).as_posix(): path for path in files}


def publish(folder: Path, name: str, kind: Kind, version: str, *, public: bool = False) -> Published:
    """Publish a folder as a version of a repository, which is made where there is none.

    Args:
        folder: What to publish; ``files_to_publish`` lists it.
        name: OWNER/NAME.
        kind: What the repository holds.
        version: The tag of the commit.
        public: Whether a new repository is public; an existing one stays as it is.

    Returns:
        Where it is.

    Raises:
        UserError: There is no token, the hub refuses or cannot be reached, or the version is published with another
            content.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    token = require_token(name)
    files = files_to_publish(folder)
    url = repository_url(name, kind)
    api = HfApi(endpoint=hub_endpoint(), token=token)
    with _hub_errors(url, name, token):
        api.create_repo(name, repo_type=kind, private=not public, exist_ok=True)
        tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(name, repo_type=kind).tags}
        if version in tags:
            different = _different(files, _remote_files(api, name, kind, version))
            if different:
                raise UserError(
                    f"{url}: {version} is published with another content ({counted(len(different), 'file differs', 'files differ')}, the first is "
                    f"{different[0]}); a version never changes; release the next one"
                )
            return Published(f"{url}/tree/{version}", tags[version], is_new=False)
        parent = api.repo_info(name, repo_type=kind).sha
        outdated = [
            file.path
            for file in _remote_files(api, name, kind, "main")
            if file.path.startswith(_OWN_FOLDERS) and file.path not in files
        ]
        commit = api.create_commit(
            name,
            [
                *(CommitOperationAdd(inner, str(path)) for inner, path in files.items()),
                *(CommitOperationDelete(inner) for inner in outdated),
            ],
            commit_message=f"Release {version}",
            repo_type=kind,
            parent_commit=parent,
        ).oid
        api.create_tag(name, tag=version, revision=commit, repo_type=kind)
    return Published(f"{url}/tree/{version}", commit, is_new=True)


def _remote_files(api: HfApi, name: str, kind: Kind, revision: str) -> list[RepoFile]:
    from huggingface_hub.hf_api import RepoFile

    entries = api.list_repo_tree(name, recursive=True, revision=revision, repo_type=kind)
    return [entry for entry in entries if isinstance(entry, RepoFile) and entry.path != ".gitattributes"]


def _different(files: dict[str, Path], remote: Sequence[RepoFile]) -> list[str]:
    """Names of files that are not the same in the folder and in the repository."""
    published = {file.path: file for file in remote}
    absent = [name for name in published if name.startswith(_OWN_FOLDERS) and name not in files]
    changed = [
        name for name, path in files.items() if name not in published or not _is_same(path, published[name])
    ]
    return sorted([*absent, *changed])


def _is_same(path: Path, file: RepoFile) -> bool:
    size = path.stat().st_size
    if size != file.size:
        return False
    if file.lfs is not None:
        return _digest(path, "sha256", b"") == file.lfs.sha256
    return _digest(path, "sha1", b"blob %d\0" % size) == file.blob_id


def _digest(path: Path, algorithm: str, prefix: bytes) -> str:
    digest = hashlib.new(algorithm, prefix, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _hub_errors(url: str, name: str, token: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one line, without the token."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except UserError:
        raise
    except (
        HfHubHTTPError,
        httpx2.HTTPError,
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        refusal = _refusal(error)
        if refusal is None:
            reason = f"cannot be reached ({type(error).__name__})"
            if not isinstance(error, httpx2.HTTPError | OSError):
                reason = f"gave no usable answer ({type(error).__name__}: {_one_line(str(error), token)})"
            raise UserError(f"{url}: {reason}; run the same command again") from None
        status = refusal.response.status_code
        message = _one_line(refusal.server_message or "", token)
        advice = _ADVICE.get(status, "run the same command again").format(owner=name.split("/")[0])
        raise UserError(
            f"{url}: the hub answered {status}{f' ({message})' if message else ''}; {advice}"
        ) from None


def _refusal(error: BaseException | None) -> HfHubHTTPError | None:
    """The hub's answer among the causes of an error."""
    from huggingface_hub.errors import HfHubHTTPError

    while error is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error


def _one_line(text: str, token: str) -> str:
    line = "".join(sign for sign in " ".join(text.replace(token, "***").split()) if sign.isprintable())
    return line[:200]
