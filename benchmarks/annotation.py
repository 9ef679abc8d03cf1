"""What annotation costs: the paper's way, exact elicitation, and the floor under both, on one vLLM engine in one run.

paper   20 requests an utterance, one after the other as a notebook asks them, the text before the audio, one sampled
        letter each ("Scaling Ambiguity", arXiv 2601.14620): five focus phrases along the temperature ladder, in a
        prompt of the paper's parts and length. The engine keeps a clip's features and encoder output between its
        requests, but shares no prefix. Beside it other readings: nothing kept between requests (what the released
        code's remote requests amount to), and the kinder ones: the short words of exact's prompts, vLLM's prefix
        cache, and all requests handed over at once.
exact   5 personas x 2 option orders, audio first: ten prompts that share their prefix, one pass each.
floor   one prompt an utterance and nothing else: decoding, one audio preprocessing, one pass.

Tokens are those the engine reports with each answer: of the prompt, computed (not found in its cache), and generated. Beside
them stands what exact would compute with other sizes of the cache's blocks (vLLM shares whole ones, of 16 tokens here),
counted from the same prompts.

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
from benchmarks.annotation_ways import VOTES, Bench, LongPrompt, ratio
from benchmarks.untrained import untrained


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
    bench = Bench(engine, alm, table.labels)
    # By turns, so that a busy minute of the machine does not fall on one of them alone.
    main = {
        "floor": lambda frame: bench.answer(frame, bench.exact[:1]),
        "exact": lambda frame: bench.answer(frame, bench.exact),
        "paper": lambda frame: bench.paper(frame),
        "paper, short words": lambda frame: bench.paper(frame, is_short=True),
    }
    results: dict[str, Any] = bench.compare(main, warm_up, measured, arguments.rounds)
    others = {
        "paper, nothing kept between requests": lambda frame: bench.paper(frame, keeps_audio=False),
        "paper, with prefix cache": lambda frame: bench.paper(frame, shares_prefix=True),
        "paper, all requests at once": lambda frame: bench.paper(frame, at_once=True),
        "paper, short words, all at once, with prefix cache": lambda frame: bench.paper(
            frame, is_short=True, at_once=True, shares_prefix=True
        ),
    }
    some = measured.head(max(1, measured.height // 4))
    results |= bench.compare(others, warm_up, some, 1)
    exact = results["exact"]
    ways = [name for name in results if name.startswith("paper")]
    speed = {name: found["utterances_per_second"] for name, found in results.items()}
    tokens = {name: found["tokens_per_utterance"] for name, found in results.items()}
    results["ratios"] = {
        "throughput, exact to": {name: ratio(speed["exact"], speed[name]) for name in ways},
        "tokens, to exact": {name: ratio(tokens[name], tokens["exact"]) for name in ways},
        "tokens, paper to exact, blocks of": bench.by_block(measured, tokens["paper"]),
        "processor time, exact to floor": ratio(_processor(exact), _processor(results["floor"])),
        "time, exact to floor": ratio(exact["seconds"], results["floor"]["seconds"]),
    }
    results["milliseconds an utterance"] = bench.parts(measured, results)
    results["setting"] = {
        "utterances": measured.height,
        "utterances of the other readings": some.height,
        "engine": engine.version,
        "alm": bench.resolved.revision,
        "votes of the paper's way": VOTES,
        "prompts of exact": len(bench.exact),
        "rounds, the best counts": arguments.rounds,
        "cores": os.cpu_count(),
        "load at the end": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(results, indent=2))
    write_json(arguments.out / "annotation.json", results)
    close_engines()


def _processor(found: dict[str, float]) -> float:
    return sum(spent for name, spent in found.items() if name.startswith("processor"))


def _corpus(root: Path, folder: Path) -> Path:
    """CREMA-D, ingested into ``folder``."""
    from tests.support.steps import ingest

    return ingest(corpus="crema_d", root=root, out=folder / "ingest") / "utterances.parquet"


def _untrained(labels: tuple[str, ...], folder: Path) -> str:
    """An ALM that knows the words of the long prompts too: others it spells, which no ALM of that language does."""
    short = build_prompts(labels, BUILT_IN, 2, modality="both")
    longer = [LongPrompt(**vars(prompt)).text("It's eleven o'clock.") for prompt in short]
    return untrained(labels, folder, longer)


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
