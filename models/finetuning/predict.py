"""Distributions for utterances by a fine-tuned model: everything ``tasks/predict.py`` does."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from models.errors import UserError
from models.finetuning.audio_states import AudioStates
from models.finetuning.backbone import best_device
from models.finetuning.examples import examples_of
from models.finetuning.prediction import predict_rows
from models.finetuning.saved import load_model
from models.finetuning.settings import OnError
from models.tables import Distributions, Utterances


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
        raise UserError(f"{model} answers with {', '.join(card.labels)}; the utterances' labels are {', '.join(utterances.labels)}")  # fmt: skip
    if not len(utterances):
        raise UserError("no utterance to predict: none is in the splits that were asked for")
    states = AudioStates(loaded.backbone, cache)
    examples, left_out = examples_of(utterances, loaded.backbone, states, card.arm, on_error)
    p_NK = predict_rows(loaded, examples, states, batch, show=True)
    ids = pl.Series("utterance_id", examples.utterance_ids, dtype=pl.String)
    return Distributions.of(ids, card.source, p_NK, card.labels), left_out
