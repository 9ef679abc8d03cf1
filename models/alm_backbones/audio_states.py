"""The frozen audio tower's states: computed once per recording and cached by audio hash, in safetensors shards.

Every run on the same ALM shares the cache: all sources, with and without DiME-Aug, training and prediction.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.alm_backbones.backbone import Backbone, best_device, load
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip, clips
from ambivox.models.audio.decoding import RATE_HZ, decode_many
from ambivox.models.audio.perturbation import perturb
from ambivox.models.file_errors import error_text
from ambivox.models.files import atomic_path
from ambivox.models.progress import track
from ambivox.models.tables import Utterances

Recording = NDArray[np.float32] | AudioError
# Yields (key, recording) for the requested keys, in any order.
Loader = Callable[[list[str]], Iterator[tuple[str, Recording]]]

_logger = logging.getLogger(__name__)
_VERSION = "1"
_SHARD_RECORDINGS = 256
_TOWER_BATCH = 16


class AudioStates:
    """States by key, of shape (audio tokens, tower width), on the CPU.

    Attributes:
        errors: The reason by key, for recordings that cannot be read.
    """

    def __init__(self, backbone: Backbone, cache: Path | None) -> None:
        """Start with no states in memory.

        Args:
            backbone: The ALM that computes the states.
            cache: Folder of the cache, or None to keep states in memory only.
        """
        name = f"{backbone.resolved.revision}-{str(backbone.dtype).removeprefix('torch.')}-{_VERSION}"
        self._backbone = backbone
        self._folder = cache / name if cache else None
        self._states: dict[str, Tensor] = {}
        self.errors: dict[str, AudioError] = {}

    def __getitem__(self, key: str) -> Tensor:
        """The states of a recording that ``add`` has loaded."""
        return self._states[key]

    def add(self, keys: Iterable[str], loader: Loader) -> None:
        """Load the states of ``keys`` from the cache; compute and cache the missing ones."""
        requested = dict.fromkeys(key for key in keys if key not in self._states)
        self._read(set(requested))
        missing = [key for key in requested if key not in self._states]
        recordings = track(loader(missing) if missing else iter(()), "Audio tower", len(missing))
        while chunk := list(islice(recordings, _SHARD_RECORDINGS)):
            computed = self._compute(chunk)
            self._write(computed)
            self._states |= computed

    def _compute(self, chunk: list[tuple[str, Recording]]) -> dict[str, Tensor]:
        readable: list[tuple[str, NDArray[np.float32]]] = []
        for key, recording in chunk:
            if isinstance(recording, AudioError):
                self.errors[key] = recording
            else:
                readable.append((key, recording))
        readable.sort(key=lambda pair: len(pair[1]))
        computed: dict[str, Tensor] = {}
        for start in range(0, len(readable), _TOWER_BATCH):
            keys, recordings = zip(*readable[start : start + _TOWER_BATCH], strict=True)
            states = self._backbone.audio_states(recordings)
            # A slice without a copy would keep its whole padded batch in memory.
            computed |= {key: state.cpu().clone() for key, state in zip(keys, states, strict=True)}
        return computed

    def _read(self, keys: set[str]) -> None:
        from safetensors import SafetensorError, safe_open

        files = sorted(self._folder.glob("*.safetensors")) if self._folder and self._folder.is_dir() else []
        for file in files:
            try:
                with safe_open(file, framework="pt") as shard:
                    for key in keys.intersection(shard.keys()):
                        self._states[key] = shard.get_tensor(key)
            except (SafetensorError, OSError) as error:
                _logger.warning(f"{file}: not readable ({error_text(error)}); its states are computed again")

    def _write(self, states: dict[str, Tensor]) -> None:
        from safetensors.torch import save_file

        if not self._folder or not states:
            return
        name = hashlib.sha256("".join(sorted(states)).encode()).hexdigest()[:32]
        with atomic_path(self._folder / f"{name}.safetensors") as temporary:
            save_file(states, temporary)


def file_loader(clip_by_key: dict[str, Clip]) -> Loader:
    """Build a loader that decodes audio files.

    Args:
        clip_by_key: What to decode, by key.
    """

    def load_files(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        for index, recording in decode_many([clip_by_key[key] for key in keys], RATE_HZ):
            yield keys[index], recording

    return load_files


def variant_key(key: str, variant: int) -> str:
    """The key of a recording's perturbed variant; variant 0 is the recording itself."""
    return f"{key}~{variant}" if variant else key


def perturbing_loader(loader: Loader) -> Loader:
    """Build a loader of perturbed variants: ``variant_key`` determines the change of pitch or tempo.

    Args:
        loader: The loader of the unperturbed recordings.
    """

    def load_perturbed(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        variant_of = {key.partition("~")[0]: key for key in keys}
        for key, recording in loader(list(variant_of)):
            variant = variant_of[key]
            yield variant, recording if isinstance(recording, AudioError) else perturb(recording, variant)

    return load_perturbed


def mean_audio_states(
    utterances: Utterances, alm: Path, cache: Path | None = None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Compute the mean tower state of each recording.

    Args:
        utterances: N utterances.
        alm: Folder of the ALM.
        cache: Folder of cached states.

    Returns:
        ``features_NF`` (NaN for unreadable recordings), and the reason by utterance id for those.
    """
    device, dtype = best_device()
    states = AudioStates(load(str(alm), device, dtype), cache)
    keys = utterances.frame["audio_sha256"].to_list()
    states.add(keys, file_loader(dict(zip(keys, clips(utterances.frame), strict=True))))
    ids = utterances.frame["utterance_id"].to_list()
    errors = {
        name: str(states.errors[key]) for name, key in zip(ids, keys, strict=True) if key in states.errors
    }
    means = {key: states[key].double().mean(dim=0).numpy() for key in keys if key not in states.errors}
    width = len(next(iter(means.values()))) if means else 1
    missing_F = np.full(width, np.nan)
    return np.stack([means.get(key, missing_F) for key in keys]), errors
