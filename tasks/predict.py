"""Predict emotion distributions with a fine-tuned model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.errors import OnError
from ambivox.models.number_ranges import Count

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Options of the step ``predict``.

    Attributes:
        splits: Predict for these splits.
        batch: Utterances per batch.
        on_error: What to do with an utterance whose audio cannot be read: reject it, or stop.
        cache: Folder where the audio tower's states are kept by audio hash.
    """

    splits: tuple[str, ...] = ("test",)
    batch: Count = 32
    on_error: OnError = "reject"
    cache: Path = Path(".ambivox/audio-states")


def predict(
    *, utterances: Path, model: Path, out: Path, alm: str | None = None, options: PredictOptions
) -> Path:
    """Write one distribution per utterance, as the fine-tuned model predicts it.

    Args:
        utterances: Table of utterances.
        model: Folder that finetune wrote.
        out: Table of distributions to write.
        alm: Folder or key of the base ALM, where it has moved since the model was trained.
        options: See PredictOptions.

    Returns:
        The table.

    Raises:
        UserError: Other labels than the model's, no utterances, a model that was fitted with data that is forgotten, or,
            with on_error "stop", a recording that cannot be read.
    """
    from ambivox.models.alm_backbones.libraries import prepare_libraries
    from ambivox.models.finetuning.model.card import read_card
    from ambivox.models.output_places import check_folders_to_fill, check_output_file
    from ambivox.models.parquet_files import LABELS_KEY
    from ambivox.models.withdrawn import check_not_withdrawn

    check_output_file(out, ".parquet", LABELS_KEY, (utterances,))
    check_folders_to_fill(options.cache)
    check_not_withdrawn(model)
    prepare_libraries(four_bit=read_card(model).quantised)
    from ambivox.models.finetuning import predict as prediction
    from ambivox.models.tables import Utterances

    predictions, rejects = prediction.predict(
        Utterances.read(utterances).in_splits(*options.splits),
        model,
        alm,
        batch=options.batch,
        on_error=options.on_error,
        cache=options.cache,
    )
    predictions.write(out)
    _logger.info(f"{counted(len(predictions), 'utterance')} predicted ({', '.join(options.splits)})")
    for utterance_id, reason in rejects.items():
        _logger.info(f"rejected {utterance_id}: {reason}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(predict)
