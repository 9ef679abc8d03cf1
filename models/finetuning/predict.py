"""Distributions for utterances by a fine-tuned model: everything ``tasks/predict.py`` does."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.alm_backbones.backbone import best_device
from ambivox.models.errors import UserError
from ambivox.models.finetuning.data.examples import examples_of
from ambivox.models.finetuning.model.model_folder import load_model
from ambivox.models.finetuning.settings import OnError
from ambivox.models.finetuning.training.inference import predict_rows
from ambivox.models.tables import Distributions, Utterances


def predict(
    utterances: Utterances, model: Path, alm: str | None, *, batch: int, on_error: OnError, cache: Path | None
) -> tuple[Distributions, dict[str, str]]:
    """The predictions, and the reason by id of each utterance left out.

    Raises:
        UserError: other labels than the model's, no utterances, or a recording that cannot be read.
    """
    device, dtype = best_device()
    loaded, card = load_model(model, alm, device, dtype)
    if card.labels != utterances.labels:
        raise UserError(
            f"{model} answers with {', '.join(card.labels)}; the utterances' labels are {', '.join(utterances.labels)}"
        )
    if not len(utterances):
        raise UserError("no utterance to predict: none is in the splits that were asked for")
    states = AudioStates(loaded.backbone, cache)
    examples, left_out = examples_of(utterances, loaded.backbone, states, card.modality, on_error)
    p_NK = predict_rows(loaded, examples, states, batch, show=True)
    ids = pl.Series("utterance_id", examples.utterance_ids, dtype=pl.String)
    return Distributions.of(ids, card.source, p_NK, card.labels), left_out
