"""ALMs on S3: every prefix directly below the source's prefix that holds a config.json."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ambivox.models.annotator_registry.candidate import DOWNLOADED_FILES, Candidate, SourceError, place_below
from ambivox.models.files import atomic_folder
from ambivox.models.object_store import SCHEME, ObjectStoreError, download_object, list_objects

PREFIX = SCHEME


def list_s3(source: str) -> Iterator[Candidate]:
    """Every ALM below an S3 prefix; its version is a digest of its objects' names and ETags.

    Args:
        source: ``s3://BUCKET/PREFIX``. AWS_ENDPOINT_URL is respected.

    Raises:
        SourceError: S3 cannot be reached, or refuses.
    """
    prefix = f"{source.rstrip('/')}/"
    try:
        objects = list_objects(prefix)
    except (ObjectStoreError, OSError) as error:
        raise SourceError(f"{source}: {error}") from error
    for entry in objects:
        folder, _, name = entry.url.rpartition("/")
        if name != "config.json" or "/" in folder.removeprefix(prefix):
            continue
        tags = sorted((member.url, member.etag) for member in objects if member.url.startswith(f"{folder}/"))
        digest = hashlib.sha256("\0".join(f"{url}\0{tag}" for url, tag in tags).encode()).hexdigest()
        yield Candidate(folder.removeprefix(prefix), digest, source, folder)


def download_from_s3(candidate: Candidate, folder: Path) -> Path:
    """Download an ALM's weights and text files into ``folder``, which appears only when complete.

    Raises:
        SourceError: S3 cannot be reached, or refuses.
    """
    prefix = f"{candidate.location}/"
    try:
        with atomic_folder(folder) as temporary:
            for entry in list_objects(prefix):
                name = entry.url.removeprefix(prefix)
                if not any(PurePosixPath(name).match(pattern) for pattern in DOWNLOADED_FILES):
                    continue
                place = place_below(temporary, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                download_object(entry.url, place)
    except (ObjectStoreError, OSError) as error:
        raise SourceError(f"{candidate.short_name} could not be downloaded: {error}") from error
    return folder
