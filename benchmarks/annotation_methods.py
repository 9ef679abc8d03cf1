"""The methods that benchmarks/annotation.py compares, with the engine's counters."""

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
# The parts of the paper's prompt, in other words, with about as many words as its public code has.
_LONG_PROMPT = """You know emotions in speech well and judge them reliably.

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


def ratio(numerator: float, denominator: float) -> float:
    """The ratio, rounded to two decimals."""
    return round(numerator / denominator, 2)


@dataclass(frozen=True)
class LongPrompt(Prompt):
    """A prompt as long as the paper's."""

    def text(self, transcript: str | None = None, special_tokens: Iterable[str] = ()) -> str:
        """The text of the user's turn."""
        options = ", ".join(
            f"{code} {self.labels[label]}" for code, label in zip(self.codes, self.order, strict=False)
        )
        shown_transcript = neutralise(transcript or "", special_tokens)
        return _LONG_PROMPT.format(transcript=shown_transcript, options=options, focus=self.persona.focus)


class Bench:
    """One engine, the prompts of each method, and the counters.

    Args:
        engine: the engine that all methods use.
        alm: key or folder of its ALM.
        labels: the label set.
    """

    def __init__(self, engine: VllmEngine, alm: str, labels: tuple[str, ...]) -> None:
        """Build the prompts and start counting the engine's tokens."""
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
        """The fastest round of each method; methods take turns."""
        for run in runs.values():
            run(warm_up)
        rounds_by_name: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                rounds_by_name[name].append(self.timed(run, frame))
        return {
            name: min(results, key=lambda result: result["seconds"])
            for name, results in rounds_by_name.items()
        }

    def timed(self, run: Callable[[pl.DataFrame], None], frame: pl.DataFrame) -> dict[str, float]:
        """Wall-clock seconds, processor time and the engine's counters of one run that starts with empty caches."""
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
        """Annotate as ``ambivox annotate`` does."""
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
        reuses_audio: bool = True,
        reuses_prefix: bool = False,
    ) -> None:
        """Annotate with VOTES sampled requests per utterance.

        Args:
            frame: the utterances.
            is_short: use the prompts of exact elicitation, less than half as long as the paper's.
            at_once: submit all requests together; otherwise each request waits for the previous answer.
            reuses_audio: reuse an utterance's features and encoder output in all its requests.
            reuses_prefix: allow the prefix cache.
        """
        prompt, generate = self.engine.prompt, self.engine.generate
        numbers = itertools.count()

        def isolated_prompt(request: Request) -> dict[str, Any]:
            inputs = prompt(request)
            if not reuses_prefix:
                inputs["cache_salt"] = str(next(numbers))
            if not reuses_audio:
                inputs["multi_modal_uuids"] = {"audio": f"{request.audio_name}-{next(numbers)}"}
            return inputs

        self.engine.prompt = isolated_prompt  # type: ignore[method-assign]
        if not at_once:
            self.engine.generate = lambda requests, settings: [  # type: ignore[method-assign]
                generate([request], [setting])[0] for request, setting in zip(requests, settings, strict=True)
            ]
        try:
            self.answer(frame, self._short if is_short else self._long)
        finally:
            self.engine.prompt, self.engine.generate = prompt, generate  # type: ignore[method-assign]

    def by_block_size(self, frame: pl.DataFrame, paper_tokens: float) -> dict[str, float]:
        """Ratio of ``paper_tokens`` per utterance to those of exact elicitation, by block size of the prefix cache."""
        prompts: list[list[int]] = []
        finish = self.engine._finish

        def recorded_finish() -> list[Any]:
            outputs = finish()
            prompts.extend(list(output.prompt_token_ids) for output in outputs)
            return outputs

        self.engine._finish = recorded_finish  # type: ignore[method-assign]
        try:
            self.answer(frame, self.exact)
        finally:
            self.engine._finish = finish  # type: ignore[method-assign]
        count = len(self.exact)
        by_utterance = [prompts[start : start + count] for start in range(0, len(prompts), count)]
        ratios = {}
        for block_size in (32, 16, 1):
            computed = sum(_computed_tokens(tokens, block_size) for tokens in by_utterance) / len(
                by_utterance
            )
            ratios[str(block_size)] = ratio(paper_tokens, computed + count)
        return ratios

    def parts(self, frame: pl.DataFrame, results: dict[str, Any]) -> dict[str, float]:
        """Milliseconds per utterance of decoding and features alone, and of the complete methods."""
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
            "decoding and resampling only": round(decoding * per, 2),
            "log-mel features only": round(features * per, 2),
            "single prompt with audio": round(results["single prompt"]["seconds"] * per, 2),
            "exact, ten prompts with audio": round(results["exact"]["seconds"] * per, 2),
        }

    def _fresh(self, frame: pl.DataFrame) -> pl.DataFrame:
        # Another hash for the same audio in every round, so that no round reuses features of another.
        return frame.with_columns(audio_sha256=pl.col("audio_sha256") + f"-{self._round}")

    def _counted(self) -> list[Any]:
        outputs = self._finish()
        for output in outputs:
            self._tokens["prompt"] += len(output.prompt_token_ids)
            self._tokens["cached"] += output.num_cached_tokens
            self._tokens["generated"] += len(output.outputs[0].token_ids)
        return outputs

    def _counters(self) -> dict[str, float]:
        """Tokens since the engine started, and processor seconds of this process and of the engine's processes."""
        process = psutil.Process()
        engine = [child.cpu_times() for child in process.children(recursive=True)]
        here = sum(process.cpu_times()[:2])
        return {**self._tokens, "here": here, "engine": sum(times.user + times.system for times in engine)}


def _computed_tokens(prompts: list[list[int]], block_size: int) -> int:
    """Tokens computed for the prompts of one utterance in turn, with complete blocks of known prefixes reused."""
    known: set[tuple[int, ...]] = set()
    computed = 0
    for tokens in prompts:
        ends = range(block_size, len(tokens) + 1, block_size)
        # The last token is always computed: its output is the answer.
        reused = max((end for end in ends if end < len(tokens) and tuple(tokens[:end]) in known), default=0)
        computed += len(tokens) - reused
        known.update(tuple(tokens[:end]) for end in ends)
    return computed
