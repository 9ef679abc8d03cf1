"""Exact answers by Ray Data LLM: a dataset of clips and texts through ``vLLMEngineProcessorConfig``, in one actor.

    python -m benchmarks.alternatives.ray_data_llm TASK.json ANSWERS.json

The task holds ``model``, ``engine`` (arguments of vLLM), ``ids`` (the token of each code) and ``rows`` (``audio``, ``text``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.alternatives.llm_chat import conversation


def main(task_file: Path, answers_file: Path) -> None:
    """Ask, and write the log-probabilities of the codes, one row per row of the task."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    task = json.loads(task_file.read_text())
    sampling = {"max_tokens": 1, "temperature": 0, "logprob_token_ids": task["ids"]}
    ray.init(num_cpus=3, log_to_driver=False)  # an actor per stage, whatever this machine has
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=task["model"],
            engine_kwargs=task["engine"],
            batch_size=64,
            concurrency=1,
            prepare_multimodal_stage={"enabled": True},
            chat_template_stage={"enabled": True},
            tokenize_stage={"enabled": False},
            detokenize_stage={"enabled": False},
        ),
        preprocess=lambda row: {
            "messages": conversation(Path(row["audio"]), row["text"]),
            "sampling_params": sampling,
            "number": row["number"],
        },
        postprocess=lambda row: {
            "number": row["number"],
            "logprobs": _values(row["logprobs"][0], task["ids"]),
        },
    )
    rows = [{"number": number, **row} for number, row in enumerate(task["rows"])]
    answers = processor(ray.data.from_items(rows)).take_all()
    ordered = sorted(answers, key=lambda answer: answer["number"])
    answers_file.write_text(json.dumps([list(map(float, answer["logprobs"])) for answer in ordered]))
    ray.shutdown()


def _values(by_token: Mapping[Any, Any], ids: list[int]) -> list[float]:
    return [by_token[token if token in by_token else str(token)]["logprob"] for token in ids]


def write_task(
    file: Path, model: str, engine: Mapping[str, Any], ids: list[int], rows: list[dict[str, str]]
) -> None:
    """Write a task for ``main``."""
    file.write_text(json.dumps({"model": model, "engine": dict(engine), "ids": ids, "rows": rows}))


def command(task: Path, answers: Path) -> list[str]:
    """The command that runs ``main``."""
    return [sys.executable, "-m", "benchmarks.alternatives.ray_data_llm", str(task), str(answers)]


def read_answers(answers: Path) -> NDArray[np.float64]:
    """Log-probabilities that ``main`` wrote."""
    return np.array(json.loads(answers.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
