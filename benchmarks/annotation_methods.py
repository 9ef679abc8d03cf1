"""The methods that benchmarks/annotation.py compares, with the engine's counters."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
from numpy.typing import NDArray

from ambivox.models.alms import resolve
from ambivox.models.annotation.elicitation import Question, plan_questions
from ambivox.models.annotation.prompt_runner import PromptRunner
from ambivox.models.annotation.responses import normalise, to_label_order
from ambivox.models.annotation.work_items import plan_items
from ambivox.models.engines.vllm.engine import VllmEngine
from ambivox.models.prompting.neutralising import neutralise
from ambivox.models.prompting.personas import PAPER, load_personas
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.prompting.request import Request
from ambivox.models.tables import Utterances
from ambivox.tasks.annotate import AnnotateOptions
from benchmarks.alternatives.llm_chat import Conversation, chat, conversation, logprobs

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
        default = AnnotateOptions()
        self.exact = plan_questions(
            labels,
            load_personas(default.personas, None),
            elicitation="exact",
            orders=default.orders,
            modality="both",
            votes=0,
            seed=0,
        )
        sampled = plan_questions(
            labels, PAPER, elicitation="sampled", orders=1, modality="both", votes=VOTES, seed=0
        )
        self._short = tuple(replace(q, prompt=replace(q.prompt, audio_first=False)) for q in sampled)
        self._long = tuple(replace(q, prompt=LongPrompt(**vars(q.prompt))) for q in self._short)
        self._tokens = dict.fromkeys(("prompt", "cached", "generated"), 0)
        self._finish = engine._finish
        engine._finish = self._counted  # type: ignore[method-assign]

    def timed(self, run: Callable[[pl.DataFrame], Any], frame: pl.DataFrame) -> tuple[dict[str, float], Any]:
        """Seconds, processor time and tokens of one run that starts with empty caches, and what it returns."""
        self._reset_caches()
        before, began = self._counters(), time.perf_counter()
        result = run(frame)
        seconds, after = time.perf_counter() - began, self._counters()
        spent = {name: after[name] - before[name] for name in after}
        tokens = spent["prompt"] - spent["cached"] + spent["generated"]
        milliseconds = 1000 / frame.height
        return {
            "seconds": seconds,
            "processor_ms": (spent["here"] + spent["engine"]) * milliseconds,
            "here_ms": spent["here"] * milliseconds,
            "engine_ms": spent["engine"] * milliseconds,
            "tokens": tokens / frame.height,
        }, result

    def answer(self, frame: pl.DataFrame, questions: tuple[Question, ...]) -> pl.DataFrame:
        """Annotate as ``ambivox annotate`` does; an answer per utterance and question, in this order."""
        items = plan_items(Utterances(frame, self.exact[0].prompt.labels), questions)
        answers, rejects = PromptRunner(self.engine, questions, self.resolved).answer(items)
        assert answers.height == items.height and not rejects.height
        return answers

    def scored(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Exact elicitation: a distribution per utterance and question."""
        return np.exp(np.array(self.answer(frame, self.exact)["logprobs"].to_list()))

    def without_shared_prefixes(self, frame: pl.DataFrame) -> None:
        """Exact elicitation whose prompts share the encoder's output, but no keys and values."""
        with self._prompts_apart():
            self.answer(frame, self.exact)

    def paper(self, frame: pl.DataFrame) -> None:
        """VOTES sampled requests per utterance, each after the answer to the last; they share the encoder's output."""
        generate = self.engine.generate
        self.engine.generate = lambda requests, settings: [  # type: ignore[method-assign]
            generate([request], [setting])[0] for request, setting in zip(requests, settings, strict=True)
        ]
        try:
            with self._prompts_apart():
                self.answer(frame, self._long)
        finally:
            self.engine.generate = generate  # type: ignore[method-assign]

    def paper_at_best(self, frame: pl.DataFrame) -> None:
        """The same with the short prompts of exact elicitation, all at once, and with vLLM's prefix cache."""
        self.answer(frame, self._short)

    def conversations(self, frame: pl.DataFrame) -> list[Conversation]:
        """The questions of exact elicitation as a script would ask them."""
        special = self.engine.chat.special_tokens
        return [
            conversation(Path(row["audio"]), question.prompt.text(row["transcript"], special))
            for row in frame.iter_rows(named=True)
            for question in self.exact
        ]

    def by_chat(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """The questions of exact elicitation by ``LLM.chat``, on the same engine."""
        ids = self.code_ids()
        outputs = self._count(chat(self.engine.llm, self.conversations(frame), ids))
        return self.distributions(logprobs(outputs, ids))

    def code_ids(self) -> list[int]:
        """The tokens of the answer codes."""
        audio = np.zeros(1, dtype=np.float32)
        return self.engine.chat.answer_ids(Request(self.exact[0].prompt, audio, "none"))

    def distributions(self, logprobs_RK: NDArray[np.float64]) -> NDArray[np.float64]:
        """From log-probabilities of codes, utterance by utterance, to distributions over the labels."""
        repeats = len(logprobs_RK) // len(self.exact)
        order_RK = np.array([question.prompt.order for question in self.exact] * repeats)
        return np.exp(normalise(np.exp(to_label_order(logprobs_RK, order_RK)))[0])

    @contextmanager
    def _prompts_apart(self) -> Iterator[None]:
        """Give each prompt a salt, so that none shares keys and values with another."""
        prompt, numbers = self.engine.prompt, itertools.count()
        self.engine.prompt = lambda request: prompt(request) | {"cache_salt": str(next(numbers))}  # type: ignore[method-assign]
        try:
            yield
        finally:
            self.engine.prompt = prompt  # type: ignore[method-assign]

    def _reset_caches(self) -> None:
        """Forget keys and values, log-mels and the encoder's output of earlier runs."""
        self.engine.llm.reset_prefix_cache()
        self.engine.llm.reset_mm_cache()
        self.engine.llm.llm_engine.reset_encoder_cache()

    def _counted(self) -> list[Any]:
        return self._count(self._finish())

    def _count(self, outputs: list[Any]) -> list[Any]:
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
