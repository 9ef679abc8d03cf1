"""Names, descriptions, colours and order of the sources of distributions, the same in every figure and table."""

from __future__ import annotations

from dataclasses import dataclass

#: Okabe and Ito's palette, which colour-blind readers can tell apart: for what is neither a source nor an emotion.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#555555")


@dataclass(frozen=True)
class SourceName:
    """How a reader sees one source.

    Attributes:
        label: its name in tables and figures.
        description: what it is, in a few words.
        colour: as ``#RRGGBB``.
        is_reference: whether it is a reference to compare with (prior, ceiling, floor), not a source of distributions.
    """

    label: str
    description: str
    colour: str
    is_reference: bool = False


#: The key of each source in the outputs of the steps -> its names, in reading order.
SOURCE_NAMES = {
    "human": SourceName("human", "human votes alone", "#0072B2"),
    "human_smoothed": SourceName(
        "human, smoothed", "human votes with half a vote added to every label", "#7FB4D3"
    ),
    "human_prior": SourceName(
        "human + prior", "human votes pooled with the corpus prior, without any ALM", "#3E7EA5"
    ),
    "human_mixture": SourceName(
        "human + mixture",
        "human votes pooled with the kinds of utterances that the corpus has, without any ALM",
        "#004466",
    ),
    "synthetic": SourceName("synthetic", "ALM alone, uncalibrated", "#E69F00"),
    "combined": SourceName("combined", "human and ALM votes counted equally (the paper’s method)", "#CC82A5"),
    "pooled": SourceName(
        "pooled", "human votes, mixture and calibrated ALM, weighted by equivalent votes", "#009E73"
    ),
    "prior": SourceName("corpus prior", "one average distribution for every utterance", "#BBC1BB", True),
    "ceiling": SourceName(
        "human ceiling", "one half of the human annotators against the other half", "#555555", True
    ),
    "floor": SourceName(
        "floor", "what the true distributions would score against as many votes (estimated)", "#99A266", True
    ),
}
#: Further rows of the fine-tuning matrix and of the sparse-vote trial.
OTHER_NAMES = {
    "zero-shot": SourceName("zero-shot", "ALM without fine-tuning", "#D55E00"),
    "votes": SourceName("human votes", "the human votes that the models were trained on", "#000000"),
    "intent": SourceName("intent (oracle)", "emotion that the actor was asked to express", "#56B4ED"),
    "pooled_balanced": SourceName(
        "pooled, by JS and nll", "pooled, fitted by JS and nll together: sharper", "#004D1A"
    ),
    "pooled_k_everywhere": SourceName(
        "pooled, k votes everywhere", "pooled; k votes of training speakers too", "#66C591"
    ),
}
_NAMES = SOURCE_NAMES | OTHER_NAMES


def source_label(key: str) -> str:
    """Return the name that a reader sees; an unknown key is its own name."""
    return _NAMES[key].label if key in _NAMES else key


def source_colour(key: str, default: str = PALETTE[-1]) -> str:
    """Return the colour of a source, or of the source that a matrix row such as ``pooled-on`` was trained on."""
    if key in _NAMES:
        return _NAMES[key].colour
    return next((name.colour for source, name in _NAMES.items() if key.startswith(source)), default)


def source_order(key: str) -> tuple[int, str]:
    """Return a sort key that puts sources in reading order and unknown ones last, by name."""
    known = list(_NAMES)
    return (known.index(key) if key in known else len(known), key)


def is_reference(key: str) -> bool:
    """Whether the key names a reference to compare with (corpus prior, human ceiling, floor)."""
    return key in _NAMES and _NAMES[key].is_reference
