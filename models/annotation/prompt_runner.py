"""Running the prompts of work items on an engine; the answers become rows of the vote store.

Audio is decoded while the engine works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.annotation.elicitation import Question
from ambivox.models.annotation.item_requests import ItemRequests
from ambivox.models.annotation.long_clips import OnLong
from ambivox.models.annotation.responses import (
    MAX_JSON_TOKENS,
    REFUSAL_MASS,
    average_windows,
    normalise,
    parse_letter,
    parse_percentages,
    percentage_schema,
    to_label_order,
)
from ambivox.models.annotation.vote_store import SCHEMA
from ambivox.models.engines import Engine, GenerationSettings, Refusal, Reply
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.request import Request


@dataclass(frozen=True)
class PromptRunner:
    """What answering needs.

    Attributes:
        engine: runs the ALM.
        questions: what the items' column ``question`` indexes.
        resolved: the ALM, whose sample rate and maximum duration apply.
        on_long: what happens to a clip that is longer than the ALM accepts.
    """

    engine: Engine
    questions: tuple[Question, ...]
    resolved: ResolvedAlm
    on_long: OnLong = "window"

    def answer(
        self, items: pl.DataFrame, advance: Callable[[int], None] = lambda _: None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Answer the items.

        Args:
            items: rows of ITEMS, each key once, the items of a clip adjacent.
            advance: is called with 1 after each decoded clip.

        Returns:
            The answers (``vote_store.SCHEMA``) and the rejected items (``ITEM_REJECTS``).

        Raises:
            UserError: the engine failed and cannot recover.
        """
        shard = ItemRequests(items, self.questions, self.resolved, self.on_long, advance)
        is_exact = np.array(
            [self.questions[number].prompt.elicitation == "exact" for number in items["question"]], dtype=bool
        )
        frames = [pl.DataFrame(schema=SCHEMA)]
        if is_exact.any():
            frames.append(self._score(shard, np.flatnonzero(is_exact)))
        if not is_exact.all():
            frames.append(self._generate(shard, np.flatnonzero(~is_exact)))
        return pl.concat(frames), shard.rejects()

    def _score(self, shard: ItemRequests, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Exact elicitation: one row per item from the distributions of its windows."""
        row_R: list[int] = []
        seconds_R: list[float] = []

        def requests() -> Iterator[Request]:
            for row, seconds, request in shard.requests(rows):
                row_R.append(row)
                seconds_R.append(seconds)
                yield request

        scores = self.engine.score(requests())
        if not row_R:
            return pl.DataFrame(schema=SCHEMA)
        order_RK = np.array([shard.question(row).prompt.order for row in row_R], dtype=np.int64)
        p_RK = np.exp(to_label_order(scores.logprobs_RK, order_RK))
        answered, group_R = np.unique(row_R, return_inverse=True)
        averaged_GK = average_windows(p_RK, np.array(seconds_R), group_R, len(answered))
        logprobs_GK, mass_G = normalise(averaged_GK)
        refused = mass_G < REFUSAL_MASS
        # float32 has seven digits; further digits would only store the order of the additions.
        rounded = logprobs_GK.round(6).tolist()
        return shard.answers(
            answered,
            logprobs=[None if is_refusal else row for is_refusal, row in zip(refused, rounded, strict=True)],
            label_mass=mass_G.round(7).tolist(),
            refused=refused.tolist(),
            windows=np.bincount(group_R).tolist(),
            answered_by=_answered_by(scores.answered_by_R, group_R, len(answered)),
        )

    def _generate(self, shard: ItemRequests, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Sampled and verbalised elicitation: one row per item from the text of its windows."""
        triples = list(shard.requests(rows))
        if not triples:
            return pl.DataFrame(schema=SCHEMA)
        row_R = np.array([row for row, _, _ in triples])
        seconds_R = np.array([seconds for _, seconds, _ in triples])
        _, windows = np.unique(row_R, return_counts=True)
        selected = self._draw_windows(shard, row_R, seconds_R)
        row_R = row_R[selected]
        requests = [triples[index][2] for index in selected]
        texts = self.engine.generate(requests, [_generation_settings(shard, row) for row in row_R.tolist()])
        answered, group_R = np.unique(row_R, return_inverse=True)
        response: list[str] = [""] * len(answered)
        label: list[str | None] = [None] * len(answered)
        windows_of_group: dict[int, list[NDArray[np.float64]]] = {}
        for group, request, text in zip(group_R.tolist(), requests, texts, strict=True):
            response[group] = f"{response[group]}\n{text}".strip() if response[group] else text
            if isinstance(text, Refusal):
                continue
            if request.prompt.elicitation == "sampled":
                label[group] = parse_letter(text, request.prompt)
            elif (p_K := parse_percentages(text, request.prompt)) is not None:
                p_K = to_label_order(p_K[None], np.array([request.prompt.order]))[0]
                windows_of_group.setdefault(group, []).append(p_K)
        logprobs: list[list[float] | None] = [None] * len(answered)
        for group, distributions in windows_of_group.items():
            logprobs[group] = normalise(np.mean(distributions, axis=0)[None])[0][0].round(6).tolist()
        return shard.answers(
            answered,
            logprobs=logprobs,
            label=label,
            response=response,
            refused=[name is None and row is None for name, row in zip(label, logprobs, strict=True)],
            windows=windows.tolist(),
            answered_by=_answered_by(
                [text.answered_by if isinstance(text, Reply) else "" for text in texts],
                group_R,
                len(answered),
            ),
        )

    def _draw_windows(
        self, shard: ItemRequests, row_R: NDArray[np.int64], seconds_R: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """The requests to run: for a sampled vote one window drawn by duration, else all windows."""
        order = np.argsort(row_R, kind="stable")
        selected = []
        for requests in np.split(order, np.flatnonzero(np.diff(row_R[order])) + 1):
            row = int(row_R[requests[0]])
            question = shard.question(row)
            if len(requests) > 1 and question.prompt.elicitation == "sampled":
                rng = np.random.default_rng(question.draw_seed(shard.key(row)))
                share = seconds_R[requests] / seconds_R[requests].sum()
                requests = rng.choice(requests, 1, p=share)
            selected.append(requests)
        return np.concatenate(selected)


def _answered_by(names_R: Sequence[str], group_R: NDArray[np.int64], groups: int) -> list[str | None]:
    """The model that answered each group of requests, such as the windows of a clip; None where nothing names it."""
    names: list[str | None] = [None] * groups
    for name, group in zip(names_R, group_R.tolist(), strict=bool(names_R)):
        names[group] = name or names[group]
    return names


def _generation_settings(shard: ItemRequests, row: int) -> GenerationSettings:
    question = shard.question(row)
    prompt = question.prompt
    if prompt.elicitation == "sampled":
        codes = prompt.codes[: len(prompt.labels)]
        return GenerationSettings(question.temperature, question.draw_seed(shard.key(row)), 1, choices=codes)
    return GenerationSettings(0.0, 0, MAX_JSON_TOKENS, schema=percentage_schema(prompt))
