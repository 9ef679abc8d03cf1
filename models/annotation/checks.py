"""Checks that go with every annotation: does the ALM hear, what does it listen to, does the order of options sway it.

canary      the same question with another clip's audio: an annotator that hears answers differently.
arms        audio only, transcript only, both, on a sample: which of the two its answers follow.
order bias  how far answers move with the order of the options, and which positions gain.
label mass  the probability on all options together; refusals are answers that name no label.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.annotation.elicitation import Question, ask
from ambivox.models.annotation.work_items import plan, with_keys
from ambivox.models.errors import UserError
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Modality
from ambivox.models.statistics.metrics import entropy, jensen_shannon
from ambivox.models.tables import Annotations, Utterances

SAMPLE = 32
# Mean base-2 Jensen-Shannon divergence between the answers to the right clip and to another one. A model that
# does not hear gives 0 up to rounding (below 1e-6); clips of different emotions differ by tenths.
HEARS_JS = 0.005


class Checks:
    """The questions that the checks ask beside the run's own, about a sample of the utterances.

    Args:
        utterances: those that are annotated.
        persona: the one that the checks speak with.
        orders: how many option orders.
        modality: the run's modality.
    """

    def __init__(self, utterances: Utterances, persona: Persona, orders: int, modality: Modality) -> None:
        self.modality = modality
        self.labels = utterances.labels
        # By content, so that the sample does not change with the order of the table.
        frame = utterances.frame.unique("audio_sha256", keep="first", maintain_order=True)
        frame = frame.sort("audio_sha256").head(SAMPLE)
        self.sample = Utterances.check(frame, self.labels)
        arms = (
            get_args(Modality)
            if frame["transcript"].drop_nulls().str.strip_chars().str.len_chars().sum()
            else (modality,)
        )
        self.questions: dict[str, tuple[Question, ...]] = {
            each: ask(
                self.labels, (persona,), elicitation="exact", orders=orders, modality=each, votes=0, seed=0
            )
            for each in {modality: None, **dict.fromkeys(arms)}
        }

    @property
    def all_questions(self) -> tuple[Question, ...]:
        """Those of all arms, in the order that the items number them."""
        return tuple(question for asked in self.questions.values() for question in asked)

    def items(self) -> pl.DataFrame:
        """All items of the checks (models/annotation/work_items.py's ITEMS)."""
        return pl.concat([*(self._of(modality) for modality in self.questions), self._swapped()])

    def report(self, answers: pl.DataFrame) -> dict[str, Any]:
        """What canary and arms came to, out of the answers to ``items`` (JSON-ready)."""
        own = {modality: self._distributions(self._of(modality), answers) for modality in self.questions}
        canary: dict[str, Any] = {"clips": 0, "js": None, "changed_label": None}
        hears = None
        if self.modality != "transcript" and len(self.sample) > 1:
            swapped = self._distributions(self._swapped(), answers)
            p_NK, q_NK = _both(own[self.modality], swapped)
            if len(p_NK):
                js = float(jensen_shannon(p_NK, q_NK).mean())
                changed = float((p_NK.argmax(1) != q_NK.argmax(1)).mean())
                canary = {"clips": len(p_NK), "js": round(js, 6), "changed_label": round(changed, 4)}
                hears = js >= HEARS_JS
        arms: dict[str, Any] = {
            modality: {"clips": len(found), "entropy_bits": round(float(entropy(_array(found)).mean()), 4)}
            for modality, found in own.items()
            if found
        }
        pairs = [(a, b) for a in own for b in own if a < b and own[a] and own[b]]
        between = {f"{a} / {b}": _mean_js(*_both(own[a], own[b])) for a, b in pairs}
        return {
            "hears": hears,
            "canary": canary | {"threshold_js": HEARS_JS},
            "arms": {"each": arms, "js": between},
        }

    def _number(self, modality: str) -> int:
        before = 0
        for each, asked in self.questions.items():
            if each == modality:
                break
            before += len(asked)
        return before

    def _of(self, modality: str) -> pl.DataFrame:
        frame = self.sample
        if modality == "transcript":
            spoken = frame.frame.filter(pl.col("transcript").str.strip_chars().str.len_chars() > 0)
            frame = Utterances(spoken, self.labels)
        items = plan(frame, self.questions[modality])
        return items.with_columns(pl.col("question") + self._number(modality))

    def _swapped(self) -> pl.DataFrame:
        """The run's own modality with each clip's audio replaced by the next one's in the sample."""
        if self.modality == "transcript" or len(self.sample) < 2:
            return self._of(self.modality).clear()
        frame = self.sample.frame
        moved = pl.concat([frame.slice(1), frame.head(1)])
        swapped = frame.with_columns(audio=moved["audio"], audio_sha256=moved["audio_sha256"])
        items = plan(Utterances(swapped, self.labels), self.questions[self.modality])
        return with_keys(
            items.with_columns(pl.col("question") + self._number(self.modality)), self.all_questions
        )

    def _distributions(self, items: pl.DataFrame, answers: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Mean over orders of every utterance that has all its answers."""
        joined = items.join(answers.select("key", "logprobs"), on="key", how="inner").drop_nulls("logprobs")
        found: dict[str, NDArray[np.float64]] = {}
        for (utterance,), part in joined.group_by(["utterance_id"], maintain_order=True):
            found[str(utterance)] = np.exp(np.array(part["logprobs"].to_list())).mean(axis=0)
        return {name: p_K / p_K.sum() for name, p_K in found.items()}


def drop_audio_insensitive(files: tuple[Path, ...], *, insist: bool = False) -> tuple[Path, ...]:
    """Those annotations files whose annotator hears, or was not checked (no checks.json beside the file).

    Args:
        files: annotations.parquet files.
        insist: let those pass, too, that do not hear.

    Raises:
        UserError: none is left, and the user did not insist.
    """
    deaf = [file for file in files if not _hears(file.parent / "checks.json")]
    if insist or not deaf:
        return files
    heard = tuple(file for file in files if file not in deaf)
    if not heard:
        raise UserError(
            f"{deaf[0]}: by its checks this annotator does not hear (another clip's audio leaves its answers as "
            "they are), so its votes are not pooled; --insist pools them all the same"
        )
    return heard


def _hears(checks: Path) -> bool:
    try:
        found = json.loads(checks.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, ValueError) as error:
        raise UserError(f"{checks}: not readable ({error}); run annotate again") from error
    return not (isinstance(found, dict) and found.get("hears") is False)


def summary(annotations: Annotations) -> dict[str, Any]:
    """Answers, refusals, label mass and order bias of a whole run (JSON-ready)."""
    frame = annotations.frame
    mass = frame["label_mass"].drop_nulls()
    return {
        "answers": frame.height,
        "refusals": int(frame["refused"].sum()),
        "label_mass": {
            "mean": _rounded(mass.mean()),
            "percentile_5": _rounded(mass.quantile(0.05)),
            "least": _rounded(mass.min()),
        },
        "order_bias": order_bias(annotations),
    }


def order_bias(annotations: Annotations) -> dict[str, Any]:
    """How option order moves the answers of one persona about one utterance.

    ``js``: mean base-2 divergence of each order's answer to the mean over orders, 0 when order does nothing.
    ``positions``: the mean probability of the option shown first, second, ... (1/K each when there is no bias).
    """
    frame = annotations.frame.drop_nulls("logprobs")
    orders = frame["option_order"].n_unique()
    if orders < 2:
        return {"orders": orders, "js": None, "positions": None}
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    p_RK /= p_RK.sum(axis=1, keepdims=True)
    order_RK = np.array([[int(label) for label in name.split("-")] for name in frame["option_order"]])
    group = frame.select(pl.struct("utterance_id", "persona").rank("dense") - 1).to_series().to_numpy()
    sums_GK = np.zeros((int(group.max()) + 1, p_RK.shape[1]))
    np.add.at(sums_GK, group, p_RK)
    mean_RK = (sums_GK / sums_GK.sum(axis=1, keepdims=True))[group]
    positions = np.take_along_axis(p_RK, order_RK, axis=1).mean(axis=0)
    return {"orders": orders, "js": _mean_js(mean_RK, p_RK), "positions": positions.round(4).tolist()}


def _both(
    left: dict[str, NDArray[np.float64]], right: dict[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shared = [name for name in left if name in right]
    return _array({name: left[name] for name in shared}), _array({name: right[name] for name in shared})


def _array(found: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array(list(found.values())) if found else np.zeros((0, 1))


def _mean_js(p_NK: NDArray[np.float64], q_NK: NDArray[np.float64]) -> float | None:
    return round(float(jensen_shannon(p_NK, q_NK).mean()), 6) if len(p_NK) else None


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
