"""Both palettes for readers with deuteranopia or protanopia, by the simulation of Machado, Oliveira and Fernandes (2009)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ambivox.models.reporting.emotion_colours import EMOTION_COLOURS, label_colours
from ambivox.models.reporting.source_names import OTHER_NAMES, SOURCE_NAMES

# Their matrices for full severity, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(colour: str, vision: str) -> np.ndarray:
    """A colour ``#RRGGBB`` in CIELAB, as someone sees it."""
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = _TO_XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours: list[str], vision: str) -> tuple[float, str, str]:
    """The two colours that are hardest to tell apart, and their distance (CIE76)."""
    seen = {colour: lab(colour, vision) for colour in colours}
    return min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in combinations(colours, 2))


@pytest.mark.parametrize("vision", VISION)
def test_any_two_emotions_can_be_told_apart(vision: str) -> None:
    assert nearest(list(EMOTION_COLOURS.values()), vision)[0] > 17


@pytest.mark.parametrize("vision", VISION)
def test_any_two_sources_can_be_told_apart(vision: str) -> None:
    colours = [name.colour for name in (SOURCE_NAMES | OTHER_NAMES).values()]
    assert nearest(colours, vision)[0] > 13


def test_the_simulation_finds_colours_that_are_confused() -> None:
    assert nearest(["#E41A1C", "#4D8C2F"], "usual")[0] > 80
    assert nearest(["#B2432C", "#6B6B20"], "deuteranopia")[0] < 15


def test_an_emotion_has_its_colour_in_every_corpus() -> None:
    assert label_colours(["sadness", "anger"]) == {
        label: EMOTION_COLOURS[label] for label in ("sadness", "anger")
    }
    assert label_colours(["Angry", "happy"])["Angry"] == EMOTION_COLOURS["anger"]


def test_labels_of_ones_own_take_colours_that_are_free() -> None:
    labels = ["bored", "anger", "angry", "tender", *(f"label {number}" for number in range(20))]
    colours = label_colours(labels)
    assert list(colours) == labels
    assert colours["anger"] == EMOTION_COLOURS["anger"]
    assert len(set(list(colours.values())[:11])) == 11
    assert len(set(colours.values())) == 22  # each colour once, then each again in a lighter shade
