"""Pretraining: make the embedded ALM for an ingested corpus, on its ``pretrain`` speakers.

The audio tower is trained with a linear head (models/embedded_alm/towers.py). The head becomes the projector, and the
weights of the language model, which looks up the answer's letter, are written (lookup_language_model.py).
Validation speakers, whom the tower is not trained on, select its epoch and measure the whole model. If a run is killed,
the next one reads its spectrograms from the cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.audio.clips import clips
from ambivox.models.counted import counted
from ambivox.models.embedded_alm.answers import answer, questions_on
from ambivox.models.embedded_alm.architecture import WINDOW_FRAMES, save_folder
from ambivox.models.embedded_alm.audio_tower import encode
from ambivox.models.embedded_alm.lookup_language_model import write_lookup
from ambivox.models.embedded_alm.mel_spectrograms import pad_batch
from ambivox.models.embedded_alm.pretraining_settings import (
    Size,
    StatisticsSettings,
    statistics_settings,
    whisper_settings,
)
from ambivox.models.embedded_alm.tokenizer import build_tokenizer, training_texts
from ambivox.models.embedded_alm.tower_choice import (
    AUTO,
    STATISTICS,
    TowerChoice,
    choose_tower,
    fetch_whisper,
)
from ambivox.models.embedded_alm.towers import (
    TrainedTower,
    TrainingData,
    train_statistics_tower,
    train_whisper_tower,
)
from ambivox.models.embedded_alm.validation import MEASUREMENT_SHARE, SELECTION_SHARE, validation_utterances
from ambivox.models.embedded_alm.whisper_encoder import read_shape
from ambivox.models.embedded_alm.whisper_tuning import ENOUGH_RECORDINGS, WhisperTuningSettings
from ambivox.models.errors import MissingExtraError, TooLittleDataError, UserError
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.ingestion.small_corpora import LEAST_PRETRAIN_UTTERANCES
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import Utterances, Votes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

_logger = logging.getLogger(__name__)
_CACHE_VERSION = 4  # raise it when spectrograms change
_BATCH = 32


@dataclass(frozen=True)
class Pretrained:
    """Size of the data and the model, and scores on the validation speakers; JS is the base-2 divergence to their votes.

    ``audio_tower`` and ``tower_revision`` are those of ``TowerChoice``; ``epochs`` holds the curves of the tower.
    """

    audio_tower: str
    tower_revision: str | None

    utterances: int
    speakers: int
    validation_utterances: int
    validation_speakers: int
    parameters: int
    js: float
    prior_js: float
    accuracy: float
    prior_accuracy: float
    label_mass: float
    epochs: list[dict[str, float]]


def pretrain(
    utterances: Utterances,
    votes: Votes,
    out: Path,
    *,
    tower: str = AUTO,
    tower_revision: str | None = None,
    size: Size = "auto",
    epochs: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Pretrained:
    """Train the model and write its folder, with the measurements in training.json.

    Args:
        utterances: a corpus; only the split ``pretrain`` is used.
        votes: its votes; utterances without votes are not used.
        out: the model folder, replaced atomically.
        tower: the audio tower: ``auto``, ``statistics``, the folder of a Whisper, or its name on the hub.
        tower_revision: the commit on the hub, or the hash that the folder must have; None for what is there now.
        size: size of the statistics tower; ``auto`` chooses by the number of utterances.
        epochs: passes over the utterances; None for the tower's default.
        seed: of all random draws; the same seed and data give the same bytes.
        cache: folder for spectrograms and states of frozen layers, emptied when the model is written.

    Returns:
        The measurements.

    Raises:
        TooLittleDataError: too few utterances with votes in the split, or a single label.
        UserError: a label set that prompts cannot show, fewer than one epoch, no such Whisper, or a missing library.
        AudioError: a recording cannot be decoded.
    """
    _require_libraries()
    frame = utterances.in_splits("pretrain").frame
    n_NK = votes.counts(frame["utterance_id"])
    has_votes_N = n_NK.sum(1) > 0
    frame, n_NK = frame.filter(pl.Series(has_votes_N)), n_NK[has_votes_N]
    if frame.height < LEAST_PRETRAIN_UTTERANCES:
        raise TooLittleDataError(
            f"{counted(frame.height, 'utterance with votes is', 'utterances with votes are')} reserved for training an ALM (split pretrain), and "
            f"{LEAST_PRETRAIN_UTTERANCES} are needed; --alm names one that is trained already"
        )
    if len(utterances.labels) < 2:
        raise TooLittleDataError(
            f"the only label is {utterances.labels[0]!r}, so an ALM has nothing to choose among"
        )
    if epochs is not None and epochs < 1:
        raise UserError(f"--epochs must be at least 1, found {epochs}")
    choice = choose_tower(tower, tower_revision)
    if choice.notice:
        _logger.info(choice.notice)
    labels, transcripts = utterances.labels, frame["transcript"].to_list()
    is_selected = choice.tower == STATISTICS or frame.height < ENOUGH_RECORDINGS
    data = TrainingData(
        clips(frame),
        labels,
        n_NK / n_NK.sum(1, keepdims=True),
        validation_utterances(frame, seed, SELECTION_SHARE if is_selected else MEASUREMENT_SHARE),
    )
    tokenizer = build_tokenizer(labels, training_texts(labels, transcripts))
    whisper = None if choice.tower == STATISTICS else fetch_whisper(choice)
    settings: StatisticsSettings | WhisperTuningSettings
    if whisper is None:
        settings = statistics_settings(size, frame.height, epochs, seed)
    else:
        settings = whisper_settings(read_shape(whisper, len(labels)).tower_layers, frame.height, epochs, seed)
    intermediate = cache / _fingerprint(frame, n_NK, labels, choice, settings) if cache else None
    with _deterministic(settings.threads):
        if isinstance(settings, StatisticsSettings):
            trained = train_statistics_tower(data, tokenizer, settings, intermediate)
        else:
            assert whisper is not None
            trained = train_whisper_tower(data, tokenizer, whisper, settings, intermediate)
        prior_K = data.p_NK[~data.is_validation_N].mean(0)
        write_lookup(trained.model, tokenizer, labels, trained.head_KD, trained.bias_K, prior_K)
        trained.model.eval()
        result = _measure(frame, data, trained, tokenizer, prior_K, choice)
    with atomic_folder(out) as temporary:
        save_folder(trained.model, tokenizer, temporary)
        write_json(temporary / "training.json", asdict(result) | {"settings": asdict(settings)})
    if intermediate:
        shutil.rmtree(intermediate, ignore_errors=True)
    return result


def _measure(
    frame: pl.DataFrame,
    data: TrainingData,
    trained: TrainedTower,
    tokenizer: PreTrainedTokenizerFast,
    prior_K: NDArray[np.float64],
    choice: TowerChoice,
) -> Pretrained:
    """What the whole model answers on the validation utterances: the mean of two prompts for each."""
    rows = np.flatnonzero(data.is_validation_N)
    transcripts = frame["transcript"].gather(rows).to_list()
    outputs = _tower_outputs(trained, rows)
    q_QK, mass_Q = answer(trained.model, tokenizer, list(questions_on(data.labels, transcripts, outputs)))
    q_NK = 0.5 * (q_QK[0::2] + q_QK[1::2])
    p_NK = data.p_NK[rows]
    training, validation = (
        frame.filter(pl.Series(mask)) for mask in (~data.is_validation_N, data.is_validation_N)
    )
    return Pretrained(
        audio_tower=choice.tower,
        tower_revision=choice.revision,
        utterances=training.height,
        speakers=training["speaker"].n_unique(),
        validation_utterances=validation.height,
        validation_speakers=validation["speaker"].n_unique(),
        parameters=sum(weight.numel() for weight in trained.model.parameters()),
        js=float(jensen_shannon(p_NK, q_NK).mean()),
        prior_js=float(jensen_shannon(p_NK, np.broadcast_to(prior_K, p_NK.shape)).mean()),
        accuracy=float((q_NK.argmax(1) == p_NK.argmax(1)).mean()),
        prior_accuracy=float((p_NK.argmax(1) == prior_K.argmax()).mean()),
        label_mass=float(mass_Q.mean()),
        epochs=trained.history,
    )


def _tower_outputs(trained: TrainedTower, rows: NDArray[np.int64]) -> list[torch.Tensor]:
    """The tower's output for some recordings, frames by width."""
    import torch

    outputs: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    frames_N = trained.mels.frames_N[rows]
    by_length = np.argsort(frames_N, kind="stable")
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            part = by_length[start : start + _BATCH]
            batch = pad_batch([trained.mels[int(rows[index])] for index in part])
            h_BLD, is_audio_BL = encode(
                trained.model.model.audio_tower, batch, torch.from_numpy(frames_N[part])
            )
            for index, h_LD, is_audio_L in zip(part, h_BLD, is_audio_BL, strict=True):
                outputs[index] = h_LD[is_audio_L].clone()
    return outputs


def _fingerprint(
    frame: pl.DataFrame,
    n_NK: NDArray[np.float64],
    labels: tuple[str, ...],
    choice: TowerChoice,
    settings: StatisticsSettings | WhisperTuningSettings,
) -> str:
    """Name of the cache folder: a hash of data and settings."""
    digest = hashlib.sha256(
        json.dumps([_CACHE_VERSION, WINDOW_FRAMES, labels, asdict(choice), asdict(settings)]).encode()
    )
    for column in ("utterance_id", "audio_sha256", "transcript", "speaker"):
        digest.update(json.dumps(frame[column].to_list()).encode())
    digest.update(n_NK.tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _deterministic(threads: int) -> Iterator[None]:
    """A fixed number of threads and deterministic kernels, so that every run gives the same bits."""
    import torch

    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(deterministic_before)


def _require_libraries() -> None:
    from importlib.util import find_spec

    for library in ("torch", "transformers"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
