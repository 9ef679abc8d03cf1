"""Checks of an annotator that accompany every run: sensitivity to the audio, and the input modalities it follows.

canary      The same questions with the audio of another utterance. An audio-sensitive annotator changes its answers.
modalities  Audio only, transcript only, and both, on a sample: how much the answers differ between them.

``answer_summary`` adds order bias, label mass and refusals, which need no further questions.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.annotation.elicitation import Question, plan_questions
from ambivox.models.annotation.work_items import add_keys, plan_items
from ambivox.models.audio.clips import CLIP_COLUMNS
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Elicitation, Modality
from ambivox.models.statistics.metrics import entropy, jensen_shannon
from ambivox.models.tables import Utterances

SAMPLE_SIZE = 32
ORDERS = 2  # an order of the options and its reversal: enough to compare clips and modalities
# Threshold on the mean base-2 Jensen-Shannon divergence (bits) between the answers to the right audio and to swapped
# audio. A model that ignores the audio gives 0 up to rounding (below 1e-6); clips of different emotions give tenths.
AUDIO_SENSITIVE_JS = 0.005

# The mean distribution of each utterance.
_Distributions = dict[str, NDArray[np.float64]]


class Checks:
    """The additional questions of the checks, about a sample of the utterances.

    Args:
        utterances: the utterances of the run.
        persona: the persona of the additional questions.
        orders: the number of option orders; few suffice to compare clips and modalities.
        modality: the modality of the run.
        elicitation: how the additional questions are asked: "exact", or "verbalised" for an ALM without
            log-probabilities.
    """

    def __init__(
        self,
        utterances: Utterances,
        persona: Persona,
        orders: int,
        modality: Modality,
        elicitation: Elicitation = "exact",
    ) -> None:
        self.modality = modality
        self.labels = utterances.labels
        # Sampled by content, so that the sample does not depend on the order of the table.
        frame = utterances.frame.unique("audio_sha256", keep="first", maintain_order=True)
        frame = frame.sort("audio_sha256").head(SAMPLE_SIZE)
        self.sample = Utterances.check(frame, self.labels)
        has_transcripts = frame["transcript"].drop_nulls().str.strip_chars().str.len_chars().sum() > 0
        modalities: tuple[Modality, ...] = get_args(Modality) if has_transcripts else ()
        self.questions: dict[Modality, tuple[Question, ...]] = {
            each: plan_questions(
                self.labels,
                (persona,),
                elicitation=elicitation,
                orders=orders,
                modality=each,
                votes=0,
                seed=0,
            )
            for each in dict.fromkeys((modality, *modalities))
        }

    @property
    def all_questions(self) -> tuple[Question, ...]:
        """The questions of all modalities, in the order that the items number them."""
        return tuple(question for questions in self.questions.values() for question in questions)

    def items(self) -> pl.DataFrame:
        """The work items of all checks (``work_items.ITEMS``)."""
        return pl.concat([*(self._items_of(modality) for modality in self.questions), self._swapped_items()])

    def report(self, answers: pl.DataFrame) -> dict[str, Any]:
        """The results of the checks.

        Args:
            answers: rows of the vote store that include the answers to ``items``.

        Returns:
            JSON-serialisable: ``audio_sensitive`` (None where the model is given no audio, or there is a single
            clip), ``canary`` and ``modalities``. Divergences are in bits.
        """
        by_modality = {
            modality: self._distributions(self._items_of(modality), answers) for modality in self.questions
        }
        swapped = self._distributions(self._swapped_items(), answers)
        canary = _canary(by_modality[self.modality], swapped)
        entropies = {
            modality: {
                "clips": len(distributions),
                "entropy_bits": round(float(entropy(_stack(distributions)).mean()), 4),
            }
            for modality, distributions in by_modality.items()
            if distributions
        }
        divergences = {
            f"{a} / {b}": _mean_js(*_shared(by_modality[a], by_modality[b]))
            for a in entropies
            for b in entropies
            if a < b
        }
        return {
            "audio_sensitive": None if canary["js"] is None else canary["js"] >= AUDIO_SENSITIVE_JS,
            "canary": canary | {"threshold_js": AUDIO_SENSITIVE_JS},
            "modalities": {"each": entropies, "js": divergences},
        }

    def _items_of(self, modality: Modality) -> pl.DataFrame:
        sample = self.sample
        if modality == "transcript":
            with_transcript = pl.col("transcript").str.strip_chars().str.len_chars() > 0
            sample = Utterances(sample.frame.filter(with_transcript), self.labels)
        items = plan_items(sample, self.questions[modality])
        return items.with_columns(pl.col("question") + self._first_number(modality))

    def _swapped_items(self) -> pl.DataFrame:
        """The run's modality with the audio of each utterance replaced by that of the next one in the sample."""
        if self.modality == "transcript" or len(self.sample) < 2:
            return self._items_of(self.modality).clear()
        frame = self.sample.frame
        shifted = pl.concat([frame.slice(1), frame.head(1)])
        swapped = frame.with_columns(shifted.select(*CLIP_COLUMNS, "audio_sha256"))
        items = plan_items(Utterances(swapped, self.labels), self.questions[self.modality])
        items = items.with_columns(pl.col("question") + self._first_number(self.modality))
        return add_keys(items, self.all_questions)

    def _first_number(self, modality: Modality) -> int:
        """The index of the modality's first question in ``all_questions``."""
        names = list(self.questions)
        return sum(len(self.questions[name]) for name in names[: names.index(modality)])

    def _distributions(self, items: pl.DataFrame, answers: pl.DataFrame) -> _Distributions:
        """The mean over option orders of each utterance that has answers."""
        joined = items.join(answers.select("key", "logprobs"), on="key", how="inner").drop_nulls("logprobs")
        distributions: _Distributions = {}
        for (utterance,), rows in joined.group_by(["utterance_id"], maintain_order=True):
            p_K = np.exp(np.array(rows["logprobs"].to_list())).mean(axis=0)
            distributions[str(utterance)] = p_K / p_K.sum()
        return distributions


def _canary(original: _Distributions, swapped: _Distributions) -> dict[str, Any]:
    p_NK, q_NK = _shared(original, swapped)
    if not len(p_NK):
        return {"clips": 0, "js": None, "changed_label": None}
    changed = float((p_NK.argmax(1) != q_NK.argmax(1)).mean())
    return {"clips": len(p_NK), "js": _mean_js(p_NK, q_NK), "changed_label": round(changed, 4)}


def _shared(left: _Distributions, right: _Distributions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distributions of the utterances that both hold, in the same order."""
    shared = [utterance for utterance in left if utterance in right]
    return _stack({name: left[name] for name in shared}), _stack({name: right[name] for name in shared})


def _stack(distributions: _Distributions) -> NDArray[np.float64]:
    return np.array(list(distributions.values())) if distributions else np.zeros((0, 1))


def _mean_js(p_NK: NDArray[np.float64], q_NK: NDArray[np.float64]) -> float | None:
    return round(float(jensen_shannon(p_NK, q_NK).mean()), 6) if len(p_NK) else None
