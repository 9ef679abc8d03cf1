"""Sources of new ALMs: a hub's models by author, collection or filter, a folder, an S3 prefix, a provider's list.

A source is one line of text, so that a field of a schedule's form can hold it:

- ``hub:author=Qwen``, ``hub:filter=audio-text-to-text``, ``hub:collection=OWNER/NAME-0123abcd``; parts are
  joined by commas (``hub:author=Qwen,filter=audio-text-to-text``). HF_ENDPOINT and HF_TOKEN are respected.
- ``folder:/models``: every folder in it that holds a config.json.
- ``s3://bucket/prefix``: every prefix below it that holds a config.json. AWS_ENDPOINT_URL is respected.
- ``models:https://host/v1``: the hosted ALMs that an OpenAI-compatible API lists (models_source.py).
"""

from __future__ import annotations

from pathlib import Path

from ambivox.models.annotator_registry import folder_source, hub_source, models_source, s3_source
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.errors import UserError


def list_candidates(source: str, timeout_seconds: float = 30.0) -> list[Candidate]:
    """Every ALM that ``source`` offers now, sorted by name and version.

    Args:
        source: One of the forms above.
        timeout_seconds: How long one request to a hub may take.

    Raises:
        UserError: ``source`` has none of the forms above, or its folder does not exist.
        SourceError: The source refused, or gave no usable answer in three attempts.
        MissingExtraError: A hub is named and huggingface_hub is not installed.
    """
    if source.startswith(hub_source.PREFIX):
        offered = hub_source.list_hub(source, timeout_seconds)
    elif source.startswith(s3_source.PREFIX):
        offered = list(s3_source.list_s3(source))
    elif source.startswith(folder_source.PREFIX):
        offered = list(folder_source.list_folder(source))
    elif source.startswith(models_source.PREFIX):
        offered = list(models_source.list_models(source, timeout_seconds))
    else:
        raise UserError(
            f"unknown source {source!r}; expected hub:author=NAME, hub:collection=SLUG, hub:filter=TAG, folder:PATH, "
            "s3://BUCKET/PREFIX or models:URL"
        )
    return sorted(set(offered), key=lambda candidate: (candidate.alm, candidate.version))


def fetch_candidate(candidate: Candidate, cache: Path) -> Path:
    """The candidate as a local folder, downloaded below ``cache`` unless it is local or was downloaded before.

    Raises:
        SourceError: The download failed.
        MissingExtraError: It is on a hub and huggingface_hub is not installed.
    """
    if candidate.source.startswith(folder_source.PREFIX):
        return Path(candidate.location)
    folder = cache / candidate.folder_name
    if (folder / "config.json").is_file():
        return folder
    if candidate.source.startswith(s3_source.PREFIX):
        return s3_source.download_from_s3(candidate, folder)
    return hub_source.download_from_hub(candidate, folder)
