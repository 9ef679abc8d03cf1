"""A source-filter synthesiser of speech-like sound, for batches of utterances.

Source: a band-limited impulse train at the pitch (Dirichlet kernel), and noise. Filter: four formants
(second-order resonances; Fant, Acoustic Theory of Speech Production, 1960) and a spectral tilt, applied per frame to
the short-time spectrum, with overlap-add. The result sounds like syllables of an invented language, and every property
that carries emotion is a parameter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.voices import Voices

RATE_HZ = 16_000
_WINDOW, _HOP = 512, 128  # samples: 32 ms and 8 ms; Hann windows with 75 % overlap sum to 2
_FRAME_HZ = RATE_HZ / _HOP

# The first three formants of the vowels a, e, i, o, u in Hz for a vocal tract of 17.5 cm.
VOWELS = "aeiou"
_FORMANTS_VF = np.array(
    [[730, 1250, 2450], [480, 1900, 2500], [290, 2250, 2950], [480, 900, 2400], [320, 800, 2250]]
)
_FOURTH_FORMANT_HZ = 3500.0
_BANDWIDTHS_F = np.array([70.0, 100.0, 140.0, 220.0])
# Consonants by manner of articulation: nasals and liquids (0, voiced, soft), fricatives (1), stops (2, closure and burst).
CONSONANTS = {"m": 0, "n": 0, "l": 0, "s": 1, "f": 1, "h": 1, "t": 2, "k": 2, "p": 2}
_ONSET = 0.28  # the consonant's part of a syllable
_NASAL, _FRICATIVE, _STOP = 0, 1, 2
_UTTERANCES_PER_BATCH = 48  # bounds memory: about 100 MB of short-time spectra


def synthesise(
    voices: Voices,
    vowels_NS: NDArray[np.int64],
    manners_NS: NDArray[np.int64],
    syllables_N: NDArray[np.int64],
    seed: int,
) -> list[NDArray[np.float32]]:
    """Synthesise N utterances of up to S syllables each.

    Args:
        voices: How the utterances are spoken.
        vowels_NS: The vowel of each syllable, an index into VOWELS, 0 to 4.
        manners_NS: The manner of articulation of each syllable's consonant (the values of CONSONANTS), 0 to 2.
        syllables_N: How many of the S columns are spoken, 1 to S.
        seed: The seed of the noise and of all randomness within utterances.

    Returns:
        Samples at RATE_HZ, mono float32 in (-1, 1); each utterance lasts syllables / rate + 0.1 seconds.
    """
    recordings: list[NDArray[np.float32]] = []
    for start in range(0, len(voices), _UTTERANCES_PER_BATCH):
        part = slice(start, start + _UTTERANCES_PER_BATCH)
        rng = np.random.default_rng([seed, start])
        recordings += _synthesise_batch(
            voices.select(part), vowels_NS[part], manners_NS[part], syllables_N[part], rng
        )
    return recordings


def _synthesise_batch(
    voices: Voices,
    vowels_NS: NDArray[np.int64],
    manners_NS: NDArray[np.int64],
    syllables_N: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[NDArray[np.float32]]:
    seconds_N = syllables_N / voices.rate_hz + 0.1
    frames = int(np.ceil(seconds_N.max() * _FRAME_HZ)) + 4
    time_T = np.arange(frames) / _FRAME_HZ
    position_NT = np.clip((time_T[None] - 0.05) * voices.rate_hz[:, None], 0, syllables_N[:, None] - 1e-6)
    index_NT = position_NT.astype(np.int64)
    within_NT = position_NT - index_NT  # position in the syllable, 0 to 1
    manner_NT = np.take_along_axis(manners_NS, index_NT, axis=1)
    speaking_NT = (time_T[None] > 0.05) & (time_T[None] < seconds_N[:, None] - 0.05)

    pitch_NT = _pitch(voices, position_NT, index_NT, syllables_N, within_NT, rng)
    voiced_NT, aspirated_NT, frication_NT = _amplitudes(voices, manner_NT, within_NT, speaking_NT)
    formants_NTF = _smooth(_FORMANTS_VF[np.take_along_axis(vowels_NS, index_NT, axis=1)], 7)
    formants_NTF = np.concatenate([formants_NTF, np.full((*index_NT.shape, 1), _FOURTH_FORMANT_HZ)], axis=2)
    formants_NTF = formants_NTF / voices.tract[:, None, None]

    samples = frames * _HOP
    spectrum_NTB = _stft(_impulse_train(pitch_NT, samples))
    noise_NTB = _stft(rng.standard_normal((len(voices), samples), dtype=np.float32))
    tract_NTB, frication_B = _vocal_tract_response(formants_NTF, voices.tilt_db), _high_pass(3500.0)
    # The impulse train has the power of one cosine per harmonic; the noise has its power in all bins.
    spectrum_NTB *= (voiced_NT * np.sqrt(pitch_NT / 4000)).astype(np.float32)[..., None]
    spectrum_NTB += noise_NTB * aspirated_NT.astype(np.float32)[..., None]
    spectrum_NTB *= tract_NTB
    noise_NTB *= (0.6 * frication_NT).astype(np.float32)[..., None] * frication_B
    spectrum_NTB += noise_NTB
    sound_NL = _overlap_add(spectrum_NTB)
    sound_NL *= (0.055 * 10 ** (voices.level_db / 20)).astype(np.float32)[:, None]
    background_N1 = 10 ** (voices.noise_db / 20).astype(np.float32)[:, None]
    sound_NL += background_N1 * rng.standard_normal(sound_NL.shape, dtype=np.float32)
    sound_NL = np.tanh(sound_NL)  # soft clipping
    lengths_N = (seconds_N * RATE_HZ).astype(np.int64)
    return [row[:length].astype(np.float32) for row, length in zip(sound_NL, lengths_N, strict=True)]


def _pitch(
    voices: Voices,
    position_NT: NDArray[np.float64],
    index_NT: NDArray[np.int64],
    syllables_N: NDArray[np.int64],
    within_NT: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Pitch in Hz: slope over the utterance, one accent per syllable, vibrato and irregularity, added in semitones."""
    progress_NT = position_NT / syllables_N[:, None] - 0.5
    accent_NS = rng.standard_normal((len(voices), int(syllables_N.max())))
    accent_NT = np.take_along_axis(accent_NS, index_NT, axis=1) * np.sin(np.pi * within_NT)
    seconds_NT = position_NT / voices.rate_hz[:, None]
    vibrato_NT = np.sin(2 * np.pi * (6.0 * seconds_NT + rng.random((len(voices), 1))))
    irregular_NT = _smooth(rng.standard_normal(position_NT.shape)[..., None], 3)[..., 0]
    semitones_NT = (
        voices.slope_semitones[:, None] * progress_NT
        + voices.range_semitones[:, None] * accent_NT
        + voices.tremor_semitones[:, None] * (vibrato_NT + irregular_NT)
    )
    return np.asarray(np.clip(voices.pitch_hz[:, None] * 2 ** (semitones_NT / 12), 60, 600))


