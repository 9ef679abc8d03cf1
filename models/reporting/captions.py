"""Captions of the pictures that the steps draw; they are also the alternative texts of the report's images."""

from __future__ import annotations

from ambivox.models.reporting.estimates import display_name

#: Folder below data/<key>/ -> picture without suffix -> caption.
CAPTIONS = {
    "ingest": {"profile": "Corpus profile: votes per utterance, labels, ambiguity and splits"},
    "annotations": {
        "answers": "Mean answer of the ALM, by persona",
        "checks": "Checks of the ALM: option positions, and effect of input changes on the answers",
    },
    "distributions": {
        "worth": "Worth of each ALM in human votes, overall and by ambiguity",
        "equivalent_votes": "Equivalent votes of each ALM, overall and by ambiguity",  # of earlier versions
        "calibration": "Calibration of the ALM: share of human votes by predicted probability",
        "examples": "Distributions of example utterances, from least to most ambiguous",
    },
    "validation": {
        "sources": "nll, squared error and JS of each source to the target votes, with 95% intervals over speakers",
        "tertiles": "Squared error by ambiguity tertile and source, and JS by the tertiles of earlier versions",
        "groups": "Squared error by speaker group and source",
        "labels": "Mean probability and R² of each label, by source",
        "saturation": "JS by number of synthetic votes, with the fitted curve",
        "calibration": "Calibration: accuracy by confidence, for each source",
    },
    "trial": {"trial": "Sparse-vote trial: squared error relative to the human votes alone"},
    "augmented": {"balance": "Class balance before and after DiME-Aug"},
    "evaluation": {
        "matrix": "nll and JS of every model and reference on the test speakers",
        "tertiles": "nll of every model by ambiguity tertile",
        "calibration": "Calibration: accuracy by confidence, for each model",
        "confusion": "Confusion matrix of the dominant emotions",
        "groups": "nll of every model by speaker group",
    },
    "finetuned": {"curves": "Training curves"},
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
