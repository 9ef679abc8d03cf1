"""The colours of emotions, the same in every corpus, figure and table; the sources have a palette of their own.

Readers with deuteranopia or protanopia can tell any two of them apart: tests/models/reporting/test_colour_vision.py
simulates both.
"""

from __future__ import annotations

from collections.abc import Sequence

from ambivox.models.ingestion.emotion_words import common_label

#: Common label (models/ingestion/labels.py) -> its colour as ``#RRGGBB``.
EMOTION_COLOURS = {
    "anger": "#C92029",
    "happiness": "#E8C53B",
    "sadness": "#2F7FC1",
    "neutral": "#B9CFC4",
    "fear": "#5A3CA8",
    "disgust": "#3E7D3A",
    "surprise": "#4FBBC9",
    "contempt": "#762830",
    "excitement": "#F08E4B",
    "frustration": "#8C6261",
    "other": "#4D4F61",
}
_FAINT = "99"  # opacity, in hexadecimal


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return the colour of each label: a common emotion has its own, any other takes one that the labels leave free.

    Where there are more labels than colours, the colours are used again in a lighter shade.

    Args:
        labels: the K labels; an emotion is known in any writing, and in ten languages.

    Example:
        >>> label_colours(["Sad", "bored"])
        {'Sad': '#2F7FC1', 'bored': '#C92029'}
    """
    names = {label: common_label(label) for label in labels}
    colours: dict[str, str] = {}
    for label, name in names.items():
        if name in EMOTION_COLOURS and EMOTION_COLOURS[name] not in colours.values():
            colours[label] = EMOTION_COLOURS[name]
    free = [colour for colour in EMOTION_COLOURS.values() if colour not in colours.values()]
    free += [colour + _FAINT for colour in EMOTION_COLOURS.values()]
    others = [label for label in names if label not in colours]
    colours |= {label: free[place % len(free)] for place, label in enumerate(others)}
    return {label: colours[label] for label in labels}
