"""Balance the training split with DiME-Aug."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.models.counted import counted
from ambivox.models.errors import OnError
from ambivox.models.number_ranges import Count, Positive, Seed, Share

_logger = logging.getLogger(__name__)
FIGURES = "augmentation.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """Options of the step ``augment``.

    Attributes:
        ratio: Fill every class up to this share of the largest (the paper: 0.20 to 0.30).
        neighbours: Mix with one of this many nearest neighbours.
        mixing_alpha: Draw mixing weights from Beta(alpha, alpha); 1 is uniform, the paper's.
        classes: By dominant label (the paper), or by expected label mass.
        features: Neighbours are close in the paper's 72 + 10 features, or in the ALM's audio-tower embedding.
        alm: Folder of the ALM, for --features alm.
        audio: Write the mixed audio once, or mix it when it is needed (same bits).
        match_loudness: Match the second recording's loudness to the first's before mixing (the paper does not).
        on_error: What to do with a recording that cannot be read: reject it, or stop.
        cache: Folder where features are kept by audio hash.
        seed: Seed of the samples.
    """

    ratio: Share = 0.25
    neighbours: Count = 3
    mixing_alpha: Positive = 1.0
    classes: Literal["dominant", "mass"] = "dominant"
    features: Literal["paper", "alm"] = "paper"
    alm: Path | None = None
    audio: Literal["stored", "on-the-fly"] = "stored"
    match_loudness: bool = False
    on_error: OnError = "reject"
    cache: Path = Path(".ambivox/features")
    seed: Seed = 0


def augment(*, utterances: Path, distributions: Path, out: Path, options: AugmentOptions) -> Path:
    """Fill small emotion classes of the training split by mixing neighbouring utterances (DiME-Aug).

    Writes a folder with utterances.parquet, distributions.parquet, audio-*.tar, augmentation.json and balance.svg.

    Args:
        utterances: Table of utterances; only the split train is read.
        distributions: Table of their distributions, from any source.
        out: The folder to write.
        options: See AugmentOptions.

    Returns:
        The folder.

    Raises:
        UserError: No training utterances, a training utterance without a distribution, or, with on_error "stop",
            a recording that cannot be read.
    """
    from functools import partial

    from ambivox.models.augmentation import augment as augmentation
    from ambivox.models.augmentation.dime_aug import DimeAugSettings
    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.output_places import check_folders_to_fill
    from ambivox.models.reporting.estimates import class_size
    from ambivox.models.reporting.figures.augmentation import class_balance_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Distributions, Utterances

    inputs = (utterances, distributions, options.alm, options.cache)
    check_output_folder(out, inputs)
    check_folders_to_fill(options.cache)
    embed = None
    if options.features == "alm" and options.alm is not None:
        from ambivox.models.alm_backbones.audio_states import mean_audio_states

        embed = partial(mean_audio_states, alm=options.alm)
    with atomic_folder(out, inputs) as folder:
        summary = augmentation.augment(
            Utterances.read(utterances),
            Distributions.read(distributions),
            DimeAugSettings(
                ratio=options.ratio,
                neighbours=options.neighbours,
                mixing_alpha=options.mixing_alpha,
                classes=options.classes,
                seed=options.seed,
            ),
            folder,
            features=options.features,
            embed=embed,
            audio=options.audio,
            match_loudness=options.match_loudness,
            on_error=options.on_error,
            cache=options.cache,
        )
        save(class_balance_figure(summary), folder / "balance.svg")
    class_sizes = ", ".join(
        f"{label} {class_size(summary['before'][label])} -> {class_size(size)}"
        for label, size in summary["after"].items()
    )
    _logger.info(
        f"{counted(summary['samples'], 'mixed sample')} from {counted(summary['training_utterances'], 'training utterance')}: {class_sizes}"
    )
    if not summary["samples"] and not summary["unfilled"]:
        _logger.info(
            f"no class lies below {options.ratio:.0%} of the largest: there is nothing to fill; a larger --ratio mixes more"
        )
    if summary["unfilled"]:
        _logger.info(
            f"too few members to be mixed up to {class_size(summary['target'])}: {', '.join(summary['unfilled'])}"
        )
    if summary["rejects"]:
        _logger.info(
            f"{counted(summary['rejects'], 'recording')} rejected, which could not be read (rejects.parquet)"
        )
    if summary["scaled_down"]:
        _logger.info(f"{summary['scaled_down']} mixes exceeded full scale and were scaled to a peak of 1")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(augment)