def _amplitudes(
    voices: Voices,
    manner_NT: NDArray[np.int64],
    within_NT: NDArray[np.float64],
    speaking_NT: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Amplitudes of the voiced source, of aspiration noise, and of frication noise."""
    onset_NT = within_NT < _ONSET
    vowel_NT = np.where(
        onset_NT, 0.0, np.sin(np.pi * np.clip((within_NT - _ONSET) / (1 - _ONSET), 0, 1)) ** 0.4
    )
    voiced_NT = np.where(onset_NT & (manner_NT == _NASAL), 0.35, vowel_NT) * speaking_NT
    burst_NT = onset_NT & (manner_NT == _STOP) & (within_NT > 0.7 * _ONSET)
    frication_NT = (
        np.where(onset_NT & (manner_NT == _FRICATIVE), 0.5, np.where(burst_NT, 0.8, 0.0)) * speaking_NT
    )
    breath_N1 = voices.breath[:, None]
    tracks = (voiced_NT * (1 - 0.5 * breath_N1), 0.35 * breath_N1 * voiced_NT, frication_NT)
    voiced, aspirated, frication = (_smooth(track[..., None], 3)[..., 0] for track in tracks)
    return voiced, aspirated, frication


def _impulse_train(pitch_NT: NDArray[np.float64], samples: int) -> NDArray[np.float32]:
    """All harmonics of the pitch below 8 kHz with equal amplitudes, in closed form (Dirichlet kernel)."""
    pitch_NL = np.repeat(pitch_NT, _HOP, axis=1)[:, :samples]
    cycle_NL = np.cumsum(pitch_NL / RATE_HZ, axis=1)
    phase_NL = (np.pi * (cycle_NL - np.round(cycle_NL))).astype(np.float32)
    harmonics_NL = np.floor(0.95 * RATE_HZ / 2 / pitch_NL).astype(np.float32)
    denominator_NL = np.sin(phase_NL)
    at_pulse_NL = np.abs(denominator_NL) < 1e-4
    kernel_NL = np.sin((2 * harmonics_NL + 1) * phase_NL) / np.where(at_pulse_NL, 1, denominator_NL)
    return np.asarray(np.where(at_pulse_NL, 2 * harmonics_NL + 1, kernel_NL) - 1, dtype=np.float32)


def _vocal_tract_response(
    formants_NTF: NDArray[np.float64], tilt_N: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Magnitude response: four resonances with unit gain at 0 Hz, and -8 dB per octave (source and lips) plus tilt."""
    hz_B = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ).astype(np.float32)
    octaves_B = np.log2(np.maximum(hz_B, 100) / 100)
    source_NB = 10 ** ((-8.0 + tilt_N[:, None]) * octaves_B[None] / 20)
    # The gain of a resonance at x = (f / F)^2 is 1 / sqrt((1 - x)^2 + x (B / F)^2); one square root for all four.
    inverse_NTB = np.repeat((source_NB[:, None] ** -2).astype(np.float32), formants_NTF.shape[1], axis=1)
    square_B = hz_B**2
    for formant, bandwidth in enumerate(_BANDWIDTHS_F):
        centre_NT1 = formants_NTF[..., formant, None].astype(np.float32)
        x_NTB = square_B * centre_NT1**-2
        x_NTB *= x_NTB + (np.float32(bandwidth) ** 2 * centre_NT1**-2 - 2)
        x_NTB += 1
        inverse_NTB *= x_NTB
    np.sqrt(inverse_NTB, out=inverse_NTB)
    return np.asarray(np.reciprocal(inverse_NTB, out=inverse_NTB))


