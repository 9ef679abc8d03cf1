"""Captions of the pictures that the steps draw: what one sees, and which side is better."""

from __future__ import annotations

from ambivox.models.reporting.estimates import display_name

#: Folder below data/<key>/ -> picture without suffix -> caption.
CAPTIONS = {
    "ingest": {
        "profile": "The corpus: how many votes utterances have, how often each label was given, how ambiguous utterances "
        "are, and how they are split"
    },
    "annotations": {
        "answers": "Mean answer of the ALM by persona: bars of equal height mean that the persona makes no difference",
        "checks": "Checks of the ALM. Left: bars of equal height mean that the place of an option makes no difference. "
        "Right: how far the answers move when the input changes",
    },
    "distributions": {
        "worth": "Worth of each ALM in human votes, overall and by ambiguity, with intervals",
        "equivalent_votes": "Equivalent votes of each ALM, overall and by ambiguity",  # of earlier versions
        "calibration": "Calibration of the ALM: points on the dashed line mean that a predicted probability is the share of "
        "human votes",
        "examples": "Distributions of example utterances by every source, from least to most ambiguous",
    },
    "validation": {
        "sources": "Distance of each source to the target votes: further left is better. Lines are 95% intervals",
        "tertiles": "Squared error by ambiguity and source, and for comparison JS by ambiguity as the paper defines it: lower "
        "is better",
        "groups": "Squared error by speaker group and source: lower is better, and equal heights are fair",
        "labels": "Left: mean probability of each label beside the target votes. Right: R², 1 where a source explains all "
        "differences between utterances",
        "saturation": "JS by number of synthetic votes, with the fitted curve: where it is flat, more votes do not help",
        "calibration": "Accuracy by confidence of each source: points on the dashed line are as often right as they say",
    },
    "trial": {
        "trial": "Sparse-vote trial: squared error relative to the human votes alone, by votes kept and ambiguity"
    },
    "augmented": {"balance": "Class balance before and after DiME-Aug"},
    "evaluation": {
        "matrix": "nll and JS of every model and reference on the test speakers: further left is better",
        "tertiles": "nll of every model by ambiguity: lower is better",
        "calibration": "Accuracy by confidence of each model: points on the dashed line are as often right as they say",
        "confusion": "Dominant emotions: human votes in rows, the model in columns; the diagonal is right",
        "groups": "nll of every model by speaker group: further left is better",
    },
    "finetuned": {"curves": "Training curves: loss, and JS on the development speakers, by epoch"},
}


def caption(folder: str, picture: str) -> str:
    """Return the caption of a picture; an unknown picture is captioned by its name.

    Args:
        folder: the step's folder below data/<key>/, such as ``validation``.
        picture: the file name without its suffix.
    """
    return CAPTIONS.get(folder, {}).get(picture) or display_name(picture.replace("-", " ")).capitalize()


def picture_order(folder: str, picture: str) -> int:
    """Return the place of a picture in reading order; unknown pictures come last.

    Args:
        folder: the step's folder below data/<key>/, such as ``validation``.
        picture: the file name without its suffix.
    """
    known = list(CAPTIONS.get(folder, {}))
    return known.index(picture) if picture in known else len(known)
