"""The frozen audio tower's states, computed once per recording and kept under its hash, in safetensors shards.

Every run on the same ALM shares them: all sources, with and without DiME-Aug, training and predicting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.alm_backbones.backbone import Backbone, best_device, load
from ambivox.models.audio.decoding import RATE_HZ, AudioError, decode_many
from ambivox.models.audio.perturbation import perturb
from ambivox.models.files import atomic_path
from ambivox.models.progress import track
from ambivox.models.tables import Utterances

Recording = NDArray[np.float32] | AudioError
# Yields (key, recording) for the keys asked for, in any order.
Loader = Callable[[list[str]], Iterator[tuple[str, Recording]]]

_VERSION = "1"
_SHARD_RECORDINGS = 256
_TOWER_BATCH = 16


class AudioStates:
    """States by key, (audio tokens, tower width) on the CPU; and the reason by key where there are none."""

    def __init__(self, backbone: Backbone, cache: Path | None) -> None:
        name = f"{backbone.resolved.revision}-{str(backbone.dtype).removeprefix('torch.')}-{_VERSION}"
        self._backbone = backbone
        self._folder = cache / name if cache else None
        self._states: dict[str, Tensor] = {}
        self.errors: dict[str, AudioError] = {}

    def __getitem__(self, key: str) -> Tensor:
        """The states of the recording with this key, which ``add`` was asked for."""
        return self._states[key]

    def add(self, keys: Iterable[str], loader: Loader) -> None:
        """Read the states of ``keys`` from the cache; compute and keep those that are not there."""
        wanted = dict.fromkeys(key for key in keys if key not in self._states)
        self._read(set(wanted))
        missing = [key for key in wanted if key not in self._states]
        recordings = track(loader(missing) if missing else iter(()), "Audio tower", len(missing))
        while chunk := list(islice(recordings, _SHARD_RECORDINGS)):
            made = self._compute(chunk)
            self._write(made)
            self._states |= made

    def _compute(self, chunk: list[tuple[str, Recording]]) -> dict[str, Tensor]:
        heard: list[tuple[str, NDArray[np.float32]]] = []
        for key, recording in chunk:
            if isinstance(recording, AudioError):
                self.errors[key] = recording
            else:
                heard.append((key, recording))
        heard.sort(key=lambda pair: len(pair[1]))
        made: dict[str, Tensor] = {}
        for start in range(0, len(heard), _TOWER_BATCH):
            keys, recordings = zip(*heard[start : start + _TOWER_BATCH], strict=True)
            states = self._backbone.audio_states(recordings)
            # A copy each: a slice would keep its whole padded batch in memory.
            made |= {key: state.cpu().clone() for key, state in zip(keys, states, strict=True)}
        return made

    def _read(self, wanted: set[str]) -> None:
        from safetensors import safe_open

        files = sorted(self._folder.glob("*.safetensors")) if self._folder and self._folder.is_dir() else []
        for file in files:
            with safe_open(file, framework="pt") as shard:
                for key in wanted.intersection(shard.keys()):
                    self._states[key] = shard.get_tensor(key)

    def _write(self, made: dict[str, Tensor]) -> None:
        from safetensors.torch import save_file

        if not self._folder or not made:
            return
        name = hashlib.sha256("".join(sorted(made)).encode()).hexdigest()[:32]
        with atomic_path(self._folder / f"{name}.safetensors") as temporary:
            save_file(made, temporary)


def recorded(audio_by_key: dict[str, str]) -> Loader:
    """A loader of audio files, by key."""

    def loader(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        for index, recording in decode_many([audio_by_key[key] for key in keys], RATE_HZ):
            yield keys[index], recording

    return loader


def variant_key(key: str, variant: int) -> str:
    """The key of a recording's perturbed variant; variant 0 is the recording itself."""
    return f"{key}~{variant}" if variant else key


def perturbed(loader: Loader) -> Loader:
    """A loader of what ``variant_key`` names: the recording, its pitch or tempo changed as the key decides."""

    def changed(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        key_of = {key.partition("~")[0]: key for key in keys}
        for base, recording in loader(list(key_of)):
            key = key_of[base]
            yield key, recording if isinstance(recording, AudioError) else perturb(recording, key)

    return changed


def mean_audio_states(
    utterances: Utterances, alm: Path, cache: Path | None = None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Each recording as its mean tower state, ``features_NF`` (NaN where unreadable), and reasons by id."""
    device, dtype = best_device()
    states = AudioStates(load(str(alm), device, dtype), cache)
    keys = utterances.frame["audio_sha256"].to_list()
    states.add(keys, recorded(dict(utterances.frame.select("audio_sha256", "audio").iter_rows())))
    ids = utterances.frame["utterance_id"].to_list()
    errors = {
        name: str(states.errors[key]) for name, key in zip(ids, keys, strict=True) if key in states.errors
    }
    means = {key: states[key].double().mean(dim=0).numpy() for key in keys if key not in states.errors}
    width = len(next(iter(means.values()))) if means else 1
    missing = np.full(width, np.nan)
    return np.stack([means.get(key, missing) for key in keys]), errors
