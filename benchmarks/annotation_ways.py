"""The ways of benchmarks/annotation.py, and what the engine counts while they run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import psutil

from ambivox.models.alms import resolve
from ambivox.models.annotation.elicitation import Question, plan_questions
from ambivox.models.annotation.prompt_runner import PromptRunner
from ambivox.models.annotation.work_items import plan_items
from ambivox.models.audio.decoding import decode
from ambivox.models.engines.vllm.engine import VllmEngine
from ambivox.models.prompting.neutralising import neutralise
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.prompting.request import Request
from ambivox.models.tables import Utterances

VOTES = 20
# The parts of the paper's prompt and about as many words as its public code has, in our own.
_LIKE_THE_PAPERS = """You know emotions in speech well and judge them reliably.

Hear the recording and consider how this person speaks. Take your time and pick the ONE emotion that is strongest in it.

Words: "{transcript}"
Speaker: 1001

Emotions to choose from: {options}

Please do this:
1. Weigh with care what both the sound and the words say of the feeling.
2. {focus}
3. Take your time and pick ONLY ONE emotion of the list, the one that stands for the main feeling.
4. Answer with ONLY its letter and nothing more.

Which one emotion fits this recording best? Choose only from: {options}"""


def ratio(one: float, other: float) -> float:
    """One by the other, for people to read."""
    return round(one / other, 2)


@dataclass(frozen=True)
class LongPrompt(Prompt):
    """A prompt of the paper's length."""

    def text(self, transcript: str | None = None, special_tokens: Iterable[str] = ()) -> str:
        """The text of the turn."""
        options = ", ".join(
            f"{code} {self.labels[label]}" for code, label in zip(self.codes, self.order, strict=False)
        )
        heard = neutralise(transcript or "", special_tokens)
        return _LIKE_THE_PAPERS.format(transcript=heard, options=options, focus=self.persona.focus)


