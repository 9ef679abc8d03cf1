"""Which audio tower the embedded ALM gets: spectral statistics, or a published Whisper at one revision.

A Whisper is a folder, known by the hash of its content, or a model on the hub, known by its commit. ``auto`` is Whisper
tiny where the hub, or this machine's copy of it, has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ambivox.models.embedded_alm.whisper_encoder import WEIGHTS, WEIGHTS_INDEX, weight_parts
from ambivox.models.errors import UserError
from ambivox.models.hub import hub_endpoint, hub_error, hub_token, is_commit, model_commit
from ambivox.models.prompting.model_folder import find_model, revision_of

AUTO, STATISTICS = "auto", "statistics"
DEFAULT_WHISPER = "openai/whisper-tiny"
DEFAULT_REVISION = "169d4a4341b33bc18d8881c4b69c2e104e1cc0af"

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CONFIG = "config.json"


@dataclass(frozen=True)
class TowerChoice:
    """A tower, exactly.

    Attributes:
        tower: STATISTICS, a model folder, or a name on the hub.
        revision: the commit on the hub, or the hash of the folder; None for STATISTICS.
        notice: what whoever trains with it should know; "" for nothing.
    """

    tower: str
    revision: str | None
    notice: str = field(default="", compare=False)


def choose_tower(tower: str, revision: str | None = None) -> TowerChoice:
    """Settle which tower an option means.

    Args:
        tower: AUTO, STATISTICS, a model folder, or a name on the hub such as openai/whisper-base.
        revision: a commit, branch or tag on the hub, or the hash that the folder must have; None for the newest
            commit, or whatever the folder holds.

    Returns:
        The tower with its revision. For AUTO without a hub, STATISTICS, with a notice.

    Raises:
        UserError: there is no such folder or model, or the folder holds something other than ``revision``.
    """
    if tower == STATISTICS:
        return TowerChoice(STATISTICS, None, _statistics_notice())
    if tower == AUTO:
        return _default_tower()
    if Path(tower).is_dir():
        content = revision_of(find_model(Path(tower)))
        if revision not in (None, content):
            raise UserError(
                f"{tower}: expected the Whisper of revision {revision}, found {content}; the folder has changed: "
                "leave --tower-revision out to take it as it is"
            )
        return TowerChoice(tower, content)
    if not _HUB_NAME.fullmatch(tower):
        raise UserError(
            f"--tower {tower}: expected {AUTO}, {STATISTICS}, the folder of a Whisper, "
            f"or a name on the hub such as {DEFAULT_WHISPER}; there is no such folder"
        )
    if is_commit(revision):
        return TowerChoice(tower, revision)
    return TowerChoice(tower, _commit(tower, revision))


def fetch_whisper(choice: TowerChoice) -> Path:
    """The folder of a chosen Whisper; a download from the hub stays in huggingface_hub's cache.

    Only its configuration and its safetensors weights are downloaded.

    Raises:
        UserError: the hub does not answer, or has no such file.
    """
    if Path(choice.tower).is_dir():
        return find_model(Path(choice.tower))
    from huggingface_hub.errors import RemoteEntryNotFoundError

    folder = _download(choice, _CONFIG).parent
    try:
        _download(choice, WEIGHTS)
    except RemoteEntryNotFoundError:
        for part in weight_parts(_download(choice, WEIGHTS_INDEX)):
            _download(choice, part)
    return folder


def _default_tower() -> TowerChoice:
    default = TowerChoice(DEFAULT_WHISPER, DEFAULT_REVISION)
    try:
        if not _is_cached(default):
            _commit(default.tower, default.revision)
    except UserError as error:
        reason = f", since {DEFAULT_WHISPER} cannot be had ({error})"
        return TowerChoice(STATISTICS, None, _statistics_notice(reason))
    return default


def _statistics_notice(reason: str = "") -> str:
    return (
        f"the audio tower computes spectral statistics{reason}. A published Whisper hears more: --tower {DEFAULT_WHISPER} "
        "on a machine with the hub, or --tower FOLDER (`ambivox run`: --set pretrain.tower=...)"
    )


def _commit(name: str, revision: str | None) -> str:
    """The commit that a revision is at the hub now."""
    commit = model_commit(name, revision)
    if not commit:
        raise UserError(f"{hub_endpoint()}: {name}: expected a commit, found {commit!r}")
    return commit


def _is_cached(choice: TowerChoice) -> bool:
    from huggingface_hub import try_to_load_from_cache

    names = (_CONFIG, WEIGHTS)
    return all(
        isinstance(try_to_load_from_cache(choice.tower, name, revision=choice.revision), str)
        for name in names
    )


def _download(choice: TowerChoice, name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        path = hf_hub_download(
            choice.tower, name, revision=choice.revision, endpoint=hub_endpoint(), token=hub_token()
        )
    except RemoteEntryNotFoundError:
        if name == WEIGHTS:
            raise
        raise UserError(f"{hub_endpoint()}: {choice.tower} has no {name} at {choice.revision}") from None
    except Exception as error:
        raise hub_error(choice.tower, error) from error
    return Path(path)
