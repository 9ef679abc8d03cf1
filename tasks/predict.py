"""Predict emotion distributions with a fine-tuned model."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.errors import OnError


def predict(
    *,
    utterances: Path,
    model: Path,
    out: Path,
    alm: str | None = None,
    splits: tuple[str, ...] = ("test",),
    batch: int = 32,
    on_error: OnError = "reject",
    cache: Path = Path(".ambivox/audio-states"),
) -> Path:
    """Write one distribution per utterance, as the fine-tuned model gives it.

    Args:
        utterances: Table of utterances.
        model: Folder that finetune made.
        out: Table of distributions to write.
        alm: Folder or key of the base ALM, where it is not where it was when the model was trained.
        splits: Predict for these splits.
        batch: Utterances in a batch.
        on_error: What to do with an utterance whose audio cannot be read.
        cache: Folder where the audio tower's states are kept by audio hash.
    """
    from ambivox.models.alm_backbones.libraries import prepare_libraries
    from ambivox.models.finetuning.model.card import read_card

    prepare_libraries(four_bit=read_card(model).quantised)
    from ambivox.models.finetuning import predict as prediction
    from ambivox.models.tables import Utterances

    predictions, rejects = prediction.predict(
        Utterances.read(utterances).in_splits(*splits),
        model,
        alm,
        batch=batch,
        on_error=on_error,
        cache=cache,
    )
    predictions.write(out)
    print(f"{len(predictions)} utterances predicted ({', '.join(splits)})")
    for utterance_id, reason in rejects.items():
        print(f"rejected {utterance_id}: {reason}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(predict)