def _high_pass(corner_hz: float) -> NDArray[np.float32]:
    ratio_B = (np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ) / corner_hz) ** 4
    return (0.1 * ratio_B / (1 + ratio_B)).astype(np.float32)


def _stft(sound_NL: NDArray[np.float32]) -> NDArray[np.complex64]:
    padded = np.pad(sound_NL, ((0, 0), (_WINDOW // 2, _WINDOW // 2)))
    frames_NTW = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[
        :, : sound_NL.shape[1] : _HOP
    ]
    window_W = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    return np.asarray(np.fft.rfft(frames_NTW * window_W, axis=2), dtype=np.complex64)


def _overlap_add(spectrum_NTB: NDArray[np.complex64]) -> NDArray[np.float32]:
    frames_NTW = np.fft.irfft(spectrum_NTB, _WINDOW, axis=2)
    count, frames = frames_NTW.shape[:2]
    steps = _WINDOW // _HOP
    hops_NTH: NDArray[np.float32] = np.zeros((count, frames + steps - 1, _HOP), dtype=np.float32)
    for step in range(steps):
        hops_NTH[:, step : step + frames] += frames_NTW[:, :, step * _HOP : (step + 1) * _HOP]
    hops_NTH /= 2
    return hops_NTH.reshape(count, -1)[:, _WINDOW // 2 :]


def _smooth(track_NTF: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Running mean over time, edges repeated."""
    padded = np.pad(track_NTF, ((0, 0), (frames // 2, frames // 2), (0, 0)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0), (0, 0))), axis=1)
    return (total[:, frames:] - total[:, :-frames]) / frames
