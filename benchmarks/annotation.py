"""What annotation costs: the paper's way, exact elicitation, and the floor under both, on one vLLM engine in one run.

paper   20 requests an utterance, one after the other as a notebook asks them, the text before the audio, one sampled
        letter each ("Scaling Ambiguity", arXiv 2601.14620): five focus phrases along the temperature ladder. The
        engine keeps a clip's features and encoder output between its requests, but shares no prefix. Beside it
        other readings: nothing kept between requests (what the released code's remote requests amount to), and the
        kinder ones: vLLM's prefix cache, and all requests handed over at once.
exact   5 personas x 2 option orders, audio first: ten prompts that share their prefix, one pass each.
floor   one prompt an utterance and nothing else: decoding, one audio preprocessing, one pass.

Tokens are the engine's own counters: prompt tokens that were computed (not found in the cache), and generated. Beside
them stands what exact would compute with other sizes of the cache's blocks (vLLM shares whole ones; 32 is the CPU's
smallest, 16 usual on a GPU), counted from the same prompts.

    python benchmarks/annotation.py [--alm data/demo/alm] [--root ../shared/crema-d]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from models.annotation.alm import resolve
from models.annotation.answering import Computing
from models.annotation.elicitation import Question, ask
from models.annotation.personas import PAPER
from models.annotation.questions import plan
from models.engines import EngineChoice, Request, close_engines, open_engine
from models.engines.vllm import VllmEngine
from models.files import write_json
from models.sound.audio import decode
from models.tables import Utterances

VOTES = 20


def main() -> None:
    """Measure, print a table, write annotation.json."""
    arguments = _arguments()
    if arguments.utterances is None and not arguments.root.is_dir():
        print(f"annotation: skipped, {arguments.root} is not there")
        return
    with tempfile.TemporaryDirectory() as made:
        utterances = arguments.utterances or _corpus(arguments.root, Path(made))
        table = Utterances.read(utterances)
        alm = arguments.alm or _untrained(table.labels, Path(made))
        _measure(arguments, table, alm)


def _measure(arguments: argparse.Namespace, table: Utterances, alm: str) -> None:
    table = Utterances(
        table.frame.sort("utterance_id").head(arguments.count + arguments.warm_up), table.labels
    )
    warm_up, measured = table.frame.head(arguments.warm_up), table.frame.slice(arguments.warm_up)
    engine = open_engine(EngineChoice("vllm", alm))
    assert isinstance(engine, VllmEngine)
    bench = _Bench(engine, alm, table.labels)
    # By turns, so that a busy minute of the machine does not fall on one of them alone.
    main = {
        "floor": lambda frame: bench.answer(frame, bench.exact[:1]),
        "exact": lambda frame: bench.answer(frame, bench.exact),
        "paper": lambda frame: bench.paper(frame),
    }
    results: dict[str, Any] = bench.compare(main, warm_up, measured, arguments.rounds)
    others = {
        "paper, nothing kept between requests": lambda frame: bench.paper(frame, keeps_audio=False),
        "paper, with prefix cache": lambda frame: bench.paper(frame, shares_prefix=True),
        "paper, all requests at once": lambda frame: bench.paper(frame, at_once=True),
        "paper, all at once, with prefix cache": lambda frame: bench.paper(
            frame, at_once=True, shares_prefix=True
        ),
    }
    some = measured.head(max(1, measured.height // 4))
    results |= bench.compare(others, warm_up, some, 1)
    exact, paper = results["exact"], results["paper"]
    speed = {name: found["utterances_per_second"] for name, found in results.items()}
    tokens = {name: found["tokens_per_utterance"] for name, found in results.items()}
    results["ratios"] = {
        "throughput, exact to": {name: _ratio(speed["exact"], speed[name]) for name in ("paper", *others)},
        "tokens, to exact": {name: _ratio(tokens[name], tokens["exact"]) for name in ("paper", *others)},
        "tokens, paper to exact, blocks of": bench.by_block(measured, paper["tokens_per_utterance"]),
        "time, exact to floor": _ratio(exact["seconds"], results["floor"]["seconds"]),
    }
    results["milliseconds an utterance"] = bench.parts(measured, results)
    results["setting"] = {
        "utterances": measured.height, "utterances of the other readings": some.height, "engine": engine.version,
        "alm": bench.resolved.revision, "votes of the paper's way": VOTES, "prompts of exact": len(bench.exact),
        "rounds, the best counts": arguments.rounds, "cores": os.cpu_count(),
        "load at the end": [round(load, 1) for load in os.getloadavg()],
    }  # fmt: skip
    print(json.dumps(results, indent=2))
    write_json(arguments.out / "annotation.json", results)
    close_engines()


def _ratio(one: float, other: float) -> float:
    return round(one / other, 2)


class _Bench:
    def __init__(self, engine: VllmEngine, alm: str, labels: tuple[str, ...]) -> None:
        self.engine = engine
        self.resolved = resolve(alm)
        self.exact = ask(labels, PAPER, elicitation="exact", orders=2, arm="both", votes=0, seed=0)
        sampled = ask(labels, PAPER, elicitation="sampled", orders=1, arm="both", votes=VOTES, seed=0)
        self._paper = tuple(replace(q, prompt=replace(q.prompt, audio_first=False)) for q in sampled)
        self._round = 0

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
        items = plan(Utterances(self._fresh(frame), self.exact[0].prompt.labels), questions)
        answers, rejects = Computing(self.engine, questions, self.resolved).answer(items)
        assert answers.height == items.height and not rejects.height

    def paper(
        self,
        frame: pl.DataFrame,
        *,
        at_once: bool = False,
        keeps_audio: bool = True,
        shares_prefix: bool = False,
    ) -> None:
        """Twenty sampled requests an utterance.

        Args:
            frame: the utterances.
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
            self.engine.generate = lambda requests, writings: [  # type: ignore[method-assign]
                generate([request], [writing])[0] for request, writing in zip(requests, writings, strict=True)
            ]
        try:
            self.answer(frame, self._paper)
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
            found[str(block)] = _ratio(paper, computed + each)
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

    def _counters(self) -> dict[str, float]:
        """Tokens since the engine started, and processor seconds of this process and of the engine's."""
        names = {
            "vllm:prompt_tokens": "prompt", "vllm:generation_tokens": "generated", "vllm:prefix_cache_hits": "cached",
        }  # fmt: skip
        found: dict[str, float] = dict.fromkeys(names.values(), 0)
        for metric in self.engine.llm.get_metrics():
            if metric.name in names:
                found[names[metric.name]] += int(metric.value)
        me = psutil.Process()
        engine = [child.cpu_times() for child in me.children(recursive=True)]
        found["here"] = sum(me.cpu_times()[:2])
        found["engine"] = sum(times.user + times.system for times in engine)
        return found


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


def _corpus(root: Path, folder: Path) -> Path:
    """CREMA-D, ingested into ``folder``."""
    from tasks.ingest import ingest

    return ingest(corpus="crema_d", root=root, out=folder / "ingest") / "utterances.parquet"


def _untrained(labels: tuple[str, ...], folder: Path) -> str:
    """The tiny ALM's architecture with random weights: what it costs does not depend on what it has learned."""
    import torch

    from models.annotation.personas import BUILT_IN
    from models.annotation.prompts import build_prompts
    from models.tiny.architecture import Shape, build_model, save_folder
    from models.tiny.tokenizer import build_tokenizer

    prompts = build_prompts(labels, BUILT_IN, 2, arm="both")
    tokenizer = build_tokenizer(labels, [prompt.text("It's eleven o'clock.") for prompt in prompts])
    torch.manual_seed(0)
    save_folder(build_model(Shape(), tokenizer), tokenizer, folder / "alm")
    return str(folder / "alm")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alm", help="a local model folder; without one, the tiny ALM's shape, untrained")
    parser.add_argument(
        "--utterances", type=Path, help="an ingested corpus; without one, CREMA-D from --root"
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/crema-d"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
