"""Voices for synthetic speech: what varies between utterances, how speakers differ, and how emotions change a voice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")
# How each emotion changes the voice from neutral, one column per emotion.
_EMOTION_EFFECTS: dict[str, tuple[float, float, float, float, float]] = {
    #                    anger  fear  happiness  neutral  sadness
    "pitch_semitones": (3.0, 8.0, 6.0, 0.0, -3.0),
    "range_semitones": (2.0, -0.5, 4.0, 0.0, -1.0),
    "slope_semitones": (-4.0, 3.0, 5.0, 0.0, -4.0),
    "rate_share": (0.15, 0.35, 0.10, 0.0, -0.30),
    "level_db": (11.0, -1.0, 5.0, 0.0, -8.0),
    "breath": (-0.10, 0.35, -0.10, 0.0, 0.50),
    "tilt_db": (5.0, -1.0, 2.0, 0.0, -4.0),
    "tremor_semitones": (0.15, 1.2, 0.1, 0.0, 0.3),
}
# The standard deviation of the random variation between utterances.
_VARIATION = {
    "pitch_semitones": 0.8,
    "range_semitones": 0.4,
    "slope_semitones": 1.0,
    "rate_share": 0.05,
    "level_db": 1.2,
    "breath": 0.05,
    "tilt_db": 0.6,
    "tremor_semitones": 0.06,
}


@dataclass(frozen=True)
class Voices:
    """How each of N utterances is spoken; every attribute is an array with one number per utterance.

    Attributes:
        pitch_hz: The median pitch.
        range_semitones: The standard deviation of the syllables' pitch accents.
        slope_semitones: The change of pitch from beginning to end (negative: falling).
        rate_hz: Syllables per second.
        level_db: The level; 0 is a root mean square of about 0.05 of full scale.
        breath: Breathiness: noise in the voice, 0 to 1.
        tilt_db: Decibels per octave added to the source's spectrum (positive: pressed, bright).
        tremor_semitones: The amplitude of a 6 Hz vibrato and of irregular pitch.
        tract: The length of the vocal tract relative to 17.5 cm.
        noise_db: The level of the background noise relative to full scale.
    """

    pitch_hz: NDArray[np.float64]
    range_semitones: NDArray[np.float64]
    slope_semitones: NDArray[np.float64]
    rate_hz: NDArray[np.float64]
    level_db: NDArray[np.float64]
    breath: NDArray[np.float64]
    tilt_db: NDArray[np.float64]
    tremor_semitones: NDArray[np.float64]
    tract: NDArray[np.float64]
    noise_db: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.pitch_hz)

    def select(self, part: slice) -> Voices:
        """Select some of the utterances.

        Args:
            part: Which.

        Returns:
            Their parameters.
        """
        return Voices(**{name: values[part] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Speakers:
    """P speakers; every attribute is an array with one number per speaker.

    Attributes:
        is_female_P: The sex.
        age_P: The age in years; it does not change the voice.
        pitch_P: The median pitch in Hz.
        tract_P: The length of the vocal tract relative to 17.5 cm.
        rate_P: Syllables per second.
        breath_P: Breathiness, 0 to 1.
        tilt_P: The spectral tilt in decibels per octave.
        level_P: The level in decibels.
        expressiveness_P: How strongly emotions change the voice; 1 on average.
        noise_P: The level of the background noise in decibels relative to full scale.
    """

    is_female_P: NDArray[np.bool_]
    age_P: NDArray[np.float64]
    pitch_P: NDArray[np.float64]
    tract_P: NDArray[np.float64]
    rate_P: NDArray[np.float64]
    breath_P: NDArray[np.float64]
    tilt_P: NDArray[np.float64]
    level_P: NDArray[np.float64]
    expressiveness_P: NDArray[np.float64]
    noise_P: NDArray[np.float64]

    @classmethod
    def draw(cls, count: int, rng: np.random.Generator) -> Self:
        """Draw random speakers, half of them female.

        Args:
            count: How many, P.
            rng: The source of randomness.

        Returns:
            The speakers.
        """
        is_female_P = np.arange(count) % 2 == 0
        return cls(
            is_female_P=is_female_P,
            age_P=rng.integers(20, 70, count).astype(float),
            pitch_P=np.where(is_female_P, 200.0, 115.0) * 2 ** (rng.normal(0, 1.5, count) / 12),
            tract_P=np.where(is_female_P, 0.88, 1.0) * np.exp(rng.normal(0, 0.03, count)),
            rate_P=4.6 * np.exp(rng.normal(0, 0.07, count)),
            breath_P=rng.uniform(0.05, 0.2, count),
            tilt_P=rng.normal(0, 0.7, count),
            level_P=rng.normal(0, 1.2, count),
            expressiveness_P=rng.uniform(0.8, 1.2, count),
            noise_P=rng.uniform(-62, -52, count),
        )

    def voices(
        self, speaker_N: NDArray[np.int64], emotion_NK: NDArray[np.float64], rng: np.random.Generator
    ) -> Voices:
        """Combine speakers and emotions into voices, with random variation.

        Args:
            speaker_N: The speaker of each of N utterances, 0 to P - 1.
            emotion_NK: The mixture of EMOTIONS in each utterance; rows sum to 1.
            rng: The source of the variation.

        Returns:
            The voices of the N utterances.
        """
        changes = {
            name: self.expressiveness_P[speaker_N] * (emotion_NK @ np.array(effects))
            + rng.normal(0, _VARIATION[name], len(speaker_N))
            for name, effects in _EMOTION_EFFECTS.items()
        }
        return Voices(
            pitch_hz=self.pitch_P[speaker_N] * 2 ** (changes["pitch_semitones"] / 12),
            range_semitones=np.maximum(0.2, 1.5 + changes["range_semitones"]),
            slope_semitones=-1.5 + changes["slope_semitones"],
            rate_hz=np.clip(self.rate_P[speaker_N] * (1 + changes["rate_share"]), 3.4, 6.5),
            level_db=self.level_P[speaker_N] + changes["level_db"],
            breath=np.clip(self.breath_P[speaker_N] + changes["breath"], 0, 1),
            tilt_db=self.tilt_P[speaker_N] + changes["tilt_db"],
            tremor_semitones=np.maximum(0, 0.15 + changes["tremor_semitones"]),
            tract=self.tract_P[speaker_N],
            noise_db=self.noise_P[speaker_N],
        )