class Bench:
    """One engine, the questions of each way, and the counters."""

    def __init__(self, engine: VllmEngine, alm: str, labels: tuple[str, ...]) -> None:
        self.engine = engine
        self.resolved = resolve(alm)
        self.exact = plan_questions(
            labels, PAPER, elicitation="exact", orders=2, modality="both", votes=0, seed=0
        )
        sampled = plan_questions(
            labels, PAPER, elicitation="sampled", orders=1, modality="both", votes=VOTES, seed=0
        )
        self._short = tuple(replace(q, prompt=replace(q.prompt, audio_first=False)) for q in sampled)
        self._long = tuple(replace(q, prompt=LongPrompt(**vars(q.prompt))) for q in self._short)
        self._round = 0
        self._tokens = dict.fromkeys(("prompt", "cached", "generated"), 0)
        self._finish = engine._finish
        engine._finish = self._counted  # type: ignore[method-assign]

    def compare(
        self,
        runs: dict[str, Callable[[pl.DataFrame], None]],
        warm_up: pl.DataFrame,
        frame: pl.DataFrame,
        rounds: int,
    ) -> dict[str, Any]:
        """Each run's best round, rounds by turns."""
        for run in runs.values():
            run(warm_up)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                found[name].append(self.timed(run, frame))
        return {name: min(each, key=lambda one: one["seconds"]) for name, each in found.items()}

    def timed(self, run: Callable[[pl.DataFrame], None], frame: pl.DataFrame) -> dict[str, float]:
        """Wall-clock seconds, processor time and the engine's counters over one run, its caches empty at the start."""
        self.engine.llm.reset_prefix_cache()
        before, began = self._counters(), time.perf_counter()
        run(frame)
        seconds, after = time.perf_counter() - began, self._counters()
        spent = {name: after[name] - before[name] for name in after}
        computed = spent["prompt"] - spent["cached"]
        per = 1 / frame.height
        return {
            "seconds": round(seconds, 3),
            "utterances_per_second": round(frame.height / seconds, 3),
            "processor_ms_per_utterance, here": round(1000 * spent["here"] * per, 1),
            "processor_ms_per_utterance, engine": round(1000 * spent["engine"] * per, 1),
            "prompt": spent["prompt"],
            "computed": computed,
            "generated": spent["generated"],
            "tokens_per_utterance": round((computed + spent["generated"]) * per, 1),
        }

    def answer(self, frame: pl.DataFrame, questions: tuple[Question, ...]) -> None:
        """As the product does it."""
        self._round += 1
        items = plan_items(Utterances(self._fresh(frame), self.exact[0].prompt.labels), questions)
        answers, rejects = PromptRunner(self.engine, questions, self.resolved).answer(items)
        assert answers.height == items.height and not rejects.height

    def paper(
        self,
        frame: pl.DataFrame,
        *,
        is_short: bool = False,
        at_once: bool = False,
        keeps_audio: bool = True,
        shares_prefix: bool = False,
    ) -> None:
        """Twenty sampled requests an utterance.

        Args:
            frame: the utterances.
            is_short: in the words of exact's prompts, less than half as long as the paper's.
            at_once: hand all requests over together; else one after the other, each waiting for the last.
            keeps_audio: a clip's features and encoder output serve all its requests.
            shares_prefix: the prefix cache may serve them.
        """
        prompt, generate = self.engine.prompt, self.engine.generate
        numbers = itertools.count()

        def own(request: Request) -> dict[str, Any]:
            made = prompt(request)
            if not shares_prefix:
                made["cache_salt"] = str(next(numbers))
            if not keeps_audio:
                made["multi_modal_uuids"] = {"audio": f"{request.audio_name}-{next(numbers)}"}
            return made

        self.engine.prompt = own  # type: ignore[method-assign]
        if not at_once:
            self.engine.generate = lambda requests, settings: [  # type: ignore[method-assign]
                generate([request], [setting])[0] for request, setting in zip(requests, settings, strict=True)
            ]
        try:
            self.answer(frame, self._short if is_short else self._long)
        finally:
            self.engine.prompt, self.engine.generate = prompt, generate  # type: ignore[method-assign]

    def by_block(self, frame: pl.DataFrame, paper: float) -> dict[str, float]:
        """How many times fewer tokens exact takes than the paper's ``paper`` an utterance, by the size of a block."""
        prompts: list[list[int]] = []
        finish = self.engine._finish

        def kept() -> list[Any]:
            outputs = finish()
            prompts.extend(list(output.prompt_token_ids) for output in outputs)
            return outputs

        self.engine._finish = kept  # type: ignore[method-assign]
        try:
            self.answer(frame, self.exact)
        finally:
            self.engine._finish = finish  # type: ignore[method-assign]
        each = len(self.exact)
        clips = [prompts[start : start + each] for start in range(0, len(prompts), each)]
        found = {}
        for block in (32, 16, 1):
            computed = sum(_computed(clip, block) for clip in clips) / len(clips)
            found[str(block)] = ratio(paper, computed + each)
        return found

    def parts(self, frame: pl.DataFrame, results: dict[str, Any]) -> dict[str, float]:
        """Of what exact spends its time on, each part measured by itself."""
        began = time.perf_counter()
        audio = [decode(path) for path in frame["audio"]]
        decoding = time.perf_counter() - began
        extractor = self.engine.chat.processor.feature_extractor
        began = time.perf_counter()
        for samples in audio:
            extractor(samples, sampling_rate=self.resolved.alm.rate_hz, padding="max_length")
        features = time.perf_counter() - began
        per = 1000 / frame.height
        return {
            "decoding and resampling, alone": round(decoding * per, 2),
            "log-mel features, alone": round(features * per, 2),
            "floor: one prompt with audio": round(results["floor"]["seconds"] * per, 2),
            "exact: ten prompts with audio": round(results["exact"]["seconds"] * per, 2),
        }

    def _fresh(self, frame: pl.DataFrame) -> pl.DataFrame:
        # Another name for the same clip in every round, so that no round lives on the features of another.
        return frame.with_columns(audio_sha256=pl.col("audio_sha256") + f"-{self._round}")

    def _counted(self) -> list[Any]:
        outputs = self._finish()
        for output in outputs:
            self._tokens["prompt"] += len(output.prompt_token_ids)
            self._tokens["cached"] += output.num_cached_tokens
            self._tokens["generated"] += len(output.outputs[0].token_ids)
        return outputs

    def _counters(self) -> dict[str, float]:
        """Tokens since the engine started, and processor seconds of this process and of the engine's."""
        me = psutil.Process()
        engine = [child.cpu_times() for child in me.children(recursive=True)]
        here = sum(me.cpu_times()[:2])
        return {**self._tokens, "here": here, "engine": sum(times.user + times.system for times in engine)}


def _computed(prompts: list[list[int]], block: int) -> int:
    """Tokens computed for prompts of one clip in turn, where whole blocks of a known prefix are not."""
    known: set[tuple[int, ...]] = set()
    computed = 0
    for tokens in prompts:
        ends = range(block, len(tokens) + 1, block)
        # The last token is always computed: its output is what is asked for.
        shared = max((end for end in ends if end < len(tokens) and tuple(tokens[:end]) in known), default=0)
        computed += len(tokens) - shared
        known.update(tuple(tokens[:end]) for end in ends)
    return computed
