"""Cost of annotation: exact elicitation against its floor, the paper's method, and vLLM's own ways to ask the same.

floor         one prompt per utterance: decoding, one log-mel, one pass of encoder and language model. No way to ask can be
              cheaper.
exact         `ambivox annotate` as it is: two personas x six option orders, audio first, twelve prompts with a common prefix.
paper         20 requests per utterance, one after the other as in a notebook, text before audio, one sampled letter each
              ("Scaling Ambiguity", arXiv 2601.14620): five focus phrases at each temperature of the ladder, in a prompt
              with the parts and the length of the paper's; vLLM reuses the encoder's output, but no prefix. "at best": the
              short prompts of exact elicitation, all at once, with vLLM's prefix cache.
LLM.chat      a script that gives vLLM the twelve prompts of exact elicitation about every clip, all at once.
run-batch     the same prompts as a file for `vllm run-batch`, in a process of its own; its start, measured with a file
              of one request, is subtracted.
Ray Data      the same file by Ray Data's processor for LLMs, likewise.

All but the last two use one engine, in turns; a ratio is one of processor times in the same round. The ways to ask the same
twelve prompts must give the same distributions to TOLERANCE.

    python -m benchmarks.annotation [--alm data/demo/alm] [--root ../shared/crema-d]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, close_engines, open_engine
from ambivox.models.engines.vllm.arguments import arguments
from ambivox.models.engines.vllm.engine import VllmEngine
from ambivox.models.files import write_json
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.tables import Utterances
from benchmarks.alternatives.llm_chat import batch_command, read_batch, write_batch
from benchmarks.alternatives.ray_data import read_ray
from benchmarks.annotation_methods import Bench, LongPrompt
from benchmarks.annotation_parts import parts
from benchmarks.growth import measure
from benchmarks.untrained_alm import untrained_alm

_ANSWERS = "answers.jsonl"
TOLERANCE = 1e-3  # of a probability, in float32
# Arguments of ``vllm.LLM`` that its commands take in another form, or not at all.
_NOT_GIVEN = {"model", "revision", "use_tqdm_on_load", "trust_remote_code"}


def main() -> None:
    """Measure, print the figures, write annotation.json."""
    options = _options()
    if options.utterances is None and not options.root.is_dir():
        print(f"annotation: skipped, {options.root} does not exist; give another folder as --root")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = Utterances.read(options.utterances or _corpus(options.root, folder))
        frame = table.frame.sort("utterance_id").head(options.count + options.warm_up)
        alm = options.alm or _untrained(table.labels, folder)
        began, processor = time.perf_counter(), _processor_seconds()
        engine = open_engine(EngineChoice("vllm", alm))
        start = {
            "seconds": time.perf_counter() - began,
            "processor seconds": _processor_seconds() - processor,
        }
        assert isinstance(engine, VllmEngine)
        bench = Bench(engine, alm, table.labels)
        results, distributions = _in_turns(bench, frame, options)
        requests = bench.conversations(frame.slice(options.warm_up)), bench.code_ids()
        ways = {"run-batch": (_run_batch, read_batch), "Ray Data": (_run_ray, read_ray)}
        for name, (run, read) in ways.items() if options.batch else ():
            figures = _less_its_start(run, alm, *requests, options.count, folder)
            logprobs_RK = read(folder / _ANSWERS, requests[1])
            results[name] = [figures]
            distributions[name] = bench.distributions(logprobs_RK)
        report = _report(results, distributions) | {
            "milliseconds of processor time per utterance, exact": parts(
                bench, frame.slice(options.warm_up), _medians(results)
            ),
            "start of the engine": start,
            "setting": {
                "utterances": options.count,
                "rounds": options.rounds,
                "prompts of exact": len(bench.exact),
                "engine": engine.version,
                "cores": os.cpu_count(),
                "load at the end": [round(load, 1) for load in os.getloadavg()],
            },
        }
        close_engines()
    report = json.loads(json.dumps(report), parse_float=lambda text: float(f"{float(text):.4g}"))
    print(json.dumps(report, indent=2))
    write_json(options.out / "annotation.json", report)


def _in_turns(
    bench: Bench, frame: pl.DataFrame, options: argparse.Namespace
) -> tuple[dict[str, list[dict[str, float]]], dict[str, Any]]:
    """Figures of each round by method, and the distributions of those that give them."""
    methods = {
        "exact": bench.scored,
        "floor": lambda utterances: bench.answer(utterances, bench.exact[:1]),
        "exact, prefixes apart": bench.without_shared_prefixes,
        "LLM.chat": bench.by_chat,
        "paper": bench.paper,
        "paper, at best": bench.paper_at_best,
    }
    warm_up, measured = frame.head(options.warm_up), frame.slice(options.warm_up)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    distributions = {}
    for run in methods.values():
        run(warm_up)
    for _ in range(options.rounds):
        for name, run in methods.items():
            figures, distributions[name] = bench.timed(run, measured)
            rounds[name].append(figures)
    return rounds, {name: distributions[name] for name in ("exact", "LLM.chat")}


def _less_its_start(
    run: Callable[[str, Path, Path], dict[str, float]],
    alm: str,
    conversations: list[Any],
    ids: list[int],
    utterances: int,
    folder: Path,
) -> dict[str, float]:
    """What a process spends on the conversations, less what it spends on one of them."""
    spent = []
    requests, answers = folder / "requests.jsonl", folder / _ANSWERS
    for part in (conversations[:1], conversations):
        write_batch(requests, alm, part, ids)
        spent.append(run(alm, requests, answers))
    seconds, processor = (spent[1][name] - spent[0][name] for name in ("seconds", "processor_seconds"))
    return {"seconds": seconds, "processor_ms": 1000 * processor / utterances}


def _run_batch(alm: str, requests: Path, answers: Path) -> dict[str, float]:
    figures = measure(batch_command(alm, requests, answers, _engine_arguments(alm)), requests.parent)
    return {"seconds": figures["seconds"], "processor_seconds": figures["cpu_seconds"]}


def _run_ray(alm: str, requests: Path, answers: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.alternatives.ray_data", alm, str(requests), str(answers)]
    figures = measure([*command, json.dumps(_engine_arguments(alm))], requests.parent)
    return {"seconds": figures["seconds"], "processor_seconds": figures["processor_seconds"]}


def _engine_arguments(alm: str) -> dict[str, Any]:
    return {name: value for name, value in arguments(resolve(alm)).items() if name not in _NOT_GIVEN}


def _report(results: dict[str, list[dict[str, float]]], distributions: dict[str, Any]) -> dict[str, Any]:
    """Medians, ratios of processor times in the same round, and the largest difference of distributions."""
    exact = results["exact"]
    ratios = {}
    for name, rounds in results.items():
        by_round = [
            figures["processor_ms"] / exact[number]["processor_ms"] for number, figures in enumerate(rounds)
        ]
        ratios[name] = {"median": statistics.median(by_round), "low": min(by_round), "high": max(by_round)}
    differences = {
        name: float(np.abs(p_RK - distributions["exact"]).max())
        for name, p_RK in distributions.items()
        if name != "exact"
    }
    assert max(differences.values()) <= TOLERANCE, f"distributions differ: {differences}"
    return {
        "processor time, to exact": ratios,
        "methods": _medians(results),
        "largest difference of a probability to exact": differences,
    }


def _medians(results: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}
        for name, rounds in results.items()
    }


def _processor_seconds() -> float:
    """Of this process and its children."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _corpus(root: Path, folder: Path) -> Path:
    """CREMA-D, ingested into ``folder``."""
    from ambivox.tasks.ingest import IngestOptions, ingest

    made = ingest(corpus="crema_d", root=root, out=folder / "ingest", options=IngestOptions())
    return made / "utterances.parquet"


def _untrained(labels: tuple[str, ...], folder: Path) -> str:
    """An untrained ALM whose tokenizer has the words of the long prompts, as that of a published ALM has."""
    short = build_prompts(labels, BUILT_IN, 2, modality="both")
    long = [LongPrompt(**vars(prompt)).text("It's eleven o'clock.") for prompt in short]
    return untrained_alm(labels, folder, long)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alm", help="a local model folder (default: an untrained tiny ALM)")
    parser.add_argument(
        "--utterances",
        type=Path,
        help="utterances.parquet of an ingested corpus (default: CREMA-D at --root)",
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/crema-d"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--no-batch", dest="batch", action="store_false", help="leave vllm run-batch and Ray Data out"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
