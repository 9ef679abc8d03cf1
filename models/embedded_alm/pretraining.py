"""Pretraining: train the embedded ALM from scratch on the ``pretrain`` speakers of an ingested corpus.

There are two stages: the classifier of the audio tower (models/embedded_alm/tower_training.py), then projector and
language model (models/embedded_alm/language_model_training.py). Validation speakers, whom neither stage trains on, select
the weights and measure the model. If a run is killed, the next one reads its spectrograms from the cache.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.audio.clips import clips
from ambivox.models.embedded_alm.architecture import WINDOW_FRAMES, build_model, save_folder
from ambivox.models.embedded_alm.audio_tower import encode, mean_logits
from ambivox.models.embedded_alm.language_model_training import train_language_model
from ambivox.models.embedded_alm.lookup_language_model import write_lookup
from ambivox.models.embedded_alm.mel_spectrograms import MelSpectrograms, log_mel_spectrograms, pad_batch
from ambivox.models.embedded_alm.pretraining_settings import PretrainingSettings, Size, settings_for
from ambivox.models.embedded_alm.spectral_statistics import frame_head, write_statistics
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.tower_layout import TowerLayout
from ambivox.models.embedded_alm.tower_training import train_tower
from ambivox.models.embedded_alm.training_prompts import Recordings, tokenizer_texts
from ambivox.models.embedded_alm.validation import validation_utterances
from ambivox.models.errors import MissingExtraError, TooLittleDataError
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.ingestion.small_corpora import LEAST_PRETRAIN_UTTERANCES
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import Utterances, Votes

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2AudioForConditionalGeneration

_CACHE_VERSION = 3  # raise it when spectrograms change
_BATCH = 32


@dataclass(frozen=True)
class Pretrained:
    """Size of the data and the model, and scores on the validation speakers; JS is the base-2 divergence to their votes.

    ``tower`` and ``language_model`` hold the curves of both stages.
    """

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
    tower: list[dict[str, float]]
    language_model: list[dict[str, float]]


def pretrain(
    utterances: Utterances,
    votes: Votes,
    out: Path,
    *,
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
        size: size of the tower; ``auto`` chooses by the number of utterances.
        epochs: epochs of the first stage; None for the default of the size.
        seed: of all random draws; the same seed and data give the same bytes.
        cache: folder for spectrograms, removed when the model is written.

    Returns:
        The measurements.

    Raises:
        TooLittleDataError: too few utterances with votes in the split, or a single label.
        UserError: a label set that prompts cannot show, fewer than one
            epoch, or a missing library.
        AudioError: a recording cannot be decoded.
    """
    _require_libraries()
    frame = utterances.in_splits("pretrain").frame
    n_NK = votes.counts(frame["utterance_id"])
    has_votes_N = n_NK.sum(1) > 0
    frame, n_NK = frame.filter(pl.Series(has_votes_N)), n_NK[has_votes_N]
    if frame.height < LEAST_PRETRAIN_UTTERANCES:
        raise TooLittleDataError(
            f"no ALM can be trained: found {frame.height} utterances with votes in the split 'pretrain', expected at "
            f"least {LEAST_PRETRAIN_UTTERANCES}; use another ALM, or reserve more speakers for pretrain (ingest's shares)"
        )
    if len(utterances.labels) < 2:
        raise TooLittleDataError(
            f"the only label is {utterances.labels[0]!r}, so an ALM has nothing to choose among"
        )
    p_NK = n_NK / n_NK.sum(1, keepdims=True)
    settings = settings_for(size, frame.height, epochs, seed)
    spectrograms = cache / _fingerprint(frame, n_NK, utterances.labels, settings) if cache else None
    with _deterministic(settings.threads):
        is_validation_N = validation_utterances(frame, seed)
        result = _train(frame, utterances.labels, p_NK, is_validation_N, settings, spectrograms, out)
    if spectrograms:
        shutil.rmtree(spectrograms, ignore_errors=True)
    return result


