"""Answering items: clips are decoded while the engine works, their answers become rows of the vote store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.annotation.elicitation import (
    JSON_TOKENS,
    REFUSAL_MASS,
    Question,
    average_windows,
    normalised,
    parse_letter,
    parse_percentages,
    percentage_schema,
    to_labels,
)
from ambivox.models.annotation.vote_store import SCHEMA
from ambivox.models.annotation.work_items import ITEMS
from ambivox.models.audio.decoding import AudioError, decode_many, windows
from ambivox.models.engines import Engine, Writing
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.request import Request

OnLong = Literal["window", "error"]

REJECTS = pl.Schema({"key": pl.String, "reason": pl.String, "detail": pl.String})


@dataclass(frozen=True)
class Computing:
    """What is needed to answer items: the engine, the questions they number, and the ALM's limits."""

    engine: Engine
    questions: tuple[Question, ...]
    resolved: ResolvedAlm
    on_long: OnLong = "window"

    def answer(
        self, items: pl.DataFrame, advance: Callable[[int], None] = lambda _: None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Ask the engine.

        Args:
            items: ITEMS, keys once only.
            advance: told how many more clips have been taken up.

        Returns:
            Answers (models/annotation/vote_store.py's SCHEMA) and rejects (REJECTS): items whose audio cannot be heard.

        Raises:
            UserError: the engine failed for good.
        """
        scored = [q.prompt.elicitation == "exact" for q in self.questions]
        asked = _Asked(self, items, advance)
        answers = []
        exact = items["question"].replace_strict(dict(enumerate(scored)), return_dtype=pl.Boolean)
        for chosen, work in ((exact, self._exact), (~exact, self._written)):
            if chosen.any():
                answers.append(work(asked, np.flatnonzero(chosen.to_numpy())))
        frames = [frame for frame in answers if frame.height]
        return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA), asked.rejects()

    def _exact(self, asked: _Asked, rows: NDArray[np.int64]) -> pl.DataFrame:
        owner: list[int] = []
        weight: list[float] = []

        def requests() -> Iterator[Request]:
            for row, seconds, request in asked.requests(rows):
                owner.append(row)
                weight.append(seconds)
                yield request

        logprobs_RK = self.engine.score(requests())
        if not owner:
            return pl.DataFrame(schema=SCHEMA)
        numbers = asked.items["question"].to_numpy()[owner]
        order_RK = np.array([self.questions[q].prompt.order for q in numbers], dtype=np.int64)
        p_RK = np.exp(to_labels(logprobs_RK, order_RK))
        heard, group = np.unique(owner, return_inverse=True)
        logprobs_GK, mass_G = normalised(average_windows(p_RK, np.array(weight), group, len(heard)))
        refused = mass_G < REFUSAL_MASS
        # Seven digits are what float32 knows; more would store the order of additions.
        kept = [None if no else row for no, row in zip(refused, logprobs_GK.round(6).tolist(), strict=True)]
        return asked.answers(
            heard,
            logprobs=kept,
            label_mass=mass_G.round(7).tolist(),
            refused=refused.tolist(),
            windows=np.bincount(group).tolist(),
        )

    def _written(self, asked: _Asked, rows: NDArray[np.int64]) -> pl.DataFrame:
        owner: list[int] = []
        requests: list[Request] = []
        weight: list[float] = []
        for row, seconds, request in asked.requests(rows):
            owner.append(row)
            requests.append(request)
            weight.append(seconds)
        if not owner:
            return pl.DataFrame(schema=SCHEMA)
        owners = np.array(owner)
        chosen = self._one_window(asked, owners, np.array(weight))
        owners, requests = owners[chosen], [requests[index] for index in chosen]
        texts = self.engine.generate(requests, [self._writing(asked, row) for row in owners])
        heard, group = np.unique(owners, return_inverse=True)
        label: list[str | None] = [None] * len(heard)
        logprobs: list[list[float] | None] = [None] * len(heard)
        shares: dict[int, list[NDArray[np.float64]]] = {}
        response = [""] * len(heard)
        for place, request, text in zip(group, requests, texts, strict=True):
            response[place] = (response[place] + "\n" + text).strip() if response[place] else text
            if request.prompt.elicitation == "sampled":
                label[place] = parse_letter(text, request.prompt)
            elif (p_K := parse_percentages(text, request.prompt)) is not None:
                order = np.array([request.prompt.order])
                shares.setdefault(int(place), []).append(to_labels(p_K[None], order)[0])
        for place, found in shares.items():
            logprobs[place] = normalised(np.mean(found, axis=0)[None])[0][0].round(6).tolist()
        refused = [said is None and spread is None for said, spread in zip(label, logprobs, strict=True)]
        return asked.answers(
            heard,
            logprobs=logprobs,
            label=label,
            response=response,
            refused=refused,
            windows=np.bincount(group).tolist(),
        )

    def _one_window(
        self, asked: _Asked, owners: NDArray[np.int64], seconds: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Of a long clip's windows a sampled vote hears one, drawn by duration: a draw from their mixture."""
        order = np.argsort(owners, kind="stable")
        chosen = []
        for places in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
            row = int(owners[places[0]])
            question = self.questions[asked.number(row)]
            if len(places) > 1 and question.prompt.elicitation == "sampled":
                rng = np.random.default_rng(question.draw_seed(asked.key(row)))
                places = rng.choice(places, 1, p=seconds[places] / seconds[places].sum())
            chosen.append(places)
        return np.concatenate(chosen)

    def _writing(self, asked: _Asked, row: int) -> Writing:
        question = self.questions[asked.number(row)]
        prompt = question.prompt
        if prompt.elicitation == "sampled":
            codes = prompt.codes[: len(prompt.labels)]
            return Writing(question.temperature, question.draw_seed(asked.key(row)), 1, choices=codes)
        return Writing(0.0, 0, JSON_TOKENS, schema=percentage_schema(prompt))


class _Asked:
    """The items of one part, turned into requests; and what came of them."""

    def __init__(self, computing: Computing, items: pl.DataFrame, advance: Callable[[int], None]) -> None:
        self.items = items
        self._computing = computing
        self._advance = advance
        self._rejected: dict[int, tuple[str, str]] = {}
        self._columns = {name: items[name].to_list() for name in ITEMS}

    def number(self, row: int) -> int:
        return int(self._columns["question"][row])

    def key(self, row: int) -> str:
        return str(self._columns["key"][row])

    def requests(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, float, Request]]:
        """(row, seconds heard, request), a window's requests next to each other; rejects on the way."""
        questions = self._computing.questions
        silent = np.array(
            [questions[self.number(row)].prompt.modality == "transcript" for row in rows], dtype=bool
        )
        for row in rows[silent]:
            transcript = self._columns["transcript"][row]
            if transcript and transcript.strip():
                yield int(row), 1.0, self._request(row, None, "")
            else:
                self._rejected[int(row)] = ("no transcript", "the modality transcript needs one")
        alm = self._computing.resolved.alm
        for clip, audio in self._clips(rows[~silent], alm.rate_hz):
            if isinstance(audio, AudioError):
                for row in clip:
                    self._rejected[row] = (audio.reason, str(audio))
                continue
            for index, window in enumerate(windows(audio, alm.rate_hz, alm.longest_seconds)):
                for row in clip:
                    name = f"{self._columns['audio_sha256'][row]}:{index}"
                    yield row, len(window) / alm.rate_hz, self._request(row, window, name)
            self._advance(1)

    def _clips(
        self, rows: NDArray[np.int64], rate_hz: int
    ) -> Iterator[tuple[list[int], NDArray[np.float32] | AudioError]]:
        names: list[str] = []
        clips: list[list[int]] = []
        for row in rows.tolist():
            name = self._columns["audio"][row]
            if not names or names[-1] != name:
                names.append(name)
                clips.append([])
            clips[-1].append(row)
        longest = self._computing.resolved.alm.longest_seconds
        for index, audio in decode_many(names, rate_hz):
            if isinstance(audio, AudioError):
                yield clips[index], audio
            elif self._computing.on_long == "error" and len(audio) > longest * rate_hz:
                detail = (
                    f"{len(audio) / rate_hz:.1f} s, this ALM hears {longest:g} s; --on-long window cuts it"
                )
                yield clips[index], AudioError(names[index], "too long", detail)
            else:
                yield clips[index], audio

    def _request(self, row: int, audio: NDArray[np.float32] | None, name: str) -> Request:
        question = self._computing.questions[self.number(row)]
        return Request(question.prompt, audio, name, self._columns["transcript"][row])

    def answers(self, rows: NDArray[np.int64], **columns: Any) -> pl.DataFrame:
        """Answers (SCHEMA) of these rows; columns not given are null."""
        asked = self.items[rows.tolist()]
        asked_once = asked["question"].unique().to_list()
        prompts = {number: self._computing.questions[number].prompt.sha256() for number in asked_once}
        held = {
            "key": asked["key"],
            "audio_sha256": asked["audio_sha256"],
            "prompt_sha256": asked["question"].replace_strict(prompts, return_dtype=pl.String),
            **columns,
        }
        empty = {name: [None] * len(rows) for name in SCHEMA if name not in held}
        return pl.DataFrame(held | empty, schema_overrides=SCHEMA).select(list(SCHEMA))

    def rejects(self) -> pl.DataFrame:
        """REJECTS, one row an item."""
        rows = sorted(self._rejected)
        columns = {
            "key": [self.key(row) for row in rows],
            "reason": [self._rejected[row][0] for row in rows],
            "detail": [self._rejected[row][1] for row in rows],
        }
        return pl.DataFrame(columns, schema=REJECTS)
