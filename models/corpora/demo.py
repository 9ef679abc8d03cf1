"""The demo corpus: speech-like utterances whose true emotion distributions are known.

Made by this file, nothing is downloaded: ``root`` is filled on the first call (audio/*.wav, about 25 MB) and
read after. Every utterance has a hidden mixture of five emotions, some nearly pure, some ambiguous; the voice
(pitch, range, slope, rate, loudness, breath, tilt, tremor: models/audio/speech_synthesis.py) follows the mixture on top of who
speaks, with chance. Each utterance is heard by 3 to 10 of 20 raters. A rater reads the mixture through a confusion
matrix of their own (a lapse rate, favourite labels); the truth is the mean over all raters, so votes are unbiased
for it, while any one rater is not.

Licence: MIT, as the project. Known defects: no words, no real emotion; vowels and consonants of no language.

A row of utterances: ``demo_s03_u07, audio/demo_s03_u07.wav, "mele tosa fani", speaker s03``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.audio.speech_synthesis import CONSONANTS, RATE_HZ, VOWELS, Voices, synthesise
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.ingestion.corpus import Loaded

LABELS = ("anger", "fear", "happiness", "neutral", "sadness")
# How `ambivox run` uses the corpus unless told otherwise.
RUN_DEFAULTS = {"ingest": {"keep_votes": 3}}
# As in real corpora, neutral is common and fear is rare, so that DiME-Aug has a class to fill.
_PRIOR_K = np.array([0.16, 0.07, 0.17, 0.44, 0.16])
# What is taken for what, where an utterance is ambiguous (rows: the main emotion).
_NEAR_KK = np.array(
    [
        [0.0, 0.3, 0.4, 0.2, 0.1],
        [0.25, 0.0, 0.25, 0.1, 0.4],
        [0.35, 0.25, 0.0, 0.35, 0.05],
        [0.1, 0.1, 0.3, 0.0, 0.5],
        [0.05, 0.35, 0.05, 0.55, 0.0],
    ]
)
# How each emotion moves the voice away from neutral.
_PROFILES: dict[str, tuple[float, float, float, float, float]] = {
    # per label:         anger  fear  happiness  neutral  sadness
    "pitch_semitones": (3.0, 8.0, 6.0, 0.0, -3.0),
    "range_semitones": (2.0, -0.5, 4.0, 0.0, -1.0),
    "slope_semitones": (-4.0, 3.0, 5.0, 0.0, -4.0),
    "rate_share": (0.15, 0.35, 0.10, 0.0, -0.30),
    "level_db": (11.0, -1.0, 5.0, 0.0, -8.0),
    "breath": (-0.10, 0.35, -0.10, 0.0, 0.50),
    "tilt_db": (5.0, -1.0, 2.0, 0.0, -4.0),
    "tremor_semitones": (0.15, 1.2, 0.1, 0.0, 0.3),
}
_CHANCE = {
    "pitch_semitones": 0.8,
    "range_semitones": 0.4,
    "slope_semitones": 1.0,
    "rate_share": 0.05,
    "level_db": 1.2,
    "breath": 0.05,
    "tilt_db": 0.6,
    "tremor_semitones": 0.06,
}
_RECIPE = "recipe.json"
_VERSION = 3  # goes up with every change of the sound
_RATERS = 20


def load(root: Path, *, speakers: int = 30, utterances: int = 18, seed: int = 0) -> Loaded:
    """Make the corpus in ``root`` where it is not there yet, and read it.

    Args:
        root: a folder of its own.
        speakers: how many people speak.
        utterances: how many utterances each of them says.
        seed: another seed is another corpus.

    Raises:
        UserError: ``root`` holds something else, or the demo corpus by another recipe; or fewer than 4 speakers.
    """
    if speakers < 4 or utterances < 1:
        raise UserError(
            f"the demo corpus needs 4 or more speakers with 1 or more utterances, found {speakers} x {utterances}"
        )
    recipe = {
        "corpus": "demo",
        "version": _VERSION,
        "speakers": speakers,
        "utterances": utterances,
        "seed": seed,
    }
    world = _World(speakers, utterances, seed)
    if not _is_there(root, recipe):
        _make(root, recipe, world)
    people = pl.DataFrame(
        {
            "utterance_id": world.ids,
            "audio": [str(root / "audio" / f"{name}.wav") for name in world.ids],
            "transcript": world.transcripts(),
            "speaker": [f"s{speaker:02d}" for speaker in world.speaker_N],
            "sex": np.where(world.is_female_P, "female", "male")[world.speaker_N],
            "age": world.age_P[world.speaker_N],
        }
    )
    truth = pl.DataFrame(
        {"utterance_id": world.ids} | {label: world.truth_NK[:, k] for k, label in enumerate(LABELS)}
    )
    notes = ("the recordings are synthetic, the votes are drawn from distributions that are known",)
    return Loaded(
        labels=LABELS,
        utterances=people,
        votes=world.votes(),
        licence="MIT",
        truth=truth,
        shares=(0.5, 0.2, 0.1, 0.2),
        notes=notes,
    )


def _is_there(root: Path, recipe: dict[str, object]) -> bool:
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: a file; the demo corpus wants a folder of its own")
    if not root.exists() or not any(root.iterdir()):
        return False
    try:
        found = json.loads((root / _RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("corpus") != "demo":
        raise UserError(f"{root}: holds something else; give the demo corpus a folder of its own as --root")
    if found.get("version") != recipe["version"]:
        return False  # made by an older release of this file: made anew
    if found != recipe:
        raise UserError(
            f"{root}: the demo corpus is here, made by another recipe ({found}, wanted {recipe}); give another --root"
        )
    return True


def _make(root: Path, recipe: dict[str, object], world: _World) -> None:
    import soundfile

    recordings = synthesise(*world.scores(), seed=world.seed)
    with atomic_folder(root) as temporary:
        (temporary / "audio").mkdir()
        for name, samples in zip(world.ids, recordings, strict=True):
            soundfile.write(temporary / "audio" / f"{name}.wav", samples, RATE_HZ, subtype="PCM_16")
        write_json(temporary / _RECIPE, recipe)


class _World:
    """Everything hidden: who speaks, what is felt, who listens. N utterances, P speakers, R raters, K labels."""

    def __init__(self, speakers: int, utterances: int, seed: int) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 0])
        self.speaker_N = np.repeat(np.arange(speakers), utterances)
        self.ids = [f"demo_s{s:02d}_u{u:02d}" for s in range(speakers) for u in range(utterances)]
        self.is_female_P = np.arange(speakers) % 2 == 0
        self.age_P = rng.integers(20, 70, speakers).astype(float)
        self.pitch_P = np.where(self.is_female_P, 200.0, 115.0) * 2 ** (rng.normal(0, 1.5, speakers) / 12)
        self.tract_P = np.where(self.is_female_P, 0.88, 1.0) * np.exp(rng.normal(0, 0.03, speakers))
        self.rate_P = 4.6 * np.exp(rng.normal(0, 0.07, speakers))
        self.breath_P = rng.uniform(0.05, 0.2, speakers)
        self.tilt_P = rng.normal(0, 0.7, speakers)
        self.level_P = rng.normal(0, 1.2, speakers)
        self.expressive_P = rng.uniform(0.8, 1.2, speakers)
        self.noise_P = rng.uniform(-62, -52, speakers)
        self.mixture_NK = _mixtures(len(self.ids), rng)
        self.confusion_RKK = _raters(rng)
        self.truth_NK = self.mixture_NK @ self.confusion_RKK.mean(0)
        self._score_words(rng)

    def _score_words(self, rng: np.random.Generator) -> None:
        count = len(self.ids)
        self.syllables_N = rng.integers(6, 9, count)
        self.vowels_NS = rng.integers(0, len(VOWELS), (count, 8))
        self.consonants_NS = rng.integers(0, len(CONSONANTS), (count, 8))

    def transcripts(self) -> list[str]:
        """Words of two syllables, spelled as they are spoken."""
        letters = np.char.add(
            np.array(list(CONSONANTS))[self.consonants_NS], np.array(list(VOWELS))[self.vowels_NS]
        )
        joined = ["".join(row[:count]) for row, count in zip(letters, self.syllables_N, strict=True)]
        return [" ".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in joined]

    def scores(self) -> tuple[Voices, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """What ``synthesise`` wants: the mixture moves the voice, on top of the speaker and with chance."""
        rng = np.random.default_rng([self.seed, 1])
        who = self.speaker_N
        moved = {
            name: self.expressive_P[who] * (self.mixture_NK @ np.array(profile))
            + rng.normal(0, _CHANCE[name], len(who))
            for name, profile in _PROFILES.items()
        }
        voices = Voices(
            pitch_hz=self.pitch_P[who] * 2 ** (moved["pitch_semitones"] / 12),
            range_semitones=np.maximum(0.2, 1.5 + moved["range_semitones"]),
            slope_semitones=-1.5 + moved["slope_semitones"],
            rate_hz=np.clip(self.rate_P[who] * (1 + moved["rate_share"]), 3.4, 6.5),
            level_db=self.level_P[who] + moved["level_db"],
            breath=np.clip(self.breath_P[who] + moved["breath"], 0, 1),
            tilt_db=self.tilt_P[who] + moved["tilt_db"],
            tremor_semitones=np.maximum(0, 0.15 + moved["tremor_semitones"]),
            tract=self.tract_P[who],
            noise_db=self.noise_P[who],
        )
        manners_NS = np.array(list(CONSONANTS.values()))[self.consonants_NS]
        return voices, self.vowels_NS, manners_NS, self.syllables_N

    def votes(self) -> pl.DataFrame:
        """3 to 10 raters hear each utterance; each gives one label."""
        rng = np.random.default_rng([self.seed, 2])
        count = len(self.ids)
        heard_N = rng.integers(3, 11, count)
        raters_NR = np.argsort(rng.random((count, _RATERS)), axis=1)[:, :10]
        asked_NR = np.arange(10) < heard_N[:, None]
        utterance_V, slot_V = np.nonzero(asked_NR)
        rater_V = raters_NR[utterance_V, slot_V]
        p_VK = np.einsum("vk,vkl->vl", self.mixture_NK[utterance_V], self.confusion_RKK[rater_V])
        label_V = (rng.random((len(p_VK), 1)) > np.cumsum(p_VK, axis=1)[:, :-1]).sum(1)
        return pl.DataFrame(
            {
                "utterance_id": np.array(self.ids)[utterance_V],
                "annotator_id": [f"r{rater:02d}" for rater in rater_V],
                "label": np.array(LABELS)[label_V],
            }
        )


def _mixtures(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A main emotion with a weight between 0.45 (ambiguous) and 0.95 (clear), the rest among its neighbours."""
    main_N = rng.choice(len(LABELS), count, p=_PRIOR_K)
    clear_N = 0.40 + 0.55 * rng.beta(1.3, 0.8, count)
    rest_NK = rng.gamma(1.6 * _NEAR_KK[main_N] + 1e-3)
    rest_NK[np.arange(count), main_N] = 0
    rest_NK /= rest_NK.sum(1, keepdims=True)
    mixture_NK = (1 - clear_N)[:, None] * rest_NK
    mixture_NK[np.arange(count), main_N] += clear_N
    return np.asarray(mixture_NK)


def _raters(rng: np.random.Generator) -> NDArray[np.float64]:
    """R confusion matrices: rater r lapses with probability a_r, and then says favourite labels of their own."""
    lapse_R = rng.beta(2, 12, _RATERS)
    favourite_RK = rng.dirichlet(0.8 * np.ones(len(LABELS)), _RATERS)
    mixed_RKK = lapse_R[:, None, None] * favourite_RK[:, None, :]
    return np.asarray((1 - lapse_R)[:, None, None] * np.eye(len(LABELS)) + mixed_RKK)
