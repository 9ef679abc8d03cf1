"""Distributions predicted by a fine-tuned model: the work of the step ``predict``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.alm_backbones.backbone import best_device
from ambivox.models.errors import OnError, TooLittleDataError, UserError
from ambivox.models.finetuning.data.example_building import build_examples
from ambivox.models.finetuning.model.model_folder import load_model
from ambivox.models.finetuning.training.batched_forward import predict_examples
from ambivox.models.tables import Distributions, Utterances


def predict(
    utterances: Utterances,
    model: Path,
    alm: str | None,
    *,
    batch: int,
    on_error: OnError = "reject",
    cache: Path | None,
) -> tuple[Distributions, dict[str, str]]:
    """Predict one distribution per utterance.

    Args:
        utterances: The utterances to predict.
        model: Folder of the fine-tuned model.
        alm: Folder or key of the base ALM; by default where it was at training time.
        batch: Utterances per batch.
        on_error: What to do with an utterance whose audio cannot be read.
        cache: Folder of cached audio states.

    Returns:
        The predictions, and the reason by id of each rejected utterance.

    Raises:
        UserError: The labels are not the model's, there are no utterances, or audio cannot be read.
    """
    device, dtype = best_device()
    loaded, card = load_model(model, alm, device, dtype)
    if card.labels != utterances.labels:
        raise UserError(
            f"the utterances' labels are {', '.join(utterances.labels)}; {model} predicts {', '.join(card.labels)}; "
            "choose a model that was trained on these labels"
        )
    if not len(utterances):
        raise TooLittleDataError("found no utterance to predict; choose a split that has utterances")
    states = AudioStates(loaded.backbone, cache)
    examples, rejects = build_examples(utterances, loaded.backbone, states, card.modality, on_error)
    if not len(examples):
        raise UserError(
            f"none of the {len(utterances)} utterances can be read: {next(iter(rejects.values()))}; "
            "check the audio paths in the table of utterances"
        )
    p_NK = predict_examples(loaded, examples, states, batch, show_progress=True)
    ids = pl.Series("utterance_id", examples.utterance_ids, dtype=pl.String)
    return Distributions.of(ids, card.source, p_NK, card.labels), rejects
