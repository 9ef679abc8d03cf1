"""pretrain: the embedded tiny ALM, trained from scratch on speakers that nothing else uses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def pretrain(
    *,
    utterances: Path,
    votes: Path,
    out: Path,
    size: Literal["auto", "small", "base"] = "auto",
    epochs: int | None = None,
    seed: int = 0,
    cache: Path = Path(".ambivox/pretrain"),
) -> Path:
    """Train the embedded ALM, a tiny Qwen2-Audio, on the speakers of split pretrain.

    Writes a model folder that transformers and vLLM load like any other, with training.json (curves, and the
    JS to the votes of speakers who were cut off for that). A run that was killed finds its spectrograms again.

    Args:
        utterances: utterances.parquet of ingest.
        votes: votes.parquet of ingest.
        out: The model folder to write.
        size: Of the part that listens; auto takes small below 1500 clips.
        epochs: Passes over the clips; by default what the size needs.
        seed: The same seed and data give the same model.
        cache: Where spectrograms are kept until the model is written.

    Raises:
        UserError: too few utterances of split pretrain with votes, or audio that cannot be heard.
    """
    import time

    from rich.console import Console

    from ambivox.models.embedded_alm.pretraining import pretrain as train
    from ambivox.models.tables import Utterances, Votes

    start = time.monotonic()
    done = train(
        Utterances.read(utterances), Votes.read(votes), out, size=size, epochs=epochs, seed=seed, cache=cache
    )
    console = Console(soft_wrap=True)
    console.print(
        f"tiny ALM: {done.parameters / 1e6:.1f} million parameters, {done.utterances} utterances of {done.speakers} speakers, "
        f"{time.monotonic() - start:.0f} s"
    )
    console.print(
        f"on {done.validation_utterances} utterances of {done.validation_speakers} validation speakers: JS to the votes "
        f"{done.js:.3f} (prior {done.prior_js:.3f}; base 2), dominant label {done.accuracy:.0%} "
        f"(prior {done.prior_accuracy:.0%}), label mass {done.label_mass:.3f}"
    )
    console.print(str(out))
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(pretrain)
