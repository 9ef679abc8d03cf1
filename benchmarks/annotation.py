"""Cost of annotation: the paper's method, exact elicitation, and a single prompt, on one vLLM engine in one run.

paper          20 requests per utterance, one after the other as in a notebook, text before audio, one sampled letter each
               ("Scaling Ambiguity", arXiv 2601.14620): five focus phrases at each temperature of the ladder, in a prompt
               with the parts and the length of the paper's. The engine reuses an utterance's features and encoder output,
               but no prefix. Variants change one condition each: no reuse between requests (as with the remote requests of
               the released code), the shorter prompts of exact elicitation, vLLM's prefix cache, all requests at once.
exact          5 personas x 2 option orders, audio first: ten prompts with a common prefix, one forward pass each.
single prompt  one prompt per utterance: decoding, one audio preprocessing, one forward pass. A lower bound for both.

The engine reports tokens with each answer: of the prompt, computed (not found in its cache), and generated. Computed tokens of
exact elicitation with other block sizes of the prefix cache (vLLM reuses complete blocks, here of 16 tokens) are counted from
the same prompts.

    python -m benchmarks.annotation [--alm data/demo/alm] [--root ../shared/crema-d]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ambivox.models.engines import EngineChoice, close_engines, open_engine
from ambivox.models.engines.vllm.engine import VllmEngine
from ambivox.models.files import write_json
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.tables import Utterances
from benchmarks.annotation_methods import VOTES, Bench, LongPrompt, ratio
from benchmarks.untrained_alm import untrained_alm


def main() -> None:
    """Measure, print a table, write annotation.json."""
    arguments = _arguments()
    if arguments.utterances is None and not arguments.root.is_dir():
        print(f"annotation: skipped, {arguments.root} does not exist; give another folder as --root")
        return
    with tempfile.TemporaryDirectory() as folder:
        utterances = arguments.utterances or _corpus(arguments.root, Path(folder))
        table = Utterances.read(utterances)
        alm = arguments.alm or _untrained(table.labels, Path(folder))
        _measure(arguments, table, alm)


def _measure(arguments: argparse.Namespace, table: Utterances, alm: str) -> None:
    table = Utterances(
        table.frame.sort("utterance_id").head(arguments.count + arguments.warm_up), table.labels
    )
    warm_up, measured = table.frame.head(arguments.warm_up), table.frame.slice(arguments.warm_up)
    engine = open_engine(EngineChoice("vllm", alm))
    assert isinstance(engine, VllmEngine)
    bench = Bench(engine, alm, table.labels)
    # Methods take turns, so that other load on the machine affects all of them.
    methods = {
        "single prompt": lambda frame: bench.answer(frame, bench.exact[:1]),
        "exact": lambda frame: bench.answer(frame, bench.exact),
        "paper": lambda frame: bench.paper(frame),
        "paper, short prompt": lambda frame: bench.paper(frame, is_short=True),
    }
    results: dict[str, Any] = bench.compare(methods, warm_up, measured, arguments.rounds)
    variants = {
        "paper, no reuse between requests": lambda frame: bench.paper(frame, reuses_audio=False),
        "paper, with prefix cache": lambda frame: bench.paper(frame, reuses_prefix=True),
        "paper, all requests at once": lambda frame: bench.paper(frame, at_once=True),
        "paper, short prompt, all at once, with prefix cache": lambda frame: bench.paper(
            frame, is_short=True, at_once=True, reuses_prefix=True
        ),
    }
    quarter = measured.head(max(1, measured.height // 4))
    results |= bench.compare(variants, warm_up, quarter, 1)
    exact = results["exact"]
    single = results["single prompt"]
    papers = [name for name in results if name.startswith("paper")]
    speed = {name: result["utterances_per_second"] for name, result in results.items()}
    tokens = {name: result["tokens_per_utterance"] for name, result in results.items()}
    results["ratios"] = {
        "throughput, exact to": {name: ratio(speed["exact"], speed[name]) for name in papers},
        "tokens, to exact": {name: ratio(tokens[name], tokens["exact"]) for name in papers},
        "tokens, paper to exact, by block size": bench.by_block_size(measured, tokens["paper"]),
        "processor time, exact to single prompt": ratio(_processor_time(exact), _processor_time(single)),
        "time, exact to single prompt": ratio(exact["seconds"], single["seconds"]),
    }
    results["milliseconds per utterance"] = bench.parts(measured, results)
    results["setting"] = {
        "utterances": measured.height,
        "utterances of the variants": quarter.height,
        "engine": engine.version,
        "alm": bench.resolved.revision,
        "votes of the paper's method": VOTES,
        "prompts of exact": len(bench.exact),
        "rounds, of which the fastest counts": arguments.rounds,
        "cores": os.cpu_count(),
        "load at the end": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(results, indent=2))
    write_json(arguments.out / "annotation.json", results)
    close_engines()


def _processor_time(result: dict[str, float]) -> float:
    return sum(value for name, value in result.items() if name.startswith("processor"))


def _corpus(root: Path, folder: Path) -> Path:
    """CREMA-D, ingested into ``folder``."""
    from ambivox.tasks.ingest import IngestOptions, ingest

    return (
        ingest(corpus="crema_d", root=root, out=folder / "ingest", options=IngestOptions())
        / "utterances.parquet"
    )


def _untrained(labels: tuple[str, ...], folder: Path) -> str:
    """An untrained ALM whose tokenizer has the words of the long prompts, as that of a published ALM has."""
    short = build_prompts(labels, BUILT_IN, 2, modality="both")
    long = [LongPrompt(**vars(prompt)).text("It's eleven o'clock.") for prompt in short]
    return untrained_alm(labels, folder, long)


def _arguments() -> argparse.Namespace:
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
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
