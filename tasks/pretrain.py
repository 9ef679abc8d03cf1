"""pretrain: the embedded ALM, trained on speakers that nothing else uses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.models.counted import counted
from ambivox.models.number_ranges import CountOrNone, Seed

_logger = logging.getLogger(__name__)
FIGURES = "training.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """Options of the step ``pretrain``.

    Attributes:
        tower: The audio tower: a Whisper encoder by its name on the hub (openai/whisper-base) or its folder, or
            statistics, which needs no download. auto takes openai/whisper-tiny if the hub has it, else statistics.
        tower_revision: The Whisper's commit on the hub, or the hash that its folder must have; by default what is there.
        size: Size of the statistics tower; auto takes small below 1500 clips.
        epochs: Passes over the clips; by default what the tower needs.
        cache: Folder for spectrograms and other intermediate arrays until the model is written.
        seed: Seed of the training; equal seeds and data give equal models.
    """

    tower: str = "auto"
    tower_revision: str | None = None
    size: Literal["auto", "small", "base"] = "auto"
    epochs: CountOrNone | None = None
    cache: Path = Path(".ambivox/pretrain")
    seed: Seed = 0


def pretrain(*, utterances: Path, votes: Path, out: Path, options: PretrainOptions) -> Path:
    """Train the embedded ALM, a small Qwen2-Audio, on the speakers of the split pretrain.

    Writes a model folder that transformers and vLLM load like any other, with training.json (curves, and the
    JS to the votes of speakers that were held out). A run that was killed reuses its spectrograms.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        out: The model folder to write.
        options: See PretrainOptions.

    Returns:
        The model folder.

    Raises:
        UserError: Too few utterances of the split pretrain with votes, audio that cannot be read, or no such Whisper.
    """
    import time

    from ambivox.models.embedded_alm.pretraining import pretrain as train
    from ambivox.models.files import check_output_folder
    from ambivox.models.output_places import check_folders_to_fill
    from ambivox.models.tables import Utterances, Votes

    check_output_folder(out, (utterances, votes, options.cache))
    check_folders_to_fill(options.cache)
    start = time.monotonic()
    done = train(
        Utterances.read(utterances),
        Votes.read(votes),
        out,
        tower=options.tower,
        tower_revision=options.tower_revision,
        size=options.size,
        epochs=options.epochs,
        seed=options.seed,
        cache=options.cache,
    )
    _logger.info(
        f"embedded ALM on {done.audio_tower}: {done.parameters / 1e6:.1f} million parameters, {counted(done.utterances, 'utterance')} of {counted(done.speakers, 'speaker')}, "
        f"{time.monotonic() - start:.0f} s"
    )
    _logger.info(
        f"on {counted(done.validation_utterances, 'utterance')} of {counted(done.validation_speakers, 'validation speaker')}: JS to the votes "
        f"{done.js:.3f} (prior {done.prior_js:.3f}; base 2), dominant label {done.accuracy:.0%} "
        f"(prior {done.prior_accuracy:.0%}), label mass {done.label_mass:.3f}"
    )
    _logger.info(str(out))
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(pretrain)
