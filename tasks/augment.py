"""Balance the training split with DiME-Aug."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def augment(
    *,
    utterances: Path,
    distributions: Path,
    out: Path,
    ratio: float = 0.25,
    neighbours: int = 3,
    mixing_alpha: float = 1.0,
    classes: Literal["dominant", "mass"] = "dominant",
    features: Literal["paper", "alm"] = "paper",
    alm: Path | None = None,
    audio: Literal["stored", "on-the-fly"] = "stored",
    match_loudness: bool = False,
    on_error: Literal["stop", "leave-out"] = "stop",
    cache: Path = Path(".ambivox/features"),
    seed: int = 0,
) -> Path:
    """Fill small emotion classes of the training split by mixing neighbouring utterances (DiME-Aug).

    Args:
        utterances: Table of utterances; only the split train is read.
        distributions: Table of their distributions, from any source.
        out: Folder for utterances.parquet, distributions.parquet, audio-*.tar, augmentation.json, balance.svg.
        ratio: Fill every class up to this share of the largest (the paper: 0.20 to 0.30).
        neighbours: Mix with one of this many nearest neighbours.
        mixing_alpha: Draw mixing weights from Beta(alpha, alpha); 1 is uniform, the paper's.
        classes: By dominant label (the paper), or by expected label mass.
        features: What neighbours are near in: the paper's 72 + 10 features, or the ALM's audio-tower embedding.
        alm: Folder of the ALM, for --features alm.
        audio: Write the mixed audio once, or mix it when it is needed (same bits).
        match_loudness: Bring the second recording to the first's loudness before mixing (the paper does not).
        on_error: What to do with a recording that cannot be read.
        cache: Folder where features are kept by audio hash.
        seed: The same seed gives the same samples.
    """
    from functools import partial

    from ambivox.models.augmentation import augmentation
    from ambivox.models.augmentation.dime_aug import Recipe
    from ambivox.models.files import atomic_folder
    from ambivox.models.reporting.figures.augmentation import class_balance_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Distributions, Utterances

    embed = None
    if features == "alm" and alm is not None:
        from ambivox.models.alm_backbones.audio_states import mean_audio_states

        embed = partial(mean_audio_states, alm=alm)
    with atomic_folder(out) as folder:
        summary = augmentation.augment(
            Utterances.read(utterances),
            Distributions.read(distributions),
            Recipe(ratio=ratio, neighbours=neighbours, alpha=mixing_alpha, classes=classes, seed=seed),
            folder,
            features=features,
            embed=embed,
            audio=audio,
            match_loudness=match_loudness,
            on_error=on_error,
            cache=cache,
        )
        save(class_balance_figure(summary), folder / "balance.svg")
    made = ", ".join(
        f"{label} {summary['before'][label]:.0f} -> {size:.0f}" for label, size in summary["after"].items()
    )
    print(
        f"{summary['samples']} mixed samples from {summary['training_utterances']} training utterances: {made}"
    )
    if not summary["samples"] and not summary["unfilled"]:
        print(
            f"no class lies below {ratio:.0%} of the largest: there is nothing to fill; a larger --ratio mixes more"
        )
    for label in summary["unfilled"]:
        print(f"class {label} stays below {summary['target']:.0f}: too few members to find neighbours among")
    if summary["left_out"]:
        print(f"{summary['left_out']} recordings could not be read and were left out (rejects.parquet)")
    if summary["scaled_down"]:
        print(f"{summary['scaled_down']} mixes exceeded full scale and were scaled to a peak of 1")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(augment)
