"""What annotation costs: the paper's way, exact elicitation, and the floor under both, on one vLLM engine in one run.

paper   20 requests an utterance, one at a time, the text before the audio, one sampled letter each ("Scaling
        Ambiguity", arXiv 2601.14620): five focus phrases along the temperature ladder. Beside it two kinder
        readings: all requests handed over at once, and that with vLLM's prefix cache.
exact   5 personas x 2 option orders, audio first: ten prompts that share their prefix, one pass each.
floor   one prompt an utterance and nothing else: decoding, one audio preprocessing, one pass.

Tokens are the engine's own counters: prompt tokens that were computed (not found in the cache), and generated.

    python benchmarks/annotation.py [--alm data/demo/alm] [--root ../shared/crema-d]
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from models.annotation.alm import resolve
from models.annotation.answering import Computing
from models.annotation.elicitation import Question, ask
from models.annotation.personas import PAPER
from models.annotation.questions import plan
from models.engines import EngineChoice, close_engines, open_engine
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
    runs = {
        "floor": lambda frame: bench.answer(frame, bench.exact[:1]),
        "exact": lambda frame: bench.answer(frame, bench.exact),
        "paper": lambda frame: bench.paper(frame, at_once=False, shared=False),
        "paper, all requests at once": lambda frame: bench.paper(frame, at_once=True, shared=False),
        "paper, all at once, with prefix cache": lambda frame: bench.paper(frame, at_once=True, shared=True),
    }
    results: dict[str, Any] = {}
    for name, run in runs.items():
        run(warm_up)
        seconds = [bench.timed(run, measured) for _ in range(arguments.rounds)]
        best = min(seconds, key=lambda found: found["seconds"])
        results[name] = best | {"utterances_per_second": round(measured.height / best["seconds"], 2)}
    results["where the time goes"] = bench.parts(measured, results)
    exact, paper = results["exact"], results["paper"]
    tokens = {
        name: found["computed"] + found["generated"] for name, found in results.items() if "computed" in found
    }
    results["ratios"] = {
        "throughput, exact to paper": round(paper["seconds"] / exact["seconds"], 2),
        "throughput, exact to paper, all requests at once": round(
            results["paper, all requests at once"]["seconds"] / exact["seconds"], 2
        ),
        "tokens, paper to exact": round(tokens["paper"] / tokens["exact"], 2),
        "tokens, paper with prefix cache to exact": round(
            tokens["paper, all at once, with prefix cache"] / tokens["exact"], 2
        ),
        "time, exact to floor": round(exact["seconds"] / results["floor"]["seconds"], 2),
    }
    results["setting"] = {
        "utterances": measured.height, "engine": engine.version, "votes of the paper's way": VOTES,
        "prompts of exact": len(bench.exact), "rounds, the best counts": arguments.rounds,
    }  # fmt: skip
    print(json.dumps(results, indent=2))
    write_json(arguments.out / "annotation.json", results)
    close_engines()


class _Bench:
    def __init__(self, engine: VllmEngine, alm: str, labels: tuple[str, ...]) -> None:
        self.engine = engine
        self.resolved = resolve(alm)
        self.exact = ask(labels, PAPER, elicitation="exact", orders=2, arm="both", votes=0, seed=0)
        sampled = ask(labels, PAPER, elicitation="sampled", orders=1, arm="both", votes=VOTES, seed=0)
        self._paper = tuple(replace(q, prompt=replace(q.prompt, audio_first=False)) for q in sampled)
        self._round = 0

    def timed(self, run: Callable[[pl.DataFrame], None], frame: pl.DataFrame) -> dict[str, float]:
        """Wall-clock seconds and the engine's counters over one run, its caches empty at the start."""
        self.engine.llm.reset_prefix_cache()
        before, began = self._counters(), time.perf_counter()
        run(frame)
        seconds, after = time.perf_counter() - began, self._counters()
        spent = {name: after[name] - before[name] for name in after}
        return {
            "seconds": round(seconds, 3),
            "prompt": spent["prompt"],
            "computed": spent["prompt"] - spent["cached"],
            "generated": spent["generated"],
        }

    def answer(self, frame: pl.DataFrame, questions: tuple[Question, ...]) -> None:
        """As the product does it."""
        self._round += 1
        items = plan(Utterances(self._fresh(frame), self.exact[0].prompt.labels), questions)
        answers, rejects = Computing(self.engine, questions, self.resolved).answer(items)
        assert answers.height == items.height and not rejects.height

    def paper(self, frame: pl.DataFrame, *, at_once: bool, shared: bool) -> None:
        """Twenty sampled requests an utterance.

        Args:
            frame: the utterances.
            at_once: hand all requests over together; else one after the other, each waiting for the last.
            shared: the prefix cache may serve them.
        """
        prompt, generate = self.engine.prompt, self.engine.generate
        if not shared:
            numbers = itertools.count()
            self.engine.prompt = lambda request: prompt(request) | {"cache_salt": str(next(numbers))}  # type: ignore[method-assign]
        if not at_once:
            self.engine.generate = lambda requests, writings: [  # type: ignore[method-assign]
                generate([request], [writing])[0] for request, writing in zip(requests, writings, strict=True)
            ]
        try:
            self.answer(frame, self._paper)
        finally:
            self.engine.prompt, self.engine.generate = prompt, generate  # type: ignore[method-assign]

    def parts(self, frame: pl.DataFrame, results: dict[str, Any]) -> dict[str, float]:
        """Milliseconds an utterance of what exact spends its time on, each part measured by itself."""
        began = time.perf_counter()
        audio = [decode(path) for path in frame["audio"]]
        decoding = time.perf_counter() - began
        extractor = self.engine.chat.processor.feature_extractor
        began = time.perf_counter()
        for samples in audio:
            extractor(
                samples,
                sampling_rate=self.resolved.alm.rate_hz,
                return_attention_mask=True,
                padding="max_length",
            )
        features = time.perf_counter() - began
        silent = ask(
            self.exact[0].prompt.labels,
            PAPER,
            elicitation="exact",
            orders=2,
            arm="transcript",
            votes=0,
            seed=0,
        )
        text = self.timed(lambda rows: self.answer(rows, silent), frame)["seconds"]
        per = 1000 / frame.height
        return {
            "decoding and resampling": round(decoding * per, 2),
            "log-mel features": round(features * per, 2),
            "ten prompts of text alone, no audio": round(text * per, 2),
            "floor: one prompt with audio": round(results["floor"]["seconds"] * per, 2),
            "exact: ten prompts with audio": round(results["exact"]["seconds"] * per, 2),
        }

    def _fresh(self, frame: pl.DataFrame) -> pl.DataFrame:
        # Another name for the same clip in every round, so that no round lives on the features of another.
        return frame.with_columns(audio_sha256=pl.col("audio_sha256") + f"-{self._round}")

    def _counters(self) -> dict[str, int]:
        names = {
            "vllm:prompt_tokens": "prompt", "vllm:generation_tokens": "generated", "vllm:prefix_cache_hits": "cached",
        }  # fmt: skip
        found = dict.fromkeys(names.values(), 0)
        for metric in self.engine.llm.get_metrics():
            if metric.name in names:
                found[names[metric.name]] += int(metric.value)
        return found


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