def _train(
    frame: pl.DataFrame,
    labels: tuple[str, ...],
    p_NK: NDArray[np.float64],
    is_validation_N: NDArray[np.bool_],
    settings: PretrainingSettings,
    cache: Path | None,
    out: Path,
) -> Pretrained:
    import torch

    transcripts = frame["transcript"].to_list()
    tokenizer = build_tokenizer(labels, tokenizer_texts(labels, transcripts))
    mels = log_mel_spectrograms(clips(frame), cache)
    torch.manual_seed(settings.tower.seed)
    model = build_model(settings.shape(len(labels)), tokenizer)
    tower, layout = model.model.audio_tower.eval(), TowerLayout(settings.bands, len(labels))
    write_statistics(tower, layout)
    tower_history = train_tower(tower, layout, mels, p_NK, is_validation_N, settings.tower)
    prior_K = p_NK[~is_validation_N].mean(0)
    write_lookup(model, tokenizer, labels, *frame_head(tower, layout), prior_K)
    tower_outputs, q_NK = _tower_outputs(tower, layout, mels)
    recordings = Recordings(tower_outputs, transcripts, q_NK, p_NK)
    history = train_language_model(
        model, tokenizer, labels, recordings, is_validation_N, settings.language_model
    )
    model.eval()
    result = _result(frame, p_NK, is_validation_N, prior_K, model, tower_history, history)
    with atomic_folder(out) as temporary:
        save_folder(model, tokenizer, temporary)
        write_json(temporary / "training.json", asdict(result) | {"settings": asdict(settings)})
    return result


def _tower_outputs(
    tower: Any, layout: TowerLayout, mels: MelSpectrograms
) -> tuple[list[torch.Tensor], NDArray[np.float64]]:
    """Per recording, the tower's output (frames by width) and the distribution that its classifier predicts."""
    import torch

    head = frame_head(tower, layout)
    outputs: list[torch.Tensor] = [torch.empty(0)] * len(mels)
    q_NK = np.zeros((len(mels), layout.label_count))
    by_length = np.argsort(mels.frames_N, kind="stable")
    with torch.no_grad():
        for start in range(0, len(by_length), _BATCH):
            rows = by_length[start : start + _BATCH]
            batch = pad_batch([mels[int(row)] for row in rows])
            h_BLD, is_audio_BL = encode(tower, batch, torch.from_numpy(mels.frames_N[rows]))
            logits_BK = mean_logits(h_BLD, is_audio_BL, *head).double()
            q_NK[rows] = torch.softmax(logits_BK, dim=1).numpy()
            for row, h_LD, is_audio_L in zip(rows, h_BLD, is_audio_BL, strict=True):
                outputs[row] = h_LD[is_audio_L].clone()
    return outputs, q_NK


def _result(
    frame: pl.DataFrame,
    p_NK: NDArray[np.float64],
    is_validation_N: NDArray[np.bool_],
    prior_K: NDArray[np.float64],
    model: Qwen2AudioForConditionalGeneration,
    tower_history: list[dict[str, float]],
    history: list[dict[str, float]],
) -> Pretrained:
    training, validation = (frame.filter(pl.Series(mask)) for mask in (~is_validation_N, is_validation_N))
    validation_NK = p_NK[is_validation_N]
    prior_NK = np.broadcast_to(prior_K, validation_NK.shape)
    best = min(history, key=lambda entry: entry["validation_loss"])
    return Pretrained(
        utterances=training.height,
        speakers=training["speaker"].n_unique(),
        validation_utterances=validation.height,
        validation_speakers=validation["speaker"].n_unique(),
        parameters=sum(weight.numel() for weight in model.parameters()),
        js=best["validation_js"],
        prior_js=float(jensen_shannon(validation_NK, prior_NK).mean()),
        accuracy=best["validation_accuracy"],
        prior_accuracy=float((validation_NK.argmax(1) == prior_K.argmax()).mean()),
        label_mass=best["label_mass"],
        tower=tower_history,
        language_model=history,
    )


def _fingerprint(
    frame: pl.DataFrame, n_NK: NDArray[np.float64], labels: tuple[str, ...], settings: PretrainingSettings
) -> str:
    """Name of the cache folder: a hash of data and settings."""
    digest = hashlib.sha256(json.dumps([_CACHE_VERSION, WINDOW_FRAMES, labels, asdict(settings)]).encode())
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
